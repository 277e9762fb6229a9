//! Unique keys: held while a job is unfinished, free at each of its endings.

use serde_json::{Value, json};

use super::drain;
use super::support::Bench;

/// Pushes with the key `k`; the object that is printed.
#[track_caller]
fn push(bench: &Bench, args: &[&str]) -> Value {
    let all: Vec<&str> = ["push", "--json", "--unique", "k"].iter().chain(args).copied().collect();
    bench.run(&all).expect_code(0).json()
}

#[track_caller]
fn expect_free(bench: &Bench, after: i64) {
    let next = push(bench, &["--delay=1h", "--", "true"]);
    assert_eq!(next, json!({"id": after + 1, "deduplicated": false}));
}

#[test]
fn a_second_push_returns_the_first_job_and_adds_nothing() {
    let bench = Bench::new();
    assert_eq!(push(&bench, &["a", "1"]), json!({"id": 1, "deduplicated": false}));
    assert_eq!(push(&bench, &["b", "2"]), json!({"id": 1, "deduplicated": true}));
    let plain = bench.run(&["push", "--unique", "k", "c"]).expect_code(0);
    assert_eq!(plain.stdout, "1\n");
    let other = bench.run(&["push", "--json", "--unique", "K", "c"]).expect_code(0).json();
    assert_eq!(other, json!({"id": 2, "deduplicated": false}));
    let job = bench.job(1);
    assert_eq!((&job["unique"], &job["type"], &job["args"]), (&json!("k"), &json!("a"), &json!(1)));
    assert_eq!(bench.status()["queues"][0]["ready"], 2);
}

#[test]
fn the_key_is_held_while_the_job_waits_runs_and_waits_for_a_retry() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default", "--backoff=1h"]);
    let go = bench.path().join("go");
    let script = format!("until test -e {}; do sleep 0.01; done; exit 1", go.display());
    assert_eq!(push(&bench, &["--", "sh", "-c", &script])["id"], 1);
    bench.wait_for_job(1, "running");
    assert_eq!(push(&bench, &["--", "true"]), json!({"id": 1, "deduplicated": true}));
    std::fs::write(&go, "").expect("written");
    bench.wait_for_job(1, "scheduled");
    assert_eq!(push(&bench, &["--", "true"]), json!({"id": 1, "deduplicated": true}));
    bench.ok(&["jobs", "cancel", "1"]);
    expect_free(&bench, 1);
}

#[test]
fn the_key_is_free_when_the_job_has_succeeded() {
    let bench = Bench::new();
    push(&bench, &["--", "true"]);
    drain(&bench, &["--workers=1"]);
    expect_free(&bench, 1);
}

#[test]
fn the_key_is_free_when_the_job_is_dead() {
    let bench = Bench::new();
    push(&bench, &["--max-attempts=1", "--", "false"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(1)["state"], "dead");
    expect_free(&bench, 1);
}

#[test]
fn the_key_is_free_when_the_job_is_cancelled_or_deleted_without_a_master() {
    let bench = Bench::new();
    push(&bench, &["t"]);
    bench.ok(&["jobs", "cancel", "1"]);
    expect_free(&bench, 1);
    bench.ok(&["jobs", "delete", "2"]);
    expect_free(&bench, 2);
}

#[test]
fn the_key_is_free_when_a_running_job_is_cancelled_or_a_waiting_one_expired() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    push(&bench, &["--", "sleep", "60"]);
    bench.wait_for_job(1, "running");
    bench.ok(&["jobs", "cancel", "1"]);
    bench.ok(&["pause", "default"]);
    assert_eq!(push(&bench, &["--expires=100ms", "--", "true"]), json!({"id": 2, "deduplicated": false}));
    bench.wait_for_job(2, "cancelled");
    expect_free(&bench, 2);
}

#[test]
fn a_job_is_not_retried_while_another_unfinished_job_has_its_key_with_and_without_a_master() {
    let bench = Bench::new();
    push(&bench, &["--max-attempts=1", "--", "false"]);
    push(&bench, &["--max-attempts=1", "--", "false"]);
    let free = bench.push(&["--max-attempts=1", "--", "false"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(free, 2, "the second push was the first job");
    let holder = push(&bench, &["--delay=1h", "--", "true"])["id"].as_i64().expect("an id");
    let refused = |run: super::support::Run| {
        let run = run.expect_code(5);
        assert!(run.stderr.contains(&format!("job {holder} has its unique key")), "{}", run.stderr);
        assert_eq!((bench.job(1)["state"].clone(), run.stdout), (json!("dead"), String::new()));
    };
    let all_but_one = |expected: &str| {
        let run = bench.run(&["jobs", "retry", "--all"]).expect_code(0);
        assert!(run.stdout.contains(expected), "{}", run.stdout);
        assert!(run.stderr.contains("passed over 1 job"), "{}", run.stderr);
        assert_eq!(bench.job(1)["state"], "dead");
    };
    refused(bench.run(&["jobs", "retry", "1"]));
    all_but_one("retried 1 job");
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    refused(bench.run(&["jobs", "retry", "1"]));
    bench.wait_for_job(free, "dead");
    all_but_one("retried 1 job");
    assert_eq!(push(&bench, &["t"]), json!({"id": holder, "deduplicated": true}));
    // The way out that the refusal names.
    bench.ok(&["jobs", "cancel", &holder.to_string()]);
    bench.ok(&["jobs", "retry", "1"]);
    bench.wait_for_job(1, "dead");
}

#[test]
fn a_dead_job_that_is_retried_takes_its_key_again() {
    let bench = Bench::new();
    push(&bench, &["--max-attempts=1", "--", "false"]);
    drain(&bench, &["--workers=1"]);
    bench.ok(&["jobs", "retry", "1"]);
    assert_eq!(push(&bench, &["t"]), json!({"id": 1, "deduplicated": true}));
}

#[test]
fn keys_work_in_bulk_within_one_batch_and_against_what_is_there() {
    let bench = Bench::new();
    push(&bench, &["t"]);
    let lines =
        "{\"type\":\"t\",\"unique\":\"k\"}\n{\"type\":\"t\",\"unique\":\"m\"}\n{\"type\":\"t\",\"unique\":\"m\"}\n";
    let run = bench.verb(&["push", "--jsonl", "--ids"]).stdin(lines).run().expect_code(0);
    assert_eq!(run.stdout, "1\n2\n2\n");
    assert!(run.stderr.contains("added 1 job"), "{}", run.stderr);
    assert_eq!(super::all_jobs(&bench).len(), 2);
}

#[test]
fn a_key_that_cannot_be_one_is_refused() {
    let bench = Bench::new();
    for key in ["", &"x".repeat(501)] {
        let run = bench.run(&["push", "--unique", key, "t"]).expect_code(2);
        assert!(run.stderr.contains("unique key"), "{}", run.stderr);
    }
}
