//! One transaction in progress: what every operation needs, and the moves they are made of.
//!
//! Does not begin, commit or roll back. Invariant: a row enters or leaves `ready`, `scheduled`, `blocked`, `running` or `ended`
//! only through the moves here or with a count beside it, so the totals change with the rows.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, params};

use super::failures::Tally;
use super::link_bounds::Bounds;
use super::names::Names;
use super::run_index::Blocks;
use super::{codes, lanes, sql, totals};
use crate::model::change::Settled;
use crate::model::processor::EndedRun;
use crate::model::run_end::RunEnd;
use crate::model::{Counters, Holds, JobState, ProcessorRunId, QueueName, QueueTotals, UnixMicros};
use crate::store::TOLD_AT_ONCE;

/// By how much the totals of a queue change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) ready: i64,
    /// Of `ready`, those that are commands.
    pub(super) commands: i64,
    pub(super) scheduled: i64,
    pub(super) retrying: i64,
    /// Of `retrying`, those that are commands.
    pub(super) retrying_commands: i64,
    pub(super) blocked: i64,
    pub(super) running: i64,
    pub(super) dead: i64,
    pub(super) cancelled: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) pushed: i64,
    /// Something else is new: the queue itself, a run on record, or it was paused or resumed.
    pub(super) used: bool,
}

/// The highest ids given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct High {
    pub(super) run: i64,
    pub(super) worker: i64,
}

/// Statements that are run once per job; looked up once per batch.
#[derive(Default)]
pub(super) struct Hot<'c> {
    pub(super) job_add: Option<CachedStatement<'c>>,
    pub(super) ready_add: Option<CachedStatement<'c>>,
    pub(super) running_add: Option<CachedStatement<'c>>,
    pub(super) running_delete: Option<CachedStatement<'c>>,
    pub(super) run_add: Option<CachedStatement<'c>>,
    pub(super) run_add_plain: Option<CachedStatement<'c>>,
}

/// Prepares a statement at its first use.
pub(super) fn hot<'a, 'c>(
    slot: &'a mut Option<CachedStatement<'c>>,
    conn: &'c Connection,
    text: &str,
) -> Result<&'a mut CachedStatement<'c>> {
    match slot {
        Some(statement) => Ok(statement),
        None => Ok(slot.insert(conn.prepare_cached(text)?)),
    }
}

/// A job waiting in `ready`: its key, and whether it has a past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) queue: i64,
    /// The lane where it is, or the lane of its type where it belongs once it is ready.
    pub(super) lane: i64,
    pub(super) nprio: i64,
    pub(super) due_at: i64,
    pub(super) id: i64,
    pub(super) tried: bool,
}

/// Where a job was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: Waiting,
    /// The lane of its type.
    pub(super) own_lane: i64,
    pub(super) state: JobState,
    pub(super) expires_at: Option<i64>,
    pub(super) holds: Holds,
}

/// The transaction.
pub(super) struct Batch<'c> {
    pub(super) conn: &'c Connection,
    pub(super) names: &'c mut Names,
    pub(super) blocks: &'c mut Blocks,
    pub(super) high: &'c mut High,
    pub(super) hot: Hot<'c>,
    pub(super) generation: i64,
    pub(super) at: UnixMicros,
    changes: BTreeMap<i64, Change>,
    /// By how many jobs the lanes of types change, by queue and lane.
    pub(super) typed: BTreeMap<(i64, i64), i64>,
    /// The last label that was given to a job, and its row, which stays while no job is deleted.
    pub(super) label: Option<(Box<str>, i64)>,
    /// What records of failures change by.
    pub(super) failures: BTreeMap<i64, Tally>,
    /// Queues that are on record no more.
    pub(super) forgotten: Vec<QueueName>,
    /// Runs of processors that are over.
    pub(super) ended_runs: Vec<EndedRun>,
    /// Whether any job comes after another, once it was asked for.
    pub(super) linked: Option<bool>,
    /// Between which ids they are, once it was asked for.
    pub(super) bounds: Option<Bounds>,
    /// Whether any batch watches a job, once it was asked for.
    pub(super) watched: Option<bool>,
    /// Jobs whose children are to be told what became of them, each with the child after which to go on.
    pub(super) fates: VecDeque<(i64, i64)>,
    /// How many children this transaction may tell.
    pub(super) settles: u32,
    pub(super) settled: Settled,
    /// The highest id of a job, once it was asked for.
    job_high: Option<i64>,
    /// The highest id of a job that was deleted.
    deleted_high: i64,
}

