//! The reading side: jobs, runs, workers and totals as records.
//!
//! Never writes; sees what is committed, beside a master or without one. Invariant: a record is read in one
//! statement, hence from one snapshot; where a job is, is found by point look-ups in keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::{ToSql, Type};
use rusqlite::{Connection, Error, Result, Row};
use serde_json::value::RawValue;

use super::database_lock::Handle;
use super::files::{Fate, Files};
use super::names::maybe_text;
use super::{codes, error, generations, identity, lanes, names, open, run_index, run_row, totals};
use crate::model::job::Progress;
use crate::model::worker::EndReason;
use crate::model::worker::signal_name;
use crate::model::{
    Cause, Counters, Generation, JobId, JobRecord, JobState, QueueName, QueueTotals, RunRecord, Slot, UnixMicros,
    WorkerId, WorkerRecord,
};
use crate::store::{JobFilter, LastMaster, Records, RunFilter, StoreError, WorkerFilter};

/// A reading connection to a database file.
#[derive(Debug)]
pub(in crate::store) struct SqliteRecords {
    conn: Connection,
    path: PathBuf,
    files: Files,
    /// Dropped last, after the connection.
    _handle: Arc<Handle>,
}

/// Rows that are sorted in a moment.
const SHORT: i64 = 50_000;
/// `place` is the number of [`JobState`]. `l` is the last run, by `runs_by_job`.
const JOB: &str = "SELECT j.id, t.name, q.name, j.args, j.nprio, j.unique_key, \
     coalesce(x.attempts, 0), coalesce(x.crashes, 0), coalesce(x.releases, 0), \
     coalesce(j.max_attempts, x.max_attempts), j.timeout_us, \
     CASE WHEN e.state IS NOT NULL THEN e.state WHEN r.job_id IS NOT NULL THEN 2 \
       WHEN EXISTS (SELECT 1 FROM ready WHERE queue = j.queue AND lane IN (t.lane, 1) AND nprio = j.nprio \
         AND due_at = coalesce(x.due_at, j.due_at) AND id = j.id) THEN 1 \
       WHEN EXISTS (SELECT 1 FROM scheduled WHERE due_at = coalesce(x.due_at, j.due_at) AND id = j.id) THEN 0 \
       WHEN (SELECT last_id FROM bulk_ranges WHERE first_id <= j.id ORDER BY first_id DESC LIMIT 1) >= j.id \
         THEN j.due_at <= j.pushed_at ELSE 3 END AS place, \
     l.result, l.cause, l.error, l.ended_at, e.cause, e.error, e.ended_at, p.job_id, p.percent, p.message, \
     j.pushed_at, coalesce(x.due_at, j.due_at), j.expires_at, l.error_type, l.error_code, l.backtrace";
/// Whether a job is not one of a bulk push that is not committed; one step into a table that is empty as a rule.
const THERE: &str = "coalesce((SELECT g.last_id < j.id OR b.committed FROM bulk_ranges g CROSS JOIN bulks b \
     ON b.id = g.bulk WHERE g.first_id <= j.id ORDER BY g.first_id DESC LIMIT 1), 1)";
/// Every table by its key, `runs` by `runs_by_job`.
const JOB_JOINS: &str = " CROSS JOIN types t ON t.id = j.type CROSS JOIN queues q ON q.id = j.queue \
     LEFT JOIN tries x ON x.job_id = j.id LEFT JOIN running r ON r.job_id = j.id \
     LEFT JOIN ended e ON e.job_id = j.id LEFT JOIN progress p ON p.job_id = j.id \
     LEFT JOIN runs l ON l.id = (SELECT max(id) FROM runs WHERE job_id = j.id)";
/// `workers.id`, downwards.
const WORKER: &str = "SELECT id, pool, slot, pid, generation, started_at, ended_at, reason, exit_code, signal, \
     jobs_done, peak_memory FROM workers WHERE 1";

/// A statement put together from the parts of a filter.
pub(super) struct Query<'a> {
    text: String,
    params: Vec<Box<dyn ToSql + 'a>>,
}

impl<'a> Query<'a> {
    pub(super) fn new(text: String) -> Self {
        Self { text, params: Vec::new() }
    }

