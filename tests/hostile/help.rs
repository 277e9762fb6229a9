//! What the tests of this folder share: how fast a master answers, what it costs, how fast jobs are done.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::support::{Bench, DEADLINE, eventually, now};

/// How soon the one in the middle of many answers comes, whatever others do.
const PROMPT: Duration = Duration::from_millis(100);
/// How soon each of them comes, on a machine that has other work, too.
const NOT_TOO_LATE: Duration = Duration::from_secs(5);

/// Held by the test that has a thousand processes, and by one that measures what each look through all of them costs.
static ALL_PROCESSES: Mutex<()> = Mutex::new(());

/// Keeps the other of these two tests waiting for as long as the result lives.
pub(crate) fn alone_with_processes() -> MutexGuard<'static, ()> {
    ALL_PROCESSES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from the environment, for longer runs.
pub(crate) fn from_env(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Lets time go by, for what can only be seen over a time.
pub(crate) fn watch(time: Duration) {
    eventually(time, || false);
}

/// Panics unless the status comes promptly.
#[track_caller]
pub(crate) fn status_is_prompt(bench: &Bench, while_what: &str) {
    let took = status_takes(bench, while_what);
    assert!(took[10] < PROMPT && took[20] < NOT_TOO_LATE, "{while_what}: {took:?}");
}

/// Asks for the status many times, on one connection; prints and returns how long it took, the shortest first.
pub(crate) fn status_takes(bench: &Bench, while_what: &str) -> Vec<Duration> {
    let took = Peer::new(bench).status_takes();
    println!("status while {while_what}: median {:?}, worst {:?}", took[10], took[20]);
    took
}

/// Pushes jobs to a queue one after the other, each when the one before is done, for a time; jobs per second.
#[track_caller]
pub(crate) fn rate_of(bench: &Bench, queue: &str, time: Duration) -> f64 {
    let mut peer = Peer::new(bench);
    let begun = now();
    let mut done = 0;
    while begun.elapsed() < time {
        let id = peer.call("push", &json!({"type": "t", "queue": queue}))["id"].clone();
        assert_eq!(peer.call("jobs.wait", &json!({"id": id}))["state"], "succeeded");
        done += 1;
    }
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// The processor time a process has used, in hundredths of a second.
#[track_caller]
pub(crate) fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    [11, 12].iter().map(|&at| fields[at].parse::<u64>().expect("a number")).sum()
}

/// Per cent of one processor that a process uses over a time.
#[track_caller]
pub(crate) fn cpu(pid: i32, time: Duration) -> f64 {
    let (before, begun) = (ticks(pid), now());
    watch(time);
    (ticks(pid) - before) as f64 / begun.elapsed().as_secs_f64()
}

/// Open files of a process.
pub(crate) fn open_files(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").count()
}

/// Resident memory of the master, in bytes.
#[track_caller]
pub(crate) fn memory(bench: &Bench) -> u64 {
    Peer::new(bench).call("status", &Value::Null)["master"]["memory_bytes"].as_u64().expect("a number")
}

/// What is wrong, by the status.
pub(crate) fn problems(bench: &Bench) -> String {
    let status = bench.status();
    let problems = status["master"]["problems"].as_array().cloned().unwrap_or_default();
    problems.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

/// Waits until a pool has so many workers that are ready.
#[track_caller]
pub(crate) fn wait_for_workers(bench: &Bench, pool: &str, count: u64) {
    bench.wait_for(&format!("{count} workers"), 2 * DEADLINE, |b| {
        let pools = b.status()["pools"].as_array().cloned().unwrap_or_default();
        pools.iter().any(|p| p["name"] == pool && p["ready"] == count)
    });
}

/// Pushes a command and waits until it has succeeded.
#[track_caller]
pub(crate) fn a_job_is_done(bench: &Bench) {
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
}
