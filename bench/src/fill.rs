//! Fills a store without a master, through the library: what would take a master minutes to get.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use queue_work::testing::model::change::{Change, Claim, Finish, Next, Op, Reply, Request, WorkerStarted};
use queue_work::testing::model::{
    Cause, Claimed, Counters, Detail, NewJob, Outcome as RunOutcome, PoolName, QueueName, Slot, StoreUrl, Takes,
    UnixMicros, WorkerId,
};
use queue_work::testing::store::{self, Master, Store};
use rusqlite::Connection;

use crate::Outcome;
use crate::clock::wall_us;
use crate::ours::QUEUE;

/// A queue that nothing came to for a long time.
pub(crate) const RARE: &str = "rare";
/// Queues of a mixture, one of which is served.
const QUEUES: [&str; 5] = [QUEUE, "q1", "q2", "q3", "q4"];
/// Types of a mixture.
const TYPES: u64 = 20;
/// Jobs in one transaction.
const CHUNK: u64 = 1000;
/// As many different due times, so that neighbours in the queue are so many ids apart.
const INTERLEAVED: u64 = 10_007;
/// The history begins so long ago: less than the shortest time that anything is kept.
const HISTORY_US: i64 = 20 * 3600 * 1_000_000;

/// In which order the jobs are to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they were pushed.
    Pushed,
    /// Each far from the one before it in the tables.
    Scattered,
}

fn open(database: &Path) -> Outcome<Box<dyn Store>> {
    Ok(store::open(&StoreUrl::File(database.to_owned())).unasked()?)
}

/// Adds jobs that wait in the paused queue.
pub(crate) fn waiting(database: &Path, jobs: u64, order: Order) -> Outcome<()> {
    let mut store = open(database)?;
    let now = wall_us();
    store.apply(0, &[Request::Pause { queue: QueueName::new(QUEUE)?, paused: true }.into()], UnixMicros(now))?;
    push(&mut *store, jobs, |n| {
        let due = (order == Order::Scattered).then(|| UnixMicros(now - (INTERLEAVED - n % INTERLEAVED) as i64));
        new_job(QUEUE, due)
    })?;
    drop(store);
    sync(database)
}

/// Adds jobs that wait in a queue that nobody serves.
pub(crate) fn unserved(database: &Path, queue: &str, jobs: u64) -> Outcome<()> {
    let mut store = open(database)?;
    push(&mut *store, jobs, |_| new_job(queue, None))?;
    drop(store);
    sync(database)
}

/// Pushes so many jobs.
fn push(store: &mut dyn Store, jobs: u64, job: impl Fn(u64) -> Outcome<NewJob>) -> Outcome<()> {
    for chunk in chunks(jobs) {
        let jobs = chunk.map(&job).collect::<Outcome<Vec<_>>>()?;
        store.apply(0, &[Request::Push(jobs.into()).into()], UnixMicros(wall_us()))?;
    }
    Ok(())
}

/// Adds a history of so many runs of twenty types in five queues, one of them with the jobs of [`history`], which ended in all
/// ways, one in fifty for good; and jobs that wait, a fifth as many, one in ten of them for tomorrow.
pub(crate) fn mixture(database: &Path, runs: u64) -> Outcome<()> {
    let job = |queue: &str, n: u64| {
        let args = format!("{{\"customer\":{},\"file\":\"/var/spool/photos/{n}.png\",\"sizes\":[100,400]}}", n % 5000);
        let kind = format!("kind-{}", n / 7 % TYPES);
        Ok(NewJob { queue: QueueName::new(queue)?, ..NewJob::new(kind, args) })
    };
    let end = |n: u64| match n % 50 {
        49 => end_of_dead(n / 50),
        48 => {
            let cause = Cause::Cancelled;
            (RunOutcome::Cancelled, Some(cause), Next::Cancelled(cause), Detail::default())
        }
        _ => end_in_history(n),
    };
    ran(database, runs, &QUEUES, job, end)?;
    let mut store = open(database)?;
    store.apply(0, &[Request::Pause { queue: QueueName::new(QUEUE)?, paused: true }.into()], UnixMicros(wall_us()))?;
    let tomorrow = UnixMicros(wall_us() + 24 * 3600 * 1_000_000);
    push(&mut *store, runs / 5, |n| {
        let due_at = (n % 10 == 9).then_some(tomorrow);
        Ok(NewJob { due_at, ..job(QUEUES[n as usize % QUEUES.len()], n)? })
    })?;
    drop(store);
    sync(database)
}

