//! `metrics --history`: what the past was, with and without a master.

use std::time::Duration;

use serde_json::Value;

use super::shape::{Form, expect};
use super::support::Bench;

use Form::{Any, Int, List, Maybe, Number, Object, Text, Time};

const TIMES: Form =
    Maybe(&Object(&[("mean", Number), ("p50", Number), ("p95", Number), ("p99", Number), ("max", Number)]));

/// Longer than what was counted lies in the memory of the master.
const COUNTED: Duration = Duration::from_mins(1);

fn history(bench: &Bench, options: &[&str]) -> Value {
    bench.run(&[&["metrics", "--history=1h", "--json"], options].concat()).expect_code(0).json()
}

fn outcomes(history: &Value) -> (i64, i64, i64) {
    let of = |key: &str| history["total"][key].as_i64().expect("a number");
    (of("runs"), of("succeeded"), of("died"))
}

fn pushed(history: &Value, queue: &str) -> i64 {
    history["queues"][queue].as_array().expect("points").iter().filter_map(|point| point["pushed"].as_i64()).sum()
}

#[test]
fn every_run_is_counted_by_queue_and_type_and_shown_without_a_master() {
    let bench = Bench::new();
    for command in ["true", "true", "false"] {
        bench.push(&["--queue=a", "--max-attempts=1", "--", command]);
    }
    bench.push(&["--queue=b", "--", "true"]);
    bench.run(&["--queue=a,b", "--workers=2", "--drain"]).expect_code(1);
    let all = history(&bench, &[]);
    assert_eq!(outcomes(&all), (4, 3, 1));
    assert_eq!(outcomes(&history(&bench, &["--queue=a"])), (3, 2, 1));
    assert_eq!(outcomes(&history(&bench, &["--type=exec"])), (4, 3, 1));
    assert_eq!(outcomes(&history(&bench, &["--queue=b", "--type=exec"])), (1, 1, 0));
    assert_eq!(outcomes(&history(&bench, &["--type=resize"])), (0, 0, 0));
    assert_eq!((pushed(&all, "a"), pushed(&all, "b")), (3, 1));
    assert!(all["total"]["run_s"]["p95"].as_f64().expect("a time") > 0.0);
    assert_eq!(all["marks"][0]["kind"], "start");
    let table = bench.ok(&["metrics", "--history", "1h"]);
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let first = ["from", "runs", "failed", "run", "p50", "p95", "p99", "wait", "p95", "done"];
    assert_eq!((&words[0][..], &words[words.len() - 1][..3]), (&first[..], &["all", "4", "1"][..]), "{table}");
    bench.run(&["metrics", "--history=1h", "--queue=c"]).expect_code(4);
    bench.run(&["metrics", "--history=soon"]).expect_code(2);
}

#[test]
fn runs_that_a_killed_master_had_not_counted_are_counted_by_the_next() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=2"]);
    let ids: Vec<i64> = (0..5).map(|_| bench.push(&["--", "true"])).collect();
    for id in ids {
        bench.wait_for_job(id, "succeeded");
    }
    master.kill9();
    assert_eq!(outcomes(&history(&bench, &[])), (0, 0, 0), "ten seconds have not passed");
    let mut next = bench.start(&["--workers=1"]);
    bench.wait_for("the count", COUNTED, |bench| outcomes(&history(bench, &[])) == (5, 5, 0));
    let last = bench.push(&["--", "true"]);
    bench.wait_for_job(last, "succeeded");
    // By then the next has counted its own.
    bench.wait_for("the next count", COUNTED, |bench| outcomes(&history(bench, &[])) == (6, 6, 0));
    next.kill9();
    bench.run(&["--workers=1", "--drain"]).expect_code(0);
    let all = history(&bench, &[]);
    assert_eq!((outcomes(&all), pushed(&all, "default")), ((6, 6, 0), 6));
}

#[test]
fn the_document_has_its_form_and_marks_of_what_was_done() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1"]);
    bench.ok(&["scale", "2"]);
    bench.ok(&["pause", "default"]);
    bench.ok(&["resume", "default"]);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    bench.ok(&["stop"]);
    master.wait_exit(COUNTED);
    let all = history(&bench, &[]);
    let numbers = [
        ("runs", Int),
        ("succeeded", Int),
        ("failed", Int),
        ("timed_out", Int),
        ("crashed", Int),
        ("cancelled", Int),
        ("released", Int),
        ("died", Int),
        ("run_s", TIMES),
        ("wait_s", TIMES),
        ("memory_max_bytes", Maybe(&Int)),
    ];
    let point = [&[("at", Time)][..], &numbers].concat();
    let form = [
        ("since", Time),
        ("until", Time),
        ("period_s", Number),
        ("total", Object(&numbers)),
        ("points", List(&Object(&point))),
        ("queues", Any),
        ("pools", Any),
        ("marks", List(&Object(&[("at", Time), ("kind", Text), ("text", Text)]))),
    ];
    expect(&all, Object(&form));
    let kinds: Vec<&str> = all["marks"].as_array().expect("marks").iter().filter_map(|m| m["kind"].as_str()).collect();
    assert_eq!(kinds, ["start", "scale", "pause", "resume"]);
    let pool = all["pools"]["default"].as_array().expect("points");
    assert_eq!(pool.iter().filter_map(|point| point["started"].as_i64()).sum::<i64>(), 2, "{all:#}");
}
