//! Every method of the control socket does what the table in `wire::control` says.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::support::{Bench, DEADLINE, Master, fixture, now};

/// A master with a pool of workers that run this fixture.
fn start_fixture<'a>(bench: &'a Bench, name: &str, workers: &str) -> Master<'a> {
    let command = fixture(name);
    let mut args = vec!["--workers", workers, "--queue", "default", "--backoff", "1s", "--"];
    args.extend(command.iter().map(String::as_str));
    bench.start(&args)
}

fn start_with_journal(bench: &Bench) -> Master<'_> {
    let command = fixture("journal.py");
    let mut args = vec!["--workers", "1", "--queue", "default", "--"];
    args.extend(command.iter().map(String::as_str));
    let journal = bench.path().join("journal");
    bench.start_with(&args, &[("JOURNAL", journal.to_str().expect("UTF-8"))])
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("not an object: {value}")).keys().map(String::as_str).collect()
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().expect("an array").iter().map(|job| job["id"].as_i64().expect("an id")).collect()
}

#[test]
fn push_takes_every_member_of_a_job_and_a_unique_key_gives_the_first_id() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    let job = json!({"type": "mail", "args": {"to": ["a", 1.5, null]}, "queue": "later", "priority": -3, "delay": "1h",
                     "expires": 7200, "timeout": "90s", "max_attempts": 5, "unique": "k", "label": "night", "key": "customer"});
    let pushed = peer.call("push", &job);
    assert_eq!(pushed, json!({"id": 1, "job_id": 1, "deduplicated": false}));
    assert_eq!(peer.call("push", &job), json!({"id": 1, "job_id": 1, "deduplicated": true}));
    let shown = peer.call("jobs.show", &json!({"id": 1}));
    for (name, value) in [("args", &job["args"]), ("queue", &job["queue"]), ("priority", &job["priority"])] {
        assert_eq!(shown[name], *value, "{name}");
    }
    assert_eq!((&shown["state"], &shown["unique"]), (&json!("scheduled"), &json!("k")));
    assert_eq!(shown["label"], "night");
    assert_eq!(shown["key"], "customer");
    assert_eq!((&shown["max_attempts"], shown["timeout_s"].as_f64()), (&json!(5), Some(90.0)));
    let contract = [
        "id",
        "type",
        "queue",
        "state",
        "args",
        "priority",
        "unique",
        "key",
        "label",
        "traceparent",
        "tracestate",
        "attempts",
        "crashes",
        "releases",
        "max_attempts",
        "timeout_s",
        "result",
        "cause",
        "error",
        "error_type",
        "error_code",
        "backtrace",
        "fingerprint",
        "progress",
        "pushed_at",
        "due_at",
        "expires_at",
        "finished_at",
    ];
    assert_eq!(keys(&shown), BTreeSet::from(contract));
}

#[test]
fn push_many_adds_all_or_none_and_gives_the_ids_in_order() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    let none = json!({"count": 0, "deduplicated": 0, "first_id": null, "last_id": null});
    assert_eq!(peer.call("push_many", &json!({"jobs": []})), none);
    let job = json!({"type": "a", "queue": "q", "unique": "k"});
    peer.refusal("push_many", &json!({"jobs": [job, {"type": "a", "queue": "/"}]}));
    assert_eq!(ids(&peer.call("jobs.list", &Value::Null)), [0_i64; 0]);
    let other = json!({"type": "b", "queue": "q"});
    let pushed = peer.call("push_many", &json!({"jobs": [job, other, job], "ids": true}));
    assert_eq!(pushed, json!({"count": 3, "deduplicated": 1, "first_id": 1, "last_id": 2, "ids": [1, 2, 1]}));
}

