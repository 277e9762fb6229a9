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

use super::records::SqliteRecords;
use crate::store::StoreError;
use crate::store::relational::conn::Conn;
use crate::store::relational::read::Asks;

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

impl Asks for SharedRecords {
    /// Waits while the writer opens the database anew, and then asks again if it was interrupted.
    fn ask<T>(&self, question: impl Fn(Conn<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        loop {
            while self.wanted.load(Ordering::Acquire) {
                std::thread::park_timeout(MOMENT);
            }
            let mut open = lock(&self.open);
            let result = self.opened(&mut open).and_then(|records| records.ask(&question));
            if result.is_err() {
                // A connection that failed is not used again.
                *open = None;
            }
            if result.is_ok() || !self.wanted.load(Ordering::Acquire) {
                return result;
            }
        }
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
