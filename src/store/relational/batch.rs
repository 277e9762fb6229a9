//! One transaction in progress: what every operation needs, and the moves they are made of.
//!
//! Does not begin, commit or roll back. Invariant: a row enters or leaves `ready`, `scheduled`, `blocked`, `running` or `ended`
//! only through the moves here or with a count beside it, so the totals change with the rows.

use std::collections::{BTreeMap, HashSet, VecDeque};

use rusqlite::{OptionalExtension, Result, params};

use super::conn::{Conn, Params, Statement};
use super::failures::Tally;
use super::fates::Fate;
use super::link_bounds::Bounds;
use super::names::Names;
use super::run_index::Blocks;
use super::{codes, lanes, sql, totals};
use crate::model::change::Settled;
use crate::model::processor::EndedRun;
use crate::model::run_end::RunEnd;
use crate::model::{Counters, Holds, JobId, JobState, ProcessorRunId, QueueName, QueueTotals, UnixMicros};
use crate::store::{News, TOLD_AT_ONCE};

/// By how much the totals of a queue change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Change {
    pub(in crate::store) ready: i64,
    /// Of `ready`, those that are commands.
    pub(in crate::store) commands: i64,
    pub(in crate::store) scheduled: i64,
    pub(in crate::store) retrying: i64,
    /// Of `retrying`, those that are commands.
    pub(in crate::store) retrying_commands: i64,
    pub(in crate::store) blocked: i64,
    pub(in crate::store) running: i64,
    /// A run of it has ended, though another may have begun.
    pub(in crate::store) freed: bool,
    pub(in crate::store) dead: i64,
    pub(in crate::store) cancelled: i64,
    pub(in crate::store) succeeded: i64,
    pub(in crate::store) failed: i64,
    pub(in crate::store) pushed: i64,
    /// Something else is new: the queue itself, a run on record, or it was paused or resumed.
    pub(in crate::store) used: bool,
}

/// What the other members are told of a transaction, where there are some.
#[derive(Debug, Default)]
pub(in crate::store) struct Told {
    pub(in crate::store) all: News,
    /// Members that are to look at their orders.
    pub(in crate::store) rung: Vec<i64>,
}

/// The highest ids given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct High {
    pub(in crate::store) run: i64,
    pub(in crate::store) worker: i64,
}

/// Statements that are run once per job; looked up once per batch, or put off to its end ([`Conn::later`]).
#[derive(Default)]
pub(in crate::store) struct Hot<'c> {
    pub(in crate::store) job_add: Option<Statement<'c>>,
    pub(in crate::store) ready_add: Option<Statement<'c>>,
    pub(in crate::store) running_add: Option<Statement<'c>>,
    pub(in crate::store) running_delete: Option<Statement<'c>>,
    pub(in crate::store) run_add: Option<Statement<'c>>,
    pub(in crate::store) run_add_plain: Option<Statement<'c>>,
}

/// A job waiting in `ready`: its key, and whether it has a past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Waiting {
    pub(in crate::store) queue: i64,
    /// The lane where it is, or the lane of its type where it belongs once it is ready.
    pub(in crate::store) lane: i64,
    pub(in crate::store) nprio: i64,
    pub(in crate::store) due_at: i64,
    pub(in crate::store) id: i64,
    pub(in crate::store) tried: bool,
}

/// Where a job was found.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Place {
    pub(in crate::store) at: Waiting,
    /// The lane of its type.
    pub(in crate::store) own_lane: i64,
    pub(in crate::store) state: JobState,
    pub(in crate::store) expires_at: Option<i64>,
    pub(in crate::store) holds: Holds,
}

