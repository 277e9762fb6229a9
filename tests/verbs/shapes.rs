//! The documents that are printed have exactly the form of the manual.

use serde_json::{Value, json};

use super::shape::{Form, expect};
use super::support::{Bench, fixture};

use Form::{Any, Bool, Int, List, Maybe, Number, Object, Text, Time};

const MASTER: Form = Object(&[
    ("pid", Int),
    ("generation", Int),
    ("state", Text),
    ("version", Text),
    ("started_at", Time),
    ("uptime_s", Number),
    ("database", Text),
    ("store", Text),
    ("config", Maybe(&Object(&[("file", Text), ("digest", Text)]))),
    ("durability", Text),
    ("traces", Maybe(&Object(&[("exported", Int), ("dropped", Int)]))),
    ("containment", Text),
    ("memory_bytes", Int),
]);

const QUEUE: Form = Object(&[
    ("name", Text),
    ("paused", Bool),
    ("ready", Int),
    ("scheduled", Int),
    ("blocked", Int),
    ("running", Int),
    ("dead", Int),
    ("oldest_ready_s", Maybe(&Number)),
    ("succeeded_total", Int),
    ("failed_total", Int),
    ("done_per_s", Maybe(&Number)),
    ("pushed_per_s", Maybe(&Number)),
    ("empty_in_s", Maybe(&Number)),
]);

/// `limits` are those in force, as product.md wants them in the status.
const POOL: Form = Object(&[
    ("name", Text),
    ("queues", List(&Text)),
    ("kind", Text),
    ("takes", List(&Text)),
    ("state", Text),
    ("wanted", Int),
    ("ready", Int),
    ("busy", Int),
    ("starting", Int),
    ("draining", Int),
    ("limits", Any),
]);

const WORKER: Form = Object(&[
    ("id", Text),
    ("pool", Text),
    ("slot", Int),
    ("pid", Int),
    ("state", Text),
    ("generation", Int),
    ("jobs_done", Int),
    ("memory_bytes", Maybe(&Int)),
    ("peak_memory_bytes", Maybe(&Int)),
    ("cpu_percent", Maybe(&Number)),
    ("uptime_s", Number),
    ("restarts", Int),
    ("crashes", Int),
    ("last_exit", Maybe(&Object(&[("reason", Text), ("exit_code", Maybe(&Int)), ("signal", Maybe(&Text))]))),
    ("job", Maybe(&Object(&[("id", Int), ("type", Text), ("attempt", Int), ("running_s", Number)]))),
]);

const UNSERVED: Form = Object(&[("queue", Text), ("jobs", Int), ("type", Maybe(&Text)), ("problem", Text)]);

const STATUS: Form = Object(&[
    ("master", Maybe(&MASTER)),
    ("queues", List(&QUEUE)),
    ("pools", List(&POOL)),
    ("workers", List(&WORKER)),
    ("unserved", List(&UNSERVED)),
    ("jobs_per_s", Number),
]);

const JOB: Form = Object(&[
    ("id", Int),
    ("type", Text),
    ("queue", Text),
    ("state", Text),
    ("args", Any),
    ("priority", Int),
    ("unique", Maybe(&Text)),
    ("key", Maybe(&Text)),
    ("label", Maybe(&Text)),
    ("traceparent", Maybe(&Text)),
    ("tracestate", Maybe(&Text)),
    ("attempts", Int),
    ("crashes", Int),
    ("releases", Int),
    ("max_attempts", Int),
    ("timeout_s", Number),
    ("result", Any),
    ("cause", Maybe(&Text)),
    ("error", Maybe(&Text)),
    ("error_type", Maybe(&Text)),
    ("error_code", Maybe(&Int)),
    ("backtrace", Maybe(&Text)),
    ("fingerprint", Maybe(&Text)),
    ("progress", Maybe(&Object(&[("percent", Maybe(&Number)), ("message", Maybe(&Text))]))),
    ("pushed_at", Time),
    ("due_at", Time),
    ("expires_at", Maybe(&Time)),
    ("finished_at", Maybe(&Time)),
]);

