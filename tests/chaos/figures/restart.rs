//! A master that is killed with many jobs waiting and running: from the start of the next one to the first job that
//! begins. The next one is started at once, as a service manager would: its proof that nothing of the last one lives
//! is part of the time.

use super::{Bench, Figure, job, push};
use crate::chief::Chief;
use crate::clock;
use crate::pools;
use crate::support::DEADLINE;
use crate::table::{Times, ms};
use crate::witness::Witness;

/// Longer than anything here takes.
const HOLD_MS: u64 = 600_000;

pub(super) fn measure(samples: usize, waiting: usize, running: usize) -> Figure {
    let bench = Bench::new();
    push(&bench, (0..waiting + running).map(|_| job("well", HOLD_MS)));
    let config = pools::plain(&bench, running, "");
    let mut witness = Witness::new(&bench.path().join("witness"));
    let mut chief = Chief::launch(&bench, &config);
    wait_for(&mut witness, chief.since, running);
    let times = (0..samples).map(|_| {
        chief.kill9();
        chief = Chief::launch(&bench, &config);
        wait_for(&mut witness, chief.since, running) - chief.since
    });
    let times = Times::new(times.collect());
    chief.kill9();
    let (median, worst) = (times.percentile(50), times.percentile(100));
    Figure {
        what: format!("restart after `kill -9` with {waiting} waiting and {running} running jobs → first dispatch"),
        target: "< 300 ms",
        measured: format!("{} (median; longest {}, {} restarts)", ms(median), ms(worst), times.len()),
        peers: "not published",
        is_met: median < 300_000,
    }
}

/// Waits until so many jobs have begun since; when the first did.
fn wait_for(witness: &mut Witness, since: i64, running: usize) -> i64 {
    let mut first = i64::MAX;
    let all = clock::soon(2 * DEADLINE, || {
        let starts = witness.read().jobs.values().flatten().map(|run| run.start).filter(|start| *start > since);
        let (count, least) = starts.fold((0, i64::MAX), |(count, least), start| (count + 1, least.min(start)));
        first = least;
        count >= running
    });
    assert!(all, "not {running} jobs begin");
    first
}
