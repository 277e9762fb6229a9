//! The semantics of the queue, through the real binary: what is pushed, in which order it runs, how often it is tried,
//! what becomes of it, and what is on record afterwards.

#[path = "../support/mod.rs"]
mod support;

mod argv;
mod audit;
mod batches;
mod bulk;
mod bulk_bad;
mod bytes;
mod commands;
mod dependencies;
mod keys;
mod labels;
mod limits;
mod live;
mod main_job;
mod many;
mod not_begun;
mod notes;
mod operations;
mod operator;
mod operator_running;
mod order;
mod output;
mod pause;
mod pools;
mod push;
mod retention;
mod retries;
mod served;
mod stream;
mod templates;
mod unique;
mod wait;
mod why;

use serde_json::Value;
use support::{Bench, Run};

/// Runs a master on `default` until nothing is left to do. Its exit code says whether jobs died or are left.
#[track_caller]
fn drain(bench: &Bench, args: &[&str]) -> Run {
    let all: Vec<&str> = ["--queue=default", "--drain", "--backoff=50ms"].iter().chain(args).copied().collect();
    let run = bench.run(&all);
    let last = run.stderr.lines().last().unwrap_or_default();
    let failed = last.starts_with("queue-work: ") && (last.contains(" died; see ") || last.contains(" left"));
    run.expect_code(failed.into())
}

/// Every run on record, oldest first.
#[track_caller]
fn all_runs(bench: &Bench) -> Vec<Value> {
    let mut runs = array(&bench.run(&["runs", "--json", "--limit", "100000"]).expect_code(0));
    runs.reverse();
    runs
}

/// Every job on record, by id.
#[track_caller]
fn all_jobs(bench: &Bench) -> Vec<Value> {
    array(&bench.run(&["jobs", "list", "--oldest", "--json", "--limit", "100000"]).expect_code(0))
}

/// Ids of the jobs in the order in which they ran.
#[track_caller]
fn order(bench: &Bench) -> Vec<i64> {
    all_runs(bench).iter().map(|run| run["job_id"].as_i64().expect("an id")).collect()
}

#[track_caller]
fn array(run: &Run) -> Vec<Value> {
    run.json().as_array().expect("an array").clone()
}

/// Microseconds since the epoch.
#[track_caller]
fn micros(time: &Value) -> i64 {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} is no time"));
    text.parse::<jiff::Timestamp>().unwrap_or_else(|e| panic!("{text}: {e}")).as_microsecond()
}