/// Adds so many queues with a job each, due in nine hours.
pub(crate) fn queues(database: &Path, queues: u64) -> Outcome<()> {
    let mut store = open(database)?;
    let due = UnixMicros(wall_us() + 9 * 3600 * 1_000_000);
    push(&mut *store, queues, |n| new_job(&format!("tenant-{n}"), Some(due)))?;
    drop(store);
    sync(database)
}

/// What was written must not be on its way to the disk any more while something is timed.
fn sync(database: &Path) -> Outcome<()> {
    Ok(File::open(database)?.sync_all()?)
}

/// Adds a history of so many runs of the last hours: most succeeded, one in 25 failed and its job ran again, a few timed
/// out; the first thousand of a queue that nothing came to since.
pub(crate) fn history(database: &Path, runs: u64) -> Outcome<()> {
    ran(database, runs, &[QUEUE], |queue, _| new_job(queue, None), end_in_history)
}

/// Adds so many dead jobs of the last hours, that failed in 50 different ways.
pub(crate) fn dead(database: &Path, jobs: u64) -> Outcome<()> {
    ran(database, jobs, &[QUEUE], |queue, _| new_job(queue, None), end_of_dead)
}

fn end_of_dead(n: u64) -> End {
    let error = format!("host-{} does not answer", letters(n % 50));
    let detail = Detail { error: Some(error), error_type: Some("Timeout".into()), ..Detail::default() };
    (RunOutcome::Failed, Some(Cause::Error), Next::Dead(Cause::Error), detail)
}

/// A word for each of fifty numbers: letters, as a fingerprint makes all digits alike.
fn letters(n: u64) -> String {
    ["ab", "cd", "ef", "gh", "ij"][n as usize % 5].repeat(n as usize / 5 + 1)
}

/// Adds so many runs of the last hours in these queues, the first thousand in one that nothing came to since; `job` makes the
/// n-th of a queue, `end` says how each ended.
fn ran(
    database: &Path,
    runs: u64,
    queues: &[&str],
    job: impl Fn(&str, u64) -> Outcome<NewJob>,
    end: impl Fn(u64) -> End,
) -> Outcome<()> {
    let mut store = open(database)?;
    let start = wall_us() - HISTORY_US;
    let at = |n: u64| UnixMicros(start + (HISTORY_US as f64 * n as f64 / runs as f64) as i64);
    let us = Master {
        host: String::new(),
        pid: std::process::id(),
        pid_start: 1,
        boot_id: "bench".to_owned(),
        cookie: "bench".to_owned(),
        version: "bench".to_owned(),
    };
    let worker = store.join(&us, at(0))?.first_worker;
    let started = WorkerStarted { worker, pool: PoolName::new(QUEUE)?, slot: Slot(1), pid: us.pid, at: at(0) };
    let mut batch = 1;
    store.apply(batch, &[Change::WorkerStarted(Box::new(started)).into()], at(0))?;
    for (i, chunk) in chunks(runs).enumerate() {
        let queue = if i == 0 { RARE } else { queues[i % queues.len()] };
        // What failed before is ready again, and stands in front.
        let count = chunk.end - chunk.start;
        let jobs = chunk.clone().map(|n| job(queue, n)).collect::<Outcome<Vec<_>>>()?;
        let takes = vec![(QueueName::new(queue)?, count as u32)];
        let claim = Claim {
            takes,
            lanes: Takes::Others,
            workers: Vec::new(),
            total: count as u32,
            at_once: u32::MAX,
            max_bytes: usize::MAX,
        };
        batch += 1;
        let applied =
            store.apply(batch, &[Request::Push(jobs.into()).into(), Change::Claim(claim).into()], at(chunk.start))?;
        let Some(Reply::Claimed { jobs, .. }) = applied.replies.into_iter().last() else {
            return Err("the store claimed nothing".into());
        };
        let ends = jobs.into_iter().zip(chunk.clone()).map(|(job, n)| finish(job, worker, end(n), at(n)));
        batch += 1;
        store.apply(batch, &ends.map(Op::from).collect::<Vec<_>>(), at(chunk.end))?;
        store.tend(false)?;
    }
    store.leave(at(runs))?;
    drop(store);
    sync(database)
}

