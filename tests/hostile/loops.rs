//! What dies again and again: workers, and jobs that take their workers with them.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::help::{alone_with_processes, cpu, status_is_prompt};
use crate::support::{Bench, DEADLINE, fixture};

#[test]
fn workers_that_die_at_once_again_and_again_cost_next_to_nothing_and_are_named() {
    let _alone = alone_with_processes();
    let bench = Bench::new();
    let text = "[pools.bad]\nworkers = 8\ncommand = [\"/bin/sh\", \"-c\", \"echo no luck >&2; exit 3\"]\n\
                [pools.good]\nworkers = 1\nqueues = [\"default\"]\n";
    fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    let master = bench.start(&[]);
    let state = |b: &Bench| {
        let status = b.status();
        let pool = status["pools"].as_array().and_then(|p| p.iter().find(|p| p["name"] == "bad").cloned());
        (pool.unwrap_or_default()["problem"].clone(), status)
    };
    // In the sixth round they wait for about 1.6 s.
    bench.wait_for("the waits to be long", DEADLINE, |b| {
        let (_, status) = state(b);
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        workers.iter().filter(|w| w["pool"] == "bad").all(|w| w["restarts"].as_u64() >= Some(6))
    });
    let used = cpu(master.pid(), Duration::from_secs(4));
    println!("master of 8 workers that die at once: {used:.2} % of a processor");
    // In a debug build, with a status asked for now and then; 1 % is the aim.
    assert!(used < 5.0, "{used} %");
    bench.wait_for("it to be said", DEADLINE, |b| {
        let (problem, _) = state(b);
        let problem = problem.as_str().unwrap_or_default().to_owned();
        problem.contains("exits at once with status 3: no luck") && problem.contains("next try in")
    });
    status_is_prompt(&bench, "workers die at once");
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
}

#[test]
fn jobs_that_kill_their_workers_are_dead_after_three_and_the_others_are_done_by_the_same_pool() {
    let bench = Bench::new();
    let command = json!(fixture("crash.py"));
    let text = format!("[pools.default]\nworkers = 2\ncommand = {command}\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    let master = bench.start(&[]);
    let uptime = bench.status()["master"]["pid"].clone();
    let poison: Vec<i64> = ["segv", "kill", "abort"].iter().map(|kind| bench.push(&[kind])).collect();
    let good: Vec<i64> = (0..30).map(|n| bench.push(&["good", &format!("[{n}]")])).collect();
    for id in poison {
        let job = bench.wait_for_job(id, "dead");
        assert_eq!((&job["cause"], &job["crashes"], &job["attempts"]), (&json!("poison"), &json!(3), &json!(0)));
        let runs = bench.runs(id);
        assert!(runs.len() == 3 && runs.iter().all(|r| r["outcome"] == "crashed"), "{runs:#?}");
    }
    for id in good {
        let job = bench.wait_for_job(id, "succeeded");
        assert_eq!((&job["crashes"], &job["attempts"]), (&json!(0), &json!(0)), "{job:#}");
    }
    assert_eq!(bench.status()["master"]["pid"], uptime);
    assert_eq!(master.stderr().matches("is dead (poison)").count(), 3, "{}", master.stderr());
}
