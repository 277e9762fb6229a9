//! Handing out jobs: the front of a queue moves to `running`.
//!
//! Invariant: what is taken is always the first rows of each lane by its key, so they leave `ready` in one range delete per
//! lane; a fresh job costs no look-up beyond its own row.

use std::sync::Arc;

use rusqlite::Result;
use rusqlite::types::ToSql;

use super::batch::{Batch, Waiting};
use super::conn::Row;
use super::ended::End;
use super::key_lanes::KEYED;
use super::{lanes, names, sql};
use crate::model::change::{Claim, HeldBack, Reply};
use crate::model::failure::Failure;
use crate::model::processor::ProcessorRunState;
use crate::model::run_end::RunEnd;
use crate::model::{
    Cause, Claimed, Counters, Holds, JobId, ProcessorRunId, QueueName, RunId, TraceContext, UnixMicros,
};
use crate::store::EXPIRED_PER_CLAIM;
use crate::store::postgres::fronts;

/// One row of the front of a queue.
pub(in crate::store) struct Front {
    pub(in crate::store) at: Waiting,
    kind: i64,
    /// `None`: what stands there is no text.
    args: Option<Box<str>>,
    expires_at: Option<i64>,
    timeout: Option<u64>,
    max_attempts: Option<u32>,
    holds: Holds,
    pushed_at: i64,
    pushed_in: Option<Box<TraceContext>>,
}

/// Jobs that a claim has taken so far.
#[derive(Default)]
pub(in crate::store) struct Taken {
    pub(in crate::store) jobs: Vec<Claimed>,
    bytes: usize,
    pub(in crate::store) expired: Vec<JobId>,
    /// Moved to the lanes of their keys, which are paused.
    pub(in crate::store) parked: usize,
    pub(in crate::store) more: bool,
    pub(in crate::store) held: HeldBack,
}

impl Taken {
    /// One that was counted is not taken after all.
    pub(in crate::store) fn leave_out(&mut self, row: &Front, now: UnixMicros) {
        if !row.has_expired(now) {
            self.bytes -= row.args.as_ref().map_or(0, |args| args.len());
        }
    }
}

impl Front {
    fn read(queue: i64, row: &Row<'_>) -> Result<Self> {
        let (lane, nprio, due_at, id, tried) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Self {
            at: Waiting { queue, lane, nprio, due_at, id, tried },
            kind: row.get(5)?,
            args: row.get_ref(6)?.as_str_or_null().ok().flatten().map(Into::into),
            expires_at: row.get(7)?,
            timeout: row.get::<_, Option<i64>>(8)?.map(i64::unsigned_abs),
            max_attempts: row.get(9)?,
            holds: Holds { unique: row.get(10)?, run: row.get::<_, Option<i64>>(12)?.map(ProcessorRunId) },
            pushed_at: row.get(11)?,
            pushed_in: pushed_in(row, 13)?,
        })
    }

    /// A job that has started once cannot expire any more.
    fn has_expired(&self, now: UnixMicros) -> bool {
        !self.at.tried && self.expires_at.is_some_and(|at| at <= now.0)
    }
}

