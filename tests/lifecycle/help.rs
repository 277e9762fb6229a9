//! What the tests of this folder share: a pool of a fixture, jobs that last until a gate opens, looks at workers.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Bench, DEADLINE, Master, fixture};

/// `START` or `END` of a job, as its worker saw it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) word: String,
    pub(crate) job: i64,
    pub(crate) pid: i32,
}

/// Writes a configuration with one pool `default` that runs this fixture; `more` are further lines of the pool.
pub(crate) fn configure(bench: &Bench, name: &str, more: &str) {
    let command = json!(fixture(name));
    let text = format!("[pools.default]\ncommand = {command}\n{more}\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
}

/// Starts a master with one pool `default` of this fixture.
#[track_caller]
pub(crate) fn start<'a>(bench: &'a Bench, name: &str, more: &str) -> Master<'a> {
    configure(bench, name, more);
    bench.start(&[])
}

/// Starts a master whose workers write down what they do and hold jobs that have a gate.
#[track_caller]
pub(crate) fn start_journal<'a>(bench: &'a Bench, workers: u32, more: &str) -> Master<'a> {
    start(bench, "journal.py", &format!("workers = {workers}\nenv = {{ JOURNAL = \"journal\" }}\n{more}"))
}

/// Pushes a job that lasts until the gate opens.
#[track_caller]
pub(crate) fn push_held(bench: &Bench, gate: &str) -> i64 {
    bench.push(&["held", &json!({ "gate": gate }).to_string()])
}

/// Pushes so many jobs of this type, without args. Ids ascend.
#[track_caller]
pub(crate) fn push_many(bench: &Bench, count: usize, kind: &str) -> Vec<i64> {
    let lines = format!("{{\"type\":\"{kind}\"}}\n").repeat(count);
    let pushed = bench.verb(&["push", "--jsonl", "--json"]).stdin(lines).run().expect_code(0).json();
    let first = pushed["first_id"].as_i64().expect("an id");
    (first..first + count as i64).collect()
}

/// Lets the jobs behind a gate end.
pub(crate) fn open(bench: &Bench, gate: &str) {
    fs::write(bench.path().join(gate), "").expect("a file");
}

/// What the workers wrote down.
pub(crate) fn journal(bench: &Bench) -> Vec<Entry> {
    let text = fs::read_to_string(bench.path().join("journal")).unwrap_or_default();
    let entry = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<i64>().expect("a number");
        Entry { word: words[0].to_owned(), job: number(1), pid: i32::try_from(number(3)).expect("a pid") }
    };
    text.lines().map(entry).collect()
}

/// Waits until so many jobs were begun, ever.
#[track_caller]
pub(crate) fn wait_started(bench: &Bench, count: usize) {
    bench.wait_for(&format!("{count} jobs to be begun"), DEADLINE, |b| {
        journal(b).iter().filter(|e| e.word == "START").count() >= count
    });
}

/// Waits until every queue is empty of jobs to do.
#[track_caller]
pub(crate) fn wait_done(bench: &Bench) {
    bench.wait_for("all jobs to be done", DEADLINE, |b| {
        let status = b.status();
        let queues = status["queues"].as_array().expect("queues");
        queues.iter().all(|q| ["ready", "running", "scheduled"].iter().all(|k| q[k] == 0))
    });
}

/// The pool as `status` shows it.
pub(crate) fn pool(bench: &Bench, name: &str) -> Value {
    let status = bench.status();
    let pools = status["pools"].as_array().cloned().unwrap_or_default();
    pools.into_iter().find(|p| p["name"] == name).unwrap_or_default()
}

/// Every worker that `status` shows with this id: more than one while it is being replaced.
pub(crate) fn workers(bench: &Bench) -> Vec<Value> {
    bench.status()["workers"].as_array().cloned().unwrap_or_default()
}

/// Waits until exactly this many workers are ready and nobody else is there; returns them.
#[track_caller]
pub(crate) fn wait_ready(bench: &Bench, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    bench.wait_for(&format!("{count} ready workers"), DEADLINE, |b| {
        found = workers(b);
        let is_ready = |w: &Value| ["idle", "busy", "running"].iter().any(|state| w["state"] == *state);
        found.len() == count && found.iter().all(is_ready)
    });
    found
}

