//! Care for the files of a writing connection: that they are there, and that the log reaches the disk.
//!
//! Knows nothing of jobs. Invariant: no connection is dropped before what only it has is in a file that has a name.

use super::files::{Fate, Files};
use super::{SqliteStore, error, open, sql};
use crate::store::StoreError;

impl SqliteStore {
    /// What is due after a commit. An error leaves the commit as it is and asks for a reopen.
    pub(super) fn after_commit(&mut self) -> Result<(), StoreError> {
        let result = self.check_files().and_then(|()| self.checkpoint_if_due());
        if let Err(error) = &result {
            self.broken = true;
            self.suspect |= matches!(error, StoreError::Io(_));
        }
        result
    }

    pub(super) fn check_files(&self) -> Result<(), StoreError> {
        self.files.as_ref().map_or(Ok(()), Files::check)
    }

    /// SQLite's own checkpoints keep to themselves what fails, and a log that could not be synced would be read, and
    /// overwritten, as if it were safe.
    fn checkpoint_if_due(&mut self) -> Result<(), StoreError> {
        if self.generation.is_none() {
            return Ok(());
        }
        let frames = |mode: &str| self.conn.prepare_cached(mode)?.query_row([], |row| row.get::<_, i64>(1));
        let done = frames(sql::LOG_LENGTH)
            .and_then(|length| if length < open::CHECKPOINT_FRAMES { Ok(length) } else { frames(sql::CHECKPOINT) });
        match done.map_err(|e| error::map(&self.path, &e)) {
            // The log grows, and the next commit tries again.
            Ok(_) | Err(StoreError::Full { .. } | StoreError::Busy { .. }) => Ok(()),
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
