//! `max_processes`: no more processes of workers than that, of all pools together.

use std::fs;

use serde_json::{Value, json};

use crate::help::{end, pid, workers};
use crate::support::{Bench, DEADLINE};

fn write(bench: &Bench, cap: &str) {
    let pool = |name: &str| {
        format!("[pools.{name}]\nkind = \"opaque\"\ncommand = [\"sleep\", \"1000\"]\nworkers = 2\ngrace = \"1s\"\n")
    };
    let text = format!("max_processes = {cap}\n{}{}", pool("one"), pool("two"));
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
}

fn running(bench: &Bench) -> usize {
    workers(bench).iter().filter(|worker| worker["pid"].is_number()).count()
}

fn problems(bench: &Bench) -> Value {
    bench.status()["master"]["problems"].clone()
}

#[test]
fn what_is_beyond_the_cap_waits_and_is_named_and_no_verb_goes_beyond_it() {
    let bench = Bench::new();
    write(&bench, "3");
    let master = bench.start(&[]);
    bench.wait_for("three to run", DEADLINE, |b| running(b) == 3);
    let said = "1 worker waits for others to end, as `max_processes` is 3; raise it, or scale a pool down";
    bench.wait_for("the problem", DEADLINE, |b| problems(b) == json!([said]));
    let health = bench.run(&["health"]).expect_code(1);
    assert!(health.stdout.contains(said), "{health:?}");
    for verb in [&["scale", "+1", "--pool", "one"][..], &["spawn", "--queue", "q", "--workers", "1"]] {
        let refused = bench.run(verb).expect_code(5);
        let words =
            "there would be 5 workers in all pools, and `max_processes` is 3; raise it in the configuration and";
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    assert!(bench.status()["pools"].as_array().is_some_and(|pools| pools.iter().all(|pool| pool["wanted"] == 2)));

    bench.ok(&["scale", "1", "--pool", "one"]);
    bench.wait_for("the other to have its place", DEADLINE, |b| {
        let of_two = workers(b).iter().filter(|w| w["pool"] == "two" && w["pid"].is_number()).count();
        of_two == 2 && running(b) == 3 && problems(b).is_null()
    });
    let before: Vec<i32> = workers(&bench).iter().map(pid).collect();
    bench.ok(&["restart", "--pool", "two"]);
    let after: Vec<i32> = workers(&bench).iter().map(pid).collect();
    assert!(after.len() == 3 && after.iter().filter(|pid| before.contains(pid)).count() == 1, "{before:?} {after:?}");
    write(&bench, "\"off\"");
    bench.ok(&["reload"]);
    bench.ok(&["scale", "4", "--pool", "two"]);
    bench.wait_for("all to run", DEADLINE, |b| running(b) == 5);
    end(&bench, master);
}
