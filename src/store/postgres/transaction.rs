//! A transaction of a member or a guest: its lock, what it finds, what it tells others, its end.
//!
//! Invariants: nothing of one that failed stays, here or on the server; after a commit whose outcome is unknown nothing more is
//! written on its connection.

use rusqlite::Result as SqlResult;

use super::{PostgresStore, error, members, news};
use crate::model::{Generation, UnixMicros};
use crate::store::StoreError;
use crate::store::relational::batch::Batch;
use crate::store::relational::conn::Conn;

/// The state that a transaction finds when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// The last batch of this member; `None`: it is none, or was taken over.
    pub(super) batch: Option<i64>,
    /// The last member that joined.
    pub(super) last: i64,
    pub(super) run_high: i64,
    /// The process of the server that answers.
    pub(super) backend: i64,
    /// Whether there are members other than this one.
    pub(super) others: bool,
    /// Whether some other member is to be told of each job that ends.
    pub(super) hears_ends: bool,
    /// How often queues were forgotten.
    pub(super) forgotten: i64,
}

impl PostgresStore {
    /// Runs `work` in one transaction, the only one that writes, after `check` of what it finds; nothing stays if anything
    /// fails.
    pub(super) fn transaction<T>(
        &mut self,
        at: UnixMicros,
        check: impl FnOnce(Found) -> Result<(), StoreError>,
        work: impl FnOnce(&mut Batch<'_>) -> SqlResult<T>,
    ) -> Result<T, StoreError> {
        self.usable()?;
        let result = self.begun(at, check, work);
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    fn begun<T>(
        &mut self,
        at: UnixMicros,
        check: impl FnOnce(Found) -> Result<(), StoreError>,
        work: impl FnOnce(&mut Batch<'_>) -> SqlResult<T>,
    ) -> Result<T, StoreError> {
        let map = |e: rusqlite::Error| error::map(&self.server.shown, &e);
        self.conn.begin(&self.server.lock).map_err(map)?;
        let generation = self.generation.map_or(0, |ours| ours.0);
        let conn = Conn::Postgres(&self.conn);
        let found = members::found(conn, generation).map_err(map)?;
        self.refuse_changed(&found)?;
        check(found)?;
        self.high.run = self.high.run.max(found.run_high);
        let before = self.high.run;
        if self.names.begin_at(found.forgotten) {
            self.blocks.clear();
        }
        let mut batch = Batch::new(conn, (&mut self.names, &mut self.blocks, &mut self.high), generation, at);
        batch.tells = found.others;
        // What somebody at a command line changes is little, and is to be seen at once.
        batch.tells_ends = found.hears_ends || generation == 0;
        let done = work(&mut batch).map_err(map)?;
        let told = std::mem::take(&mut batch.news);
        drop(batch);
        self.has_told = news::tell(conn, generation, &told).map_err(map)?;
        self.has_runs = self.high.run > before;
        Ok(done)
    }

    /// The error that led here is the one to report, so one of the rollback only asks for a reopen.
    fn roll_back(&mut self) {
        self.names.clear();
        self.blocks.clear();
        self.broken |= self.conn.roll_back().is_err();
    }

    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        // A transaction of its own, as notices are given out one at a time; and nobody waits for its way to the disk.
        let notice = format!("; BEGIN; SET LOCAL synchronous_commit = off; NOTIFY {}; COMMIT", self.server.channel);
        let then = if std::mem::take(&mut self.has_told) { &*notice } else { "" };
        // Not undone with the transaction, so that no run id is given twice.
        let high = format!("SELECT setval('run_ids', {}); ", self.high.run);
        let before = if std::mem::take(&mut self.has_runs) { &*high } else { "" };
        let result = self.conn.flush().map_err(|e| self.map(&e));
        if result.is_err() {
            self.roll_back();
            return result;
        }
        let result = self.conn.commit_with(before, then).map_err(|e| error::map_commit(&self.server.shown, &e));
        if result.is_err() {
            self.broken = true;
            self.roll_back();
        }
        result
    }

    /// Refuses what is of no member any more.
    pub(super) fn refuse(ours: Option<Generation>, found: Found, number: u64) -> Result<(), StoreError> {
        if ours.is_none() {
            return Err(StoreError::Other("a numbered batch needs a generation, and none was begun".to_owned()));
        }
        match found.batch {
            None => Err(StoreError::Superseded(Generation(found.last))),
            Some(batch) if number != 0 && number as i64 <= batch => Err(StoreError::AlreadyApplied),
            Some(_) => Ok(()),
        }
    }

    /// One step of a recovery or of an end; how many rows it changed.
    pub(super) fn step(
        &mut self,
        at: UnixMicros,
        work: impl FnOnce(&mut Batch<'_>) -> SqlResult<usize>,
    ) -> Result<usize, StoreError> {
        let ours = self.generation;
        let changed = self.transaction(
            at,
            |found| Self::refuse(ours, found, 0),
            |batch| {
                let changed = work(batch)?;
                batch.write_changes()?;
                Ok(changed)
            },
        )?;
        self.commit()?;
        Ok(changed)
    }
}
