//! Keys through the real binary: what is shown of them, what holds them, and pausing one.

use std::path::Path;

use serde_json::Value;

use super::support::{Bench, DEADLINE};

/// A file for the master, with these limits of the queue `mail`; a job of it waits until the file `go` is there.
fn configure(bench: &Bench, limits: &str) -> String {
    let file = bench.path().join("queue-work.toml");
    let pool = "[pools.one]\nkind = \"exec\"\nqueues = [\"mail\", \"other\"]\nworkers = 2\n";
    std::fs::write(&file, format!("{pool}\n[queues.mail]\n{limits}\n")).expect("a file");
    file.to_str().expect("UTF-8").to_owned()
}

fn push(bench: &Bench, key: &str) -> i64 {
    let wait = format!("until test -e {}; do sleep 0.01; done", bench.path().join("go").display());
    bench.push(&["--queue=mail", "--key", key, "--", "sh", "-c", &wait])
}

fn keys(bench: &Bench) -> Value {
    serde_json::from_str(&bench.run(&["queues", "mail", "--keys", "--json"]).stdout).expect("JSON")
}

#[test]
fn keys_are_listed_with_what_holds_them_and_why_names_who_has_the_slots() {
    let bench = Bench::new();
    let file = configure(&bench, "concurrency_per_key = 1\nrate_per_key = \"30/m\"\nrate_burst = 5");
    let first = push(&bench, "a");
    let _master = bench.start(&["--config", &file]);
    bench.wait_for_job(first, "running");
    let [second, third, b] = ["a", "a", "b"].map(|key| push(&bench, key));
    bench.wait_for_job(b, "running");
    let found = keys(&bench);
    assert_eq!((&found[0]["key"], &found[0]["waiting"], &found[0]["running"]), (&"a".into(), &2.into(), &1.into()));
    assert_eq!((&found[0]["closed"], &found[0]["rate"]), (&"concurrency".into(), &"30/m".into()));
    assert_eq!(
        (&found[1]["key"], &found[1]["waiting"], found.as_array().map(Vec::len)),
        (&"b".into(), &0.into(), Some(2))
    );
    let text = bench.ok(&["queues", "--keys", "--limit=1"]);
    assert!(text.contains("all 1 run") && text.lines().count() == 2, "{text}");
    let why = bench.ok(&["why", &second.to_string()]);
    let limit = "as many jobs of key `a` of queue `mail` run as may: 1 (concurrency_per_key 1, rate_per_key 30/m): job";
    assert!(why.contains(&format!("{limit} {first} at `one-")), "{why}");
    assert!(why.contains("see `queue-work queues mail --keys`"), "{why}");
    bench.ok(&["queues", "set", "mail", "--rate-per-key", "1/d", "--rate-burst", "1", "--concurrency-per-key", "off"]);
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for("the next token", DEADLINE, |bench| keys(bench)[0]["closed"] == "rate");
    assert!(keys(&bench)[0]["closed_until"].is_string(), "{}", keys(&bench));
    let why = bench.ok(&["why", &third.to_string()]);
    assert!(why.contains("the next job of key `a` of queue `mail` may start in"), "{why}");
}

#[test]
fn a_key_is_paused_with_and_without_a_master_and_the_others_go_on() {
    let bench = Bench::new();
    let file = configure(&bench, "max_ready = 100");
    std::fs::write(bench.path().join("go"), "").expect("written");
    let [first, second] = ["a", "a"].map(|key| push(&bench, key));
    assert_eq!(bench.ok(&["pause", "mail", "--key", "a"]), "paused key `a` of `mail`\n");
    let mut master = bench.start(&["--config", &file]);
    let other = push(&bench, "b");
    bench.wait_for_job(other, "succeeded");
    let found = keys(&bench);
    assert_eq!(
        (&found[0]["key"], &found[0]["waiting"], &found[0]["closed"]),
        (&"a".into(), &2.into(), &"paused".into())
    );
    assert!(found[0]["paused"]["by"].is_string() && found[0]["paused"]["at"].is_string(), "{found}");
    let why = bench.ok(&["why", &second.to_string()]);
    assert!(why.contains("key `a` of queue `mail` is paused") && why.contains("resume mail --key a"), "{why}");
    assert!(bench.ok(&["queues"]).contains("key `a` is paused"));
    master.kill9();
    let _master = bench.start(&["--config", &file]);
    bench.ok(&["pause", "mail", "--key", "b"]);
    assert!(bench.ok(&["queues"]).contains("2 keys are paused"));
    assert_eq!(bench.job(first)["state"], "ready");
    let resumed: Value = serde_json::from_str(&bench.ok(&["resume", "mail", "--key", "a", "--json"])).expect("JSON");
    assert_eq!(resumed, serde_json::json!({"queues": [{"name": "mail", "key": "a", "paused": false}]}));
    bench.wait_for_job(first, "succeeded");
    bench.wait_for_job(second, "succeeded");
    let deeds = bench.ok(&["audit"]);
    for part in ["pause", "key `a` of queue `mail`", "key `b` of queue `mail`"] {
        assert!(deeds.contains(part), "{part}: {deeds}");
    }
}