/// The transaction.
pub(in crate::store) struct Batch<'c> {
    pub(in crate::store) conn: Conn<'c>,
    pub(in crate::store) names: &'c mut Names,
    pub(in crate::store) blocks: &'c mut Blocks,
    pub(in crate::store) high: &'c mut High,
    pub(in crate::store) hot: Hot<'c>,
    pub(in crate::store) generation: i64,
    pub(in crate::store) at: UnixMicros,
    /// The runs that operations of this transaction are about and that are current; `None`: each is looked up.
    pub(in crate::store) current: Option<HashSet<(i64, i64)>>,
    changes: BTreeMap<i64, Change>,
    /// By how many jobs the lanes of types change, by queue and lane.
    pub(in crate::store) typed: BTreeMap<(i64, i64), i64>,
    /// The last label that was given to a job, and its row, which stays while no job is deleted.
    pub(in crate::store) label: Option<(Box<str>, i64)>,
    /// What records of failures change by.
    pub(in crate::store) failures: BTreeMap<i64, Tally>,
    /// Queues that are on record no more.
    pub(in crate::store) forgotten: Vec<QueueName>,
    /// Runs of processors that are over.
    pub(in crate::store) ended_runs: Vec<EndedRun>,
    /// Whether any job comes after another, once it was asked for.
    pub(in crate::store) linked: Option<bool>,
    /// Between which ids they are, once it was asked for.
    pub(in crate::store) bounds: Option<Bounds>,
    /// Whether any batch watches a job, once it was asked for.
    pub(in crate::store) watched: Option<bool>,
    /// Whether children of a job are still to be told of it, once it was asked for.
    pub(in crate::store) settling: Option<bool>,
    /// Jobs whose children are to be told what became of them.
    pub(in crate::store) fates: VecDeque<Fate>,
    /// How many children this transaction may tell.
    pub(in crate::store) settles: u32,
    pub(in crate::store) settled: Settled,
    /// Whether this member prunes, which one of them does at a time.
    pub(in crate::store) prunes: bool,
    /// Whether there are others who want to know what changes.
    pub(in crate::store) tells: bool,
    /// Somebody is to be told of each job that ends.
    pub(in crate::store) tells_ends: bool,
    pub(in crate::store) news: Told,
    /// The highest id of a job, once it was asked for.
    job_high: Option<i64>,
    /// The highest id of a job that was deleted.
    deleted_high: i64,
}