#[test]
fn status_has_the_members_of_the_contract() {
    let bench = Bench::new();
    let master = start_fixture(&bench, "hang.py", "1");
    let mut peer = Peer::new(&bench);
    peer.call("push", &json!({"type": "t"}));
    bench.wait_for("a busy worker", DEADLINE, |b| b.status()["workers"][0]["job"]["id"] == 1);
    let status = peer.call("status", &Value::Null);
    assert_eq!(status["master"]["pid"], master.pid());
    let has = |value: &Value, names: &[&str]| {
        let missing: Vec<_> = names.iter().filter(|n| !keys(value).contains(**n)).collect();
        assert!(missing.is_empty(), "{missing:?} in {value}");
    };
    has(&status, &["master", "queues", "pools", "workers", "jobs_per_s"]);
    let of_master =
        ["pid", "generation", "state", "version", "started_at", "uptime_s", "database", "durability", "memory_bytes"];
    has(&status["master"], &of_master);
    let of_queue = [
        "name",
        "paused",
        "ready",
        "scheduled",
        "running",
        "dead",
        "oldest_ready_s",
        "succeeded_total",
        "failed_total",
    ];
    has(&status["queues"][0], &of_queue);
    has(&status["pools"][0], &["name", "queues", "kind", "wanted", "ready", "busy", "starting", "draining"]);
    let of_worker = [
        "id",
        "pool",
        "slot",
        "pid",
        "state",
        "generation",
        "jobs_done",
        "memory_bytes",
        "peak_memory_bytes",
        "cpu_percent",
        "uptime_s",
        "restarts",
        "last_exit",
        "job",
    ];
    has(&status["workers"][0], &of_worker);
    has(&status["workers"][0]["job"], &["id", "type", "attempt", "running_s"]);
    assert_eq!(status["queues"][0]["running"], 1);
    assert_eq!(peer.call("jobs.cancel", &json!({"ids": [1]}))["count"], 1);
}

#[test]
fn jobs_wait_answers_at_the_end_of_the_job_or_with_the_job_as_it_is() {
    let bench = Bench::new();
    let _master = start_with_journal(&bench);
    let mut peer = Peer::new(&bench);
    peer.call("push", &json!({"type": "t", "delay": 0.2, "args": {"seconds": 0.2}}));
    peer.ask(&json!("end"), "jobs.wait", &json!({"id": 1}));
    peer.ask(&json!("soon"), "jobs.wait", &json!({"id": 1, "timeout_s": 0.05}));
    // The connection is not held up by who waits, and the wait of others is not by this one.
    peer.ask(&json!("ping"), "ping", &Value::Null);
    let answers: Vec<Value> = (0..3).map(|_| peer.hear()).collect();
    let order: Vec<&Value> = answers.iter().map(|a| &a["id"]).collect();
    assert_eq!(order, ["ping", "soon", "end"]);
    assert_eq!(answers[1]["result"]["state"], "scheduled");
    assert_eq!((&answers[2]["result"]["state"], &answers[2]["result"]["result"]), (&json!("succeeded"), &json!(1)));
    let again = now();
    assert_eq!(peer.call("jobs.wait", &json!({"id": 1}))["state"], "succeeded");
    assert!(again.elapsed() < Duration::from_secs(5));
    let missing = peer.exchange("jobs.wait", &json!({"id": 99}));
    assert_eq!(missing["error"]["data"]["exit_code"], 4, "{missing}");
}

#[test]
fn scale_spawn_and_restart_answer_when_it_is_so() {
    let bench = Bench::new();
    let _master = start_fixture(&bench, "echo.py", "1");
    let mut peer = Peer::new(&bench);
    let scaled = peer.call("scale", &json!({"workers": 3}));
    assert_eq!(scaled, json!({"pools": [{"pool": "default", "was": 1, "wanted": 3, "ready": 3}], "released": 0}));
    let spawned = peer.call("spawn", &json!({"queues": ["more"], "workers": 2, "command": fixture("echo.py")}));
    assert_eq!(spawned, json!({"pools": [{"pool": "more", "was": 0, "wanted": 2, "ready": 2}], "released": 0}));
    let pids = |peer: &mut Peer| -> BTreeSet<u64> {
        let status = peer.call("status", &Value::Null);
        status["workers"].as_array().expect("workers").iter().map(|w| w["pid"].as_u64().expect("a pid")).collect()
    };
    let before = pids(&mut peer);
    let restarted = peer.call("restart", &json!({"pool": "more"}));
    assert_eq!(restarted["workers"].as_array().map(Vec::len), Some(2), "{restarted}");
    let after = pids(&mut peer);
    assert_eq!((before.len(), after.len(), before.intersection(&after).count()), (5, 5, 3));
    assert_eq!(peer.call("restart", &json!({"workers": ["default-1"], "now": true}))["workers"], json!(["default-1"]));
    assert_eq!(peer.call("stop", &json!({"workers": ["more-2"]}))["workers"], 1);
    for (method, params) in [
        ("scale", json!({"workers": 1, "pool": "none"})),
        ("restart", json!({"queue": "none"})),
        ("stop", json!({"workers": ["more-9"]})),
    ] {
        assert_eq!(peer.exchange(method, &params)["error"]["data"]["exit_code"], 4, "{method}");
    }
    let which = peer.exchange("scale", &json!({"workers": 1}));
    assert_eq!(which["error"]["data"]["exit_code"], 2, "there are two pools: {which}");
}

