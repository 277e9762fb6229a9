//! Jobs that come after others: whether they wait, and what they are told of these.
//!
//! A row of `waits` says how a parent stands to a child. When a parent ends, comes back or goes, its rows are set, and each
//! child is put where its rows say: blocked, cancelled, or where it can run. That is done for a bounded number of rows in one
//! transaction; how far it has come with the others is kept in `settling`, and the next promotion goes on with it.
//!
//! Invariants: the place of a job that was never free to run is what its rows in `waits` say, or soon will be (`settling`);
//! a store in which no job comes after another is asked for that once per transaction, and for nothing else.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Result};

use super::batch::{Batch, Place, Waiting};
use super::conn::Row;
use super::ended::End;
use super::fates::Fate;
use super::names::maybe_text;
use super::{codes, sql};
use crate::model::after::{After, AfterFailed, BadLink, LinkError, Links, Parent, ParentResults, Standing};
use crate::model::batch::REF;
use crate::model::processor::ProcessorRunState;
use crate::model::run_end::RunEnd;
use crate::model::{BatchId, Cause, JobId, JobState, NewJob};

/// One step into the key of `waits`; once per transaction.
const ANY: &str = "SELECT 1 FROM waits LIMIT 1";
/// Key of `waits`.
const ADD: &str = "INSERT INTO waits (job, parent, name, open, after_failed) VALUES (?1, ?2, ?3, ?4, ?5) \
     ON CONFLICT (job, parent) DO UPDATE SET name = coalesce(excluded.name, waits.name)";
/// Key of `waits`.
pub(super) const SET: &str = "UPDATE waits SET open = ?3 WHERE job = ?1 AND parent = ?2";
/// `waits_open`: the worst of the parents of a job, then the key of `waits`.
const WORST: &str = "SELECT open, after_failed, parent FROM waits INDEXED BY waits_open \
     WHERE job = ?1 AND open > 0 ORDER BY open DESC LIMIT 1";
/// The parents of a job by the key of `waits`, then `jobs.id`, `runs_by_job` and `runs.id`.
const RESULTS: &str = "SELECT w.parent, w.name, j.id IS NOT NULL, \
     CASE WHEN l.outcome = 0 THEN l.result END FROM waits w LEFT JOIN jobs j ON j.id = w.parent \
     LEFT JOIN runs l ON l.id = (SELECT max(id) FROM runs WHERE job_id = w.parent) WHERE w.job = ?1 ORDER BY w.parent";
/// Range of the key of `waits`; when jobs are deleted.
const DELETE: &str = "DELETE FROM waits WHERE job BETWEEN ?1 AND ?2";
/// `blocked.job_id`.
const BLOCKED_ADD: &str = "INSERT INTO blocked (job_id) VALUES (?1)";
/// `blocked.job_id`.
const BLOCKED_DELETE: &str = "DELETE FROM blocked WHERE job_id = ?1";
/// `jobs.id`.
const WAIT: &str = "SELECT wait_us FROM jobs WHERE id = ?1";
/// `ended.job_id`.
const ENDED_CAUSE: &str = "SELECT cause FROM ended WHERE job_id = ?1";
/// `jobs.id`, up and down again by the keys of `waits`: the children of a job (?1) that another (?2) comes after, or which
/// are that one. Where a job was pushed for nothing, as another has its unique key.
const ABOVE: &str = "WITH RECURSIVE above (id) AS (SELECT CAST(?2 AS BIGINT) UNION SELECT w.parent FROM above a CROSS JOIN waits w \
     ON w.job = a.id WHERE w.open > 0) SELECT job FROM waits INDEXED BY waits_by_parent \
     WHERE parent = ?1 AND job IN (SELECT id FROM above)";
/// `waits_by_parent` and the key of `waits`; likewise. Those that wait for both wait once.
const ADOPT_BOTH: &str = "DELETE FROM waits WHERE parent = ?2 AND job IN \
     (SELECT job FROM waits INDEXED BY waits_by_parent WHERE parent = ?1 AND open < 3)";
/// `waits_by_parent` and the key of `waits`; likewise.
const ADOPT: &str = "UPDATE waits SET parent = ?2 WHERE parent = ?1 AND open < 3";

pub(super) fn standing(row: &Row<'_>, column: usize) -> Result<Standing> {
    Ok(codes::word(&Standing::ALL, row.get(column)?)?)
}

