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
    bench.ok(&["pause", "default", "later"]);
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
    assert_eq!(bench.run(&["resume", "--json", "default"]).expect_code(0).json()["queues"][0]["paused"], false);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(id, "succeeded");
}
