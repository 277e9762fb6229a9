//! Failed runs by fingerprint, and how many dead jobs each record has.
//!
//! Counts are added up in memory while a batch is applied, and written once per record at its end, so many runs that fail of
//! the same cost two statements. Invariants: a record exists while a job is dead that is counted in it; of one type and queue
//! there are [`MOST_PER_TYPE`] records at most, and one for all other errors.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Result, params};

use super::batch::Batch;
use super::conn::{Conn, Row};
use super::read::Query;
use super::{codes, names, sql};
use crate::model::change::{Keep, Reply};
use crate::model::failure::{self, Failure, FailureNote, FailureRow, MOST_PER_TYPE, first_slot};
use crate::model::{Cause, FailureRecord, Fingerprint, QueueName, RunId, UnixMicros};
use crate::store::FailureFilter;

/// `failures_by_fingerprint`.
const FIND: &str = "SELECT id FROM failures WHERE fingerprint = ?1 AND queue = ?2";
/// `failures_by_type`; once per new record.
const COUNT: &str = "SELECT count(*) FROM failures WHERE queue = ?1 AND type = ?2";
/// Appends.
const ADD: &str = "INSERT INTO failures (fingerprint, queue, type, error_type, template, first_at, last_at, runs, dead, \
     sample_run) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 0, 0, 0) RETURNING id";
/// `failures.id`.
const TALLY: &str = "UPDATE failures SET runs = runs + ?2, dead = dead + ?3, last_at = max(last_at, ?4), \
     sample_run = max(sample_run, ?5) WHERE id = ?1";
/// Key of `failure_rollups`.
const SLOT_ADD: &str = "INSERT INTO failure_rollups (failure, at, runs) VALUES (?1, ?2, ?3) \
     ON CONFLICT (failure, at) DO UPDATE SET runs = failure_rollups.runs + excluded.runs";
/// Key of `failure_rollups`: those of one record that are past their day.
const SLOTS_PRUNE: &str = "DELETE FROM failure_rollups WHERE failure = ?1 AND at < ?2";
/// `failures_by_last`.
const OLD: &str = "SELECT id FROM failures INDEXED BY failures_by_last WHERE dead = 0 AND last_at < ?1 \
     ORDER BY last_at, id LIMIT ?2";
/// `failures.id`.
const DELETE: &str = "DELETE FROM failures WHERE id = ?1";
/// `failures_by_type`.
const OF_QUEUE: &str = "SELECT 1 FROM failures WHERE queue = ?1 LIMIT 1";

/// Keys of `failure_notes`.
const NOTE: &str = "SELECT note, muted_until FROM failure_notes WHERE fingerprint = ?1";
const NOTE_PUT: &str = "INSERT INTO failure_notes (fingerprint, note, muted_until) VALUES (?1, ?2, ?3) \
     ON CONFLICT (fingerprint) DO UPDATE SET note = excluded.note, muted_until = excluded.muted_until";
/// `failures_by_fingerprint`, then the key of `failure_notes`.
const NOTE_FORGET: &str = "DELETE FROM failure_notes WHERE fingerprint = (SELECT fingerprint FROM failures WHERE id = ?1) \
     AND NOT EXISTS (SELECT 1 FROM failures f WHERE f.fingerprint = failure_notes.fingerprint AND f.id <> ?1)";
/// `failures_by_fingerprint`.
const IS_KNOWN: &str = "SELECT 1 FROM failures WHERE fingerprint = ?1 LIMIT 1";
/// All of `failure_notes`, which are as few as people have written.
const MUTED: &str = "IN (SELECT fingerprint FROM failure_notes WHERE muted_until >";

/// All records, or those of a queue by `failures_by_type`: never more than the bound allows.
const GROUPS: &str = "SELECT fingerprint FROM failures WHERE true";
/// `failures_by_fingerprint`, then keys.
const ROWS: &str = "SELECT f.id, f.fingerprint, t.name AS type, q.name AS queue, f.error_type, f.template, f.first_at, \
     f.last_at, f.runs, f.dead, f.sample_run FROM failures f CROSS JOIN queues q ON q.id = f.queue \
     LEFT JOIN types t ON t.id = f.type WHERE true";
/// Key of `failure_rollups`.
const SLOTS: &str = "SELECT at, runs FROM failure_rollups WHERE failure = ?1 AND at >= ?2";

/// Dead jobs of a database from before there were records: all of `ended_by_fingerprint`.
const OF_DEAD: &str = "SELECT queue, type, fingerprint, count(*), max(job_id), min(ended_at), max(ended_at) FROM ended \
     WHERE fingerprint IS NOT NULL GROUP BY queue, type, fingerprint ORDER BY queue, type, 4 DESC, 5 DESC";
/// Keys of `ended` and `types`, then `runs_by_job`: what one of them died of.
const DIED_OF: &str = "SELECT t.name, e.cause, l.error_type, e.error, coalesce(l.id, 0) FROM ended e \
     LEFT JOIN types t ON t.id = e.type \
     LEFT JOIN runs l ON l.id = (SELECT max(id) FROM runs WHERE job_id = e.job_id) WHERE e.job_id = ?1";
