//! Processors: how late their jobs are, what they cost while none is due, and what it takes to list their runs.
//!
//! A tick is an instant of the wall clock, a stamp one of the monotonic clock; how far apart these are is read once, at the
//! end. A worker takes the time as the first thing it does with a job.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use queue_work::testing::model::{ProcessorName, StoreUrl};
use queue_work::testing::store::{self, ProcessorRunFilter};

use super::Case;
use super::history::asked;
use crate::Outcome;
use crate::clock::{now_ns, pause, seconds_since, wall_us};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::fill;
use crate::ours::Master;
use crate::proc;
use crate::roles;
use crate::setting::Setting;

const WORKERS: u32 = 4;
const SECOND_US: i64 = 1_000_000;
/// Intervals that rarely meet, in milliseconds.
const GRIDS: [u32; 5] = [170, 190, 200, 210, 230];
/// Processors that wait, and that are listed.
const ARMED: u64 = 100;
const YEARLY: &str = "cron = \"@yearly\"";
const NONE_ARMED: &str = "none armed";

/// The lists are whole processes, from their start to their end.
pub(crate) static PROCESSORS: Case = Case {
    name: "processors",
    about: "from a tick to the worker, 1,000 processors at one tick, 100 that wait, lists of a million runs",
    rows: &[
        Row::alone("worker-p50", "tick → worker has its job, idle pool, p50", Unit::Millis, Target::AtMost(3.0)),
        Row::alone("worker-p99", "… p99", Unit::Millis, Target::AtMost(20.0)),
        Row::alone("all", "1,000 processors at one tick → workers have all jobs", Unit::Millis, Target::AtMost(100.0)),
        Row {
            key: "armed",
            what: "CPU while idle, 100 processors armed",
            unit: Unit::Percent,
            target: Target::None,
            peers: &[NONE_ARMED],
        },
        Row::alone("more", "… more than with none", Unit::Percent, Target::AtMost(0.005)),
        list("processors", "`processors`, 100 with a million runs on record"),
        list("runs", "`processors runs`"),
        list("runs-of-one", "… of one processor"),
        list("runs-failed", "… `--state failed`"),
        list("alone", "`processors` without a master"),
    ],
    once,
};

const fn list(key: &'static str, what: &'static str) -> Row {
    Row::alone(key, what, Unit::Millis, Target::AtMost(10.0))
}

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let grids: String = (1..)
        .zip(GRIDS)
        .map(|(n, step)| processor(n, &format!("every = \"{step}ms\"\nevery_from = \"start\"")))
        .collect();
    let late: Vec<f64> = delays(setting, "grids", &grids, setting.n(11, 3))?.into_iter().map(|(_, ms)| ms).collect();
    samples.ours("worker-p50", percentile(&late, 50.0).ok_or("no ticks")?);
    samples.ours("worker-p99", percentile(&late, 99.0).ok_or("no ticks")?);
    samples.ours("all", all_at_once(setting, setting.n(1000, 50))?);
    idle(setting, samples)?;
    lists(setting, samples)
}

/// The n-th processor, whose job says its number.
fn processor(n: u64, schedule: &str) -> String {
    format!(
        "[processors.p{n}]\n{schedule}\nmissed = \"all\"\noverlap = \"allow\"\nqueue = \"{}\"\ntype = \"noop\"\nargs = [{n},0]\n",
        crate::ours::QUEUE
    )
}

fn waiting() -> String {
    (1..=ARMED).map(|n| processor(n, YEARLY)).collect()
}

/// A master with these processors.
fn master(setting: &Setting<'_>, name: &str, processors: &str, worker: &[std::ffi::OsString]) -> Outcome<Master> {
    let file = setting.folder(name)?.join("queue-work.toml");
    fs::write(&file, processors)?;
    let file = file.to_string_lossy().into_owned();
    Master::start(setting, &setting.folder(name)?.join("q.db"), WORKERS, &["--config", &file], worker)
}

