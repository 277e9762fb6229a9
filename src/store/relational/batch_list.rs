//! Lists of batches, with how many of their jobs are in which state.
//!
//! Invariant: all of a list is counted in one snapshot. Few jobs are looked at one by one; of more, those that wait are found by a
//! walk over all that do, once for the whole list, and the others in tables that have the ids in order, so that a million jobs
//! are counted in a fraction of a second.

use rusqlite::Result;

use super::batches::{OnRecord, ranges, size};
use super::conn::{Conn, Row};
use super::read::Query;
use super::{job_list, names};
use crate::model::batch::{BatchCounts, BatchRecord};
use crate::model::{BatchId, IdRange, IdRanges, JobId, JobState, UnixMicros};
use crate::store::{BatchFilter, JobFilter};

/// Of batches with more jobs than this, those that wait are counted by a walk over all that wait.
const FEW: i64 = 10_000;
/// All that waits, by the keys of `ready` and of `scheduled`, and the few rows of `bulk_ranges`; of large batches only.
const READY: &str = "SELECT id, id FROM ready";
const SCHEDULED: &str = "SELECT id, id FROM scheduled";
const STAGED: &str =
    "SELECT first_id, last_id FROM bulk_ranges u CROSS JOIN bulks b ON b.id = u.bulk AND b.committed = 1";
/// Down `batches.id`, and the newest of a name by `batches_by_name`.
const BATCHES: &str = "SELECT id, name, pushed_at, then_job, then_failed FROM batches WHERE true";

/// Batches, the newest first, with the states of their jobs.
pub(in crate::store) fn list(conn: Conn<'_>, filter: &BatchFilter) -> Result<Vec<BatchRecord>> {
    let snapshot = conn.snapshot()?;
    let query = Query::new(BATCHES.to_owned())
        .and("id =", filter.id.map(|id| id.0))
        .and("name =", filter.name.as_deref())
        .and("id <", filter.before.map(|id| id.0));
    let read: fn(&Row<'_>) -> Result<BatchRecord> = |row| {
        Ok(BatchRecord {
            id: BatchId(row.get(0)?),
            name: names::maybe_text(row, 1)?,
            pushed_at: UnixMicros(row.get(2)?),
            ranges: IdRanges::default(),
            counts: BatchCounts::default(),
            then: row.get::<_, Option<i64>>(3)?.map(JobId),
            then_failed: row.get::<_, Option<i64>>(4)?.map(JobId),
        })
    };
    let mut batches = query.read(conn, "ORDER BY id DESC", filter.limit, read)?;
    for batch in &mut batches {
        batch.ranges = ranges(conn, batch.id.0)?.into_iter().collect();
    }
    let all: i64 = batches.iter().flat_map(|batch| batch.ranges.ranges()).map(|range| size(*range)).sum();
    if all <= FEW {
        batches.iter_mut().try_for_each(|batch| look_at_each(conn, batch))?;
    } else {
        count(conn, &mut batches)?;
    }
    drop(snapshot);
    Ok(batches)
}

/// Counts the jobs of a batch one by one.
fn look_at_each(conn: Conn<'_>, batch: &mut BatchRecord) -> Result<()> {
    batch.counts.gone = batch.ranges.ranges().iter().map(|range| size(*range)).sum::<i64>().unsigned_abs();
    let filter = JobFilter { ids: Some(batch.ranges.clone()), ..JobFilter::default() };
    for (_, state) in job_list::ids(conn, &filter)? {
        *batch.counts.of(state) += 1;
        batch.counts.gone -= 1;
    }
    Ok(())
}

/// Counts what waits by a walk over all that does, and the others by tables that have the ids in order.
fn count(conn: Conn<'_>, batches: &mut [BatchRecord]) -> Result<()> {
    let mut all: Vec<(IdRange, usize)> = Vec::new();
    for (nth, batch) in batches.iter_mut().enumerate() {
        for &range in batch.ranges.ranges() {
            let found = OnRecord::read(conn, range)?;
            let counts = &mut batch.counts;
            counts.running += found.running.unsigned_abs();
            counts.blocked += found.blocked.unsigned_abs();
            counts.dead += found.dead.unsigned_abs();
            counts.cancelled += found.cancelled.unsigned_abs();
            counts.gone += (size(range) - found.jobs).unsigned_abs();
            let others = found.jobs - found.running - found.blocked - found.dead - found.cancelled;
            counts.succeeded += others.unsigned_abs();
            all.push((range, nth));
        }
    }
    all.sort_unstable();
    let waits = |batches: &mut [BatchRecord], first: i64, last: i64, state: JobState| {
        let next = all.partition_point(|(range, _)| range.last.0 < first);
        if let Some((_, nth)) = all.get(next).filter(|(range, _)| range.first.0 <= first) {
            let jobs = (last - first + 1).unsigned_abs();
            *batches[*nth].counts.of(state) += jobs;
            batches[*nth].counts.succeeded -= jobs;
        }
    };
    for (text, state) in [(READY, JobState::Ready), (SCHEDULED, JobState::Scheduled), (STAGED, JobState::Ready)] {
        let mut statement = conn.prepare_cached(text)?;
        let mut rows = statement.query([])?;
        while let Some(row) = &rows.next()? {
            waits(batches, row.get(0)?, row.get(1)?, state);
        }
    }
    Ok(())
}
