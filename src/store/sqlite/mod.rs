//! The store in an SQLite file.
//!
//! Knows nothing of workers or of policy; what becomes of a job is said by [`Finish::next`](crate::model::change::Finish).
//! Invariants: every write transaction is IMMEDIATE and rolled back whole on any error; whatever was cached in a
//! transaction that was rolled back is forgotten; after a commit that may have taken place nothing is written before
//! [`Store::reopen`].

mod access;
mod backup;
mod changes;
mod checkpoint;
mod content;
mod create;
#[cfg(test)]
pub(super) mod damage_tests;
mod database_lock;
mod error;
mod exam;
mod faults;
mod file_checks;
mod file_loss;
mod files;
pub(super) mod functions;
mod identity;
mod lock_file;
mod members;
pub(super) mod migrate;
mod moving;
mod open;
#[cfg(test)]
mod open_tests;
mod opening;
mod records;
mod remote_fs;
mod roles;
mod seal;
mod shared;
mod sql;
mod stale;
mod sync;

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;

use self::content::{Content, Overwritten};
use self::database_lock::Handle;
use self::faults::What;
use self::files::{Fate, Files, log_path};
use self::members::refuse;
use self::open::Missing;
use super::relational::batch::{self, Batch, High};
use super::relational::conn::Conn;
use super::relational::generations;
use super::relational::names::{self, Names};
use super::relational::run_index::{self, Blocks};
use super::relational::sql::{GENERATION_END, NEXT_DUE};
use super::relational::{bulk, ended, failures, totals};
use super::{Applied, DiskSync, Master, Member, Membership, News, Recovered, Store, StoreError};
use crate::model::bulk::OpenBulk;
use crate::model::change::{Change, Op};
use crate::model::{Generation, Mono, QueueTotals, UnixMicros};

pub(super) use self::backup::{Progress, backup, restore};
pub(super) use self::changes::Changes;
pub(super) use self::exam::{dangers, examine, size};
pub use self::lock_file::Lock;
pub(super) use self::migrate::model;
pub(super) use self::moving::{source, target};
pub(super) use self::records::SqliteRecords;
pub(super) use self::roles::{as_guest, as_master, holder, records, records_within};
use self::shared::SharedRecords;

/// The writing connection to a database file.
#[derive(Debug)]
pub(super) struct SqliteStore {
    pub(super) conn: Connection,
    path: PathBuf,
    /// Connection for reading the records.
    records: SharedRecords,
    names: Names,
    blocks: Blocks,
    high: High,
    generation: Option<Generation>,
    /// `PRAGMA data_version` when last asked; `None` after a reopen: anything may have happened.
    seen: Option<i64>,
    /// A commit failed: whether it took place is unknown. Or a reopen did: there is no database behind the connection.
    broken: bool,
    /// The files of the connection; `None` while there is none.
    files: Option<Files>,
    /// Facts of a master about their contents.
    content: Option<Content>,
    /// Something was written over: nothing can be kept here any more.
    overwritten: Option<Overwritten>,
    /// Input or output failed: what the log holds may not be on its way to the disk.
    suspect: bool,
    /// Results computed before the commit that failed.
    pending: Option<(u64, Applied)>,
    /// The database is a copy that no master has run on yet: the cookies of the masters that run on its original.
    copied: Option<Vec<String>>,
    /// A guest has the right to write only for as long as it writes.
    guest: Option<Syncs>,
    /// Dropped last, after the connection.
    handle: Arc<Handle>,
}

/// Whether a guest has what it commits synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syncs {
    Each,
    /// While nobody is told that it is safe.
    None,
}

