//! Moves the log to the database, and writes a log anew whose sync failed.
//!
//! Knows nothing of jobs. Invariants: the database is written to only while it is the file that was opened; no connection
//! is dropped before what only it has is in a file that has a name.

use rusqlite::{Transaction, TransactionBehavior};

use super::content::{Content, Overwritten};
use super::files::{Fate, Files};
use super::seal::Seal;
use super::{SqliteStore, error, sql};
use crate::store::StoreError;

impl SqliteStore {
    /// For a master that has just begun: from now on its files are known by a seal.
    pub(super) fn begin_seal(&mut self) -> Result<(), StoreError> {
        let failed = |e: &rusqlite::Error| error::map(&self.path, e);
        let seal = Seal::new(&self.conn).map_err(|e| failed(&e))?;
        let content = Content::of(seal, &self.conn, self.handle.file(), &self.path);
        self.content = Some(content.map_err(|e| self.unreadable(&e))?);
        self.checkpoint()
    }

    /// After a reopen: the old connection may have checkpointed as it was closed.
    pub(super) fn know_files_again(&mut self) -> Result<(), StoreError> {
        let Some(Content { seal, .. }) = self.content.take() else { return Ok(()) };
        let content = Content::of(seal, &self.conn, self.handle.file(), &self.path);
        self.content = Some(content.map_err(|e| self.unreadable(&e))?);
        self.confirm_seal(true)
    }

    /// After the database was written to, by us, while others may have done the same.
    fn confirm_seal(&mut self, is_whole: bool) -> Result<(), StoreError> {
        let Some(content) = &mut self.content else { return Ok(()) };
        if !is_whole || !content.seal.is_in(self.handle.file(), &self.conn).map_err(|e| self.unreadable(&e))? {
            self.refuse_another_master()?;
            self.keep_apart(Overwritten::Database);
        }
        self.check_files()
    }

    /// Moves the log to the database if it is long. SQLite's own checkpoints keep to themselves what fails, and a log that
    /// could not be synced would be read, and overwritten, as if it were safe.
    pub(super) fn checkpoint_if_due(&mut self, due: i64) -> Result<(), StoreError> {
        match &self.content {
            Some(content) if content.frames >= due as u64 => {}
            Some(_) | None => return Ok(()),
        }
        match self.checkpoint() {
            // The log grows, and after the next commit it is tried again.
            Err(error) if error.is_full() || matches!(error, StoreError::Busy { .. }) => Ok(()),
            result => result,
        }
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        // Nothing is written to a file that is not ours any more.
        self.check_files()?;
        let Some(content) = &mut self.content else { return Ok(()) };
        let seal = &mut content.seal;
        let sealed = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)
            .and_then(|tx| seal.write(&tx).and_then(|()| tx.commit()));
        sealed.map_err(|e| error::map(&self.path, &e))?;
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let moved = self.conn.prepare_cached(sql::CHECKPOINT).and_then(|mut moves| moves.query_row([], row));
        let (busy, length, moved): (bool, i64, i64) = moved.map_err(|e| error::map(&self.path, &e))?;
        content.frames = length.max(0) as u64;
        if !busy && moved == length {
            content.seal.all_moved();
        }
        let is_whole = content.note(&self.conn, self.handle.file()).map_err(|e| self.unreadable(&e))?;
        self.confirm_seal(is_whole)
    }

    /// Everything in the log goes to the database file, which is synced: for a log that has no name any more.
    fn empty_log(&self) -> Result<(), StoreError> {
        let busy = self.conn.query_row(sql::CHECKPOINT_ALL, [], |row| row.get::<_, bool>(0));
        if busy.map_err(|e| error::map(&self.path, &e))? {
            return Err(StoreError::Busy { path: self.path.display().to_string() });
        }
        Ok(())
    }

    /// Rewrites the log while no other process may write.
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
                // The connection is too broken to rewrite the log; the next one does it.
                Err(StoreError::Other(_)) => Ok(()),
                result => result,
            },
            Some(Fate::Same) | None => Ok(()),
        }
    }
}
