//! Notices that the files of a writing connection were deleted, replaced or written over, and saves what can be saved.
//!
//! Knows nothing of jobs.

use rusqlite::config::DbConfig;

use super::content::Overwritten;
use super::files::{beside, log_path};
use super::{SqliteStore, sql};
use crate::model::Generation;
use crate::store::StoreError;

impl SqliteStore {
    /// After a commit: an answer must not tell of what is in no file that has a name, or was written over.
    pub(super) fn still_there(&mut self) -> Result<(), StoreError> {
        let counted = self.content.as_mut().map_or(Ok(()), |content| content.count_frames(&self.conn));
        let result = counted.map_err(|e| self.unreadable(&e)).and_then(|()| self.check_files());
        self.distrust(result)
    }

    /// After an error nothing is written before a reopen.
    pub(super) fn distrust(&mut self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        if let Err(error) = &result {
            self.broken = true;
            self.suspect |= matches!(error, StoreError::Io(_));
        }
        result
    }

    /// An error after one that asks for a reopen.
    pub(super) fn usable(&self) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Io("after an error the database must be opened anew".to_owned()));
        }
        Ok(())
    }

    pub(super) fn check_files(&mut self) -> Result<(), StoreError> {
        if self.overwritten.is_none() {
            let Some(files) = &self.files else { return Ok(()) };
            files.check()?;
            let Some(content) = &mut self.content else { return Ok(()) };
            let found = content.look(&self.conn, self.handle.file());
            match found.map_err(|e| self.unreadable(&e))? {
                None => return Ok(()),
                Some(what) => {
                    self.refuse_another_master()?;
                    self.keep_apart(what);
                }
            }
        }
        let is_log = self.overwritten == Some(Overwritten::Log);
        Err(StoreError::Overwritten { path: self.path.display().to_string(), is_log })
    }

    /// Before a reopen or a rewrite of the log, neither of which helps a file that was overwritten or lost.
    pub(super) fn refuse_loss(&mut self) -> Result<(), StoreError> {
        match self.check_files() {
            Err(lost) if lost.is_loss() => Err(lost),
            // Any other error may be what the reopen is for.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A master of an older version takes no lock on the file, and writes a seal of its own.
    pub(super) fn refuse_another_master(&self) -> Result<(), StoreError> {
        let now = self.conn.prepare_cached(sql::GENERATION_NOW).and_then(|mut now| now.query_row([], |row| row.get(0)));
        match now.map(Generation) {
            Ok(now) if self.generation.is_some_and(|ours| now > ours) => Err(StoreError::Superseded(now)),
            _ => Ok(()),
        }
    }

    pub(super) fn unreadable(&self, error: &std::io::Error) -> StoreError {
        StoreError::Io(format!("cannot look at `{}` or its log: {error}", self.path.display()))
    }

    /// The log and the database do not belong together any more: neither is to be changed by the other.
    pub(super) fn keep_apart(&mut self, what: Overwritten) {
        self.overwritten = Some(what);
        self.broken = true;
        // Without it SQLite moves the log to the database when the connection is closed.
        if let Err(error) = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
            log::error!("cannot keep the log of `{}` apart: {error}", self.path.display());
        }
        if what == Overwritten::Database {
            let log = log_path(&self.path);
            if let Err(error) = std::fs::rename(&log, beside(&log, ".lost")) {
                log::error!("cannot set `{}` aside: {error}", log.display());
            }
        }
    }
}
