//! Workers that survive the death of their master where they can: they ignore TERM and the end of their input.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Bench, DEADLINE, Leftover, Master, fixture};

/// A master with one such worker, which runs job 1.
#[track_caller]
pub(crate) fn start(bench: &Bench) -> Master<'_> {
    let command = fixture("ignore_term.py");
    let mut args = vec!["--workers", "1", "--queue", "default", "--"];
    args.extend(command.iter().map(String::as_str));
    let master = bench.start_with(&args, &[("EARLY", "1")]);
    bench.wait_for("a busy worker", DEADLINE, |b| b.status()["workers"][0]["job"]["id"] == 1);
    master
}

pub(crate) fn guardian(bench: &Bench) -> Option<Leftover> {
    bench.leftovers().into_iter().find(|left| left.command.contains("__guardian"))
}

pub(crate) fn workers(bench: &Bench) -> Vec<i32> {
    bench
        .leftovers()
        .into_iter()
        .filter(|left| left.command.contains("ignore_term") && !left.command.contains("--workers"))
        .map(|left| left.pid)
        .collect()
}

/// Kills master and guardian so that neither can do anything about the death of the other.
#[track_caller]
pub(crate) fn kill_with_guardian(bench: &Bench, master: &mut Master<'_>) {
    let guardian = guardian(bench).expect("a guardian");
    for pid in [guardian.pid, master.pid()] {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it is there");
    }
    guardian.kill();
    master.kill9();
}