#[test]
fn a_drain_ends_where_all_that_is_left_is_of_paused_keys() {
    for limits in ["max_ready = 100", "fair = \"jobs\""] {
        let bench = Bench::new();
        let file = configure(&bench, limits);
        std::fs::write(bench.path().join("go"), "").expect("written");
        let [.., other] = ["a", "a", "b"].map(|key| push(&bench, key));
        bench.push(&["--queue=mail", "resize"]);
        bench.ok(&["pause", "mail", "--key", "a"]);
        let drained = bench.run(&["--config", &file, "--drain"]).expect_code(1);
        let (left, next) = ("2 jobs left of paused keys; go on with `queue-work ", " resume mail --key a`");
        assert!(drained.stderr.contains(left) && drained.stderr.contains(next), "{drained:?}");
        assert!(drained.stderr.contains("1 job left that no pool takes"), "{drained:?}");
        assert_eq!(bench.job(other)["state"], "succeeded");
    }
}

#[test]
fn a_key_that_cannot_be_paused_is_refused() {
    let bench = Bench::new();
    bench.push(&["--queue=mail", "letter"]);
    for (args, code, part) in [
        (&["pause", "mail", "other", "--key", "a", "--force"][..], 2, "a key goes with one queue"),
        (&["pause", "mail", "--key", ""], 2, "1 to 200 bytes"),
        (&["pause", "mail", "--key", "a\u{7}"], 2, "1 to 200 bytes"),
        (&["pause", "mial", "--key", "a"], 4, "did you mean"),
        (&["queues", "mail", "--limit", "3"], 2, "--keys"),
    ] {
        let run = bench.run(args).expect_code(code);
        assert!(run.stderr.contains(part), "{run:?}");
    }
    for n in 0..100 {
        bench.ok(&["pause", "mail", "--key", &n.to_string()]);
    }
    bench.ok(&["pause", "mail", "--key", "7"]);
    let refused = |bench: &Bench| {
        let run = bench.run(&["pause", "mail", "--key", "one more"]).expect_code(5);
        assert!(run.stderr.contains("100 keys of the queue are paused, which is the most"), "{run:?}");
    };
    refused(&bench);
    let _master = bench.start(&["--workers=1", "--queue=other"]);
    refused(&bench);
}

#[test]
fn metrics_have_the_limits_what_they_hold_back_and_the_keys_with_the_most_jobs() {
    let bench = Bench::new();
    let file = configure(&bench, "concurrency = 1\nfair = \"jobs\"\nrate = \"30/m\"\nrate_burst = 9\nmax_ready = 4");
    let first = push(&bench, "a");
    let _master = bench.start(&["--config", &file]);
    bench.wait_for_job(first, "running");
    for key in ["a", "b", "b", "c"] {
        push(&bench, key);
    }
    bench.run(&["push", "--queue=mail", "letter"]).expect_code(1);
    let text = bench.ok(&["metrics"]);
    for line in [
        "queue_work_queue_limit{limit=\"concurrency\",queue=\"mail\"} 1",
        "queue_work_queue_limit{limit=\"rate\",queue=\"mail\"} 0.5",
        "queue_work_queue_limit{limit=\"max_ready\",queue=\"mail\"} 4",
        "queue_work_queue_held_back_jobs{queue=\"mail\"} 4",
        "queue_work_jobs_refused_total{queue=\"mail\"} 1",
        "queue_work_key_jobs{key=\"b\",queue=\"mail\",state=\"ready\"} 2",
        "queue_work_key_jobs{key=\"a\",queue=\"mail\",state=\"running\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    std::fs::write(bench.path().join("go"), "").expect("written");
}

#[test]
fn the_example_shares_workers_between_customers_and_calls_an_api_as_often_as_it_takes() {
    let bench = Bench::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/limits.toml");
    let notes = bench.path().join("notes");
    let push = |key: &str, jobs: usize| {
        let script = format!("echo {key} >> {}; sleep 0.01", notes.display());
        let args = ["push", "--queue=reports", "--key", key, "--lines", "--", "sh", "-c", &script];
        bench.verb(&args).stdin("x\n".repeat(jobs)).run().expect_code(0);
    };
    push("big", 60);
    push("small", 4);
    push("vip", 6);
    bench.verb(&["push", "--queue=api", "--lines", "--", "true"]).stdin("x\n".repeat(30)).run().expect_code(0);
    let _master = bench.start(&["--config", file.to_str().expect("UTF-8")]);
    let queue = |bench: &Bench, name: &str| -> Value {
        serde_json::from_str::<Value>(&bench.ok(&["queues", name, "--json"])).expect("JSON")[0].clone()
    };
    bench.wait_for("the burst", DEADLINE, |bench| queue(bench, "api")["limits"]["next_start_at"].is_string());
    let api = queue(&bench, "api");
    assert!(api["ready"].as_u64() >= Some(15), "{api}");
    bench.wait_for("all reports", DEADLINE, |bench| queue(bench, "reports")["succeeded_total"] == 70);
    let notes = std::fs::read_to_string(notes).expect("notes");
    let last = |key: &str| notes.lines().rev().skip_while(|line| *line != key).count();
    assert!(last("small") < 25 && last("vip") < 25, "{notes}");
}
