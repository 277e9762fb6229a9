//! Paused queues: they hand out nothing, take everything, and stay paused when the master is started again.

use serde_json::{Value, json};

use super::support::{Bench, DEADLINE};

fn queue(bench: &Bench, name: &str) -> Value {
    let status = bench.status();
    let queues = status["queues"].as_array().cloned().unwrap_or_default();
    queues.into_iter().find(|q| q["name"] == name).unwrap_or_default()
}

#[test]
fn a_paused_queue_hands_out_nothing_while_others_go_on() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=a,b"]);
    assert_eq!(bench.ok(&["pause", "a"]), "paused `a`\n");
    let held = bench.push(&["--queue=a", "--", "true"]);
    let other = bench.push(&["--queue=b", "--", "true"]);
    bench.wait_for_job(other, "succeeded");
    assert_eq!(bench.job(held)["state"], "ready");
    assert_eq!((&queue(&bench, "a")["paused"], &queue(&bench, "b")["paused"]), (&json!(true), &json!(false)));
    assert_eq!(bench.ok(&["resume", "a"]), "resumed `a`\n");
    bench.wait_for_job(held, "succeeded");
    assert_eq!(queue(&bench, "a")["paused"], false);
}

#[test]
fn all_queues_that_are_known_are_paused_and_resumed_at_once() {
    let bench = Bench::new();
    bench.run(&["pause", "--all"]).expect_code(3);
    let recorded = bench.push(&["--queue=recorded", "--", "true"]);
    assert_eq!(bench.ok(&["pause", "--all"]), "paused `default` and `recorded`\n");
    assert_eq!(bench.ok(&["resume", "--all"]), "resumed `default` and `recorded`\n");
    let _master = bench.start(&["--workers=1", "--queue=served,recorded"]);
    bench.wait_for_job(recorded, "succeeded");
    let paused: Value = serde_json::from_str(&bench.ok(&["pause", "--all", "--json"])).expect("JSON");
    let names =
        paused["queues"].as_array().expect("a list").iter().map(|queue| queue["name"].clone()).collect::<Vec<_>>();
    assert!(names.contains(&json!("recorded")) && names.contains(&json!("served")), "{paused}");
    assert_eq!(queue(&bench, "served")["paused"], true);
}

#[test]
fn a_running_job_is_not_touched_by_a_pause() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let go = bench.path().join("go");
    let id = bench.push(&["--", "sh", "-c", &format!("until test -e {}; do sleep 0.01; done", go.display())]);
    bench.wait_for_job(id, "running");
    bench.ok(&["pause", "default"]);
    std::fs::write(go, "").expect("written");
    bench.wait_for_job(id, "succeeded");
}

#[test]
fn a_pause_survives_the_stop_and_the_kill_of_the_master() {
    let bench = Bench::new();
    let master = bench.start(&["--workers=1", "--queue=default"]);
    bench.ok(&["pause", "--force", "default", "later"]);
    let id = bench.push(&["--", "true"]);
    bench.ok(&["stop"]);
    drop(master);
    assert_eq!(queue(&bench, "default")["paused"], true, "the store knows it without a master");
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    let held = |bench: &Bench| {
        let status = bench.status();
        status["workers"][0]["state"] == "idle" && bench.job(id)["state"] == "ready"
    };
    bench.wait_for("the worker to be idle beside a ready job", DEADLINE, held);
    master.kill9();
    drop(master);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for("the worker to be idle beside a ready job", DEADLINE, held);
    assert_eq!((&queue(&bench, "default")["paused"], &queue(&bench, "later")["paused"]), (&json!(true), &json!(true)));
    assert_eq!(bench.run(&["resume", "--json", "default"]).expect_code(0).json()["queues"][0]["name"], "default");
    bench.wait_for_job(id, "succeeded");
}

