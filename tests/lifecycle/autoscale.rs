//! Pools that scale themselves, by real jobs: up at once, never on busy CPUs, down to nothing, and always with a reason.

use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};

use crate::help::{end, expect, only_run, pool, workers};
use crate::support::{Bench, DEADLINE, now};

/// The only pool, as it explains itself.
fn autoscale(bench: &Bench) -> Value {
    let pools: Value = bench.run(&["autoscale", "--json"]).expect_code(0).json();
    assert_eq!(pools.as_array().map(Vec::len), Some(1), "{pools}");
    pools[0].clone()
}

/// A configuration with a pool of commands that scales itself.
fn configured(bench: &Bench, keys: &str) {
    let text = format!("[pools.default.autoscale]\n{keys}\n");
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("a file");
}

#[test]
fn three_hundred_jobs_of_a_second_are_all_started_within_nine() {
    let bench = Bench::new();
    // This machine may be busy with other tests: these jobs only wait.
    configured(&bench, "min = 0\nmax = 40\ncpu_max = \"off\"");
    let master = bench.start(&[]);
    assert!(workers(&bench).is_empty());
    let jobs = "{\"type\":\"exec\",\"args\":{\"argv\":[\"sleep\",\"1\"]}}\n".repeat(300);
    let begun = now();
    bench.verb(&["push", "--jsonl"]).stdin(jobs).run().expect_code(0);
    let left = |b: &Bench| b.status()["queues"][0]["ready"].as_u64();
    bench.wait_for("all to be started", DEADLINE, |b| left(b) == Some(0));
    let took = begun.elapsed();
    assert!(took <= Duration::from_secs(9) || is_loaded(), "{took:?}");
    let status = autoscale(&bench);
    expect(&status, &json!({"pool": "default", "min": 0, "max": 40, "wanted": 40}));
    end(&bench, master);
}

/// Whether other tests keep the CPUs busy, so that times say nothing.
fn is_loaded() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0);
    load > 0.75 * std::thread::available_parallelism().map_or(1, usize::from) as f64
}

#[test]
fn a_ready_job_starts_a_worker_at_once_and_a_pool_without_work_has_none_again() {
    let bench = Bench::new();
    configured(&bench, "min = 0\nmax = 4\nhold = \"1s\"\ncpu_max = \"off\"");
    let master = bench.start(&[]);
    expect(&pool(&bench, "default"), &json!({"wanted": 0, "state": "running"}));
    let job = bench.push(&["--", "true"]);
    let done = bench.wait_for_job(job, "succeeded");
    let time =
        |of: &Value, key: &str| of[key].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok()).expect("a time");
    let waited = time(&only_run(&bench, job), "started_at").duration_since(time(&done, "pushed_at"));
    assert!(waited.as_secs_f64() < 0.5 || is_loaded(), "{waited:?}");
    // Arrivals are forgotten after half a minute.
    bench.wait_for("no worker", 3 * DEADLINE, |b| pool(b, "default")["wanted"] == 0 && workers(b).is_empty());
    assert_eq!(bench.run(&["status"]).expect_code(0).stdout.matches("no pool serves").count(), 0);
    end(&bench, master);
}

/// Keeps every CPU busy until it is dropped.
struct Burners(Vec<Child>);

impl Burners {
    fn light() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let burn = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh");
        Self((0..cpus).map(|_| burn()).collect())
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for burner in &mut self.0 {
            let _ = burner.kill();
            let _ = burner.wait();
        }
    }
}

#[test]
fn a_machine_with_all_cpus_busy_gets_no_more_workers() {
    let bench = Bench::new();
    let _burners = Burners::light();
    let master = bench.start(&["--autoscale", "1..8"]);
    bench.wait_for("the CPUs to be known as busy", DEADLINE, |b| {
        autoscale(b)["inputs"]["cpu"].as_f64().is_some_and(|busy| busy >= 0.9)
    });
    for _ in 0..60 {
        bench.push(&["--", "sleep", "0.2"]);
    }
    bench.wait_for("the cap to be named", DEADLINE, |b| autoscale(b)["capped_by"] == "cpu");
    let now = autoscale(&bench);
    expect(&now, &json!({"wanted": 1, "workers": 1}));
    let line = bench.ok(&["autoscale", "--pool", "default"]);
    assert!(line.starts_with("default: 1 worker, because ") && line.contains("; capped by the CPUs ("), "{line}");
    end(&bench, master);
}