#[test]
fn jobs_are_paused_listed_cancelled_retried_and_deleted() {
    let bench = Bench::new();
    let _master = start_fixture(&bench, "fail.py", "1");
    let mut peer = Peer::new(&bench);
    let paused = peer.call("pause", &json!({"queues": ["default", "new"], "force": true}));
    assert_eq!(paused["queues"][1], json!({"name": "new", "paused": true}));
    let jobs: Vec<Value> = (0..4).map(|_| json!({"type": "t", "args": {"retry": false}})).collect();
    peer.call("push_many", &json!({"jobs": jobs}));
    assert_eq!(ids(&peer.call("jobs.list", &json!({"state": "ready", "after": 1, "limit": 2}))), [2, 3]);
    let cancelled = peer.call("jobs.cancel", &json!({"ids": [1, 1, 77]}));
    assert_eq!((&cancelled["count"], &cancelled["refused"][0]["exit_code"]), (&json!(1), &json!(4)), "{cancelled}");
    assert_eq!(peer.call("jobs.delete", &json!({"ids": [1]}))["count"], 1);
    assert_eq!(peer.exchange("jobs.show", &json!({"id": 1}))["error"]["data"]["exit_code"], 4);
    peer.call("resume", &json!({"queues": ["default", "new"]}));
    for id in [2, 3, 4] {
        assert_eq!(peer.call("jobs.wait", &json!({"id": id}))["cause"], "no_retry");
    }
    let runs = peer.call("runs.list", &json!({"outcome": "failed", "limit": 2}));
    assert_eq!(runs.as_array().map(Vec::len), Some(2));
    assert_eq!(runs[0]["job_id"], 4, "the newest first: {runs}");
    let shown = bench.run(&["runs", "--json"]).expect_code(0).json();
    assert_eq!(keys(&runs[0]), keys(&shown[0]));
    let errors = peer.call("errors.list", &json!({"queue": "default", "limit": 1}));
    assert_eq!(errors.as_array().map(Vec::len), Some(1), "{errors}");
    let shown = bench.run(&["errors", "--limit", "1", "--json"]).expect_code(0).json();
    assert_eq!((keys(&errors[0]), &errors[0]["dead_now"]), (keys(&shown[0]), &shown[0]["dead_now"]));
    assert_eq!(peer.call("jobs.retry", &json!({"all": true, "queue": "default"}))["count"], 3);
    assert_eq!(peer.call("jobs.wait", &json!({"id": 4}))["state"], "dead");
    assert_eq!(peer.call("workers.list", &json!({"worker": "default-1"}))[0]["id"], "default-1");
}

#[test]
fn who_begins_to_wait_between_a_failure_and_its_record_hears_of_it() {
    let bench = Bench::new();
    let master = bench.start(&["--workers=1", "--queue=default", "--backoff=1h", "--max-attempts=5"]);
    let id = bench.push(&["--", "sh", "-c", "until test -e go; do sleep 0.01; done; exit 7"]);
    bench.wait_for_job(id, "running");
    let writer = rusqlite::Connection::open(bench.database()).expect("a database");
    writer.execute_batch("BEGIN IMMEDIATE").expect("the right to write");
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for("the failure", DEADLINE, |_| master.stderr().contains("failed (exit status 7)"));
    let mut peer = Peer::new(&bench);
    // The reader answers in order: when the second answer is there, the wait has seen a job that runs.
    peer.ask(&json!(1), "jobs.wait", &json!({"id": id})).ask(&json!(2), "jobs.show", &json!({"id": id}));
    assert_eq!(peer.hear()["result"]["state"], "running");
    writer.execute_batch("ROLLBACK").expect("given back");
    let note = peer.hear();
    assert_eq!(note["method"], "note", "{note}");
    assert!(note["params"].as_str().is_some_and(|text| text.contains("failed (exit status 7)")), "{note}");
    bench.run(&["jobs", "cancel", &id.to_string()]).expect_code(0);
    assert_eq!(peer.hear()["result"]["state"], "cancelled", "it is said once");
}