impl<'c> Batch<'c> {
    pub(in crate::store) fn new(
        conn: Conn<'c>,
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
            current: None,
            changes: BTreeMap::new(),
            typed: BTreeMap::new(),
            label: None,
            failures: BTreeMap::new(),
            forgotten: Vec::new(),
            ended_runs: Vec::new(),
            linked: None,
            bounds: None,
            watched: None,
            settling: None,
            fates: VecDeque::new(),
            settles: TOLD_AT_ONCE,
            settled: Settled::default(),
            prunes: true,
            tells: false,
            tells_ends: false,
            news: Told::default(),
            job_high: None,
            deleted_high: 0,
        }
    }

    /// Changes in the totals of a queue.
    pub(in crate::store) fn change(&mut self, queue: i64) -> &mut Change {
        self.changes.entry(queue).or_default()
    }

    /// Whether this transaction has changed anything in a queue.
    pub(in crate::store) fn changes(&self, queue: i64) -> bool {
        self.changes.get(&queue).is_some_and(|change| *change != Change::default())
    }

    /// An id for a new job.
    pub(in crate::store) fn new_job_id(&mut self) -> Result<i64> {
        let high = match self.job_high {
            Some(high) => high,
            None => self.conn.prepare_cached(sql::JOB_HIGH)?.query_row([], |row| row.get(0))?,
        };
        let id = high.max(self.deleted_high).saturating_add(1);
        self.job_high = Some(id);
        Ok(id)
    }

    /// Deletes a job, whose id is not given again.
    pub(in crate::store) fn delete_job(&mut self, id: i64) -> Result<()> {
        self.label = None;
        self.deleted_high = self.deleted_high.max(id);
        self.unlink(id, id)?;
        self.run(sql::JOB_DELETE, [id]).map(drop)
    }

    /// Writes the totals, the last thing before the commit, and reads those of the queues that it touched.
    pub(in crate::store) fn write_changes(&mut self) -> Result<Vec<QueueTotals>> {
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
            let is_bound = || totals.limits.as_deref().is_some_and(|record| record.in_force.holds_back());
            if c.ready > 0 || c.freed && is_bound() {
                self.tell(|news| _ = news.queues.insert(totals.name.clone()));
            }
            touched.push(totals::with_limits(self.conn, totals)?);
        }
        Ok(touched)
    }

    /// Runs one cached statement.
    pub(in crate::store) fn run(&self, text: &str, params: impl Params) -> Result<usize> {
        self.conn.prepare_cached(text)?.execute(params)
    }

    /// Adds a row whose id the table gives; the id.
    pub(in crate::store) fn added(&self, text: &str, params: impl Params) -> Result<i64> {
        self.conn.prepare_cached(text)?.query_row(params, |row| row.get(0))
    }

    /// The ids a query yields.
    pub(in crate::store) fn ids(&self, text: &str, params: impl Params) -> Result<Vec<i64>> {
        self.conn.prepare_cached(text)?.query_map(params, |row| row.get(0))?.collect()
    }

    /// Deletes jobs of a bulk push, whose ids are not given again.
    pub(in crate::store) fn delete_jobs(&mut self, first: i64, last: i64) -> Result<()> {
        self.label = None;
        self.deleted_high = self.deleted_high.max(last);
        self.unlink(first, last)?;
        self.run(sql::JOBS_DELETE, (first, last)).map(drop)
    }

    /// Finds a job.
    pub(in crate::store) fn place(&mut self, id: i64) -> Result<Option<Place>> {
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
    pub(in crate::store) fn queue_name(&mut self, id: i64) -> Result<QueueName> {
        self.names.queue_name(self.conn, id)
    }

    pub(in crate::store) fn enter_ready(&mut self, w: Waiting) -> Result<()> {
        let lane = self.lane_to_enter(w)?;
        let row = (w.queue, lane, w.nprio, w.due_at, w.id, w.tried);
        self.conn.later(&mut self.hot.ready_add, sql::READY_ADD, row)?;
        self.count_ready(w.queue, w.lane, 1);
        Ok(())
    }

    pub(in crate::store) fn leave_ready(&mut self, w: Waiting) -> Result<()> {
        self.run(sql::READY_DELETE, (w.queue, w.lane, w.nprio, w.due_at, w.id))?;
        let of_type = self.lane_left(w.lane)?;
        self.count_ready(w.queue, of_type, -1);
        Ok(())
    }

    /// `wait`: for how long, in microseconds, if it waits for a retry.
    pub(in crate::store) fn enter_scheduled(&mut self, w: Waiting, wait: Option<i64>) -> Result<()> {
        self.run(sql::SCHEDULED_ADD, (w.due_at, w.id, w.tried, wait))?;
        self.count_scheduled(w, 1);
        Ok(())
    }

    pub(in crate::store) fn leave_scheduled(&mut self, w: Waiting) -> Result<()> {
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

    /// The other members are told of something.
    pub(in crate::store) fn tell(&mut self, what: impl FnOnce(&mut News)) {
        if self.tells {
            what(&mut self.news.all);
        }
    }

    /// A job is over, or goes: what it holds is free.
    pub(in crate::store) fn let_go(&mut self, id: i64, holds: Holds, end: impl FnOnce() -> RunEnd) -> Result<()> {
        if self.tells_ends {
            self.tell(|news| news.ended.push(JobId(id)));
        }
        if holds.unique {
            self.run(sql::UNIQUE_FREE, [id])?;
        }
        match holds.run {
            Some(run) => self.end_run(run, &end()),
            None => Ok(()),
        }
    }

    /// `most`: the limit of attempts that was in force, where that is known.
    pub(in crate::store) fn put_tries(&self, id: i64, due_at: i64, c: Counters, most: Option<u32>) -> Result<()> {
        self.run(sql::TRIES_PUT, (id, due_at, c.attempts, c.crashes, c.releases, c.releases_in_a_row, most)).map(drop)
    }

    /// A job that waits leaves its place, whichever it is, and no longer lapses.
    pub(in crate::store) fn leave_waiting(&mut self, place: &Place) -> Result<()> {
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