impl<'c> Batch<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        (names, blocks, high): (&'c mut Names, &'c mut Blocks, &'c mut High),
        generation: i64,
        at: UnixMicros,
    ) -> Self {
        Self {
            conn,
            names,
            blocks,
            high,
            hot: Hot::default(),
            generation,
            at,
            changes: BTreeMap::new(),
            typed: BTreeMap::new(),
            label: None,
            failures: BTreeMap::new(),
            forgotten: Vec::new(),
            ended_runs: Vec::new(),
            linked: None,
            bounds: None,
            watched: None,
            fates: VecDeque::new(),
            settles: TOLD_AT_ONCE,
            settled: Settled::default(),
            job_high: None,
            deleted_high: 0,
        }
    }

    /// Changes in the totals of a queue.
    pub(super) fn change(&mut self, queue: i64) -> &mut Change {
        self.changes.entry(queue).or_default()
    }

    /// Whether this transaction has changed anything in a queue.
    pub(super) fn changes(&self, queue: i64) -> bool {
        self.changes.get(&queue).is_some_and(|change| *change != Change::default())
    }

    /// An id for a new job.
    pub(super) fn new_job_id(&mut self) -> Result<i64> {
        let high = match self.job_high {
            Some(high) => high,
            None => self.conn.prepare_cached(sql::JOB_HIGH)?.query_row([], |row| row.get(0))?,
        };
        let id = high.max(self.deleted_high).saturating_add(1);
        self.job_high = Some(id);
        Ok(id)
    }

    /// Deletes a job, whose id is not given again.
    pub(super) fn delete_job(&mut self, id: i64) -> Result<()> {
        self.label = None;
        self.deleted_high = self.deleted_high.max(id);
        self.unlink(id, id)?;
        self.run(sql::JOB_DELETE, [id]).map(drop)
    }

    /// Writes the totals, the last thing before the commit, and reads those of the queues that it touched.
    pub(super) fn write_changes(&mut self) -> Result<Vec<QueueTotals>> {
        if self.deleted_high > 0 {
            self.run(sql::JOB_HIGH_KEEP, [self.deleted_high])?;
        }
        for queue in self.names.created() {
            self.change(queue).used = true;
        }
        self.write_lanes()?;
        self.write_failures()?;
        let mut touched = Vec::with_capacity(self.changes.len());
        for (queue, c) in std::mem::take(&mut self.changes) {
            let (at, run) = if c == Change::default() { (0, 0) } else { (self.at.0, self.high.run) };
            let mut update = self.conn.prepare_cached(sql::QUEUE_COUNT)?;
            let counts = params![
                queue,
                c.ready,
                c.scheduled,
                c.retrying,
                c.running,
                c.dead,
                c.cancelled,
                c.succeeded,
                c.failed,
                at,
                run,
                c.commands,
                c.retrying_commands,
                c.pushed,
                c.blocked
            ];
            // A queue whose name is invalid, after damage, is left out.
            let found = update.query_row(counts, |row| Ok(totals::row(row).ok())).optional()?.flatten();
            let Some(found) = found else { continue };
            let mut totals = totals::with_types(self.conn, found)?;
            totals.limits = self.names.limits(self.conn, &totals.name)?;
            touched.push(totals::with_limits(self.conn, totals)?);
        }
        Ok(touched)
    }

    /// Runs one cached statement.
    pub(super) fn run(&self, text: &str, params: impl rusqlite::Params) -> Result<usize> {
        self.conn.prepare_cached(text)?.execute(params)
    }

    /// The ids a query yields.
    pub(super) fn ids(&self, text: &str, params: impl rusqlite::Params) -> Result<Vec<i64>> {
        self.conn.prepare_cached(text)?.query_map(params, |row| row.get(0))?.collect()
    }

    /// Deletes jobs of a bulk push, whose ids are not given again.
    pub(super) fn delete_jobs(&mut self, first: i64, last: i64) -> Result<()> {
        self.label = None;
        self.deleted_high = self.deleted_high.max(last);
        self.unlink(first, last)?;
        self.run(sql::JOBS_DELETE, (first, last)).map(drop)
    }

    /// Finds a job.
    pub(super) fn place(&mut self, id: i64) -> Result<Option<Place>> {
        if !self.is_there(id)? {
            return Ok(None);
        }
        let mut statement = self.conn.prepare_cached(sql::JOB_PLACE)?;
        statement
            .query_row([id], |row| {
                let ended: Option<i64> = row.get(7)?;
                let state = match ended {
                    Some(number) => codes::word(&codes::STATES, number)?,
                    None if row.get(6)? => JobState::Running,
                    None if row.get::<_, Option<i64>>(8)?.is_some() => JobState::Ready,
                    None if row.get(9)? => JobState::Scheduled,
                    None if row.get(12)? => JobState::Blocked,
                    None => JobState::Succeeded,
                };
                let own_lane = row.get(10)?;
                let lane = row.get::<_, Option<i64>>(8)?.unwrap_or(own_lane);
                let (queue, nprio, due_at) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let at = Waiting { queue, lane, nprio, due_at, id, tried: row.get(5)? };
                let holds = Holds { unique: row.get(4)?, run: row.get::<_, Option<i64>>(11)?.map(ProcessorRunId) };
                Ok(Place { at, own_lane, state, expires_at: row.get(3)?, holds })
            })
            .optional()
    }

    /// The name of a queue.
    pub(super) fn queue_name(&mut self, id: i64) -> Result<QueueName> {
        self.names.queue_name(self.conn, id)
    }

    pub(super) fn enter_ready(&mut self, w: Waiting) -> Result<()> {
        let lane = self.lane_to_enter(w)?;
        let statement = hot(&mut self.hot.ready_add, self.conn, sql::READY_ADD)?;
        statement.execute((w.queue, lane, w.nprio, w.due_at, w.id, w.tried))?;
        self.count_ready(w.queue, w.lane, 1);
        Ok(())
    }

    pub(super) fn leave_ready(&mut self, w: Waiting) -> Result<()> {
        self.run(sql::READY_DELETE, (w.queue, w.lane, w.nprio, w.due_at, w.id))?;
        let of_type = self.lane_left(w.lane)?;
        self.count_ready(w.queue, of_type, -1);
        Ok(())
    }

    /// `wait`: for how long, in microseconds, if it waits for a retry.
    pub(super) fn enter_scheduled(&mut self, w: Waiting, wait: Option<i64>) -> Result<()> {
        self.run(sql::SCHEDULED_ADD, (w.due_at, w.id, w.tried, wait))?;
        self.count_scheduled(w, 1);
        Ok(())
    }

    pub(super) fn leave_scheduled(&mut self, w: Waiting) -> Result<()> {
        self.run(sql::SCHEDULED_DELETE, (w.due_at, w.id))?;
        self.count_scheduled(w, -1);
        Ok(())
    }

    fn count_scheduled(&mut self, w: Waiting, by: i64) {
        let change = self.change(w.queue);
        change.scheduled += by;
        change.retrying += if w.tried { by } else { 0 };
        change.retrying_commands += if w.tried && w.lane == lanes::COMMANDS { by } else { 0 };
    }

    /// A job is over, or goes: what it holds is free.
    pub(super) fn let_go(&mut self, id: i64, holds: Holds, end: impl FnOnce() -> RunEnd) -> Result<()> {
        if holds.unique {
            self.run(sql::UNIQUE_FREE, [id])?;
        }
        match holds.run {
            Some(run) => self.end_run(run, &end()),
            None => Ok(()),
        }
    }

    /// `most`: the limit of attempts that was in force, where that is known.
    pub(super) fn put_tries(&self, id: i64, due_at: i64, c: Counters, most: Option<u32>) -> Result<()> {
        self.run(sql::TRIES_PUT, (id, due_at, c.attempts, c.crashes, c.releases, c.releases_in_a_row, most)).map(drop)
    }

    /// A job that waits leaves its place, whichever it is, and no longer lapses.
    pub(super) fn leave_waiting(&mut self, place: &Place) -> Result<()> {
        match place.state {
            JobState::Ready => self.leave_ready(place.at)?,
            JobState::Scheduled => self.leave_scheduled(place.at)?,
            JobState::Blocked => self.leave_blocked(place.at)?,
            JobState::Running | JobState::Succeeded | JobState::Dead | JobState::Cancelled => {}
        }
        match place.expires_at {
            Some(expires_at) if !place.at.tried => self.run(sql::EXPIRING_DELETE, (expires_at, place.at.id)).map(drop),
            _ => Ok(()),
        }
    }
}