/// Waits until a worker of this name is in this state; returns it.
#[track_caller]
pub(crate) fn wait_worker(bench: &Bench, id: &str, state: &str) -> Value {
    let mut found = Value::Null;
    bench.wait_for(&format!("`{id}` to be {state}"), DEADLINE, |b| {
        found = workers(b).into_iter().find(|w| w["id"] == id && w["state"] == state).unwrap_or_default();
        !found.is_null()
    });
    found
}

/// Waits until the pool `default` says this of itself and a worker of it backs off; returns all that it says, and the
/// worker. Both from one look: the wait may be over at the next.
#[track_caller]
pub(crate) fn wait_trouble(bench: &Bench, text: &str) -> (String, Value) {
    let mut found = (String::new(), Value::Null);
    bench.wait_for(&format!("the pool to say `{text}`"), DEADLINE, |b| {
        let status = b.status();
        let pools = status["pools"].as_array().cloned().unwrap_or_default();
        let pool = pools.into_iter().find(|p| p["name"] == "default").unwrap_or_default();
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        let worker = workers.into_iter().find(|w| w["state"] == "backoff").unwrap_or_default();
        found = (pool["problem"].as_str().unwrap_or_default().to_owned(), worker);
        found.0.contains(text) && found.0.contains("next try in") && !found.1.is_null()
    });
    found
}

/// The process ids of workers, in order.
pub(crate) fn pids(workers: &[Value]) -> Vec<i32> {
    let mut pids: Vec<i32> = workers.iter().map(pid).collect();
    pids.sort_unstable();
    pids
}

/// The process id of a worker.
#[track_caller]
pub(crate) fn pid(worker: &Value) -> i32 {
    let pid = worker["pid"].as_i64().unwrap_or_else(|| panic!("no pid in {worker}"));
    i32::try_from(pid).expect("a pid")
}

/// Sends a signal to a process of this bench.
#[track_caller]
pub(crate) fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it is there");
}

/// Whether a process is there, and no zombie.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Every worker on record, newest first.
#[track_caller]
pub(crate) fn records(bench: &Bench) -> Vec<Value> {
    bench.run(&["workers", "--json"]).expect_code(0).json().as_array().expect("an array").clone()
}

/// Waits until so many workers, or more, are on record as ended for this reason; returns them, newest first. Status
/// knows of an end a moment before the store does.
#[track_caller]
pub(crate) fn wait_ended(bench: &Bench, reason: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    bench.wait_for(&format!("{count} workers on record as {reason}"), DEADLINE, |b| {
        found = records(b).into_iter().filter(|w| w["reason"] == reason).collect();
        found.len() >= count
    });
    found
}

/// Panics unless `value` has these members with these values.
#[track_caller]
pub(crate) fn expect(value: &Value, members: &Value) {
    for (name, wanted) in members.as_object().expect("BUG: an object of members") {
        assert_eq!(&value[name], wanted, "`{name}` in {value:#}");
    }
}

/// The only run of a job.
#[track_caller]
pub(crate) fn only_run(bench: &Bench, job: i64) -> Value {
    let runs = bench.runs(job);
    assert_eq!(runs.len(), 1, "{runs:#?}");
    runs[0].clone()
}

/// Stops the master in order; panics if anything of it is left.
#[track_caller]
pub(crate) fn end(bench: &Bench, mut master: Master<'_>) {
    master.signal(Signal::SIGTERM);
    let status = master.wait_exit(Duration::from_secs(15));
    assert_eq!(status.code(), Some(0), "{}", bench.dump());
    bench.expect_no_leftovers();
}

/// Whether a process ignores TERM by now.
pub(crate) fn ignores_term(pid: i32) -> bool {
    has_signal(pid, "SigIgn:", Signal::SIGTERM)
}

/// Whether a signal was sent to a process that has not come to it yet.
pub(crate) fn pending(pid: i32, signal: Signal) -> bool {
    has_signal(pid, "ShdPnd:", signal)
}

fn has_signal(pid: i32, set: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix(set)).and_then(|m| u64::from_str_radix(m.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal as u64 - 1)) != 0)
}
