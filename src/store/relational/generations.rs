//! The generations on this database: how one begins, what it recovers, how it ends.
//!
//! Invariant: ids go on where the last generation stopped, also when its rows have been pruned.

use rusqlite::{OptionalExtension, Result};

use super::batch::{Batch, High, Waiting};
use super::claim::counters_of;
use super::conn::{Conn, Row};
use super::names::Names;
use super::run_row::RunRow;
use super::{codes, sql};
use crate::model::trace::SpanIds;
use crate::model::worker::EndReason;
use crate::model::{Cause, Counters, Detail, Generation, Outcome, UnixMicros};
use crate::store::{LastMaster, Master, lost};

/// Jobs or workers of one transaction of a recovery.
pub(in crate::store) const STEP: u32 = 1000;

/// The last generation on record.
pub(in crate::store) struct Last {
    pub(in crate::store) master: LastMaster,
    pub(in crate::store) high: High,
}

/// Reads the last generation on record.
pub(in crate::store) fn last(conn: Conn<'_>) -> Result<Option<Last>> {
    conn.prepare_cached(sql::GENERATION_LAST)?
        .query_row([], |row| {
            let master = LastMaster {
                master: read_master(row, 4)?,
                generation: Generation(row.get(0)?),
                started_at: UnixMicros(row.get(9)?),
                ended_at: row.get::<_, Option<i64>>(10)?.map(UnixMicros),
            };
            Ok(Last { master, high: High { run: row.get(2)?, worker: row.get(3)? } })
        })
        .optional()
}

/// Reads who a generation was, from this column on.
fn read_master(row: &Row<'_>, at: usize) -> Result<Master> {
    Ok(Master {
        host: String::new(),
        pid: row.get(at)?,
        pid_start: row.get::<_, i64>(at + 1)? as u64,
        boot_id: row.get(at + 2)?,
        cookie: row.get(at + 3)?,
        version: row.get(at + 4)?,
    })
}

/// The generations that have not ended in order and were not recovered, oldest first.
pub(in crate::store) fn unended(conn: Conn<'_>) -> Result<Vec<LastMaster>> {
    let row = |row: &Row<'_>| {
        let (generation, started_at) = (Generation(row.get(0)?), UnixMicros(row.get(6)?));
        Ok(LastMaster { master: read_master(row, 1)?, generation, started_at, ended_at: None })
    };
    conn.prepare_cached(sql::GENERATIONS_CRASHED)?.query_map([], row)?.collect()
}

/// A job that an earlier generation left running.
struct Left {
    at: Waiting,
    run: i64,
    worker: Option<i64>,
    attempt: u32,
    started_at: UnixMicros,
    generation: i64,
    kind: i64,
    counters: Counters,
    max_attempts: Option<u32>,
}

impl Left {
    fn read(row: &Row<'_>, conn: Conn<'_>, names: &mut Names) -> Result<Self> {
        let (id, due_at, queue, nprio) = (row.get(0)?, row.get(4)?, row.get(7)?, row.get(9)?);
        let at = Waiting { queue, lane: names.lane_of(conn, row.get(8)?)?, nprio, due_at, id, tried: true };
        Ok(Self {
            at,
            run: row.get(1)?,
            worker: row.get(2)?,
            attempt: row.get(3)?,
            started_at: UnixMicros(row.get(5)?),
            generation: row.get(6)?,
            kind: row.get(8)?,
            counters: counters_of(row, 10)?.released(),
            max_attempts: row.get(14)?,
        })
    }
}

impl Batch<'_> {
    /// Gives back a bounded number of jobs of dead generations, from the first to the last; how many.
    pub(in crate::store) fn release_left(&mut self, first: Generation, last: Generation) -> Result<usize> {
        let left: Vec<Left> = self
            .conn
            .prepare_cached(sql::RUNNING_LEFT)?
            .query_map((first.0, last.0, STEP), |row| Left::read(row, self.conn, self.names))?
            .collect::<Result<_>>()?;
        for job in &left {
            self.run(sql::RUNNING_DELETE, (job.at.id, job.run))?;
            let change = self.change(job.at.queue);
            change.running -= 1;
            change.used = true;
            self.record_lost(job)?;
            self.key_ends(job.at.queue, job.at.id, Some(0))?;
            let due_at = if job.counters.goes_behind() { self.at.0 } else { job.at.due_at };
            self.put_tries(job.at.id, due_at, job.counters, job.max_attempts)?;
            self.enter_ready(Waiting { due_at, ..job.at })?;
        }
        Ok(left.len())
    }

    fn record_lost(&mut self, job: &Left) -> Result<()> {
        let detail = Detail { error: Some(lost(job.worker).to_owned()), ..Detail::default() };
        self.add_run(&RunRow {
            id: job.run,
            job: job.at.id,
            queue: job.at.queue,
            kind: job.kind,
            worker: job.worker,
            generation: job.generation,
            attempt: job.attempt,
            outcome: Outcome::Released,
            due_at: UnixMicros(job.at.due_at),
            started_at: job.started_at,
            ended_at: self.at,
            cause: Some(Cause::MasterLost),
            detail: &detail,
            span: SpanIds::default(),
        })
    }

    /// Marks them as over: nothing of them is left.
    pub(in crate::store) fn end_lives(&self, dead: Generation) -> Result<usize> {
        self.run(sql::GENERATIONS_RECOVERED, (dead.0, self.at.0))
    }

    /// Gives an end to a bounded number of their workers; how many.
    pub(in crate::store) fn end_left(&self, first: Generation, last: Generation) -> Result<usize> {
        self.run(sql::WORKERS_LOST, (first.0, last.0, self.at.0, codes::reason(EndReason::MasterLost), STEP))
    }
}
