//! The reading connection of a process that also writes.
//!
//! Within one process SQLite has one index of the log for all connections to a database, for as long as any of them is
//! open: a writer that opens anew after the files were deleted would go on with an index that has no name, while other
//! processes make another, and neither sees the locks of the other. Invariant: while the writer opens anew, its process
//! has no other connection.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::read::SqliteRecords;
use crate::store::StoreError;

/// A reading connection that is closed while the writer opens the database anew. Clones are the same one.
#[derive(Clone, Debug)]
pub struct SharedRecords {
    path: PathBuf,
    open: Arc<Mutex<Option<SqliteRecords>>>,
}

/// As long as it lives nobody opens the connection.
pub(super) type Closed<'a> = MutexGuard<'a, Option<SqliteRecords>>;

impl SharedRecords {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: Arc::default() }
    }

    /// Asks the records; waits while the writer opens the database anew.
    pub fn ask<T>(&self, question: impl FnOnce(&mut SqliteRecords) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut open = self.lock();
        open.take_if(|open| !open.is_current());
        let records = match &mut *open {
            Some(records) => records,
            closed => closed.insert(SqliteRecords::open(&self.path)?),
        };
        let result = question(records);
        if result.is_err() {
            // A connection that failed is not used again.
            *open = None;
        }
        result
    }

    /// Closes it; waits for a question that is being answered.
    pub(super) fn close(&self) -> Closed<'_> {
        let mut open = self.lock();
        *open = None;
        open
    }

    /// A connection over which a question panicked reads as well as before.
    fn lock(&self) -> Closed<'_> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