    pub(super) fn and<T: ToSql + 'a>(mut self, condition: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.params.push(Box::new(value));
            let number = self.params.len().to_string();
            self.text.extend([" AND ", condition, " ?", &number]);
        }
        self
    }

    /// A condition or an order without a value.
    pub(super) fn plus(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn params(&self) -> Vec<&dyn ToSql> {
        self.params.iter().map(AsRef::as_ref).collect()
    }

    pub(super) fn read<T>(
        mut self,
        conn: &Connection,
        end: &str,
        limit: Option<u32>,
        f: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.params.push(Box::new(limit.map_or(-1, i64::from)));
        let text = format!("{} {end} LIMIT ?{}", self.text, self.params.len());
        conn.prepare_cached(&text)?.query_map(&*self.params(), f)?.collect()
    }
}

impl SqliteRecords {
    /// Opens an existing database for reading.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, StoreError> {
        let (conn, handle) = open::reader(path)?;
        Ok(Self { conn, path: path.to_owned(), files: Files::of(path), _handle: handle })
    }

    /// Whether the files are still those that were opened: others may hold something else.
    #[must_use]
    pub(super) fn is_current(&self) -> bool {
        self.files.fate() == Fate::Same
    }

    /// Stops the answer to a question, from another thread.
    pub(super) fn interrupt(&self) -> rusqlite::InterruptHandle {
        self.conn.get_interrupt_handle()
    }

    pub(super) fn worded<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T, StoreError> {
        read(&self.conn).map_err(|e| error::map(&self.path, &e))
    }
}

impl Records for SqliteRecords {
    fn job(&mut self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        let query = Query::new(format!("{JOB} FROM jobs j {JOB_JOINS} WHERE {THERE}")).and("j.id =", Some(id.0));
        self.worded(|conn| query.read(conn, "", None, job).map(|mut found| found.pop()))
    }

    /// A state with a table of its own is read from that table; the others walk `jobs` and look each one up, and so do
    /// those whose table is long and in another order than the list.
    fn jobs(&mut self, filter: &JobFilter) -> Result<Vec<JobRecord>, StoreError> {
        let state = filter.state.map(codes::state);
        let (from, id) = match filter.state {
            Some(JobState::Running) => ("running d CROSS JOIN jobs j ON j.id = d.job_id", "d.job_id"),
            Some(JobState::Dead | JobState::Cancelled) => ("ended d CROSS JOIN jobs j ON j.id = d.job_id", "d.job_id"),
            Some(JobState::Ready) if self.worded(|conn| is_short(conn, "ready"))? => {
                ("ready d CROSS JOIN jobs j ON j.id = d.id", "d.id")
            }
            Some(JobState::Scheduled) if self.worded(|conn| is_short(conn, "scheduled"))? => {
                ("scheduled d CROSS JOIN jobs j ON j.id = d.id", "d.id")
            }
            Some(JobState::Scheduled | JobState::Ready | JobState::Succeeded) | None => ("jobs j", "j.id"),
        };
        let query = Query::new(format!("{JOB} FROM {from} {JOB_JOINS} WHERE {THERE}"))
            .and(&format!("{id} >"), filter.after.map(|id| id.0))
            .and(&format!("{id} <"), filter.before.map(|id| id.0))
            .and("q.name =", filter.queue.as_ref().map(|name| name.as_str().to_owned()))
            .and("t.name =", filter.kind.as_deref())
            .and("place =", state);
        let order = if filter.newest { " DESC" } else { "" };
        self.worded(|conn| query.read(conn, &format!("ORDER BY {id}{order}"), filter.limit, job))
    }

    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let filtered = filter.queue.is_some() || filter.outcome.is_some() || filter.since.is_some();
        if let (None, Some(limit), true) = (filter.job, filter.limit, filtered) {
            return self.worded(|conn| run_index::runs(conn, filter, limit));
        }
        let query = Query::new(run_row::SELECT.to_owned())
            .and("r.job_id =", filter.job.map(|id| id.0))
            .and("q.name =", filter.queue.as_ref().map(|name| name.as_str().to_owned()))
            .and("r.outcome =", filter.outcome.map(codes::outcome))
            .and("r.ended_at >=", filter.since.map(|at| at.0))
            .and("r.id <", filter.before.map(|id| id.0));
        self.worded(|conn| query.read(conn, "ORDER BY r.id DESC", filter.limit, run_row::read))
    }

    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError> {
        let query = Query::new(WORKER.to_owned())
            .and("pool =", filter.pool.as_deref())
            .and("pool || '-' || slot =", filter.worker.as_deref());
        self.worded(|conn| query.read(conn, "ORDER BY id DESC", filter.limit, worker))
    }

    fn queue_totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        self.worded(totals::read)
    }

    fn first_other(&mut self, queue: &QueueName) -> Result<Option<String>, StoreError> {
        self.worded(|conn| lanes::first_other(conn, queue))
    }

    fn store_id(&mut self) -> Result<String, StoreError> {
        self.worded(identity::id)
    }

    fn last_master(&mut self) -> Result<Option<LastMaster>, StoreError> {
        self.worded(|conn| Ok(generations::last(conn)?.map(|last| last.master)))
    }
}