impl SqliteStore {
    fn data_version(&self) -> Result<i64, StoreError> {
        let read = || self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0));
        read().map_err(|e| error::map(&self.path, &e))
    }

    fn command(&self, text: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(text)?.execute([]).map(drop)
    }

    /// Runs `work` in one transaction, after `check` has read that it may; nothing stays if anything fails.
    fn transaction<T>(
        &mut self,
        at: UnixMicros,
        check: impl FnOnce(Conn<'_>) -> Result<(), StoreError>,
        work: impl FnOnce(&mut Batch<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.usable()?;
        self.command("BEGIN IMMEDIATE").map_err(|e| error::map(&self.path, &e))?;
        let result = check((&self.conn).into()).and_then(|()| {
            let (generation, conn) = (self.generation.map_or(0, |g| g.0), Conn::from(&self.conn));
            let (names, blocks, high) = (&mut self.names, &mut self.blocks, &mut self.high);
            if names.begin(conn).map_err(|e| error::map(&self.path, &e))? {
                blocks.clear();
            }
            let mut batch = Batch::new(conn, (names, blocks, high), generation, at);
            work(&mut batch).map_err(|e| error::map(&self.path, &e))
        });
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    /// The error that led here is the one to report, so one of the rollback only asks for a reopen.
    fn roll_back(&mut self) {
        self.names.clear();
        self.blocks.clear();
        if !self.conn.is_autocommit() && self.command("ROLLBACK").is_err() {
            self.broken = true;
        }
    }

    fn commit(&mut self, what: What<'_>) -> Result<(), StoreError> {
        let commit = || self.command("COMMIT").map_err(|e| error::map_commit(&self.path, &e));
        let result = faults::around(what, commit);
        if let Err(error) = &result {
            // No room: the end of the transaction was not written, so it did not take place.
            self.broken |= !error.is_full();
            self.suspect |= matches!(error, StoreError::Io(_));
            self.roll_back();
        }
        result
    }

    /// One step of a recovery or of an end; how many rows it changed.
    fn step(
        &mut self,
        what: What<'_>,
        at: UnixMicros,
        work: impl FnOnce(&mut Batch<'_>) -> rusqlite::Result<usize>,
    ) -> Result<usize, StoreError> {
        let (generation, path) = (self.generation, self.path.clone());
        let changed = self.transaction(
            at,
            |conn| refuse(conn, &path, generation, 0),
            |batch| {
                let changed = work(batch)?;
                batch.write_changes()?;
                Ok(changed)
            },
        )?;
        self.commit(what)?;
        self.still_there()?;
        self.tend(false)?;
        Ok(changed)
    }
}

impl Store for SqliteStore {
    fn join(&mut self, master: &Master, at: UnixMicros) -> Result<Membership, StoreError> {
        let (copied, file) = (self.copied.take(), self.handle.identity());
        let (membership, high) = self.transaction(
            at,
            |_| Ok(()),
            |batch| {
                copied.map_or(Ok(()), |living| identity::renew(batch.conn, file, &living))?;
                let (membership, high) = members::begin(batch.conn, master, at)?;
                batch.add_mark(&master.mark(at))?;
                Ok((membership, high))
            },
        )?;
        self.commit(What::Begin)?;
        self.generation = Some(membership.generation);
        self.high = high;
        self.pending = None;
        open::checkpoint_by_hand(&self.conn, &self.path)?;
        self.begin_seal()?;
        Ok(membership)
    }

    fn leave(&mut self, at: UnixMicros) -> Result<(), StoreError> {
        while self.step(What::End, at, |batch| batch.count_left(batch.generation, batch.generation))? > 0 {}
        self.step(What::End, at, |batch| batch.run(GENERATION_END, (batch.generation, at.0))).map(drop)
    }

    fn dead(&mut self, _now: Mono) -> Result<Vec<Member>, StoreError> {
        let unended = generations::unended((&self.conn).into()).map_err(|e| error::map(&self.path, &e))?;
        let others = unended.into_iter().map(|last| Member { generation: last.generation, master: last.master });
        Ok(others.filter(|member| self.generation.is_none_or(|ours| member.generation < ours)).collect())
    }

    fn recover(&mut self, dead: Generation, at: UnixMicros) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        if self.generation.is_none_or(|ours| dead >= ours) {
            return Ok(recovered);
        }
        loop {
            let released = self.step(What::Recovery, at, |batch| batch.release_left(Generation(0), dead))?;
            recovered.released += released as u64;
            if released == 0 {
                break;
            }
        }
        while self.step(What::Recovery, at, |batch| batch.end_left(Generation(0), dead))? > 0 {}
        while self.step(What::Recovery, at, |batch| batch.count_left(0, dead.0))? > 0 {}
        self.step(What::Recovery, at, |batch| batch.end_lives(dead))?;
        Ok(recovered)
    }

    fn apply(&mut self, number: u64, ops: &[Op], at: UnixMicros) -> Result<Applied, StoreError> {
        let (generation, path) = (self.generation, self.path.clone());
        if generation.is_none() && ops.iter().any(|op| matches!(op, Op::Change(Change::Claim(_)))) {
            return Err(StoreError::Other("a claim needs a generation, and none was begun".to_owned()));
        }
        let _writing = if self.guest.is_some() { Some(self.handle.hold_shared()?) } else { None };
        self.check_files()?;
        self.pace_syncs(ops)?;
        let check = |conn: Conn<'_>| if number == 0 { Ok(()) } else { refuse(conn, &path, generation, number) };
        let applied = self.transaction(at, check, |batch| batch.apply_all(number, ops))?;
        match self.commit(What::Batch(ops)).and_then(|()| self.still_there()) {
            Ok(()) => {
                self.pending = None;
                Ok(applied)
            }
            Err(error) => {
                self.pending = Some((number, applied));
                Err(error)
            }
        }
    }

    fn tend(&mut self, awaited: bool) -> Result<(), StoreError> {
        let result = self.checkpoint_if_due(if awaited { open::MOST_FRAMES } else { open::CHECKPOINT_FRAMES });
        self.distrust(result)
    }

    fn applied_by(&mut self, number: u64) -> Option<Applied> {
        self.pending.take_if(|(pending, _)| *pending == number).map(|(_, applied)| applied)
    }

    fn bulks(&mut self) -> Result<Vec<OpenBulk>, StoreError> {
        self.usable()?;
        bulk::all((&self.conn).into()).map_err(|e| error::map(&self.path, &e))
    }

    fn next_due(&mut self) -> Result<Option<UnixMicros>, StoreError> {
        let read = || self.conn.prepare_cached(NEXT_DUE)?.query_row([], |row| row.get::<_, Option<i64>>(0));
        Ok(read().map_err(|e| error::map(&self.path, &e))?.map(UnixMicros))
    }

    fn totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        totals::read((&self.conn).into()).map_err(|e| error::map(&self.path, &e))
    }

    fn news(&mut self) -> Result<News, StoreError> {
        self.usable()?;
        self.check_files()?;
        let now = self.data_version()?;
        Ok(News { anything: self.seen.replace(now) != Some(now), ..News::default() })
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        failpoint!("store.reopen", StoreError::Io("told to fail".to_owned()));
        self.refuse_loss()?;
        let records = self.records();
        let _closed = records.close();
        self.save_log()?;
        // The old connection goes first: it may hold the write lock.
        let nothing = Connection::open_in_memory().map_err(|e| error::map(&self.path, &e))?;
        drop(std::mem::replace(&mut self.conn, nothing));
        self.names.clear();
        self.blocks.clear();
        self.seen = None;
        self.broken = true;
        self.files = None;
        self.conn = open::writer(&self.handle, &self.path, Missing::Refuse)?;
        self.files = Some(Files::of(&self.path));
        failpoint!("store.reopened");
        if self.suspect {
            self.rewrite_log()?;
        }
        failpoint!("store.log_rewritten");
        if self.generation.is_some() {
            open::checkpoint_by_hand(&self.conn, &self.path)?;
        }
        self.know_files_again()?;
        self.broken = false;
        Ok(())
    }

    fn is_applied(&mut self, number: u64) -> Result<bool, StoreError> {
        self.usable()?;
        match refuse((&self.conn).into(), &self.path, self.generation, number) {
            Ok(()) => Ok(false),
            Err(StoreError::AlreadyApplied) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn syncer(&self) -> Option<DiskSync> {
        Some(sync::of(log_path(&self.path)))
    }

    fn harden(&mut self) -> Result<(), StoreError> {
        self.suspect = true;
        self.refuse_loss()?;
        if self.broken || self.files.as_ref().map(Files::fate) != Some(Fate::Same) {
            return self.reopen();
        }
        self.rewrite_log()
    }
}
