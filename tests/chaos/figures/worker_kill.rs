//! `kill -9` of a worker with a job: until the job runs again, and the slot has another worker.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Bench, Figure, job, push, start};
use crate::clock;
use crate::support::DEADLINE;
use crate::table::{Times, ms};
use crate::victims;
use crate::witness::Witness;

const WORKERS: usize = 4;
/// How long each job takes, in milliseconds.
const JOB_MS: u64 = 60;
/// A job that has run so long still has most of its time to go.
const YOUNG_US: i64 = 20_000;

pub(super) fn measure(samples: usize) -> Figure {
    let bench = Bench::new();
    push(&bench, (0..200 + 20 * samples).map(|_| job("well", JOB_MS)));
    let chief = start(&bench, WORKERS, "max_crashes = 1000\n");
    let mut witness = Witness::new(&bench.path().join("witness"));
    let times = (0..samples).map(|_| sample(&mut witness)).collect();
    chief.stop();
    let times = Times::new(times);
    let (median, worst) = (times.percentile(50), times.percentile(99));
    Figure {
        what: "`kill -9` of a worker: its job runs again and the slot is refilled, p99".to_owned(),
        target: "< 50 ms",
        measured: format!("{} (median {}, {} kills)", ms(worst), ms(median), times.len()),
        peers: "30 s … 60 min for the job; pm2 12 ms, supervisord 1 s for the process",
        is_met: worst < 50_000,
    }
}

/// A worker with a job, and how often its name has come up.
struct Victim {
    pid: i32,
    job: i64,
    name: String,
}

/// Kills one worker; how long it takes, in microseconds, by what the next workers write.
fn sample(witness: &mut Witness) -> i64 {
    let mut victim = None;
    let found = clock::soon(DEADLINE, || {
        victim = choose(witness.read());
        victim.is_some()
    });
    assert!(found, "no worker has a job");
    let Victim { pid, job, name } = victim.expect("BUG: it was found");
    let at = clock::micros();
    victims::signal(pid, Signal::SIGKILL);
    let mut done = None;
    let again = clock::soon(DEADLINE, || {
        let seen = witness.read();
        let restarted = seen.jobs[&job].iter().find(|run| run.start > at && run.pid != pid).map(|run| run.start);
        let refilled = seen.ups.iter().find(|(of, by, up)| *of == name && *by != pid && *up > at).map(|(_, _, up)| *up);
        done = restarted.zip(refilled).map(|(job, slot)| job.max(slot));
        done.is_some()
    });
    assert!(again, "job {job} does not run again, or `{name}` does not come up");
    // So that the next one is not the second death in a row, after which a worker has to wait.
    clock::pass(Duration::from_millis(2 * JOB_MS));
    done.expect("BUG: it was seen") - at
}

/// A worker that has finished a job and is at the beginning of another.
fn choose(witness: &Witness) -> Option<Victim> {
    let now = clock::micros();
    let is_proven = |pid: i32| witness.jobs.values().flatten().any(|run| run.pid == pid && run.end.is_some());
    let running = witness.jobs.iter().filter_map(|(job, runs)| Some((*job, runs.last()?)));
    let mut young = running.filter(|(_, run)| run.end.is_none() && now - run.start < YOUNG_US);
    let (job, run) = young.find(|(_, run)| is_proven(run.pid))?;
    let name = witness.ups.iter().find(|(_, pid, _)| *pid == run.pid)?.0.clone();
    Some(Victim { pid: run.pid, job, name })
}
