//! Who has changed what: each deed once, with what came of it, with a master and without.

use std::process::Stdio;

use serde_json::{Value, json};

use super::support::{Bench, DEADLINE};

fn deeds(bench: &Bench, args: &[&str]) -> Vec<Value> {
    let all: Vec<&str> = ["audit", "--json"].iter().chain(args).copied().collect();
    bench.run(&all).expect_code(0).json().as_array().expect("a list").clone()
}

/// Of each deed the verb, the target, how many were changed, and the outcome.
fn short(deeds: &[Value]) -> Vec<Value> {
    deeds.iter().map(|deed| json!([deed["verb"], deed["target"], deed["affected"], deed["outcome"]])).collect()
}

/// The deeds, once the outcome of each is on record.
fn settled(bench: &Bench) -> Vec<Value> {
    bench.wait_for("every deed to be over", DEADLINE, |bench| {
        deeds(bench, &[]).iter().all(|deed| deed["outcome"] != "begun")
    });
    deeds(bench, &[])
}

fn me(bench: &Bench) -> Value {
    deeds(bench, &["--limit", "1"])[0]["who"].clone()
}

#[test]
fn what_is_changed_through_the_master_is_on_record_with_what_came_of_it_and_pushes_are_not() {
    let bench = Bench::new();
    assert!(bench.run(&["audit"]).expect_code(0).stderr.contains("nothing was changed by hand yet"));
    let mut master = bench.start(&["--queue", "default", "--workers", "1"]);
    let job = bench.push(&["--queue", "mail", "t"]);
    assert_eq!(deeds(&bench, &[]), Vec::<Value>::new(), "a push is no deed");
    bench.ok(&["pause", "mail"]);
    bench.ok(&["scale", "+1"]);
    bench.ok(&["restart", "default-1"]);
    bench.ok(&["jobs", "set", &job.to_string(), "--priority", "7"]);
    bench.ok(&["jobs", "cancel", &job.to_string()]);
    bench.run(&["jobs", "retry", "99"]).expect_code(4);
    bench.run(&["scale", "--pool", "nope", "3"]).expect_code(4);
    let all = settled(&bench);
    assert_eq!(
        short(&all),
        [
            json!(["scale", "pool `nope` to 3", null, "there is no pool `nope`; see `queue-work status`"]),
            json!(["retry", "job 99", null, "there is no job 99"]),
            json!(["cancel", format!("job {job}"), 1, "done"]),
            json!(["set", format!("job {job}: priority 7"), 1, "done"]),
            json!(["restart", "worker `default-1`", 1, "done"]),
            json!(["scale", "pool `default` to +1", null, "done"]),
            json!(["pause", "queue `mail`", 1, "done"]),
        ]
    );
    for deed in &all {
        assert_eq!((&deed["via"], &deed["role"]), (&"cli".into(), &Value::Null), "{deed}");
        assert!(deed["who"].is_string(), "{deed}");
    }
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);
    assert_eq!(short(&deeds(&bench, &["--limit", "1"])), [json!(["stop", "the master", null, "done"])]);
}

#[test]
fn an_operation_is_on_record_by_its_id_and_a_deed_outlives_a_master_that_is_killed() {
    let bench = Bench::new();
    let mut master = bench.start(&["--queue", "default", "--workers", "1"]);
    bench.push(&["--queue", "mail", "t"]);
    bench.ok(&["jobs", "cancel", "--queue", "mail", "--all", "--background", "--yes"]);
    let deed = &settled(&bench)[0];
    assert_eq!((&deed["operation"], &deed["outcome"]), (&1.into(), &"done".into()), "{deed}");
    assert!(deed["target"].as_str().is_some_and(|target| target.ends_with("jobs of `mail`")), "{deed}");
    let operations = bench.run(&["jobs", "operations", "--json"]).json();
    assert_eq!(operations[0]["by"], deed["who"]);
    // A job that runs is waited for: nobody knows yet what comes of it.
    let long = bench.push(&["--", "sleep", "600"]);
    bench.wait_for_job(long, "running");
    let mut waits = bench.command(&["restart", "--all"]).stderr(Stdio::null()).spawn().expect("a process");
    bench.wait_for("the deed to be begun", DEADLINE, |bench| deeds(bench, &[])[0]["verb"] == "restart");
    master.kill9();
    waits.wait().expect("an end");
    assert_eq!(short(&deeds(&bench, &["--limit", "1"])), [json!(["restart", "all workers", null, "begun"])]);
}

#[test]
fn what_is_changed_without_a_master_is_on_record_too() {
    let bench = Bench::new();
    let job = bench.push(&["--queue", "mail", "t"]);
    bench.ok(&["jobs", "cancel", &job.to_string()]);
    bench.ok(&["jobs", "retry", &job.to_string()]);
    bench.run(&["jobs", "retry", "99"]).expect_code(4);
    bench.ok(&["pause", "mail"]);
    bench.ok(&["jobs", "delete", "--queue", "mail", "--all", "--yes"]);
    let all = deeds(&bench, &[]);
    assert_eq!(
        short(&all),
        [
            json!(["delete", format!("job {job}"), 1, "done"]),
            json!(["pause", "queue `mail`", 1, "done"]),
            json!(["retry", "job 99", null, "there is no job 99"]),
            json!(["retry", format!("job {job}"), 1, "done"]),
            json!(["cancel", format!("job {job}"), 1, "done"]),
        ]
    );
    let me = me(&bench);
    let who = me.as_str().expect("a user");
    let named = deeds(&bench, &["--who", who, "--verb", "retry", "--since", "1h"]);
    assert_eq!(named.len(), 2);
    let before = named[0]["id"].to_string();
    assert_eq!(deeds(&bench, &["--verb", "retry", "--before", &before]), named[1..]);
    let lines = bench.ok(&["audit", "--jsonl"]);
    assert_eq!(lines.lines().count(), 5, "{lines}");
    assert!(bench.run(&["audit", "--who", "nobody"]).stderr.contains("nothing on record is like that"));
    let table = bench.ok(&["audit"]);
    assert!(table.contains("pause") && table.contains("queue `mail`") && table.contains(who), "{table}");
}
