//! A map of `runs` for those who look for few among many: which queues and outcomes lie in which stretch of ids, and
//! when the last of them ended.
//!
//! An index would be a write per run. A block is so long that its rows are written once per thousands of runs; what was
//! written lately is remembered, so that a run costs a look-up in memory. Invariants:
//! - Each run lies in a block that has a row for its queue and outcome, whose `ended_until` is not before its end. A row
//!   may promise more than there is: a run that was deleted leaves it, and the bound is rounded up.
//! - What is remembered as written is committed or written by the transaction that is open; whoever rolls back clears it.

use std::ops::Range;
use std::time::Duration;

use foldhash::HashMap;
use rusqlite::{OptionalExtension, Result};

use super::batch::Batch;
use super::conn::Conn;
use super::read::Query;
use super::walk::{Axis, Bounds, Pace, Source, walk};
use super::{codes, run_row, sql};
use crate::model::{Outcome, RunId, RunRecord, UnixMicros};
use crate::store::{RunFilter, Slice};

/// A block is so many ids, as a power of two. Looking through one takes a fraction of a millisecond; tests have many.
const SHIFT: u32 = if cfg!(test) { 2 } else { 11 };
/// The newest ids, searched first: frequent outcomes are among them, and need no map.
const NEWEST: i64 = 4 << SHIFT;
/// The bound on the end of runs is rounded up by this, so that a block is touched at most once in this time.
const AHEAD_US: i64 = 1_000_000;
/// Rows remembered; then all are forgotten, and written once more at their next run.
const REMEMBERED: usize = 4096;

/// The id of no queue.
const UNKNOWN: i64 = -1;

/// Queue, outcome, block.
type Place = (i64, i64, i64);

/// Rows written lately, each with its bound.
#[derive(Debug, Default)]
pub(in crate::store) struct Blocks {
    written: HashMap<Place, i64>,
}

impl Blocks {
    /// Forgets everything: the rows may not exist.
    pub(in crate::store) fn clear(&mut self) {
        self.written.clear();
    }
}

impl Batch<'_> {
    /// Enters a run that is being recorded.
    pub(in crate::store) fn map_run(
        &mut self,
        queue: i64,
        outcome: Outcome,
        run: i64,
        ended_at: UnixMicros,
    ) -> Result<()> {
        let place = (queue, codes::outcome(outcome), block_of(run));
        if self.blocks.written.get(&place).is_some_and(|&until| ended_at.0 <= until) {
            return Ok(());
        }
        let until = ended_at.0.saturating_add(AHEAD_US);
        self.run(sql::BLOCK_PUT, (place.0, place.1, place.2, until))?;
        if self.blocks.written.len() >= REMEMBERED {
            self.blocks.clear();
        }
        self.blocks.written.insert(place, until);
        Ok(())
    }
}

/// The block of a run.
pub(in crate::store) const fn block_of(run: i64) -> i64 {
    run >> SHIFT
}

/// The runs of a filter, newest first, at most `limit`: from one snapshot, and without looking where none can be.
pub(in crate::store) fn runs(conn: Conn<'_>, filter: &RunFilter, limit: u32) -> Result<Vec<RunRecord>> {
    let _snapshot = conn.snapshot()?;
    let queue = queue(conn, filter)?;
    let newest: Option<i64> = conn.prepare_cached(sql::RUN_HIGH)?.query_row([], |row| row.get(0))?;
    let Some(newest) = newest else { return Ok(Vec::new()) };
    let end = filter.before.map_or(i64::MAX, |id| id.0).min(newest.saturating_add(1));
    let middle = end.saturating_sub(NEWEST);
    let mut found = Vec::new();
    look(conn, filter, queue, middle..end, limit, &mut found)?;
    let blocks = blocks("SELECT DISTINCT block", filter, queue)
        .and("block <=", Some(middle.saturating_sub(1) >> SHIFT))
        .plus(" ORDER BY block DESC");
    let mut statement = conn.prepare_cached(blocks.text())?;
    let mut rows = statement.query(&*blocks.params())?;
    while found.len() < limit as usize
        && let Some(row) = &rows.next()?
    {
        let block: i64 = row.get(0)?;
        let from = block << SHIFT;
        look(conn, filter, queue, from..middle.min(from + (1 << SHIFT)), limit, &mut found)?;
    }
    Ok(found)
}

/// Runs in which somebody has said something: looked at row by row, newest first, as far as that comes in this time.
pub(in crate::store) fn search(
    conn: Conn<'_>,
    filter: &RunFilter,
    within: Option<Duration>,
) -> Result<Slice<RunRecord, RunId>> {
    let queue = queue(conn, filter)?;
    // Before the first block that has such a run there is none.
    let first = blocks("SELECT min(block)", filter, queue).read(conn, "", None, |row| row.get::<_, Option<i64>>(0))?;
    let Some(first) = first.into_iter().flatten().next() else { return Ok(Slice::default()) };
    let (table, keys) = match filter.job {
        Some(job) => ("runs r INDEXED BY runs_by_job", vec![("r.job_id", job.0.into())]),
        None => ("runs r", Vec::new()),
    };
    let source = Source { table, join: "", axis: Axis::Id("r.id"), keys };
    let bounds = Bounds::new(Some((0, (first << SHIFT) - 1)), filter.before.map(|id| (0, id.0)), true);
    let mut pace = Pace::new(within);
    Ok(walk::<RunRecord>(conn, filter, &[source], bounds, &mut pace, filter.limit)?.into_slice(&pace, RunId))
}

/// The queue of the filter; one in which nothing was ever is none of those that have runs.
fn queue(conn: Conn<'_>, filter: &RunFilter) -> Result<Option<i64>> {
    let Some(name) = &filter.queue else { return Ok(None) };
    let id = conn.prepare_cached(sql::QUEUE_ID)?.query_row([name.as_str()], |row| row.get(0)).optional()?;
    Ok(Some(id.unwrap_or(UNKNOWN)))
}

/// A question about blocks in which there are runs like that.
fn blocks<'a>(columns: &str, filter: &RunFilter, queue: Option<i64>) -> Query<'a> {
    let blocks = Query::new(format!("{columns} FROM run_blocks WHERE true"))
        .and("outcome =", filter.outcome.map(codes::outcome))
        .and("ended_until >=", filter.since.map(|at| at.0));
    match queue {
        Some(queue) => blocks.and("queue =", Some(queue)),
        // Makes SQLite use the key where only the outcome is given.
        None => blocks.plus(" AND queue IN (SELECT id FROM queues)"),
    }
}

/// Adds the runs of a stretch of ids, newest first.
fn look(
    conn: Conn<'_>,
    filter: &RunFilter,
    queue: Option<i64>,
    ids: Range<i64>,
    limit: u32,
    found: &mut Vec<RunRecord>,
) -> Result<()> {
    let left = limit.saturating_sub(found.len() as u32);
    let stretch = run_row::query("runs r")
        .and("r.id >=", Some(ids.start))
        .and("r.id <", Some(ids.end))
        .and("r.queue =", queue)
        .and("r.outcome =", filter.outcome.map(codes::outcome))
        .and("r.ended_at >=", filter.since.map(|at| at.0));
    found.extend(stretch.read(conn, "ORDER BY r.id DESC", Some(left), run_row::read)?);
    Ok(())
}

#[cfg(test)]
#[path = "run_index_tests.rs"]
mod tests;