const RUN: Form = Object(&[
    ("id", Int),
    ("job_id", Int),
    ("type", Text),
    ("queue", Text),
    ("worker", Text),
    ("pid", Int),
    ("generation", Int),
    ("attempt", Int),
    ("outcome", Text),
    ("cause", Maybe(&Text)),
    ("exit_code", Maybe(&Int)),
    ("signal", Maybe(&Text)),
    ("error", Maybe(&Text)),
    ("error_type", Maybe(&Text)),
    ("error_code", Maybe(&Int)),
    ("backtrace", Maybe(&Text)),
    ("stderr_tail", Text),
    ("stdout_tail", Text),
    ("trace_id", Maybe(&Text)),
    ("span_id", Maybe(&Text)),
    ("started_at", Time),
    ("ended_at", Time),
    ("duration_s", Number),
    ("waited_s", Number),
    ("peak_memory_bytes", Int),
]);

/// A store on which something of everything has happened.
fn eventful(bench: &Bench) {
    for words in [
        &["--", "true"][..],
        &["--max-attempts=1", "--", "sh", "-c", "echo no >&2; exit 3"],
        &["--max-attempts=1", "--", "sh", "-c", "kill -9 $$"],
        &["--", "no-such-program"],
        &["--delay=1h", "--unique=k", "--expires=2h", "--timeout=5s", "t", "{\"a\":[1]}"],
    ] {
        bench.push(words);
    }
    bench.run(&["--workers=1", "--queue=default", "--drain"]);
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn status_has_the_documented_form_while_a_job_runs() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=2", "--queue=default"]);
    let id = bench.push(&["--", "sleep", "60"]);
    bench.push(&["--queue=other", "--delay=1h", "t"]);
    bench.wait_for_job(id, "running");
    let status = bench.run(&["status", "--json"]).expect_code(0).json();
    expect(&status, STATUS);
    expect(&status["master"], MASTER);
    let master = &status["master"];
    assert_eq!((&master["state"], &master["generation"]), (&json!("running"), &json!(1)));
    assert_eq!((&master["durability"], &master["version"]), (&json!("full"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(master["database"], bench.database().to_str().expect("UTF-8"));
    let names: Vec<&Value> = status["queues"].as_array().expect("queues").iter().map(|q| &q["name"]).collect();
    assert_eq!(names, ["default", "other"]);
    let pool = &status["pools"][0];
    assert_eq!((&pool["kind"], &pool["wanted"], &pool["busy"]), (&json!("exec"), &json!(2), &json!(1)));
    let workers = status["workers"].as_array().expect("workers");
    assert_eq!(workers.iter().map(|w| &w["id"]).collect::<Vec<_>>(), ["default-1", "default-2"]);
    let busy = workers.iter().find(|w| w["state"] == "busy").expect("a busy worker");
    assert_eq!((&busy["job"]["id"], &busy["job"]["attempt"]), (&json!(1), &json!(1)));
    let idle = workers.iter().find(|w| w["state"] == "idle").expect("an idle worker");
    assert_eq!(idle["job"], Value::Null);
    bench.ok(&["jobs", "cancel", "1"]);
}

#[test]
fn status_without_a_master_reads_the_store_and_ends_with_three() {
    let bench = Bench::new();
    let empty = bench.run(&["status", "--json"]).expect_code(3);
    let nothing = json!({"master": null, "queues": [], "pools": [], "workers": [], "unserved": [], "jobs_per_s": 0.0});
    assert_eq!(empty.json(), nothing);
    assert!(!bench.database().exists());
    eventful(&bench);
    let run = bench.run(&["status", "--json"]).expect_code(3);
    expect(&run.json(), STATUS);
    let queue = &run.json()["queues"][0];
    assert_eq!((&queue["succeeded_total"], &queue["dead"], &queue["scheduled"]), (&json!(1), &json!(3), &json!(1)));
    assert!(run.stderr.starts_with("queue-work: no master runs on `"), "{}", run.stderr);
    assert!(run.stderr.ends_with("; start one with `queue-work --queue default`\n"), "{}", run.stderr);
}

#[test]
fn jobs_have_the_documented_form_as_array_as_lines_and_one_by_one() {
    let bench = Bench::new();
    eventful(&bench);
    let array = bench.run(&["jobs", "list", "--json"]).expect_code(0).json();
    expect(&array, List(&JOB));
    let array = array.as_array().expect("an array").clone();
    assert_eq!(array.len(), 5);
    assert_eq!(lines(&bench.ok(&["jobs", "list", "--jsonl"])), array);
    for job in &array {
        assert_eq!(&bench.job(job["id"].as_i64().expect("an id")), job);
    }
    let states: Vec<&Value> = array.iter().map(|j| &j["state"]).collect();
    assert_eq!(states, ["scheduled", "dead", "dead", "dead", "succeeded"]);
}

#[test]
fn runs_have_the_documented_form_newest_first() {
    let bench = Bench::new();
    eventful(&bench);
    let array = bench.run(&["runs", "--json"]).expect_code(0).json();
    expect(&array, List(&RUN));
    let array = array.as_array().expect("an array").clone();
    assert_eq!(array.iter().map(|r| r["job_id"].clone()).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(lines(&bench.ok(&["runs", "--jsonl"])), array);
    assert_eq!((&array[2]["exit_code"], &array[2]["stderr_tail"]), (&json!(3), &json!("no")));
    assert_eq!((&array[1]["exit_code"], &array[1]["signal"]), (&Value::Null, &json!("SIGKILL")));
}

#[test]
fn a_push_prints_its_id_or_an_object() {
    let bench = Bench::new();
    expect(&bench.run(&["push", "--json", "t"]).json(), Object(&[("id", Int), ("deduplicated", Bool)]));
    assert_eq!(bench.run(&["push", "--json", "t"]).json(), json!({"id": 2, "deduplicated": false}));
    assert_eq!(bench.ok(&["push", "t"]), "3\n");
    let bulk = bench.verb(&["push", "--lines", "--json", "t"]).stdin("a\nb\n").run().expect_code(0);
    assert_eq!(bulk.json(), json!({"count": 2, "deduplicated": 0, "first_id": 4, "last_id": 5, "batch": 1}));
}

#[test]
fn workers_are_on_record_with_how_they_ended() {
    let bench = Bench::new();
    eventful(&bench);
    let form = Object(&[
        ("incarnation", Int),
        ("id", Text),
        ("pool", Text),
        ("slot", Int),
        ("pid", Int),
        ("generation", Int),
        ("started_at", Time),
        ("ended_at", Maybe(&Time)),
        ("reason", Maybe(&Text)),
        ("exit_code", Maybe(&Int)),
        ("signal", Maybe(&Text)),
        ("jobs_done", Int),
        ("peak_memory_bytes", Maybe(&Int)),
    ]);
    let array = bench.run(&["workers", "--json"]).expect_code(0).json();
    expect(&array, List(&form));
    assert_eq!((&array[0]["id"], &array[0]["jobs_done"]), (&json!("default-1"), &json!(4)));
    assert_eq!((&array[0]["reason"], &array[0]["exit_code"]), (&json!("stopped"), &json!(0)));
    assert_eq!(lines(&bench.ok(&["workers", "--jsonl", "default-1"])).len(), 1);
    bench.run(&["workers", "--json", "--pool=other"]).expect_code(4);
    bench.run(&["workers", "nobody-1"]).expect_code(4);
}

#[test]
fn progress_and_logs_have_their_forms() {
    let bench = Bench::new();
    let words = fixture("fail.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let id = bench.push(&["--max-attempts=1", "t"]);
    bench.run(&[&["--workers=1", "--queue=default", "--drain", "--"], &words[..]].concat()).expect_code(1);
    let form = Object(&[("at", Time), ("worker", Text), ("stream", Text), ("job", Maybe(&Int)), ("text", Text)]);
    let array = bench.run(&["logs", "--json"]).expect_code(0).json();
    expect(&array, List(&form));
    assert_eq!((&array[0]["text"], &array[0]["stream"]), (&json!("about to fail"), &json!("err")));
    assert_eq!((&array[0]["worker"], &array[0]["job"]), (&json!("default-1"), &json!(id)));
    for words in [&["logs", "--jsonl"][..], &["logs", "--jsonl", "default-1"], &["logs", "--jsonl", "--job", "1"]] {
        assert_eq!(lines(&bench.ok(words)).len(), 1, "{words:?}");
    }
    let text = bench.ok(&["logs"]);
    assert!(text.contains("default-1") && text.contains("about to fail"), "{text}");
}