#[test]
fn a_paused_queue_holds_the_least_number() {
    let bench = Bench::new();
    configured(&bench, "min = 2\nmax = 8\nhold = \"1s\"\ncpu_max = \"off\"");
    let master = bench.start(&[]);
    bench.ok(&["pause", "default"]);
    for _ in 0..30 {
        bench.push(&["--", "sleep", "2"]);
    }
    bench.wait_for("all to be seen", DEADLINE, |b| b.status()["queues"][0]["ready"] == 30);
    expect(&autoscale(&bench), &json!({"wanted": 2, "because": "this is the least number", "capped_by": null}));
    bench.ok(&["resume", "default"]);
    bench.wait_for("more workers", DEADLINE, |b| pool(b, "default")["wanted"].as_u64() > Some(2));
    end(&bench, master);
}

#[test]
fn a_number_is_refused_unless_it_is_for_a_while() {
    let bench = Bench::new();
    let master = bench.start(&["--autoscale", "1..3"]);
    let refused = bench.run(&["scale", "6"]).expect_code(5);
    assert!(
        refused.stderr.contains("pool `default` scales itself, from 1 to 3 workers; say for how long"),
        "{refused:?}"
    );
    assert_eq!(bench.ok(&["scale", "5", "--hold", "30m"]), "scaled `default` from 1 to 5 workers: 5 ready\n");
    expect(&autoscale(&bench), &json!({"wanted": 5, "because": "an operator has said so"}));
    assert!(bench.ok(&["scale", "auto"]).starts_with("`default` scales itself again: "));
    bench.wait_for("the pool to scale itself", DEADLINE, |b| autoscale(b)["wanted"] == 1);
    end(&bench, master);
    let master = bench.start(&["--workers", "1"]);
    let refused = bench.run(&["scale", "auto"]).expect_code(5);
    assert!(refused.stderr.contains("pool `default` does not scale itself"), "{refused:?}");
    assert!(bench.run(&["autoscale"]).expect_code(0).stderr.contains("no pool scales itself"));
    end(&bench, master);
}

#[test]
fn a_replay_says_what_would_have_been_beside_what_was() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let jobs: Vec<i64> = (0..6).map(|_| bench.push(&["--", "sleep", "0.3"])).collect();
    for job in jobs {
        bench.wait_for_job(job, "succeeded");
    }
    end(&bench, master);
    let replayed = bench.run(&["autoscale", "--replay", "--since", "1h", "--min", "0", "--max", "6", "--json"]);
    let replayed = replayed.expect_code(0).json()[0].clone();
    expect(&replayed, &json!({"pool": "default", "runs": 6, "min": 0, "max": 6}));
    expect(&replayed["then"], &json!({"changes": null, "most_workers": 1}));
    let wait = |of: &str| replayed[of]["wait_p95_s"].as_f64().expect("a number");
    assert!(wait("then") > 1.0 && wait("replayed") < wait("then"), "{replayed}");
    assert!(replayed["replayed"]["worker_hours"].as_f64() > Some(0.0), "{replayed}");
    let text = bench.ok(&["autoscale", "--replay", "--target-wait", "2s", "--max", "3"]);
    assert!(text.starts_with("default: 6 runs since ") && text.contains("1 to 3 workers and a wait of 2s"), "{text}");
    bench.run(&["autoscale", "--max", "3"]).expect_code(2);
    bench.run(&["autoscale", "--replay", "--min", "9", "--max", "3"]).expect_code(2);
}

#[test]
fn a_reload_changes_how_a_pool_scales_itself() {
    let bench = Bench::new();
    configured(&bench, "min = 1\nmax = 4\nhold = \"1s\"");
    let master = bench.start(&[]);
    configured(&bench, "min = 3\nmax = 4\nhold = \"1s\"");
    let said = bench.ok(&["reload"]);
    assert!(said.contains("autoscale.min"), "{said}");
    bench.wait_for("three workers", DEADLINE, |b| pool(b, "default")["ready"] == 3);
    std::fs::write(bench.path().join("queue-work.toml"), "[pools.default]\nworkers = 2\n").expect("a file");
    bench.ok(&["reload"]);
    bench.wait_for("two workers", DEADLINE, |b| pool(b, "default")["wanted"] == 2 && workers(b).len() == 2);
    end(&bench, master);
}
