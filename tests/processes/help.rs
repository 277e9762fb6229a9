//! What the tests of this file share: processes that are known by their own word, and starts in odd surroundings.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Bench, DEADLINE, Master, eventually, fixture};

/// A process, whoever has its id later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    start: String,
}

impl Process {
    /// The process that has this id now, if it lives.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let (state, start) = look(pid)?;
        (state != "Z" && state != "X").then_some(Self { pid, start })
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.start == self.start)
    }
}

/// Processes that a test has seen; those that still live are killed when it ends.
#[derive(Debug, Default)]
pub(crate) struct Processes(Vec<Process>);

impl std::ops::Deref for Processes {
    type Target = [Process];

    fn deref(&self) -> &[Process] {
        &self.0
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for process in self.0.iter().filter(|process| process.is_alive()) {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
    }
}

/// Its state and when it started, behind the name, which may be anything.
fn look(pid: i32) -> Option<(String, String)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.first()?.to_string(), fields.get(19)?.to_string()))
}

/// Every process whose number was written to this file, `WORD PID` or `PID` a line, as far as it lives. Panics at a
/// word `OVERLAP`.
#[track_caller]
pub(crate) fn noted(path: &Path) -> Processes {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(!text.contains("OVERLAP"), "a former run still lived:\n{text}");
    let pids = text.lines().filter_map(|line| line.split(' ').next_back()?.parse().ok());
    Processes(pids.filter_map(Process::of).collect())
}

/// Waits until so many processes have written their number, and returns those that live.
#[track_caller]
pub(crate) fn wait_noted(bench: &Bench, path: &Path, count: usize) -> Processes {
    bench.wait_for(&format!("{count} processes to be there"), DEADLINE, |_| {
        fs::read_to_string(path).unwrap_or_default().lines().count() >= count
    });
    noted(path)
}

/// Waits until all of them are dead.
#[track_caller]
pub(crate) fn wait_dead(bench: &Bench, processes: &[Process]) {
    let dead = eventually(DEADLINE, || !processes.iter().any(Process::is_alive));
    let left: Vec<_> = processes.iter().filter(|process| process.is_alive()).collect();
    assert!(dead, "left: {left:?}\n{}", bench.dump());
}

/// Direct children of a process, in any state.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let texts = threads.filter_map(|t| fs::read_to_string(t.ok()?.path().join("children")).ok());
    texts.flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// The state of a process, one letter.
pub(crate) fn state(pid: i32) -> Option<String> {
    look(pid).map(|(state, _)| state)
}

/// The guardian of the bench.
#[track_caller]
pub(crate) fn guardian(bench: &Bench) -> Process {
    let mut found = None;
    bench.wait_for("a guardian", DEADLINE, |b| {
        let left = b.leftovers().into_iter().find(|left| left.command.contains("__guardian"));
        found = left.and_then(|left| Process::of(left.pid));
        found.is_some()
    });
    found.expect("BUG: it was found")
}

/// The workers in `status`.
pub(crate) fn workers(bench: &Bench) -> Vec<Value> {
    bench.status()["workers"].as_array().cloned().unwrap_or_default()
}

/// The process of the worker in this slot.
#[track_caller]
pub(crate) fn worker_pid(bench: &Bench, name: &str) -> i32 {
    let mut pid = 0;
    bench.wait_for(&format!("worker {name}"), DEADLINE, |b| {
        pid = workers(b).iter().find(|w| w["id"] == name).and_then(|w| w["pid"].as_i64()).unwrap_or(0) as i32;
        pid != 0
    });
    pid
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it is there");
}

/// Ends the master by TERM and expects that nothing is left.
#[track_caller]
pub(crate) fn end(bench: &Bench, mut master: Master<'_>) {
    master.signal(Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", bench.dump());
    bench.expect_no_leftovers();
}

/// The arguments of a master whose workers are a fixture.
pub(crate) fn with_fixture(options: &[&str], name: &str) -> Vec<String> {
    let own = options.iter().map(|&option| option.to_owned());
    own.chain(["--queue", "default", "--"].map(str::to_owned)).chain(fixture(name)).collect()
}

pub(crate) fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// A value of a process's `status` file.
pub(crate) fn status_of(pid: i32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned()))
}

/// Whether such a command can be run here; prints that a test is skipped if not.
pub(crate) fn can(what: &str, program: &str, args: &[&str]) -> bool {
    let runs = Command::new(program).args(args).output().is_ok_and(|out| out.status.success());
    if !runs {
        println!("skipped: {what}: `{program} {}` does not work here", args.join(" "));
    }
    runs
}

/// So many jobs, each of them what `push` with these arguments makes of a line.
#[track_caller]
pub(crate) fn push_lines(bench: &Bench, count: usize, args: &[&str], line: impl Fn(usize) -> String) {
    let lines: Vec<String> = (0..count).map(line).collect();
    let args = [&["push"], args].concat();
    bench.verb(&args).stdin(lines.join("\n")).run().expect_code(0);
}

/// What a verb prints as one document a line.
#[track_caller]
pub(crate) fn list(bench: &Bench, args: &[&str]) -> Vec<Value> {
    let args = [args, &["--jsonl", "--limit", "100000"]].concat();
    bench.ok(&args).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Waits until so many jobs of the default queue have ended, in either way.
#[track_caller]
pub(crate) fn wait_done(bench: &Bench, count: usize) {
    bench.wait_for(&format!("{count} jobs to end"), 4 * DEADLINE, |b| {
        let queue = &b.status()["queues"][0];
        let of = |name: &str| queue[name].as_u64().unwrap_or(0);
        of("succeeded_total") + of("dead") == count as u64
    });
}
