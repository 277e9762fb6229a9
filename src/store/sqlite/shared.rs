//! The reading connection of a process that also writes.
//!
//! Within one process SQLite has one index of the log for all connections to a database, for as long as any of them is
//! open: a writer that opens anew after the files were deleted would go on with an index that has no name, while other
//! processes make another, and neither sees the locks of the other. Invariants: while the writer opens anew, its process
//! has no other connection; and it does not wait for the answer to a question, which is interrupted and asked again.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::InterruptHandle;

use super::read::SqliteRecords;
use crate::model::audit::DeedRecord;
use crate::model::autoscale::AutoscaleRecord;
use crate::model::batch::BatchRecord;
use crate::model::call_log::CallRecord;
use crate::model::graph::{Link, Side};
use crate::model::key_record::KeyRecord;
use crate::model::operation::Operation;
use crate::model::processor::{ProcessorRecord, ProcessorRun};
use crate::model::table::TableRow;
use crate::model::{
    FailureRecord, JobId, JobRecord, JobState, ProcessorName, ProcessorRunId, QueueName, QueueTotals, RunRecord,
    UnixMicros, WorkerRecord,
};
use crate::store::{
    AuditFilter, AutoscaleFilter, BatchFilter, CallFilter, DeadGroup, FailureFilter, History, HistoryFilter, JobFilter,
    KeyFilter, LastMaster, ProcessorRunFilter, Records, RunFilter, StoreError, WorkerFilter,
};

/// How long one of them waits for the other, again and again.
const MOMENT: Duration = Duration::from_millis(1);

/// A reading connection that is closed while the writer opens the database anew. Clones are the same one.
#[derive(Clone)]
pub(super) struct SharedRecords {
    path: PathBuf,
    open: Arc<Mutex<Option<SqliteRecords>>>,
    /// Stops the answer to a question.
    interrupt: Arc<Mutex<Option<InterruptHandle>>>,
    /// The writer waits until it is closed.
    wanted: Arc<AtomicBool>,
}

/// Keeps the connection closed while it lives.
pub(super) type Closed<'a> = MutexGuard<'a, Option<SqliteRecords>>;

impl SharedRecords {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: Arc::default(), interrupt: Arc::default(), wanted: Arc::default() }
    }

    /// Asks the records; waits while the writer opens the database anew, and then asks again if it was interrupted.
    pub(super) fn ask<T>(
        &self,
        mut question: impl FnMut(&mut SqliteRecords) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            while self.wanted.load(Ordering::Acquire) {
                std::thread::park_timeout(MOMENT);
            }
            let mut open = lock(&self.open);
            let result = self.opened(&mut open).and_then(&mut question);
            if result.is_err() {
                // A connection that failed is not used again.
                *open = None;
            }
            if result.is_ok() || !self.wanted.load(Ordering::Acquire) {
                return result;
            }
        }
    }

    fn opened<'a>(&self, open: &'a mut Option<SqliteRecords>) -> Result<&'a mut SqliteRecords, StoreError> {
        open.take_if(|open| !open.is_current());
        if let Some(records) = open {
            return Ok(records);
        }
        let records = open.insert(SqliteRecords::open(&self.path)?);
        *lock(&self.interrupt) = Some(records.interrupt());
        Ok(records)
    }

    /// Closes it.
    pub(super) fn close(&self) -> Closed<'_> {
        self.wanted.store(true, Ordering::Release);
        let mut open = loop {
            match self.open.try_lock() {
                Ok(open) => break open,
                Err(TryLockError::Poisoned(open)) => break open.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    // Again and again: what has not begun yet is not interrupted.
                    if let Some(handle) = &*lock(&self.interrupt) {
                        handle.interrupt();
                    }
                    std::thread::park_timeout(MOMENT);
                }
            }
        };
        *open = None;
        self.wanted.store(false, Ordering::Release);
        open
    }
}

impl Records for SharedRecords {
    fn job(&mut self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.ask(|records| records.job(id))
    }
    fn jobs(&mut self, filter: &JobFilter) -> Result<Vec<JobRecord>, StoreError> {
        self.ask(|records| records.jobs(filter))
    }
    fn job_ids(&mut self, filter: &JobFilter) -> Result<Vec<(JobId, JobState)>, StoreError> {
        self.ask(|records| records.job_ids(filter))
    }
    fn links(&mut self, id: JobId, side: Side, limit: u32) -> Result<Vec<Link>, StoreError> {
        self.ask(|records| records.links(id, side, limit))
    }
    fn keys(&mut self, filter: &KeyFilter) -> Result<Vec<KeyRecord>, StoreError> {
        self.ask(|records| records.keys(filter))
    }
    fn dead_groups(&mut self, queue: Option<&QueueName>, limit: usize) -> Result<(Vec<DeadGroup>, usize), StoreError> {
        self.ask(|records| records.dead_groups(queue, limit))
    }
    fn failures(&mut self, filter: &FailureFilter, now: UnixMicros) -> Result<Vec<FailureRecord>, StoreError> {
        self.ask(|records| records.failures(filter, now))
    }
    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.ask(|records| records.runs(filter))
    }
    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError> {
        self.ask(|records| records.workers(filter))
    }
    fn processors(&mut self) -> Result<Vec<ProcessorRecord>, StoreError> {
        self.ask(Records::processors)
    }
    fn processor(&mut self, name: &ProcessorName) -> Result<Option<ProcessorRecord>, StoreError> {
        self.ask(|records| records.processor(name))
    }
    fn processor_runs(&mut self, filter: &ProcessorRunFilter) -> Result<Vec<ProcessorRun>, StoreError> {
        self.ask(|records| records.processor_runs(filter))
    }
    fn processor_run(&mut self, id: ProcessorRunId) -> Result<Option<ProcessorRun>, StoreError> {
        self.ask(|records| records.processor_run(id))
    }
    fn table_rows(&mut self) -> Result<Vec<TableRow>, StoreError> {
        self.ask(Records::table_rows)
    }

    fn autoscale_log(&mut self, filter: &AutoscaleFilter) -> Result<Vec<AutoscaleRecord>, StoreError> {
        self.ask(|records| records.autoscale_log(filter))
    }
    fn operations(&mut self) -> Result<Vec<Operation>, StoreError> {
        self.ask(Records::operations)
    }

    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<DeedRecord>, StoreError> {
        self.ask(|records| records.audit(filter))
    }

    fn batches(&mut self, filter: &BatchFilter) -> Result<Vec<BatchRecord>, StoreError> {
        self.ask(|records| records.batches(filter))
    }

    fn call_log(&mut self, filter: &CallFilter) -> Result<Vec<CallRecord>, StoreError> {
        self.ask(|records| records.call_log(filter))
    }
    fn history(&mut self, filter: &HistoryFilter) -> Result<History, StoreError> {
        self.ask(|records| records.history(filter))
    }
    fn queue_totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        self.ask(Records::queue_totals)
    }
    fn first_other(&mut self, queue: &QueueName) -> Result<Option<String>, StoreError> {
        self.ask(|records| records.first_other(queue))
    }
    fn last_master(&mut self) -> Result<Option<LastMaster>, StoreError> {
        self.ask(Records::last_master)
    }
    fn store_id(&mut self) -> Result<String, StoreError> {
        self.ask(Records::store_id)
    }
}

impl fmt::Debug for SharedRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRecords").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A connection over which a question panicked reads as well as before.
fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