/// The ticks of so many seconds, each with the milliseconds until a worker had its job. Those of the first second are left
/// out: what is done for the first time takes longer.
fn delays(setting: &Setting<'_>, name: &str, processors: &str, seconds: u64) -> Outcome<Vec<(i64, f64)>> {
    let stamps = setting.folder(&format!("{name}-stamps"))?;
    let master = master(setting, name, processors, &roles::stamping(setting, &stamps))?;
    let database = master.database.clone();
    pause(Duration::from_secs(seconds));
    // Far from a tick of each second.
    pause(Duration::from_micros((900_000 - wall_us()).rem_euclid(SECOND_US).unsigned_abs()));
    let apart_us = wall_us() - (now_ns() / 1000) as i64;
    master.stop()?;
    let mut had: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for stamp in roles::read(&stamps)? {
        had.entry(stamp.job).or_default().push((stamp.at_ns / 1000) as i64 + apart_us);
    }
    let mut records = store::open(&StoreUrl::File(database)).records()?;
    let mut all = Vec::new();
    for (n, mut had) in had {
        had.sort_unstable();
        let processor = Some(ProcessorName::new(&format!("p{n}"))?);
        let runs = records.processor_runs(&ProcessorRunFilter { processor, ..ProcessorRunFilter::default() })?;
        let over = runs.iter().rev().filter(|run| !run.state.is_open());
        let ticks: Vec<i64> = over.filter_map(|run| Some(run.tick?.0)).collect();
        if ticks.len() != had.len() {
            return Err(format!("processor {n} has {} runs and {} stamps", ticks.len(), had.len()).into());
        }
        all.extend(ticks.iter().zip(had).map(|(tick, at)| (*tick, (at - tick) as f64 / 1e3)));
    }
    let first = all.iter().map(|(tick, _)| *tick).min().unwrap_or_default();
    all.retain(|(tick, _)| *tick > first + SECOND_US);
    Ok(all)
}

/// From a tick of all processors until workers have all their jobs, in milliseconds.
fn all_at_once(setting: &Setting<'_>, processors: u64) -> Outcome<f64> {
    let each_second: String = (1..=processors).map(|n| processor(n, "cron = \"* * * * * *\"")).collect();
    let mut ticks: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (tick, ms) in delays(setting, "all", &each_second, setting.n(5, 3))? {
        ticks.entry(tick).or_default().push(ms);
    }
    if ticks.values().any(|jobs| jobs.len() as u64 != processors) {
        return Err("a tick has no run for each processor".into());
    }
    let last: Vec<f64> = ticks.values().filter_map(|jobs| percentile(jobs, 100.0)).collect();
    percentile(&last, 50.0).ok_or_else(|| "no ticks".into())
}

/// Both masters at the same time, and for a minute: so often the clock is looked at while a tick is awaited.
fn idle(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let noop = [setting.tools.noop.clone().into_os_string()];
    let masters = [master(setting, "armed", &waiting(), &noop)?, master(setting, "none-armed", "", &noop)?];
    for master in &masters {
        master.warm_up("noop", "null")?;
    }
    pause(Duration::from_secs(setting.n(5, 1)));
    let cpu = || masters.iter().map(|master| proc::cpu_ns(master.pid())).collect::<Outcome<Vec<u64>>>();
    let (before, start) = (cpu()?, now_ns());
    pause(Duration::from_secs(setting.n(60, 2)));
    let (after, seconds) = (cpu()?, seconds_since(start));
    let [armed, none] = [0, 1].map(|of| (after[of] - before[of]) as f64 / 1e9 / seconds * 100.0);
    samples.ours("armed", armed);
    samples.peer("armed", NONE_ARMED, none);
    samples.ours("more", armed - none);
    masters.into_iter().try_for_each(Master::stop)
}

fn lists(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let database = setting.shared.join("runs.db");
    if !database.exists() {
        fill::processor_runs(&database, ARMED, setting.large(10_000_000, 1_000_000, 10_000))?;
    }
    let file = setting.folder("lists")?.join("queue-work.toml");
    fs::write(&file, waiting())?;
    let noop = [setting.tools.noop.clone().into_os_string()];
    samples.ours("alone", asked(setting, &database, None, &["processors", "--json"], 0)?);
    let master = Master::start(setting, &database, WORKERS, &["--config", &file.to_string_lossy()], &noop)?;
    let words: [(&str, &[&str]); 4] = [
        ("processors", &["processors", "--json"]),
        ("runs", &["processors", "runs", "--json"]),
        ("runs-of-one", &["processors", "runs", "p7", "--json"]),
        ("runs-failed", &["processors", "runs", "--state", "failed", "--json"]),
    ];
    for (key, words) in words {
        samples.ours(key, asked(setting, &database, Some(&master), words, 0)?);
    }
    master.stop()
}
