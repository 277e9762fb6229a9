//! Forgetting what is past its time, a bounded number of rows a step.
//!
//! Invariant: a step looks at no more than `limit` rows of each table, whatever their number.
//!
//! Succeeded jobs have no table and no index of their own: that would be one more write per job. But each has a run
//! that succeeded, and runs lie in the order of their ids, nearly that of time. So retention walks along `runs`
//! with a cursor that is kept in the database: it passes what did not succeed, deletes the job of what succeeded
//! long enough ago, and stops at the first that is still too young. Two things follow:
//! - Run ids are given at the claim, so a run with a low id may be recorded late. The cursor never passes the
//!   lowest run that is still in `running`, or it would miss it.
//! - A run may only go once the cursor has passed it: runs live at least as long as the succeeded job they belong
//!   to, whatever the settings say, and the job's result with them.
//!
//! Dead and cancelled jobs are found by the index on `ended`; their runs stay until their own time.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Result};

use super::batch::Batch;
use super::conn::Conn;
use super::{codes, processor_row, sql};
use crate::model::change::{Keep, Reply};
use crate::model::{JobState, Outcome, ProcessorName, QueueName, UnixMicros};

/// Of so many processors at most runs are removed in one step; the time of the step decides of which.
const MOST_PROCESSORS: usize = 200;
/// `processor_runs_by_processor`: whether the oldest run of one processor that is over is past its time.
const IS_OLD: &str =
    "SELECT ended_at < ?2 FROM processor_runs WHERE processor = ?1 AND ended_at IS NOT NULL ORDER BY id LIMIT 1";
/// `processor_runs_by_processor`: among the oldest few of one processor, but for the newest, those past their time.
const PROCESSOR_RUNS: &str = "DELETE FROM processor_runs WHERE id IN (SELECT id FROM processor_runs \
     WHERE processor = ?1 AND id < (SELECT max(id) FROM processor_runs WHERE processor = ?1) ORDER BY id LIMIT ?3) \
     AND ended_at < ?2";

impl Batch<'_> {
    pub(in crate::store) fn prune(
        &mut self,
        keep: &Keep,
        served: &BTreeSet<QueueName>,
        keep_runs: &BTreeMap<ProcessorName, UnixMicros>,
    ) -> Result<Reply> {
        if !self.prunes {
            return Ok(Reply::Count(0));
        }
        let seen = self.prune_succeeded(keep)?;
        let mut removed = seen.removed;
        removed += self.prune_ended(JobState::Cancelled, keep.succeeded_since, keep.limit)?;
        removed += self.prune_ended(JobState::Dead, keep.dead_since, keep.limit)?;
        let since = keep.runs_since.0;
        let more = self.prune_failures(keep)? || seen.more;
        let runs = self.run(sql::RUNS_PRUNE, (seen.cursor, keep.limit, since))?;
        removed += runs + self.prune_queues(keep, served, runs > 0)?;
        removed += self.prune_keys(keep.limit)?;
        removed += self.run(sql::WORKERS_PRUNE, (keep.limit, since))?;
        removed += self.run(sql::GENERATIONS_PRUNE, (keep.limit, since))?;
        removed += self.prune_processor_runs(keep, keep_runs)? + self.prune_history()?;
        removed += self.prune_autoscale_log(keep)? + self.prune_call_log(keep)? + self.prune_operations(keep)?;
        removed += self.prune_audit(keep)? + self.prune_batches(keep)?;
        Ok(Reply::Count(removed.max(usize::from(more)) as u64))
    }

    /// The oldest of each processor that are past their time.
    fn prune_processor_runs(&self, keep: &Keep, keep_runs: &BTreeMap<ProcessorName, UnixMicros>) -> Result<usize> {
        let mut removed = 0;
        let names = processor_row::names(self.conn)?;
        let parts = names.len().div_ceil(MOST_PROCESSORS).max(1);
        let part = self.at.0.unsigned_abs() as usize % parts;
        for (id, name) in names.into_iter().skip(part).step_by(parts) {
            let since = keep_runs.get(&name).unwrap_or(&keep.runs_since).0;
            let is_old: Option<bool> =
                self.conn.prepare_cached(IS_OLD)?.query_row((id, since), |row| row.get(0)).optional()?;
            if is_old != Some(true) {
                continue;
            }
            let left = (keep.limit as usize).saturating_sub(removed);
            removed += self.run(PROCESSOR_RUNS, (id, since, left as i64))?;
        }
        Ok(removed)
    }

    fn prune_succeeded(&mut self, keep: &Keep) -> Result<Seen> {
        let start: i64 = self.conn.prepare_cached(sql::SEEN_GET)?.query_row([], |row| row.get(0))?;
        let open: Option<i64> = self.conn.prepare_cached(sql::RUNNING_BOUNDS)?.query_row([], |row| row.get(0))?;
        let runs = self.onward(start, open.unwrap_or(i64::MAX), keep.limit)?;
        let mut seen = Seen { cursor: start, removed: 0, more: runs.len() == keep.limit as usize };
        for run in runs {
            if run.outcome == Outcome::Succeeded {
                if run.ended_at >= keep.succeeded_since {
                    seen.more = false;
                    break;
                }
                if let Some(place) = self.place(run.job)?
                    && place.state == JobState::Succeeded
                {
                    self.forget(&place)?;
                    seen.removed += 1;
                }
            }
            seen.cursor = run.id;
        }
        if seen.cursor != start {
            self.run(sql::SEEN_SET, [seen.cursor])?;
        }
        Ok(seen)
    }

    fn onward(&self, after: i64, before: i64, limit: u32) -> Result<Vec<Run>> {
        self.conn
            .prepare_cached(sql::RUNS_ONWARD)?
            .query_map((after, before, limit), |row| {
                Ok(Run {
                    id: row.get(0)?,
                    job: row.get(1)?,
                    outcome: codes::word(&Outcome::ALL, row.get(2)?)?,
                    ended_at: UnixMicros(row.get(3)?),
                })
            })?
            .collect()
    }

    fn prune_ended(&mut self, state: JobState, since: UnixMicros, limit: u32) -> Result<usize> {
        let ids = self.ids(sql::ENDED_BEFORE, (codes::state(state), since.0, limit))?;
        for &id in &ids {
            if let Some(place) = self.place(id)? {
                self.forget(&place)?;
            }
        }
        Ok(ids.len())
    }
}

/// Result of the walk along `runs`.
struct Seen {
    cursor: i64,
    removed: usize,
    /// The bound of one step was reached.
    more: bool,
}

/// A run the walk comes by.
struct Run {
    id: i64,
    job: i64,
    outcome: Outcome,
    ended_at: UnixMicros,
}

/// The highest id of a table, 0 if it is empty.
pub(in crate::store) fn highest(conn: Conn<'_>, text: &str, column: usize) -> Result<i64> {
    let highest: Option<Option<i64>> = conn.prepare_cached(text)?.query_row([], |row| row.get(column)).optional()?;
    Ok(highest.flatten().unwrap_or(0))
}
