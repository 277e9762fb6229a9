//! Dead and cancelled jobs: how they enter and leave `ended`, and what the dead died of.
//!
//! Invariant: a dead job has a fingerprint, a cancelled one none; the row of a job in `ended` has the queue and the type of
//! its row in `jobs`.

use rusqlite::{Result, params};

use super::batch::Batch;
use super::conn::{Conn, Row};
use super::names::maybe_text;
use super::{codes, sql};
use crate::model::{Cause, Fingerprint, JobId, JobState, QueueName, UnixMicros};

/// Errors of the dead jobs of a database from before fingerprints; each table by its key, `runs` by `runs_by_job`.
const WITHOUT: &str = "SELECT e.job_id, t.name, e.cause, l.error_type, e.error FROM ended e \
     LEFT JOIN types t ON t.id = e.type \
     LEFT JOIN runs l ON l.id = (SELECT max(id) FROM runs WHERE job_id = e.job_id) WHERE e.state = ?1";
/// All of `failures`, with one step into `ended_by_fingerprint` each: not one row for each dead job.
const GROUPS: &str = "SELECT CAST(sum(dead) AS BIGINT), (SELECT max(job_id) FROM ended e WHERE e.fingerprint = f.fingerprint) \
     FROM failures f WHERE dead > 0 GROUP BY fingerprint ORDER BY 1 DESC, 2 DESC";
/// `queues.name`, then all dead jobs of the queue by `ended_by_queue`.
const GROUPS_OF_QUEUE: &str = "SELECT count(*), max(e.job_id) FROM queues q CROSS JOIN ended e INDEXED BY ended_by_queue \
     ON e.state = 4 AND e.queue = q.id WHERE q.name = ?1 GROUP BY e.fingerprint ORDER BY 1 DESC, 2 DESC";

/// How a job ended that did not succeed.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct End<'a> {
    pub(in crate::store) cause: Cause,
    pub(in crate::store) error: Option<&'a str>,
    pub(in crate::store) at: UnixMicros,
    /// The fingerprint of a job that is dead; `None`: it is cancelled.
    pub(in crate::store) died_of: Option<i64>,
}

impl End<'_> {
    /// Of a job that has not run.
    pub(in crate::store) const fn cancelled(cause: Cause, at: UnixMicros) -> Self {
        Self { cause, error: None, at, died_of: None }
    }
}

/// Dead jobs of one fingerprint.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Group {
    pub(in crate::store) jobs: u64,
    /// The one with the highest id.
    pub(in crate::store) newest: JobId,
}

impl Batch<'_> {
    /// A job is dead or cancelled.
    pub(in crate::store) fn enter_ended(&mut self, (queue, id): (i64, i64), end: End<'_>) -> Result<()> {
        let End { cause, error, at, died_of } = end;
        let state = if died_of.is_some() { JobState::Dead } else { JobState::Cancelled };
        self.run(sql::ENDED_ADD, params![id, codes::state(state), codes::cause(cause), error, at.0, died_of])?;
        self.count_ended(queue, state, 1);
        self.changes_fate(id)?;
        died_of.map_or(Ok(()), |fingerprint| self.count_dead(queue, fingerprint, 1))
    }

    pub(in crate::store) fn leave_ended(&mut self, queue: i64, id: i64, state: JobState) -> Result<()> {
        let died_of: Option<i64> = self.conn.prepare_cached(sql::ENDED_DELETE)?.query_row([id], |row| row.get(0))?;
        self.count_ended(queue, state, -1);
        died_of.map_or(Ok(()), |fingerprint| self.count_dead(queue, fingerprint, -1))
    }

    fn count_ended(&mut self, queue: i64, state: JobState, by: i64) {
        let change = self.change(queue);
        *(if state == JobState::Dead { &mut change.dead } else { &mut change.cancelled }) += by;
    }
}

/// Gives those a fingerprint that died before there were any.
pub(in crate::store) fn write_fingerprints(conn: Conn<'_>) -> Result<()> {
    let read = |row: &Row<'_>| {
        let (kind, cause) = (maybe_text(row, 1)?.unwrap_or_default(), codes::word(&Cause::ALL, row.get(2)?)?);
        let error_type = maybe_text(row, 3)?;
        let fingerprint = Fingerprint::of(&kind, cause, error_type.as_deref(), maybe_text(row, 4)?.as_deref());
        Ok((row.get::<_, i64>(0)?, fingerprint.number()))
    };
    let mut dead = conn.prepare_cached(WITHOUT)?;
    let found: Vec<(i64, i64)> = dead.query_map([codes::state(JobState::Dead)], read)?.collect::<Result<_>>()?;
    let mut write = conn.prepare_cached("UPDATE ended SET fingerprint = ?2 WHERE job_id = ?1")?;
    found.into_iter().try_for_each(|row| write.execute(row).map(drop))
}

/// What the dead died of, in all queues or in one, the commonest first.
pub(in crate::store) fn groups(conn: Conn<'_>, queue: Option<&QueueName>) -> Result<Vec<Group>> {
    let read = |row: &Row<'_>| Ok(Group { jobs: row.get::<_, i64>(0)?.unsigned_abs(), newest: JobId(row.get(1)?) });
    match queue {
        None => conn.prepare_cached(GROUPS)?.query_map([], read)?.collect(),
        Some(queue) => conn.prepare_cached(GROUPS_OF_QUEUE)?.query_map([queue.as_str()], read)?.collect(),
    }
}
