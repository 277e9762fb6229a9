//! `autoscale --replay`: what scaling would have made of the runs on record, beside what was.
//!
//! The decision is that of the master, made over and over on paper. Runs of the time are in memory at once, 16 bytes each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::args::control::AutoscaleArgs;
use crate::cli::context::Context;
use crate::cli::{backend, known, output};
use crate::clock;
use crate::config::autoscale_within;
use crate::core::autoscale::simulate::{Ours, Simulated, Task, simulate};
use crate::error::{Code, Error};
use crate::model::autoscale::{Autoscale, CHANGES_KEPT_FOR, MOST_CHANGES};
use crate::model::{PoolSettings, UnixMicros};
use crate::report::autoscale::{Figures, Replayed};
use crate::store::{AutoscaleFilter, Records, RunFilter, WorkerFilter};

/// Runs read at once.
const PAGE: u32 = 10_000;
const USUAL: Duration = Duration::from_hours(24);

pub(super) fn run(context: &Context, args: &AutoscaleArgs) -> Result<Code, Error> {
    let (now, pool) = (clock::wall(), args.pool.as_deref());
    let since = args.since.unwrap_or_else(|| now.minus(USUAL));
    let mut found = BTreeMap::new();
    let mut all = Vec::new();
    if let Some(mut records) = context.records()? {
        found = tasks(&mut *records, since, pool)?;
        let pools: Vec<PoolSettings> =
            backend::load_config(&context.flags)?.config.pools.into_iter().map(|pool| pool.settings).collect();
        for (name, tasks) in &mut found {
            let configured = pools.iter().find(|of| of.name.as_str() == name);
            let settings = settings(configured, args)?;
            let changes = changes(&mut *records, name, configured, since, now)?;
            let was = then(&mut *records, name, tasks, changes, since, now)?;
            all.push(replay(name, tasks, &settings, was, since, now));
        }
    }
    if let Some(name) = pool.filter(|_| found.is_empty()) {
        known::pool(context, name)?;
    }
    if context.global.json {
        output::json(&all)?;
    } else if all.is_empty() {
        context.warn("no run is on record since then; see `queue-work runs`");
    } else {
        output::print(&all.iter().map(Replayed::text).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Code::DONE)
}

/// The runs of each pool that ended since then, in microseconds from then, with how long each waited.
type OfPools = BTreeMap<String, Vec<(Task, u64)>>;

fn tasks(records: &mut dyn Records, since: UnixMicros, pool: Option<&str>) -> Result<OfPools, Error> {
    let mut filter = RunFilter { since: Some(since), limit: Some(PAGE), ..RunFilter::default() };
    let mut all = OfPools::new();
    loop {
        let page = records.runs(&filter)?;
        filter.before = page.last().map(|run| run.id);
        for run in &page {
            let of = run.worker.as_deref().and_then(|worker| Some(worker.rsplit_once('-')?.0));
            let Some(of) = of.filter(|of| pool.is_none_or(|pool| pool == *of)) else { continue };
            let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
            let waited = micros(Duration::try_from_secs_f64(run.waited_s).unwrap_or_default());
            let ready_at = micros(run.started_at.since(since)).saturating_sub(waited);
            let task = Task { ready_at, takes: micros(run.ended_at.since(run.started_at)) };
            all.entry(of.to_owned()).or_default().push((task, waited));
        }
        if page.len() < PAGE as usize {
            return Ok(all);
        }
    }
}

/// How the pool scales itself, with what was asked for instead.
fn settings(pool: Option<&PoolSettings>, args: &AutoscaleArgs) -> Result<Autoscale, Error> {
    let own = pool.and_then(|pool| pool.autoscale.as_deref().cloned());
    let most = args.max.unwrap_or_else(|| pool.map_or(1, |pool| pool.limits.workers.max(1)));
    let mut settings = own.unwrap_or_else(|| autoscale_within(1, most));
    settings.min = args.min.unwrap_or(settings.min);
    settings.max = args.max.unwrap_or(settings.max);
    settings.target_wait = args.target_wait.unwrap_or(settings.target_wait);
    if settings.min > settings.max {
        let (min, max) = (settings.min, settings.max);
        return Err(Error::Usage(format!("`--min` is {min}, but the most workers are {max}; give `--max`, too")));
    }
    Ok(settings)
}

/// How often the pool changed; `None`: it does not scale itself, or that is no longer on record.
fn changes(
    records: &mut dyn Records,
    pool: &str,
    configured: Option<&PoolSettings>,
    since: UnixMicros,
    now: UnixMicros,
) -> Result<Option<u64>, Error> {
    let (of, limit) = (Some(pool.to_owned()), Some(MOST_CHANGES));
    let filter = AutoscaleFilter { pool: of, since: Some(since), limit, ..AutoscaleFilter::default() };
    let found = records.autoscale_log(&filter)?;
    let scales_itself = configured.is_some_and(|pool| pool.autoscale.is_some()) || !found.is_empty();
    let changes = found.iter().filter(|record| record.change.was != record.change.wanted).count() as u64;
    Ok((scales_itself && now.since(since) <= CHANGES_KEPT_FOR).then_some(changes))
}

/// The past: waits by the runs, workers by their own records.
fn then(
    records: &mut dyn Records,
    pool: &str,
    tasks: &[(Task, u64)],
    changes: Option<u64>,
    since: UnixMicros,
    now: UnixMicros,
) -> Result<Figures, Error> {
    let workers = records.workers(&WorkerFilter { pool: Some(pool.to_owned()), ..WorkerFilter::default() })?;
    let mut moves: Vec<(UnixMicros, i64)> = Vec::new();
    let mut seconds = 0.0;
    for worker in workers {
        let (from, to) = (worker.started_at.max(since), worker.ended_at.unwrap_or(now));
        if to > from {
            seconds += to.since(from).as_secs_f64();
            moves.extend([(from, 1), (to, -1)]);
        }
    }
    // A worker that ends makes room for one that starts at the same time.
    moves.sort_unstable();
    let counts = moves.iter().scan(0, |count, (_, by)| {
        *count += by;
        Some(*count)
    });
    let most = counts.max().and_then(|most: i64| u32::try_from(most).ok()).unwrap_or(0);
    let mut waits: Vec<u64> = tasks.iter().map(|(_, waited)| *waited).collect();
    waits.sort_unstable();
    Ok(figures(&Simulated { waits, worker_s: seconds, most, ..Simulated::default() }, changes))
}

fn replay(
    pool: &str,
    tasks: &mut [(Task, u64)],
    settings: &Autoscale,
    then: Figures,
    since: UnixMicros,
    now: UnixMicros,
) -> Replayed {
    tasks.sort_unstable();
    let tasks: Vec<Task> = tasks.iter().map(|(task, _)| *task).collect();
    let until = u64::try_from(now.since(since).as_micros()).unwrap_or(u64::MAX);
    let mut rule = Ours::new(settings, since);
    let found = simulate(&tasks, &mut rule, settings.min, Duration::ZERO, until);
    let replayed = figures(&found, Some(found.changes));
    let (runs, min, max) = (tasks.len() as u64, settings.min, settings.max);
    let target_wait_s = settings.target_wait.as_secs_f64();
    Replayed { pool: pool.to_owned(), since, runs, min, max, target_wait_s, then, replayed }
}

fn figures(of: &Simulated, changes: Option<u64>) -> Figures {
    let [wait_p50_s, wait_p95_s, wait_p99_s] = [0.5, 0.95, 0.99].map(|share| of.wait_s(share));
    let worker_hours = of.worker_s / 3600.0;
    Figures { wait_p50_s, wait_p95_s, wait_p99_s, worker_hours, changes, most_workers: of.most }
}