/// `ended_by_fingerprint`.
const FILE_ELSEWHERE: &str = "UPDATE ended SET fingerprint = ?4 WHERE fingerprint = ?3 AND queue = ?1 AND type = ?2";

/// The part that a batch adds to a record.
#[derive(Debug, Default)]
pub(in crate::store) struct Tally {
    slots: BTreeMap<i64, i64>,
    dead: i64,
    last_at: i64,
    sample_run: i64,
}

impl Batch<'_> {
    /// Counts a failure; gives the fingerprint of the record that it is counted in.
    pub(in crate::store) fn count_failure(&mut self, (queue, kind): (i64, i64), failure: &Failure<'_>) -> Result<i64> {
        let (fingerprint, id) = find_or_add(self.conn, (queue, kind), failure)?;
        if let Some(run) = failure.run {
            let tally = self.failures.entry(id).or_default();
            *tally.slots.entry(failure::slot(failure.at)).or_default() += 1;
            tally.last_at = tally.last_at.max(failure.at.0);
            tally.sample_run = tally.sample_run.max(run.0);
        }
        Ok(fingerprint)
    }

    /// A dead job comes or goes.
    pub(in crate::store) fn count_dead(&mut self, queue: i64, fingerprint: i64, by: i64) -> Result<()> {
        if let Some(id) = find(self.conn, queue, fingerprint)? {
            self.failures.entry(id).or_default().dead += by;
        }
        Ok(())
    }

    /// Writes what was counted so far.
    pub(in crate::store) fn write_failures(&mut self) -> Result<()> {
        for (id, tally) in std::mem::take(&mut self.failures) {
            let runs: i64 = tally.slots.values().sum();
            self.run(TALLY, (id, runs, tally.dead, tally.last_at, tally.sample_run))?;
            for (at, runs) in tally.slots {
                self.run(SLOT_ADD, (id, at, runs))?;
            }
            if runs > 0 {
                self.run(SLOTS_PRUNE, (id, first_slot(self.at)))?;
            }
        }
        Ok(())
    }

    /// Removes the oldest records of which no job is dead; whether there may be more.
    pub(in crate::store) fn prune_failures(&mut self, keep: &Keep) -> Result<bool> {
        self.write_failures()?;
        let old = self.ids(OLD, (keep.runs_since.0, keep.limit))?;
        for &id in &old {
            self.run(SLOTS_PRUNE, (id, i64::MAX))?;
            self.run(NOTE_FORGET, [id])?;
            self.run(DELETE, [id])?;
        }
        Ok(old.len() == keep.limit as usize)
    }

    /// Keeps what is said of an error.
    pub(in crate::store) fn note_failure(&mut self, fingerprint: Fingerprint, said: &FailureNote) -> Result<Reply> {
        let number = fingerprint.number();
        if !self.conn.prepare_cached(IS_KNOWN)?.exists([number])? {
            return Ok(Reply::Missing);
        }
        let FailureNote { note, muted_until } = said_of(self.conn, number)?.changed(said);
        self.run(NOTE_PUT, (number, note, muted_until.map(|at| at.0)))?;
        Ok(Reply::Done)
    }

    pub(in crate::store) fn has_failures(&self, queue: i64) -> Result<bool> {
        self.conn.prepare_cached(OF_QUEUE)?.exists([queue])
    }
}

fn said_of(conn: Conn<'_>, fingerprint: i64) -> Result<FailureNote> {
    let said = |row: &Row<'_>| {
        Ok(FailureNote { note: names::maybe_text(row, 0)?, muted_until: row.get::<_, Option<i64>>(1)?.map(UnixMicros) })
    };
    Ok(conn.prepare_cached(NOTE)?.query_row([fingerprint], said).optional()?.unwrap_or_default())
}

fn find(conn: Conn<'_>, queue: i64, fingerprint: i64) -> Result<Option<i64>> {
    conn.prepare_cached(FIND)?.query_row((fingerprint, queue), |row| row.get(0)).optional()
}

/// The record for a failure, its own or that of the others: fingerprint and id.
fn find_or_add(conn: Conn<'_>, (queue, kind): (i64, i64), failure: &Failure<'_>) -> Result<(i64, i64)> {
    let own = failure.fingerprint().number();
    if let Some(id) = find(conn, queue, own)? {
        return Ok((own, id));
    }
    let others = Fingerprint::of_others(failure.kind).number();
    let of_others = find(conn, queue, others)?;
    let known: i64 = conn.prepare_cached(COUNT)?.query_row((queue, kind), |row| row.get(0))?;
    let is_told_apart = known - i64::from(of_others.is_some()) < MOST_PER_TYPE as i64;
    let (fingerprint, error_type, template) = match of_others {
        _ if is_told_apart => (own, failure.error_type, Some(failure.template())),
        Some(id) => return Ok((others, id)),
        None => (others, None, None),
    };
    let new = params![fingerprint, queue, kind, error_type, template, failure.at.0];
    Ok((fingerprint, conn.prepare_cached(ADD)?.query_row(new, |row| row.get(0))?))
}

