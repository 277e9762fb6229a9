//! A store with millions of jobs that wait and runs in the history, against an empty one.

use std::path::Path;

use super::Case;
use crate::Outcome;
use crate::clock::{now_ns, seconds_since};
use crate::figures::{Row, Samples, Target, Unit};
use crate::fill::{self, Order};
use crate::ours::Master;
use crate::proc;
use crate::setting::Setting;

const EMPTY: &str = "an empty store";

/// What is on record must not slow down what is done.
pub(crate) static BIG: Case = Case {
    name: "big-store",
    about: "a million jobs waiting and a million runs on record (ten with --long) against an empty store",
    rows: &[
        Row {
            key: "rate",
            what: "drain with millions waiting and on record",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.9),
            peers: &[EMPTY],
        },
        Row {
            key: "memory",
            what: "resident memory of the master there",
            unit: Unit::Mib,
            target: Target::AtMostTimesPeer(1.1),
            peers: &[EMPTY],
        },
        Row {
            key: "start",
            what: "from start to all workers ready there",
            unit: Unit::Millis,
            target: Target::AtMost(300.0),
            peers: &[EMPTY],
        },
    ],
    once,
};

struct Found {
    rate: f64,
    memory_mib: f64,
    start_ms: f64,
}

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(100_000, 2_000);
    let size = setting.large(10_000_000, 1_000_000, 10_000);
    // Filled once; each repetition takes a small part of it away.
    let large = setting.shared.join("large.db");
    if !large.exists() {
        fill::history(&large, size)?;
        fill::waiting(&large, size, Order::Pushed)?;
    }
    let empty = setting.dir.join("empty.db");
    // Some more than are drained: the end of a queue must not be in one figure only.
    fill::waiting(&empty, jobs + jobs / 10, Order::Pushed)?;
    let ours = measure(setting, &large, jobs)?;
    let theirs = measure(setting, &empty, jobs)?;
    samples.ours("rate", ours.rate);
    samples.ours("memory", ours.memory_mib);
    samples.ours("start", ours.start_ms);
    samples.peer("rate", EMPTY, theirs.rate);
    samples.peer("memory", EMPTY, theirs.memory_mib);
    samples.peer("start", EMPTY, theirs.start_ms);
    Ok(())
}

fn measure(setting: &Setting<'_>, database: &Path, jobs: u64) -> Outcome<Found> {
    let noop = [setting.tools.noop.clone().into_os_string()];
    let start = now_ns();
    let master = Master::start(setting, database, 4, &[], &noop)?;
    let start_ms = seconds_since(start) * 1e3;
    let drained = master.timed(jobs, None)?;
    let memory_mib = proc::resident_kib(master.pid())? as f64 / 1024.0;
    master.pause()?;
    master.stop()?;
    Ok(Found { rate: drained.per_second(), memory_mib, start_ms })
}