impl Batch<'_> {
    pub(in crate::store) fn claim(&mut self, claim: &Claim) -> Result<Reply> {
        let mut taken = Taken::default();
        for (name, most) in &claim.takes {
            let left = (claim.total as usize).saturating_sub(taken.jobs.len());
            if left == 0 || taken.more {
                break;
            }
            let Some(queue) = self.names.queue(self.conn, name)? else { continue };
            let read = |row: &Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
            let (paused, counts): (bool, _) = self.conn.prepare_cached(sql::QUEUE_STATE)?.query_row([queue], read)?;
            if !paused {
                self.take_limited((queue, name), counts, left.min(*most as usize), claim, &mut taken)?;
            }
        }
        let Taken { jobs, expired, more, held, .. } = taken;
        Ok(Reply::Claimed { jobs, expired, more, held })
    }

    pub(in crate::store) fn take(
        &mut self,
        queue: (i64, &QueueName),
        most: usize,
        claim: &Claim,
        taken: &mut Taken,
    ) -> Result<()> {
        let goal = taken.jobs.len() + most;
        loop {
            let before = (taken.jobs.len(), taken.expired.len(), taken.parked);
            let (lanes, beyond) = self.lanes(queue.0, &claim.lanes)?;
            self.take_from(queue, &lanes, goal, claim, taken)?;
            // The lanes that were left out come next, once those before them are empty.
            let is_over = !beyond || taken.more || taken.jobs.len() >= goal;
            if is_over || (taken.jobs.len(), taken.expired.len(), taken.parked) == before {
                return Ok(());
            }
        }
    }

    fn take_from(
        &mut self,
        queue: (i64, &QueueName),
        lanes: &[i64],
        goal: usize,
        claim: &Claim,
        taken: &mut Taken,
    ) -> Result<()> {
        let paused = self.names.limits(self.conn, queue.1)?.filter(|record| !record.paused.is_empty());
        while taken.jobs.len() < goal && !taken.more {
            // One after the other where some of them may go elsewhere.
            let most = if paused.is_some() { 1 } else { goal - taken.jobs.len() };
            let front = self.front(queue.0, lanes, most, claim.max_bytes, taken)?;
            if front.is_empty() {
                break;
            }
            self.leave_front(lanes, &front)?;
            let before = taken.expired.len();
            for row in front {
                let is_parked = match &paused {
                    Some(record) => self.parks(record, &row, taken)?,
                    None => false,
                };
                if !is_parked {
                    self.begin(queue.1, row, claim, taken)?;
                }
            }
            if taken.expired.len() == before && paused.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Starts a job that has left its lane; false: it has expired, or is damaged.
    pub(in crate::store) fn begin(
        &mut self,
        queue: &QueueName,
        row: Front,
        claim: &Claim,
        taken: &mut Taken,
    ) -> Result<bool> {
        if !row.has_expired(self.at) && row.args.is_some() {
            let job = self.start(queue, row, claim, taken.jobs.len())?;
            taken.jobs.push(job);
            return Ok(true);
        }
        taken.expired.push(JobId(row.at.id));
        taken.more |= taken.expired.len() >= EXPIRED_PER_CLAIM;
        self.run(sql::EXPIRING_DELETE, (row.expires_at, row.at.id))?;
        if row.has_expired(self.at) {
            self.expire(row.at, row.holds)?;
        } else {
            self.set_aside(row.at, row.kind, row.holds)?;
        }
        Ok(false)
    }

    /// Takes the first rows out of their lanes.
    fn leave_front(&mut self, lanes: &[i64], front: &[Front]) -> Result<()> {
        for &lane in lanes {
            let mut of_lane = front.iter().filter(|row| row.at.lane == lane);
            let count = of_lane.clone().count();
            let Some(last) = of_lane.next_back().map(|row| row.at) else { continue };
            let (queue, most) = (last.queue, count as i64);
            if !self.conn.is_remote() {
                self.run(sql::READY_DELETE_FRONT, (queue, lane, last.nprio, last.due_at, last.id))?;
            } else if lane < KEYED {
                self.run(fronts::LEAVE, (queue, lane, last.nprio, last.due_at, last.id, most))?;
            } else {
                self.run(fronts::LEAVE_KEY, (queue, lane, most))?;
            }
            self.count_ready(last.queue, lane, -(count as i64));
        }
        Ok(())
    }

    /// The first rows, as many as fit into the bytes that are left.
    pub(in crate::store) fn front(
        &self,
        queue: i64,
        lanes: &[i64],
        most: usize,
        max_bytes: usize,
        taken: &mut Taken,
    ) -> Result<Vec<Front>> {
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = self.conn.prepare_cached(&lanes::front(lanes.len(), self.conn.is_remote()))?;
        let most_rows = most as i64;
        let params: Vec<&dyn ToSql> =
            [&queue as &dyn ToSql, &most_rows].into_iter().chain(lanes.iter().map(|lane| lane as _)).collect();
        let mut rows = statement.query(&*params)?;
        let mut front = Vec::with_capacity(most.min(1024));
        let mut first = taken.bytes == 0;
        while let Some(row) = &rows.next()? {
            let row = Front::read(queue, row)?;
            if !row.has_expired(self.at) {
                let bytes = taken.bytes.saturating_add(row.args.as_ref().map_or(0, |args| args.len()));
                if bytes > max_bytes && !first {
                    taken.more = true;
                    break;
                }
                taken.bytes = bytes;
                first = false;
            }
            front.push(row);
        }
        Ok(front)
    }

    fn start(&mut self, queue: &QueueName, row: Front, claim: &Claim, place: usize) -> Result<Claimed> {
        let Waiting { id, due_at, tried, .. } = row.at;
        if let (Some(expires_at), false) = (row.expires_at, tried) {
            self.run(sql::EXPIRING_DELETE, (expires_at, id))?;
        }
        let (counters, state) = if tried { self.past(id)? } else { Default::default() };
        let parents = self.results_for(id)?;
        self.high.run += 1;
        let run = self.high.run;
        let worker = claim.workers.get(place).map(|worker| worker.0);
        let running = (id, run, worker, counters.attempts + 1, due_at, self.at.0, self.generation, tried);
        self.conn.later(&mut self.hot.running_add, sql::RUNNING_ADD, running)?;
        self.change(row.at.queue).running += 1;
        Ok(Claimed {
            id: JobId(id),
            run: RunId(run),
            queue: queue.clone(),
            kind: self.names.kind_name(self.conn, row.kind)?,
            args: row.args.unwrap_or_default(),
            counters,
            pushed_at: UnixMicros(row.pushed_at),
            due_at: UnixMicros(due_at),
            timeout: row.timeout.map(std::time::Duration::from_micros),
            max_attempts: row.max_attempts,
            holds: row.holds,
            is_new: !tried,
            state,
            parents,
            pushed_in: row.pushed_in,
            trace: None,
        })
    }

    /// Makes a job dead whose args cannot be read, so that it does not block its queue.
    fn set_aside(&mut self, w: Waiting, kind: i64, holds: Holds) -> Result<()> {
        let error = Some("its args on record are damaged: they are no text");
        let (cause, at) = (Cause::NoRetry, self.at);
        self.let_go(w.id, holds, || RunEnd::waiting(ProcessorRunState::Failed, error, at))?;
        let name = self.names.kind_name(self.conn, kind)?;
        let failure = Failure { kind: &name, cause, error_type: None, error, run: None, at };
        let died_of = Some(self.count_failure((w.queue, kind), &failure)?);
        self.enter_ended((w.queue, w.id), End { cause, error, at, died_of })
    }

    /// What was charged to a job, and where it goes on.
    fn past(&self, id: i64) -> Result<(Counters, Option<Arc<str>>)> {
        let past = |row: &Row<'_>| Ok((counters_of(row, 0)?, names::maybe_text(row, 4)?.map(Into::into)));
        self.conn.prepare_cached(sql::TRIES_GET)?.query_row([id], past)
    }
}

/// The trace that a job was pushed in; a damaged one counts for nothing.
pub(in crate::store) fn pushed_in(row: &Row<'_>, at: usize) -> Result<Option<Box<TraceContext>>> {
    let text = row.get_ref(at)?.as_str_or_null().ok().flatten();
    Ok(text.and_then(TraceContext::from_text).map(Box::new))
}

/// Reads what was charged, from this column on.
pub(in crate::store) fn counters_of(row: &Row<'_>, at: usize) -> Result<Counters> {
    Ok(Counters {
        attempts: row.get(at)?,
        crashes: row.get(at + 1)?,
        releases: row.get(at + 2)?,
        releases_in_a_row: row.get(at + 3)?,
    })
}