/// JSON as it was stored; what is none any more is shown as a text.
fn json(text: String) -> Result<Box<RawValue>> {
    let shown = |text: &str| serde_json::to_string(text).and_then(RawValue::from_string);
    let value =
        if serde_json::from_str::<&RawValue>(&text).is_ok() { RawValue::from_string(text) } else { shown(&text) };
    value.map_err(|e| Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))
}

/// Whether a table is short enough to be sorted for a list, and has all that is in its state: what was pushed in bulk and is
/// not opened yet is in none.
fn is_short(conn: &Connection, table: &str) -> Result<bool> {
    if conn.prepare_cached("SELECT 1 FROM bulks WHERE committed")?.exists([])? {
        return Ok(false);
    }
    let count = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {SHORT} + 1)");
    conn.prepare_cached(&count)?.query_row([], |row| row.get::<_, i64>(0)).map(|count| count <= SHORT)
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<UnixMicros>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UnixMicros))
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn job(row: &Row<'_>) -> Result<JobRecord> {
    let state = codes::word(&JobState::ALL, row.get(11)?)?;
    // Last words about a job: of its last run, or of its end without one.
    let (why, finished) = if matches!(state, JobState::Dead | JobState::Cancelled) { (16, true) } else { (13, false) };
    let result = if state == JobState::Succeeded { maybe_text(row, 12)? } else { None };
    let progress = match row.get::<_, Option<i64>>(19)? {
        Some(_) => Some(Progress { percent: row.get(20)?, message: maybe_text(row, 21)? }),
        None => None,
    };
    let error = maybe_text(row, why + 1)?;
    // One that ended without a run has no error of its own, and what the last run said is not its reason.
    let told = error.is_some();
    Ok(JobRecord {
        id: JobId(row.get(0)?),
        kind: names::text(row, 1)?,
        queue: names::queue_name(&row.get::<_, String>(2)?)?,
        state,
        args: json(names::text(row, 3)?)?,
        priority: -row.get::<_, i8>(4)?,
        unique: maybe_text(row, 5)?,
        counters: Counters {
            attempts: row.get(6)?,
            crashes: row.get(7)?,
            releases: row.get(8)?,
            ..Counters::default()
        },
        max_attempts: row.get(9)?,
        timeout_s: row.get::<_, Option<i64>>(10)?.map(seconds),
        result: result.map(json).transpose()?,
        cause: codes::maybe_word(&Cause::ALL, row.get(why)?)?,
        error,
        error_type: if told { maybe_text(row, 25)? } else { None },
        error_code: if told { row.get(26)? } else { None },
        backtrace: if told { maybe_text(row, 27)? } else { None },
        progress,
        pushed_at: UnixMicros(row.get(22)?),
        due_at: UnixMicros(row.get(23)?),
        expires_at: time(row, 24)?,
        finished_at: if finished || state == JobState::Succeeded { time(row, why + 2)? } else { None },
    })
}

fn worker(row: &Row<'_>) -> Result<WorkerRecord> {
    let (pool, slot): (String, u32) = (row.get(1)?, row.get(2)?);
    Ok(WorkerRecord {
        incarnation: WorkerId(row.get(0)?),
        id: format!("{pool}-{slot}"),
        pool,
        slot: Slot(slot),
        pid: row.get(3)?,
        generation: Generation(row.get(4)?),
        started_at: UnixMicros(row.get(5)?),
        ended_at: time(row, 6)?,
        reason: codes::maybe_word(&EndReason::ALL, row.get(7)?)?,
        exit_code: row.get(8)?,
        signal: row.get::<_, Option<i32>>(9)?.map(signal_name),
        jobs_done: row.get::<_, i64>(10)? as u64,
        peak_memory_bytes: row.get::<_, Option<i64>>(11)?.map(|n| n as u64),
    })
}
