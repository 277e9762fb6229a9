//! Moves the log to the database, and writes a log anew whose sync failed.
//!
//! Knows nothing of jobs. Invariants: the database is written to only while it is the file that was opened; no connection
//! is dropped before what only it has is in a file that has a name.

use std::time::Duration;

use rusqlite::{Transaction, TransactionBehavior};

use super::content::{Content, Overwritten};
use super::files::{Fate, Files};
use super::seal::Seal;
use super::{SqliteStore, error, open, sql};
use crate::store::StoreError;

/// How long the first checkpoint of a master waits for readers.
const FOR_READERS: Duration = Duration::from_millis(500);
/// So many times sooner than usual a checkpoint is due while there is no mark in the file.
const SOONER: u64 = 8;

impl SqliteStore {
    /// For a master that has just begun: from now on its files are known by a seal.
    pub(super) fn begin_seal(&mut self) -> Result<(), StoreError> {
        let failed = |e: &rusqlite::Error| error::map(&self.path, e);
        let seal = Seal::new(&self.conn).map_err(|e| failed(&e))?;
        let content = Content::of(seal, &self.conn, self.handle.file(), &self.path);
        self.content = Some(content.map_err(|e| self.unreadable(&e))?);
        self.checkpoint(sql::CHECKPOINT)?;
        if self.content.as_ref().is_some_and(|content| content.seal.is_known()) {
            return Ok(());
        }
        // Somebody reads. Until the mark is in the file nobody can tell that the file is written over: that is worth a wait.
        self.conn.busy_timeout(FOR_READERS).map_err(|e| error::map(&self.path, &e))?;
        let moved = self.checkpoint(sql::CHECKPOINT_WAITING);
        self.conn.busy_timeout(open::BUSY).map_err(|e| error::map(&self.path, &e))?;
        moved
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
            Some(content) if !content.seal.is_known() && content.frames >= due as u64 / SOONER => {}
            Some(_) | None => return Ok(()),
        }
        match self.checkpoint(sql::CHECKPOINT) {
            // The log grows, and after the next commit it is tried again.
            Err(error) if error.is_full() || matches!(error, StoreError::Busy { .. }) => Ok(()),
            result => result,
        }
    }

    fn checkpoint(&mut self, how: &str) -> Result<(), StoreError> {
        // Nothing is written to a file that is not ours any more.
        self.check_files()?;
        let Some(content) = &mut self.content else { return Ok(()) };
        let seal = &mut content.seal;
        let sealed = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)
            .and_then(|tx| seal.write(&tx).and_then(|()| tx.commit()));
        sealed.map_err(|e| error::map(&self.path, &e))?;
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let moved = self.conn.prepare_cached(how).and_then(|mut moves| moves.query_row([], row));
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

#[cfg(test)]
mod tests {
    use super::super::damage_tests::master;
    use super::*;
    use crate::model::UnixMicros;
    use crate::store::Store as _;

    #[test]
    fn a_master_that_begins_while_somebody_reads_knows_its_file_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        let mut store = SqliteStore::open(&path).unwrap();
        let reader = rusqlite::Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM jobs").unwrap();
        let looks = rusqlite::Connection::open(&path).unwrap();
        let reading = std::thread::spawn(move || {
            // The second mark: the first checkpoint was held up, and the next one waits.
            let is_second = || {
                let mark: String = looks.query_row("SELECT mark FROM seal", [], |row| row.get(0)).unwrap();
                mark.ends_with("0002")
            };
            let waits = (0..5_000).any(|_| {
                std::thread::park_timeout(Duration::from_millis(1));
                is_second()
            });
            drop(reader);
            waits
        });
        store.join(&master(), UnixMicros(1)).unwrap();
        assert!(reading.join().unwrap());
        assert!(store.content.unwrap().seal.is_known());
    }
}