/// Adds so many processors, `p1` and on, that have had so many runs in the last hours, one in 1,000 of which failed.
pub(crate) fn processor_runs(database: &Path, processors: u64, runs: u64) -> Outcome<()> {
    drop(open(database)?);
    let fill = Connection::open(database)?;
    let start = wall_us() - HISTORY_US;
    let apart = HISTORY_US / runs as i64;
    // 0 and 2, 3: a run by schedule, which succeeded or failed.
    fill.execute_batch(&format!(
        "BEGIN;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {processors})
        INSERT INTO processors (id, name, schedule, last_tick) SELECT i, 'p' || i, '', {start} + {HISTORY_US} FROM n;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {runs}),
        t(i, at) AS (SELECT i, {start} + i * {apart} FROM n)
        INSERT INTO processor_runs (id, processor, tick, source, state, made_at, job_id, started_at, ended_at, note)
        SELECT i, 1 + i % {processors}, at, 0, 2 + (i % 1000 = 0), at, i, at, at + 1000, 'nothing to do' FROM t;
        COMMIT;"
    ))?;
    drop(fill);
    sync(database)
}

/// Adds numbers of the hundred days before to those that a history has, as if each day had been the same.
pub(crate) fn older_numbers(database: &Path) -> Outcome<()> {
    let fill = Connection::open(database)?;
    // The periods of a day, by the number of the resolution: how many, and how many days they are kept.
    for (resolution, of_a_day, days) in [(1, 144, 7), (2, 24, 99), (3, 1, 1000)] {
        let columns = "succeeded, failed, timed_out, crashed, cancelled, released, died, run_us, run_max_us, wait_us, wait_max_us, \
             memory_max, run_hist, wait_hist";
        fill.execute_batch(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {days})
            INSERT OR IGNORE INTO rollups (res, series, at, {columns})
            SELECT res, series, at - i * {of_a_day}, {columns} FROM rollups, n WHERE res = {resolution};"
        ))?;
    }
    drop(fill);
    sync(database)
}

type End = (RunOutcome, Option<Cause>, Next, Detail);

/// How the n-th run of the history ends.
fn end_in_history(n: u64) -> End {
    let (outcome, cause, next) = match n {
        _ if n % 5003 == 5002 => (RunOutcome::TimedOut, Some(Cause::Timeout), Next::Ready),
        _ if n % 25 == 24 => (RunOutcome::Failed, Some(Cause::Error), Next::Ready),
        _ => (RunOutcome::Succeeded, None, Next::Succeeded),
    };
    (outcome, cause, next, Detail::default())
}

fn finish(job: Claimed, worker: WorkerId, (outcome, cause, next, detail): End, at: UnixMicros) -> Change {
    let counters = Counters::default();
    let job = Arc::new(job);
    Change::Finish(Box::new(Finish {
        job,
        worker,
        outcome,
        cause,
        detail,
        started_at: at,
        ended_at: at,
        next,
        counters,
        max_attempts: 3,
    }))
}

fn new_job(queue: &str, due_at: Option<UnixMicros>) -> Outcome<NewJob> {
    Ok(NewJob { queue: QueueName::new(queue)?, due_at, ..NewJob::new("noop", "null") })
}

fn chunks(all: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
    (0..all.div_ceil(CHUNK)).map(move |i| i * CHUNK..((i + 1) * CHUNK).min(all))
}
