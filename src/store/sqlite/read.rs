//! The reading side: jobs, runs, workers and totals as records.
//!
//! Never writes; sees what is committed, beside a master or without one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::types::ToSql;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Result, Row};

use super::database_lock::Handle;
use super::files::{Fate, Files};
use super::walk::ListRow as _;
use super::{
    after, audit, autoscale_log, batch_list, call_log, codes, ended, error, failures, generations, history, identity,
    job_list, job_row, key_list, lanes, open, operations, processor_row, run_index, run_row, table_rows, totals,
};
use crate::clock;
use crate::model::audit::DeedRecord;
use crate::model::autoscale::AutoscaleRecord;
use crate::model::batch::BatchRecord;
use crate::model::call_log::CallRecord;
use crate::model::graph::{Link, Side};
use crate::model::key_record::KeyRecord;
use crate::model::operation::Operation;
use crate::model::processor::{ProcessorRecord, ProcessorRun};
use crate::model::table::TableRow;
use crate::model::worker::EndReason;
use crate::model::worker::signal_name;
use crate::model::{
    FailureRecord, Generation, JobId, JobRecord, JobState, ProcessorName, ProcessorRunId, QueueName, QueueTotals,
    RunId, RunRecord, Slot, UnixMicros, WorkerId, WorkerRecord,
};
use crate::store::{
    AuditFilter, AutoscaleFilter, BatchFilter, CallFilter, DeadGroup, FailureFilter, History, HistoryFilter, JobFilter,
    KeyFilter, LastMaster, ProcessorRunFilter, Records, RunFilter, Slice, StoreError, WorkerFilter,
};

/// A reading connection to a database file.
#[derive(Debug)]
pub(in crate::store) struct SqliteRecords {
    conn: Connection,
    path: PathBuf,
    files: Files,
    /// When the question began, where its answer may only take a moment.
    began: Option<Arc<AtomicU64>>,
    /// Dropped last, after the connection.
    _handle: Arc<Handle>,
}

/// Steps of SQLite between two looks at the clock.
const STEPS: i32 = 1_000;

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

    /// A condition on two columns together.
    pub(super) fn and_pair(mut self, condition: &str, (first, second): (i64, i64)) -> Self {
        self.params.push(Box::new(first));
        self.params.push(Box::new(second));
        let number = self.params.len();
        let _ = write!(self.text, " AND {condition} (?{}, ?{number})", number - 1);
        self
    }

    /// A condition or an order without a value.
    pub(super) fn plus(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// The row after so many others.
    pub(super) fn nth<T>(
        mut self,
        conn: &Connection,
        end: &str,
        n: u32,
        f: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.params.push(Box::new(n));
        let text = format!("{} {end} LIMIT 1 OFFSET ?{}", self.text, self.params.len());
        conn.prepare_cached(&text)?.query_row(&*self.params(), f).optional()
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
        job_row::prepare(&conn).map_err(|e| error::map(path, &e))?;
        Ok(Self { conn, path: path.to_owned(), files: Files::of(path), began: None, _handle: handle })
    }

    /// The same; an answer that takes longer is [`StoreError::TooLong`].
    pub(in crate::store) fn open_within(path: &Path, limit: Duration) -> Result<Self, StoreError> {
        let records = Self::open(path)?;
        // Several answer at once, and none reads much twice.
        records.conn.execute_batch("PRAGMA cache_size = -2000").map_err(|e| error::map(path, &e))?;
        let began = Arc::new(AtomicU64::new(u64::MAX));
        let (since, limit) = (Arc::clone(&began), limit.as_micros() as u64);
        let is_over = move || clock::monotonic_micros().saturating_sub(since.load(Ordering::Relaxed)) > limit;
        records.conn.progress_handler(STEPS, Some(is_over)).map_err(|e| error::map(path, &e))?;
        Ok(Self { began: Some(began), ..records })
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
        if let Some(began) = &self.began {
            began.store(clock::monotonic_micros(), Ordering::Relaxed);
        }
        read(&self.conn).map_err(|e| match e.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if self.began.is_some() => StoreError::TooLong,
            _ => error::map(&self.path, &e),
        })
    }
}

impl Records for SqliteRecords {
    fn job(&mut self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.worded(|conn| job_row::find(conn, id))
    }

    fn jobs(&mut self, filter: &JobFilter) -> Result<Vec<JobRecord>, StoreError> {
        self.worded(|conn| job_list::jobs(conn, filter))
    }

    fn search(&mut self, filter: &JobFilter, within: Duration) -> Result<Slice<JobRecord, JobId>, StoreError> {
        self.worded(|conn| job_list::search(conn, filter, within))
    }

