//! Care for the files of a writing connection: that they are there, and that the log reaches the disk.
//!
//! Knows nothing of jobs. Invariant: no connection is dropped before what only it has is in a file that has a name.

use super::files::{Fate, Files};
use super::{SqliteStore, error, sql};
use crate::store::StoreError;

impl SqliteStore {
    /// After a commit: an answer must not tell of what is in no file that has a name.
    pub(super) fn still_there(&mut self) -> Result<(), StoreError> {
        let result = self.check_files();
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

    pub(super) fn check_files(&self) -> Result<(), StoreError> {
        self.files.as_ref().map_or(Ok(()), Files::check)
    }

    /// SQLite's own checkpoints keep to themselves what fails, and a log that could not be synced would be read, and
    /// overwritten, as if it were safe.
    pub(super) fn checkpoint_if_due(&mut self, due: i64) -> Result<(), StoreError> {
        if self.generation.is_none() {
            return Ok(());
        }
        let frames = |mode: &str| self.conn.prepare_cached(mode)?.query_row([], |row| row.get::<_, i64>(1));
        let done =
            frames(sql::LOG_LENGTH).and_then(|length| if length < due { Ok(length) } else { frames(sql::CHECKPOINT) });
        match done.map_err(|e| error::map(&self.path, &e)) {
            // The log grows, and after the next commit it is tried again.
            Ok(_) | Err(StoreError::Busy { .. }) => Ok(()),
            Err(error) if error.is_full() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Everything in the log goes to the database file, which is synced: for a log that has no name any more.
    fn empty_log(&self) -> Result<(), StoreError> {
        let busy = self.conn.query_row(sql::CHECKPOINT_ALL, [], |row| row.get::<_, bool>(0));
        if busy.map_err(|e| error::map(&self.path, &e))? {
            return Err(StoreError::Busy { path: self.path.display().to_string() });
        }
        Ok(())
    }

    /// Writes the log anew while nobody else may write.
    pub(super) fn rewrite_log(&mut self) -> Result<(), StoreError> {
        let Some(files) = &self.files else { return Ok(()) };
        self.command("BEGIN IMMEDIATE").map_err(|e| error::map(&self.path, &e))?;
        let written = files.rewrite_log();
        let ended = self.command("ROLLBACK").map_err(|e| error::map(&self.path, &e));
        written.map_err(|e| StoreError::Io(format!("cannot write the log of `{}` anew: {e}", self.path.display())))?;
        self.suspect = false;
        ended
    }

    /// Before a connection is dropped: saves what would go with it.
    pub(super) fn save_log(&mut self) -> Result<(), StoreError> {
        match self.files.as_ref().map(Files::fate) {
            Some(Fate::Gone) => self.check_files(),
            Some(Fate::LogGone) => self.empty_log(),
            Some(Fate::Same) if self.suspect => match self.rewrite_log() {
                // Of no use for this either; the next one does it.
                Err(StoreError::Other(_)) => Ok(()),
                result => result,
            },
            Some(Fate::Same) | None => Ok(()),
        }
    }
}