#[test]
fn pause_and_resume_need_a_store_and_a_queue() {
    let bench = Bench::new();
    for verb in ["pause", "resume"] {
        bench.run(&[verb, "default"]).expect_code(3);
        bench.run(&[verb]).expect_code(2);
        bench.run(&[verb, "a/b"]).expect_code(2);
    }
}

#[test]
fn a_queue_is_paused_and_resumed_without_a_master_for_the_next_one() {
    let bench = Bench::new();
    let id = bench.push(&["--", "true"]);
    assert_eq!(bench.ok(&["pause", "default"]), "paused `default`\n");
    let _master = bench.start(&["--workers=1", "--queue=default,other"]);
    let other = bench.push(&["--queue=other", "--", "true"]);
    bench.wait_for_job(other, "succeeded");
    assert_eq!(bench.job(id)["state"], "ready");
    bench.ok(&["stop"]);
    let misspelt = bench.run(&["pause", "defualt"]).expect_code(4);
    assert!(misspelt.stderr.contains("did you mean `default`?"), "{}", misspelt.stderr);
    assert_eq!(bench.run(&["resume", "--json", "default"]).expect_code(0).json()["queues"][0]["paused"], false);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(id, "succeeded");
}

#[test]
fn a_queue_that_nobody_knows_is_not_paused_and_the_nearest_is_named() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default,images"]);
    let queues = |bench: &Bench| bench.status()["queues"].as_array().map_or(0, Vec::len);
    for verb in ["pause", "resume"] {
        for words in [&["defualt"][..], &["images", "defualt"], &["defualt", "images"]] {
            let run = bench.run(&[&[verb], words].concat()).expect_code(4);
            assert!(run.stderr.contains("there is no queue `defualt`"), "{}", run.stderr);
            assert!(run.stderr.contains("did you mean `default`?"), "{}", run.stderr);
        }
    }
    assert_eq!(queues(&bench), 0, "nothing was made of it, and nothing else was done");
    bench.push(&["--queue", "later", "t"]);
    assert_eq!(bench.ok(&["pause", "later"]), "paused `later`\n", "it has a job");
    assert_eq!(bench.ok(&["pause", "--force", "new"]), "paused `new`\n");
    assert_eq!(bench.ok(&["resume", "new"]), "resumed `new`\n", "it is on record by now");
}

#[test]
fn a_queue_that_nobody_knows_is_refused_by_every_list_and_one_that_is_empty_is_not() {
    let bench = Bench::new();
    bench.push(&["--queue", "mails", "t"]);
    let refused = |bench: &Bench| {
        let all: [&[&str]; 4] = [
            &["jobs", "list", "--oldest", "--queue", "mial"],
            &["runs", "--queue", "mial"],
            &["logs", "--queue", "mial"],
            &["jobs", "retry", "--all", "--queue", "mial"],
        ];
        for words in all {
            let run = bench.run(words).expect_code(4);
            assert!(run.stdout.is_empty() && run.stderr.contains("`mial`"), "{words:?}: {run:?}");
        }
    };
    let empty = |bench: &Bench, queue: &str| {
        for words in [&["jobs", "list", "--oldest", "--state", "dead"][..], &["runs"], &["jobs", "retry", "--all"]] {
            bench.run(&[words, &["--queue", queue]].concat()).expect_code(0);
        }
    };
    refused(&bench);
    empty(&bench, "mails");
    empty(&bench, "default");
    let master = bench.start(&["--workers=1", "--queue=reports"]);
    refused(&bench);
    empty(&bench, "reports");
    let run = bench.run(&["jobs", "list", "--oldest", "--queue", "mials"]).expect_code(4);
    assert!(run.stderr.contains("did you mean `mails`?"), "{}", run.stderr);
    let run = bench.run(&["logs", "-f", "reprots-1"]).expect_code(4);
    assert!(run.stderr.contains("did you mean `reports-1`?"), "{}", run.stderr);
    bench.run(&["workers", "--pool", "reprots"]).expect_code(4);
    drop(master);
}