    fn job_ids(&mut self, filter: &JobFilter) -> Result<Vec<(JobId, JobState)>, StoreError> {
        self.worded(|conn| job_list::ids(conn, filter))
    }

    fn count(&mut self, filter: &JobFilter, within: Duration) -> Result<(u64, bool), StoreError> {
        self.worded(|conn| job_list::count(conn, filter, within))
    }

    fn links(&mut self, id: JobId, side: Side, limit: u32) -> Result<Vec<Link>, StoreError> {
        self.worded(|conn| after::links(conn, id, side, limit))
    }

    fn keys(&mut self, filter: &KeyFilter) -> Result<Vec<KeyRecord>, StoreError> {
        self.worded(|conn| key_list::list(conn, filter))
    }

    fn dead_groups(&mut self, queue: Option<&QueueName>, limit: usize) -> Result<(Vec<DeadGroup>, usize), StoreError> {
        self.worded(|conn| {
            let groups = ended::groups(conn, queue)?;
            let all = groups.len();
            let newest = |group: ended::Group| {
                let found = job_row::find(conn, group.newest)?;
                Ok(found.map(|newest| DeadGroup { jobs: group.jobs, newest }))
            };
            Ok((
                groups.into_iter().take(limit).filter_map(|group| newest(group).transpose()).collect::<Result<_>>()?,
                all,
            ))
        })
    }

    fn failures(&mut self, filter: &FailureFilter, now: UnixMicros) -> Result<Vec<FailureRecord>, StoreError> {
        self.worded(|conn| failures::list(conn, filter, now))
    }

    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        if !filter.text.is_empty() {
            return self.worded(|conn| run_index::search(conn, filter, None)).map(|slice| slice.found);
        }
        let filtered = filter.queue.is_some() || filter.outcome.is_some() || filter.since.is_some();
        if let (None, Some(limit), true) = (filter.job, filter.limit, filtered) {
            return self.worded(|conn| run_index::runs(conn, filter, limit));
        }
        let query = RunRecord::query("runs r", filter).and("r.id <", filter.before.map(|id| id.0));
        self.worded(|conn| query.read(conn, "ORDER BY r.id DESC", filter.limit, run_row::read))
    }

    fn search_runs(&mut self, filter: &RunFilter, within: Duration) -> Result<Slice<RunRecord, RunId>, StoreError> {
        if filter.text.is_empty() {
            return self.runs(filter).map(|runs| Slice::whole(runs, filter.limit, |run| run.id));
        }
        self.worded(|conn| run_index::search(conn, filter, Some(within)))
    }

    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError> {
        let query = Query::new(WORKER.to_owned())
            .and("pool =", filter.pool.as_deref())
            .and("pool || '-' || slot =", filter.worker.as_deref());
        self.worded(|conn| query.read(conn, "ORDER BY id DESC", filter.limit, worker))
    }

    fn processors(&mut self) -> Result<Vec<ProcessorRecord>, StoreError> {
        self.worded(|conn| processor_row::processors(conn, None))
    }

    fn processor(&mut self, name: &ProcessorName) -> Result<Option<ProcessorRecord>, StoreError> {
        self.worded(|conn| processor_row::processors(conn, Some(name)).map(|mut found| found.pop()))
    }

    fn processor_runs(&mut self, filter: &ProcessorRunFilter) -> Result<Vec<ProcessorRun>, StoreError> {
        self.worded(|conn| processor_row::runs(conn, filter))
    }

    fn processor_run(&mut self, id: ProcessorRunId) -> Result<Option<ProcessorRun>, StoreError> {
        self.worded(|conn| processor_row::run(conn, id))
    }

    fn table_rows(&mut self) -> Result<Vec<TableRow>, StoreError> {
        self.worded(table_rows::list)
    }

    fn autoscale_log(&mut self, filter: &AutoscaleFilter) -> Result<Vec<AutoscaleRecord>, StoreError> {
        self.worded(|conn| autoscale_log::list(conn, filter))
    }

    fn operations(&mut self) -> Result<Vec<Operation>, StoreError> {
        self.worded(operations::list)
    }

    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<DeedRecord>, StoreError> {
        self.worded(|conn| audit::list(conn, filter))
    }

    fn batches(&mut self, filter: &BatchFilter) -> Result<Vec<BatchRecord>, StoreError> {
        self.worded(|conn| batch_list::list(conn, filter))
    }

    fn call_log(&mut self, filter: &CallFilter) -> Result<Vec<CallRecord>, StoreError> {
        self.worded(|conn| call_log::list(conn, filter))
    }

    fn history(&mut self, filter: &HistoryFilter) -> Result<History, StoreError> {
        self.worded(|conn| history::read(conn, filter))
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

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Option<UnixMicros>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UnixMicros))
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
        note: None,
    })
}
