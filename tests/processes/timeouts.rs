//! Jobs that take exactly as long as they may.

use serde_json::{Value, json};

use crate::help::{end, list, push_lines, wait_done};
use crate::support::Bench;

const JOBS: usize = 240;

/// Waits for all jobs; each has one run, and that ended in one of two ways.
#[track_caller]
fn ended(bench: &Bench) -> Vec<Value> {
    wait_done(bench, JOBS);
    let runs = list(bench, &["runs"]);
    let as_expected = |run: &&Value| run["outcome"] == "succeeded" || run["outcome"] == "timed_out";
    let odd: Vec<&Value> = runs.iter().filter(|run| !as_expected(run)).collect();
    assert!(odd.is_empty() && runs.len() == JOBS, "{} runs, {odd:#?}", runs.len());
    runs
}

#[test]
fn of_jobs_that_end_at_their_deadline_each_is_done_or_timed_out_and_nobody_else_pays() {
    let bench = Bench::new();
    // As long as the timeout, where the cancel meets the answer; and as long as the patience after it, where TERM does.
    let seconds = [0.1, 0.098, 0.102, 0.2, 0.198, 0.196];
    push_lines(&bench, JOBS, &["--jsonl"], |n| {
        json!({"type": "t", "max_attempts": 1, "args": {"seconds": seconds[n % seconds.len()]}}).to_string()
    });
    std::fs::write(
        bench.path().join("queue-work.toml"),
        format!(
            "[pools.default]\nworkers = 8\ntimeout = \"100ms\"\nkill_after = \"100ms\"\nprefetch = 1\n\
             command = {}\n",
            json!(crate::support::fixture("journal.py"))
        ),
    )
    .expect("written");
    let journal = bench.path().join("journal");
    let master = bench.start_with(&[], &[("JOURNAL", journal.to_str().expect("UTF-8"))]);
    let runs = ended(&bench);
    let count = |outcome: &str| runs.iter().filter(|run| run["outcome"] == outcome).count();
    println!("{} succeeded, {} timed out", count("succeeded"), count("timed_out"));
    assert!(count("succeeded") > 0 && count("timed_out") > 0, "the test is not what it seems");
    // A run that succeeded has come to its end, as the worker saw it.
    let seen = std::fs::read_to_string(&journal).expect("a journal");
    let ends = |job: &Value| seen.lines().filter(|line| line.starts_with(&format!("END {job} "))).count();
    assert!(runs.iter().filter(|run| run["outcome"] == "succeeded").all(|run| ends(&run["job_id"]) == 1));
    end(&bench, master);
}

#[test]
fn commands_that_end_at_their_deadline_are_done_or_timed_out_too() {
    let bench = Bench::new();
    let push = ["--lines", "--timeout", "200ms", "--max-attempts", "1", "--", "sleep", "{}"];
    push_lines(&bench, JOBS, &push, |n| format!("0.{}", 180 + n % 20));
    let master = bench.start(&["--workers", "8", "--queue", "default"]);
    ended(&bench);
    end(&bench, master);
}