/// Makes the records of jobs that died before there were any; of their runs it counts one each.
pub(in crate::store) fn write_those_of_dead(conn: Conn<'_>) -> Result<()> {
    let group = |row: &Row<'_>| {
        let (of, fingerprint): ((i64, i64), i64) = ((row.get(0)?, row.get(1)?), row.get(2)?);
        let (jobs, newest): (i64, i64) = (row.get(3)?, row.get(4)?);
        Ok((of, fingerprint, jobs, newest, UnixMicros(row.get(5)?), row.get::<_, i64>(6)?))
    };
    let groups: Vec<_> = conn.prepare_cached(OF_DEAD)?.query_map([], group)?.collect::<Result<_>>()?;
    for ((queue, kind), fingerprint, jobs, newest, first_at, last_at) in groups {
        let (filed, id, run) = conn.prepare_cached(DIED_OF)?.query_row([newest], |row| {
            let (name, error_type) = (names::maybe_text(row, 0)?.unwrap_or_default(), names::maybe_text(row, 2)?);
            let (error, run) = (names::maybe_text(row, 3)?, row.get::<_, i64>(4)?);
            let failure = Failure {
                kind: &name,
                cause: codes::word(&Cause::ALL, row.get(1)?)?,
                error_type: error_type.as_deref(),
                error: error.as_deref(),
                run: None,
                at: first_at,
            };
            let (filed, id) = find_or_add(conn, (queue, kind), &failure)?;
            Ok((filed, id, run))
        })?;
        conn.prepare_cached(TALLY)?.execute((id, jobs, jobs, last_at, run))?;
        if filed != fingerprint {
            conn.prepare_cached(FILE_ELSEWHERE)?.execute((queue, kind, fingerprint, filed))?;
        }
    }
    Ok(())
}

/// Errors that runs failed of, the most dead first.
pub(in crate::store) fn list(conn: Conn<'_>, filter: &FailureFilter, now: UnixMicros) -> Result<Vec<FailureRecord>> {
    let snapshot = conn.snapshot()?;
    let Some((queue, kind)) = meant(conn, filter)? else { return Ok(Vec::new()) };
    let mut groups = Query::new(GROUPS.to_owned())
        .and("queue =", queue)
        .and("type =", kind)
        .and("fingerprint =", filter.fingerprint.map(Fingerprint::number))
        .plus(" GROUP BY fingerprint HAVING true")
        .and("max(last_at) >=", filter.since.map(|at| at.0));
    if filter.fingerprint.is_none() {
        let not = if filter.muted { "" } else { "NOT " };
        groups = groups.and(&format!("fingerprint {not}{MUTED}"), Some(now.0)).plus(")");
    }
    let order = "ORDER BY sum(dead) DESC, max(last_at) DESC, fingerprint";
    let mut found = Vec::new();
    for fingerprint in groups.read(conn, order, filter.limit, |row| row.get::<_, i64>(0))? {
        let rows = Query::new(ROWS.to_owned()).and("f.fingerprint =", Some(fingerprint)).and("f.queue =", queue);
        let mut rows = rows.read(conn, "ORDER BY f.id", None, row)?;
        for (id, row) in &mut rows {
            let slots = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
            row.slots = conn.prepare_cached(SLOTS)?.query_map((*id, first_slot(now)), slots)?.collect::<Result<_>>()?;
        }
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        found.extend(FailureRecord::of(rows, said_of(conn, fingerprint)?, now));
    }
    drop(snapshot);
    Ok(found)
}

/// The queue and the type that are meant; `None`: there is none of the name.
fn meant(conn: Conn<'_>, filter: &FailureFilter) -> Result<Option<(Option<i64>, Option<i64>)>> {
    let id = |text: &str, name: Option<&str>| -> Result<Option<Option<i64>>> {
        let Some(name) = name else { return Ok(Some(None)) };
        Ok(conn.prepare_cached(text)?.query_row([name], |row| row.get(0)).optional()?.map(Some))
    };
    let queue = id(sql::QUEUE_ID, filter.queue.as_ref().map(QueueName::as_str))?;
    Ok(queue.zip(id(sql::TYPE_ID, filter.kind.as_deref())?))
}

fn row(row: &Row<'_>) -> Result<(i64, FailureRow)> {
    let count = |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
    let read = FailureRow {
        queue: names::queue_name(&row.get::<_, String>("queue")?)?,
        fingerprint: Fingerprint::from_number(row.get("fingerprint")?),
        kind: names::maybe_text(row, "type")?.unwrap_or_default(),
        error_type: names::maybe_text(row, "error_type")?,
        template: names::maybe_text(row, "template")?,
        runs: count("runs")?,
        dead: count("dead")?,
        first_at: UnixMicros(row.get("first_at")?),
        last_at: UnixMicros(row.get("last_at")?),
        sample_run: Some(row.get("sample_run")?).filter(|run| *run > 0).map(RunId),
        slots: Vec::new(),
    };
    Ok((row.get("id")?, read))
}

#[cfg(test)]
#[path = "failures_tests.rs"]
mod tests;
