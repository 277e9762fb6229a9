//! The figures of the table, each measured on a store of its own. To add one: a module with a `measure` that returns a
//! [`Figure`], and a line in [`measure`].

use serde_json::{Value, json};

use crate::chief::Chief;
use crate::pools;
use crate::support::Bench;
use crate::table::{self, Figure};

mod graceful_stop;
mod master_kill;
mod restart;
mod worker_kill;

/// How often something is measured.
pub(crate) struct Samples {
    worker_kills: usize,
    master_kills: usize,
    restarts: usize,
    /// Jobs that wait, and jobs that run, when a master is restarted.
    waiting: usize,
    running: usize,
    stops: usize,
}

impl Samples {
    /// Enough for the table.
    pub(crate) const MANY: Self =
        Self { worker_kills: 200, master_kills: 50, restarts: 15, waiting: 100_000, running: 64, stops: 50 };
    /// Enough to see that it can be measured.
    const FEW: Self = Self { worker_kills: 4, master_kills: 2, restarts: 1, waiting: 300, running: 4, stops: 2 };
}

/// Measures all of them.
pub(crate) fn measure(samples: &Samples) -> Vec<Figure> {
    vec![
        worker_kill::measure(samples.worker_kills),
        master_kill::measure(samples.master_kills),
        restart::measure(samples.restarts, samples.waiting, samples.running),
        graceful_stop::measure(samples.stops),
    ]
}

/// Adds jobs, with or without a master.
fn push(bench: &Bench, jobs: impl Iterator<Item = Value>) {
    let lines = jobs.map(|job| job.to_string() + "\n").collect::<String>();
    bench.verb(&["push", "--jsonl"]).stdin(lines).run().expect_code(0);
}

/// A job for the compiled worker.
fn job(deed: &str, ms: u64) -> Value {
    json!({"queue": "fast", "type": deed, "args": {"ms": ms}})
}

/// A master with compiled workers for the queue `fast`, and built-in ones for `cmd`.
fn start(bench: &Bench, workers: usize, more: &str) -> Chief {
    Chief::start(bench, &pools::plain(bench, workers, more))
}

#[test]
fn every_figure_of_the_table_can_be_measured_and_no_stop_kills_a_job() {
    let figures = measure(&Samples::FEW);
    let table = table::markdown(&figures);
    assert_eq!(table.lines().count(), 2 + figures.len(), "{table}");
    let stop = figures.last().expect("the last one");
    assert!(stop.is_met, "{table}");
}
