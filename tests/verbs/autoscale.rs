//! `autoscale --history`: how pools that scale themselves have changed and why, with and without a master.

use serde_json::Value;

use super::shape::{Form, expect};
use super::support::{Bench, DEADLINE};

use Form::{Any, Int, List, Maybe, Number, Object, Text, Time};

fn changes(bench: &Bench, options: &[&str]) -> Vec<Value> {
    let all = bench.run(&[&["autoscale", "--history=1h", "--json"], options].concat()).expect_code(0).json();
    all.as_array().expect("a list").clone()
}

/// `0→2` of each, the oldest first.
fn numbers(changes: &[Value]) -> Vec<String> {
    changes.iter().rev().map(|change| format!("{}→{}", change["was"], change["wanted"])).collect()
}

#[test]
fn each_change_is_listed_with_its_reason_and_its_inputs_with_and_without_a_master() {
    let bench = Bench::new();
    let none = bench.run(&["autoscale", "--history", "1h"]).expect_code(0);
    assert!(none.stdout.is_empty() && none.stderr.contains("no pool has scaled itself in this time; see "), "{none:?}");
    let week = bench.run(&["autoscale", "--history", "7d"]).expect_code(0);
    assert!(week.stderr.contains("`queue-work config show` says which may"), "there is no more than a week: {week:?}");
    let mut master = bench.start(&["--autoscale=0..4"]);
    let job = bench.push(&["--", "true"]);
    bench.wait_for_job(job, "succeeded");
    bench.ok(&["scale", "3", "--hold", "1h"]);
    bench.ok(&["scale", "auto"]);
    let of_operator = |b: &Bench| changes(b, &[]).iter().any(|change| change["cause"] == "unpinned");
    bench.wait_for("the last to be on record", DEADLINE, of_operator);
    let all = changes(&bench, &[]);
    assert_eq!(numbers(&all)[..3], ["0→1", "1→3", "3→3"], "{all:?}");
    let reasons: Vec<&str> = all.iter().rev().filter_map(|change| change["because"].as_str()).collect();
    assert!(reasons[0].ends_with("1 waiting need 0.2 more"), "{reasons:?}");
    assert_eq!(reasons[1..3], ["an operator has said so", "an operator holds it no longer"]);
    let inputs = [
        ("arrivals_per_s", Number),
        ("service_s", Maybe(&Number)),
        ("ready", Int),
        ("oldest_ready_s", Maybe(&Number)),
        ("busy", Int),
        ("start_s", Maybe(&Number)),
        ("cpu", Maybe(&Number)),
        ("memory_bytes", Maybe(&Int)),
    ];
    let form = [
        ("id", Int),
        ("at", Time),
        ("pool", Text),
        ("was", Int),
        ("wanted", Int),
        ("because", Text),
        ("cause", Any),
        ("capped_by", Maybe(&Text)),
        ("inputs", Object(&inputs)),
    ];
    expect(&Value::Array(all.clone()), List(&Object(&form)));
    let marks = bench.run(&["metrics", "--history=1h", "--json"]).expect_code(0).json()["marks"].clone();
    assert!(!marks.to_string().contains("0 → 1"), "a chart has marks for what people do: {marks}");
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);
    assert_eq!(changes(&bench, &["--before", &all[all.len() - 2]["id"].to_string()]), all[all.len() - 1..]);
    assert_eq!(changes(&bench, &["--pool=default", "--limit=1"]).len(), 1);
    let shown = bench.run(&["autoscale", "--history=1h", "--limit=1"]).expect_code(0);
    assert!(shown.stdout.starts_with("change  at ") && shown.stdout.lines().count() == 2, "{shown:?}");
    assert!(shown.stderr.contains("1 of many shown; go on with `--before "), "{shown:?}");
    assert_eq!(bench.ok(&["autoscale", "--history=1h", "--jsonl"]).lines().count(), all.len());
    bench.run(&["autoscale", "--history=1h", "--pool=defualt"]).expect_code(4);
    for wrong in [&["--history=soon"][..], &["--before=3"], &["--history=1h", "--watch"], &["--history=1h", "--replay"]]
    {
        bench.run(&[&["autoscale"], wrong].concat()).expect_code(2);
    }
    let replayed = bench.run(&["autoscale", "--replay", "--json"]).expect_code(0).json();
    let moves = all.iter().filter(|change| change["was"] != change["wanted"]).count();
    assert_eq!(replayed[0]["then"]["changes"], moves);
}

#[test]
fn a_change_is_on_record_once_however_the_master_ends() {
    let bench = Bench::new();
    let mut master = bench.start(&["--autoscale=1..4"]);
    bench.ok(&["scale", "2", "--hold", "1h"]);
    bench.wait_for("the change to be on record", DEADLINE, |b| !changes(b, &[]).is_empty());
    master.kill9();
    let mut next = bench.start(&["--autoscale=1..4"]);
    bench.ok(&["scale", "3", "--hold", "1h"]);
    bench.wait_for("the next change to be on record", DEADLINE, |b| changes(b, &[]).len() > 1);
    next.kill9();
    assert_eq!(numbers(&changes(&bench, &[])), ["1→2", "1→3"]);
}