#[test]
fn jobs_are_changed_by_filter_and_only_in_the_states_that_are_meant() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1", "--queue", "elsewhere"]);
    let mut peer = Peer::new(&bench);
    for queue in ["a", "a", "b"] {
        peer.call("push", &json!({"type": "x", "queue": queue}));
    }
    let answer = peer.call("jobs.cancel", &json!({"ids": [1, 2], "state": ["running", "scheduled"]}));
    assert_eq!((&answer["count"], &answer["passed_over"]), (&json!(0), &json!(2)), "{answer}");
    assert_eq!(peer.call("jobs.cancel", &json!({"filter": {"queue": "a"}}))["count"], 2);
    assert_eq!(peer.call("jobs.retry", &json!({"filter": {"queue": "a"}}))["count"], 0, "the dead are meant");
    assert_eq!(peer.call("jobs.retry", &json!({"filter": {"queue": "a", "state": "cancelled"}}))["count"], 2);
    assert_eq!(peer.call("jobs.set", &json!({"filter": {"type": "x"}, "priority": 3, "to_queue": "c"}))["count"], 3);
    let listed = peer.call("jobs.list", &json!({"queue": "c", "state": ["ready", "dead"]}));
    assert!(listed.as_array().is_some_and(|jobs| jobs.len() == 3 && jobs.iter().all(|job| job["priority"] == 3)));
    assert_eq!(peer.call("jobs.delete", &json!({"all": true}))["count"], 3);
}

#[test]
fn stop_answers_when_everything_has_ended_and_then_the_connection_is_closed() {
    let bench = Bench::new();
    let mut master = start_fixture(&bench, "hang.py", "2");
    let mut peer = Peer::new(&bench);
    peer.call("push", &json!({"type": "t"}));
    bench.wait_for("a busy worker", DEADLINE, |b| b.status()["workers"][0]["state"] == "busy");
    assert_eq!(peer.call("stop", &json!({"timeout_s": 0.1})), json!({"workers": 2, "released": 1}));
    assert!(peer.is_closed());
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    assert_eq!((&bench.job(1)["state"], &bench.job(1)["releases"]), (&json!("ready"), &json!(1)));
    bench.expect_no_leftovers();
}

#[test]
fn stop_that_nobody_waits_for_says_how_many_workers_are_ending() {
    let bench = Bench::new();
    let mut master = start_fixture(&bench, "echo.py", "2");
    let mut peer = Peer::new(&bench);
    assert_eq!(peer.call("stop", &json!({"no_wait": true})), json!({"workers": 2, "released": 0}));
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    bench.expect_no_leftovers();
}

#[test]
fn operations_that_begin_at_a_time_are_answered_each_with_its_own() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1", "--queue", "default"]);
    let lines = "{\"queue\":\"bulk\",\"type\":\"t\"}\n".repeat(3_000);
    bench.verb(&["push", "--jsonl", "-q"]).stdin(lines).run().expect_code(0);
    let line = |id: u32, queue: &str| {
        let params = json!({"background": true, "filter": {"queue": queue}});
        json!({"jsonrpc": "2.0", "id": id, "method": "jobs.cancel", "params": params}).to_string() + "\n"
    };
    let mut peer = Peer::new(&bench);
    // Taken in before the jobs of the first are found.
    peer.say(line(1, "bulk") + &line(2, "none"));
    for _ in 0..2 {
        let answer = peer.hear();
        let (queue, jobs) = if answer["id"] == 1 { ("bulk", 3_000) } else { ("none", 0) };
        let began = &answer["result"];
        assert_eq!(
            (&began["params"]["filter"]["queue"], &began["expected"]),
            (&json!(queue), &json!(jobs)),
            "{answer}"
        );
    }
}
