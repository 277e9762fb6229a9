//! Changes of many jobs that go on by themselves.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Bench, DEADLINE};
use super::{all_jobs, drain};

fn operations(bench: &Bench) -> Vec<Value> {
    let list = bench.run(&["jobs", "operations", "--json"]).expect_code(0).json();
    list.as_array().expect("a list").clone()
}

/// Jobs that wait in a queue that nobody serves.
fn push(bench: &Bench, count: usize) {
    let lines = "{\"queue\":\"bulk\",\"type\":\"t\"}\n".repeat(count);
    bench.verb(&["push", "--jsonl", "-q"]).stdin(lines).run().expect_code(0);
}

fn ready(bench: &Bench) -> u64 {
    let status = bench.status();
    let queues = status["queues"].as_array().expect("queues");
    queues.iter().find(|queue| queue["name"] == "bulk").map_or(0, |queue| queue["ready"].as_u64().expect("a number"))
}

/// Fails unless the members of one are those of the other as well.
#[track_caller]
fn expect(operation: &Value, members: &Value) {
    for (name, value) in members.as_object().expect("members") {
        assert_eq!(&operation[name], value, "{name} of {operation}");
    }
}

fn wait_until(bench: &Bench, state: &str) -> Value {
    bench.wait_for("the operation to end", DEADLINE, |bench| operations(bench)[0]["state"] == state);
    operations(bench).remove(0)
}

#[test]
fn jobs_are_changed_by_the_master_alone_and_what_comes_later_is_left() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1"]);
    assert!(bench.run(&["jobs", "operations"]).expect_code(0).stderr.contains("there is no operation"));
    push(&bench, 3_000);
    let began = bench.run(&["jobs", "cancel", "--queue", "bulk", "--all", "--background", "--yes"]).expect_code(0);
    assert!(began.stdout.starts_with("operation 1 (running): cancel "), "{began:?}");
    assert!(began.stderr.contains("see `queue-work jobs operations`"), "{began:?}");
    push(&bench, 2);
    let over = wait_until(&bench, "done");
    expect(
        &over,
        &json!({"id": 1, "verb": "cancel", "expected": 3_000, "done": 3_000, "passed_over": 0, "refused": 0}),
    );
    assert_eq!(ready(&bench), 2, "those that came later");
    let table = bench.ok(&["jobs", "operations"]);
    assert!(
        table.contains("cancel blocked or scheduled or ready or running jobs of `bulk`") && table.contains("3000"),
        "{table}"
    );
    bench.run(&["jobs", "operations", "--stop", "7"]).expect_code(4);
    bench.ok(&["stop"]);
    assert_eq!(operations(&bench), [over], "without a master as well");
    let refused = bench.run(&["jobs", "cancel", "--queue", "bulk", "--all", "--background", "--yes"]).expect_code(3);
    assert!(refused.stderr.contains("no master"), "{refused:?}");
}

#[test]
fn the_next_master_goes_on_with_what_a_killed_one_has_left() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1"]);
    push(&bench, 40_000);
    bench.ok(&["jobs", "delete", "--queue", "bulk", "--all", "--background", "--yes", "-q"]);
    master.kill9();
    drop(master);
    let _master = bench.start(&["--workers=1"]);
    let over = wait_until(&bench, "done");
    expect(&over, &json!({"expected": 40_000, "done": 40_000, "passed_over": 0}));
    assert_eq!(ready(&bench), 0);
}

#[test]
fn an_operation_that_is_stopped_leaves_the_rest_as_it_was() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1"]);
    push(&bench, 60_000);
    bench.ok(&["jobs", "delete", "--queue", "bulk", "--all", "--background", "--yes", "-q"]);
    let stopped = bench.run(&["jobs", "operations", "--stop", "1", "--json"]).expect_code(0).json();
    assert_eq!(stopped["state"], "stopped");
    let left = ready(&bench);
    assert!(left > 0);
    bench.ok(&["push", "t", "-q"]);
    assert_eq!(ready(&bench), left, "nothing goes on");
    master.kill9();
    drop(master);
    let _master = bench.start(&["--workers=1"]);
    assert_eq!(operations(&bench)[0]["state"], "stopped");
    bench.ok(&["push", "t", "-q"]);
    assert_eq!(ready(&bench), left, "nor after the next start");
}

#[test]
fn dead_jobs_are_retried_one_after_the_other_in_the_time_that_is_given() {
    let bench = Bench::new();
    for _ in 0..4 {
        bench.push(&["--max-attempts=1", "--", "false"]);
    }
    drain(&bench, &["--workers=2"]);
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    bench.run(&["jobs", "cancel", "--all", "--spread", "1h"]).expect_code(2);
    bench.ok(&["jobs", "retry", "--all", "--spread", "1h", "--yes"]);
    wait_until(&bench, "done");
    let states: Vec<Value> = all_jobs(&bench).iter().map(|job| job["state"].clone()).collect();
    assert_eq!(states, ["ready", "scheduled", "scheduled", "scheduled"]);
    let due: Vec<Duration> = all_jobs(&bench).iter().map(|job| due_in(&bench, job)).collect();
    for (due, minutes) in due[1..].iter().zip([15, 30, 45]) {
        let wanted = Duration::from_mins(minutes);
        assert!(*due <= wanted && *due + DEADLINE > wanted, "{due:?} for {wanted:?}");
    }
}

/// From the beginning of the operation to when a job is due.
fn due_in(bench: &Bench, job: &Value) -> Duration {
    let at = |time: &Value| -> jiff::Timestamp { time.as_str().expect("a time").parse().expect("a time") };
    let began = at(&operations(bench)[0]["started_at"]);
    at(&job["due_at"]).duration_since(began).try_into().unwrap_or_default()
}