impl Batch<'_> {
    /// Whether any job comes after another.
    pub(in crate::store) fn has_links(&mut self) -> Result<bool> {
        if let Some(known) = self.linked {
            return Ok(known);
        }
        let any = self.conn.prepare_cached(ANY)?.exists([])?;
        self.linked = Some(any);
        Ok(any)
    }

    /// Puts a child that has not been free to run where its parents let it be.
    pub(super) fn put_where_it_belongs(&mut self, place: &Place, failed: AfterFailed) -> Result<()> {
        let id = place.at.id;
        let waits = self.worst(id)?.map_or(Standing::Done, |(worst, ..)| worst).is_to_wait(failed);
        match (place.state, waits) {
            (JobState::Blocked, Some(false)) => self.free(place.at),
            (JobState::Blocked, None) => self.cancel_after(place),
            (JobState::Cancelled, Some(waits)) if self.was_cancelled_after(id)? => {
                if !self.come_back(place)? {
                    return Ok(());
                }
                if waits { Ok(()) } else { self.free(place.at) }
            }
            _ => Ok(()),
        }
    }

    /// The worst parent of a job, if any is not done.
    fn worst(&self, id: i64) -> Result<Option<(Standing, AfterFailed, i64)>> {
        let read = |row: &Row<'_>| Ok((standing(row, 0)?, codes::word(&AfterFailed::ALL, row.get(1)?)?, row.get(2)?));
        self.conn.prepare_cached(WORST)?.query_row([id], read).optional()
    }

    fn was_cancelled_after(&self, id: i64) -> Result<bool> {
        let cause: Option<i64> = self.conn.prepare_cached(ENDED_CAUSE)?.query_row([id], |row| row.get(0)).optional()?;
        Ok(cause == Some(codes::cause(Cause::Parent)))
    }

    fn cancel_after(&mut self, place: &Place) -> Result<()> {
        let (id, at) = (place.at.id, self.at);
        self.leave_waiting(place)?;
        self.let_go(id, place.holds, || RunEnd::waiting(ProcessorRunState::Cancelled, None, at))?;
        self.enter_ended((place.at.queue, id), End::cancelled(Cause::Parent, at))?;
        self.settled.ended.push(JobId(id));
        Ok(())
    }

    /// A child comes back with its parent; false: another has its unique key.
    fn come_back(&mut self, place: &Place) -> Result<bool> {
        let id = place.at.id;
        if !self.retake_key(id, place.holds)? {
            return Ok(false);
        }
        self.leave_ended(place.at.queue, id, JobState::Cancelled)?;
        self.enter_blocked(place.at)?;
        if let Some(expires_at) = place.expires_at.filter(|_| !place.at.tried) {
            self.run(sql::EXPIRING_ADD, (expires_at, id))?;
        }
        self.reopens(id)?;
        self.changes_fate(id)?;
        Ok(true)
    }

    pub(in crate::store) fn enter_blocked(&mut self, w: Waiting) -> Result<()> {
        self.run(BLOCKED_ADD, [w.id])?;
        self.change(w.queue).blocked += 1;
        Ok(())
    }

    pub(in crate::store) fn leave_blocked(&mut self, w: Waiting) -> Result<()> {
        self.run(BLOCKED_DELETE, [w.id])?;
        self.change(w.queue).blocked -= 1;
        Ok(())
    }

    /// The last parent is done. The job could run from now on: what it has waited until now was not for a worker.
    fn free(&mut self, w: Waiting) -> Result<()> {
        self.leave_blocked(w)?;
        let due_at = w.due_at.max(self.at.0);
        if due_at != w.due_at {
            self.run(if w.tried { sql::TRIES_DUE } else { sql::JOB_DUE }, (w.id, due_at))?;
        }
        let w = Waiting { due_at, ..w };
        if due_at > self.at.0 {
            self.settled.moved = true;
            let wait =
                if w.tried { self.conn.prepare_cached(WAIT)?.query_row([w.id], |row| row.get(0))? } else { None };
            return self.enter_scheduled(w, wait);
        }
        let queue = self.queue_name(w.queue)?;
        if self.settled.freed.last() != Some(&queue) {
            self.settled.freed.push(queue);
        }
        self.enter_ready(w)
    }

    /// A job with parents that has no place yet goes where these let it be.
    pub(in crate::store) fn enter_linked(&mut self, w: Waiting, failed: AfterFailed) -> Result<()> {
        self.enter_blocked(w)?;
        match self.place(w.id)? {
            Some(place) => self.put_where_it_belongs(&place, failed),
            None => Ok(()),
        }
    }

    /// For a job that is to wait again: whether it comes after another that is not done; or the one that has failed.
    pub(in crate::store) fn is_held(&mut self, id: i64) -> Result<std::result::Result<bool, (JobId, bool)>> {
        if !self.has_links()? {
            return Ok(Ok(false));
        }
        let Some((worst, failed, parent)) = self.worst(id)? else { return Ok(Ok(false)) };
        Ok(worst.is_to_wait(failed).ok_or((JobId(parent), worst == Standing::Gone)))
    }

    /// Checks what new jobs say of others, and gives for each how its parents stand to it. `is_whole`: there are no other jobs
    /// in this push.
    pub(in crate::store) fn check_links(
        &mut self,
        jobs: &[NewJob],
        is_whole: bool,
    ) -> Result<std::result::Result<Vec<Vec<Standing>>, BadLink>> {
        if let Err(bad) = Links::check(jobs, is_whole) {
            return Ok(Err(bad));
        }
        let mut all = Vec::with_capacity(jobs.len());
        for (nth, job) in jobs.iter().enumerate() {
            match job.after.as_ref().map(|after| self.standings(after)).transpose()? {
                None => all.push(Vec::new()),
                Some(Ok(standings)) => all.push(standings),
                Some(Err(why)) => return Ok(Err(BadLink { nth, why })),
            }
        }
        Ok(Ok(all))
    }

    /// How the parents of a new job that it names by their ids stand to it; those that are named by a ref are new as well.
    fn standings(&mut self, after: &After) -> Result<std::result::Result<Vec<Standing>, LinkError>> {
        let mut all = Vec::with_capacity(after.parents.len());
        for parent in &after.parents {
            let Parent::Job(id) = parent else {
                all.push(Standing::Open);
                continue;
            };
            let state = self.place(id.0)?.map(|place| place.state);
            let standing = Standing::of(state, after.failed);
            match state {
                None => return Ok(Err(LinkError::Unknown(*id))),
                Some(state) if standing.is_to_wait(after.failed).is_none() => {
                    return Ok(Err(LinkError::Failed(*id, state)));
                }
                Some(_) => all.push(standing),
            }
        }
        Ok(Ok(all))
    }

    /// Writes after which jobs a new one comes; gives back the refs that are not known (yet).
    pub(in crate::store) fn link<'a>(
        &mut self,
        id: i64,
        after: &'a After,
        standings: &[Standing],
        refs: &HashMap<Box<str>, i64>,
    ) -> Result<Vec<&'a str>> {
        (self.linked, self.bounds) = (Some(true), None);
        let mut unknown = Vec::new();
        for (parent, standing) in after.parents.iter().zip(standings) {
            let (parent, name) = match parent {
                Parent::Job(id) => (Some(&id.0), None),
                Parent::Ref(name) => (refs.get(name), Some(&**name)),
            };
            let Some(parent) = parent else {
                unknown.extend(name);
                continue;
            };
            self.run(ADD, (id, parent, name, *standing as i64, after.failed as i64))?;
        }
        Ok(unknown)
    }

    /// Writes that a job comes after another, which had a ref.
    pub(in crate::store) fn link_one(&mut self, id: i64, parent: i64, name: &str, failed: i64) -> Result<()> {
        (self.linked, self.bounds) = (Some(true), None);
        self.run(ADD, (id, parent, name, Standing::Open as i64, failed)).map(drop)
    }

    /// What the parents of a job have made, if it has any.
    pub(in crate::store) fn results_for(&mut self, id: i64) -> Result<Option<Box<ParentResults>>> {
        if !self.may_have_parents(id)? {
            return Ok(None);
        }
        let mut statement = self.conn.prepare_cached(RESULTS)?;
        let mut rows = statement.query([id])?;
        let mut results: Option<Box<ParentResults>> = None;
        while let Some(row) = &rows.next()? {
            let (parent, is_there): (i64, bool) = (row.get(0)?, row.get(2)?);
            if let Some(batch) = BatchId::of_parent(JobId(parent)) {
                results.get_or_insert_default().add(REF, self.batch_end(batch)?.as_deref());
                continue;
            }
            let name = maybe_text(row, 1)?.unwrap_or_else(|| parent.to_string());
            let result = maybe_text(row, 3)?.unwrap_or_else(|| "null".to_owned());
            results.get_or_insert_default().add(&name, Some(&*result).filter(|_| is_there));
        }
        Ok(results)
    }

    /// Jobs go, and with them what they say of others.
    pub(in crate::store) fn unlink(&mut self, first: i64, last: i64) -> Result<()> {
        if self.has_links()? {
            self.run(DELETE, (first, last))?;
        }
        Ok(())
    }

    /// A job was pushed for nothing, as another has its unique key: who comes after it comes after that one, but for those
    /// that would come after themselves.
    pub(in crate::store) fn adopt(&mut self, id: i64, holder: i64) -> Result<()> {
        if !self.has_links()? {
            return Ok(());
        }
        for child in self.ids(ABOVE, (id, holder))? {
            self.run(SET, (child, id, Standing::Gone as i64))?;
        }
        self.run(ADOPT_BOTH, (id, holder))?;
        self.run(ADOPT, (id, holder))?;
        self.bounds = None;
        self.fates.extend([Fate::of(id), Fate::of(holder)]);
        Ok(())
    }
}
