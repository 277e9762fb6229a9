//! The reading side of a database file.
//!
//! Never writes; sees what is committed, beside a master or without one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Result};

use super::database_lock::Handle;
use super::files::{Fate, Files};
use super::{error, functions, open};
use crate::clock;
use crate::store::StoreError;
use crate::store::relational::conn::Conn;
use crate::store::relational::read::Asks;

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

impl SqliteRecords {
    /// Opens an existing database for reading.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, StoreError> {
        let (conn, handle) = open::reader(path)?;
        functions::prepare(&conn).map_err(|e| error::map(path, &e))?;
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
    pub(in crate::store) fn is_current(&self) -> bool {
        self.files.fate() == Fate::Same
    }

    /// Stops the answer to a question, from another thread.
    pub(in crate::store) fn interrupt(&self) -> rusqlite::InterruptHandle {
        self.conn.get_interrupt_handle()
    }
}

impl Asks for SqliteRecords {
    fn ask<T>(&self, question: impl Fn(Conn<'_>) -> Result<T>) -> Result<T, StoreError> {
        if let Some(began) = &self.began {
            began.store(clock::monotonic_micros(), Ordering::Relaxed);
        }
        question((&self.conn).into()).map_err(|e| match e.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if self.began.is_some() => StoreError::TooLong,
            _ => error::map(&self.path, &e),
        })
    }
}
