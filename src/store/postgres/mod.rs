//! The store in PostgreSQL, for masters on several hosts.
//!
//! The rows and the statements are those of SQLite (`store::relational`). Here is what is different on a server: connections
//! ([`connection`]), how statements are worded ([`dialect`]), that members come and go ([`members`]), and how they hear of each
//! other ([`news`]).
//!
//! Invariants:
//! - One transaction writes at a time: each holds the advisory lock of its store from its first statement to its commit. So
//!   everything that is read in one holds until it ends, ids are given out in the order of commits, and two batches cannot
//!   deadlock. A member that stops in the middle of one is thrown out by the server after [`members::STUCK`].
//! - A member that was taken over is refused everything, in the transaction that it asks in.
//! - After a commit that may have taken place nothing is written before [`Store::reopen`].

mod connection;
mod dialect;
mod error;
pub(super) mod fronts;
mod holder;
mod inbox;
pub(super) mod members;
mod moving;
mod news;
mod open;
pub(super) mod orders;
mod passfile;
#[cfg(test)]
mod plan_tests;
mod pulse;
mod records;
mod roles;
mod same;
#[cfg(test)]
pub(super) mod server;
#[cfg(test)]
mod statement_tests;
mod tls;
mod transaction;
mod value;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Result as SqlResult;

pub(super) use self::connection::{Connection, Row, Rows, Snapshot, Statement};
pub(super) use self::moving::{source, target};
use self::open::Server;
pub use self::orders::OrderDesk;
pub(super) use self::pulse::Pulse;
use self::pulse::Shared;
pub(super) use self::records::PostgresRecords;
pub(super) use self::roles::{as_guest, as_master, exists, order_desk, records};
use super::relational::batch::High;
use super::relational::conn::Conn;
use super::relational::names::Names;
use super::relational::run_index::Blocks;
use super::relational::{bulk, sql, totals};
use super::silence::Watch;
use super::{Applied, Duty, Master, Member, Membership, News, Recovered, Store, StoreError};
use crate::clock;
use crate::model::bulk::OpenBulk;
use crate::model::change::{Change, Op};
use crate::model::order::Orders;
use crate::model::serves::Serves;
use crate::model::{Generation, Mono, QueueTotals, UnixMicros};

/// The writing connection to a server.
#[derive(Debug)]
pub(super) struct PostgresStore {
    server: Server,
    conn: Connection,
    names: Names,
    blocks: Blocks,
    high: High,
    generation: Option<Generation>,
    /// A commit failed: whether it took place is unknown. Or the connection is gone.
    broken: bool,
    /// Results computed before the commit that failed.
    pending: Option<(u64, Applied)>,
    /// Contents of the file of its path on this host, whose lock it holds; empty where it holds none.
    place: String,
    /// Which boot of this host that is.
    boot: String,
    /// Shared with the thread that says that this member lives.
    pulse: Arc<Shared>,
    watch: Watch,
    /// The last news that was heard.
    heard: i64,
    /// The last batch of this member that was confirmed.
    confirmed: i64,
    /// The process of the server for this connection.
    backend: i64,
    /// The transaction tells others something.
    has_told: bool,
    /// The transaction gives out runs.
    has_runs: bool,
    /// What the others serve; `new`: and nobody was told yet.
    serves: Serves,
    new_serves: Option<Serves>,
}

/// How long a member lives without a word, if nothing else is said.
const LEASE: Duration = Duration::from_secs(30);

impl PostgresStore {
    /// Connects, makes the tables if they are missing, and brings them to the newest schema.
    pub(super) fn open(url: &str, lease: Duration) -> Result<Self, StoreError> {
        let server = Server::new(url, lease)?;
        let conn = server.prepare()?;
        let mut store = Self {
            server,
            conn,
            names: Names::default(),
            blocks: Blocks::default(),
            high: High::default(),
            generation: None,
            broken: false,
            pending: None,
            place: String::new(),
            boot: String::new(),
            pulse: Arc::default(),
            watch: Watch::default(),
            heard: 0,
            confirmed: 0,
            backend: 0,
            has_told: false,
            has_runs: false,
            serves: Serves::default(),
            new_serves: None,
        };
        store.know()?;
        store.heard = store.read(news::last)?;
        Ok(store)
    }

    /// A name for a place on a host that no other has.
    fn new_place(&self) -> Result<String, StoreError> {
        const NEW: &str = "SELECT CAST(gen_random_uuid() AS TEXT)";
        self.read(|conn| conn.prepare_cached(NEW)?.query_row([], |row| row.get(0)))
    }

    /// Asks outside of a transaction.
    fn read<T>(&self, question: impl FnOnce(Conn<'_>) -> SqlResult<T>) -> Result<T, StoreError> {
        self.usable()?;
        question(Conn::Postgres(&self.conn)).map_err(|e| self.map(&e))
    }

    fn map(&self, error: &rusqlite::Error) -> StoreError {
        error::map(&self.server.shown, error)
    }

    fn usable(&self) -> Result<(), StoreError> {
        if self.broken || self.conn.is_closed() {
            return Err(StoreError::Io("the connection to the server is lost".to_owned()));
        }
        Ok(())
    }
}

impl Store for PostgresStore {
    fn join(&mut self, master: &Master, at: UnixMicros) -> Result<Membership, StoreError> {
        let (lease, place) = (self.server.lease, self.place.clone());
        self.boot.clone_from(&master.boot_id);
        let began = clock::boot_micros();
        // Not as the member that this may have been.
        self.generation = None;
        let membership = self.transaction(
            at,
            |_| Ok(()),
            |batch| {
                let membership = members::join(batch.conn, master, &place, at, lease)?;
                batch.add_mark(&master.mark(at))?;
                Ok(membership)
            },
        )?;
        self.commit()?;
        self.generation = Some(membership.generation);
        self.confirmed = 0;
        // From the begin on, as others watch from the begin on.
        self.pulse.hold_until(began, lease);
        self.pulse.generation.store(membership.generation.0, Ordering::Release);
        self.high.worker = membership.first_worker.0 - 1;
        self.pending = None;
        self.watch.forget_all();
        self.heard = self.read(news::last)?;
        Ok(membership)
    }

    fn renew(&mut self, now: Mono) -> Result<(), StoreError> {
        let ours = self.generation.unwrap_or_default();
        if !self.read(|conn| members::renew(conn, ours))? {
            return Err(StoreError::Superseded(ours));
        }
        let before = Mono(self.pulse.renewed.swap(now.0, Ordering::AcqRel));
        if now.since(before) >= self.server.lease {
            self.pulse.was_away.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn leave(&mut self, at: UnixMicros) -> Result<(), StoreError> {
        let ours = self.generation.map_or(0, |ours| ours.0);
        while self.step(at, |batch| batch.count_left(ours, ours))? > 0 {}
        self.step(at, |batch| members::end(batch.conn, ours, at)).map(drop)
    }

    fn dead(&mut self, now: Mono) -> Result<Vec<Member>, StoreError> {
        let ours = self.generation.unwrap_or_default();
        let others = self.read(|conn| members::others(conn, ours))?;
        // A member that was away itself has not seen whether the others were.
        if self.pulse.was_away.swap(false, Ordering::AcqRel) {
            self.watch.forget_all();
        }
        let renewed = Mono(self.pulse.renewed.load(Ordering::Acquire));
        let (mut dead, mut serves) = (Vec::new(), Serves::default());
        for other in others {
            let of = (other.member.generation, other.beat);
            let is_silent = self.watch.is_silent(of, other.lease, renewed, now);
            // We hold the place of this one, which cannot hold it any more.
            let is_here =
                !self.place.is_empty() && other.place == self.place && other.member.master.boot_id == self.boot;
            let is_before = other.member.generation < ours;
            if other.is_taken || is_here && is_before || is_silent {
                dead.push(other.member);
            } else {
                serves.add(other.serves);
            }
        }
        if self.serves != serves {
            self.new_serves = Some(serves.clone());
            self.serves = serves;
        }
        Ok(dead)
    }

    fn recover(&mut self, dead: Generation, at: UnixMicros) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        let Some(beat) = self.watch.seen(dead) else { return Ok(recovered) };
        if self.step(at, |batch| members::take(batch.conn, dead, beat))? == 0 {
            return Ok(recovered);
        }
        loop {
            let released = self.step(at, |batch| batch.release_left(dead, dead))?;
            recovered.released += released as u64;
            if released == 0 {
                break;
            }
        }
        while self.step(at, |batch| batch.end_left(dead, dead))? > 0 {}
        while self.step(at, |batch| batch.count_left(dead.0, dead.0))? > 0 {}
        self.step(at, |batch| members::end(batch.conn, dead.0, at))?;
        self.watch.forget(dead);
        Ok(recovered)
    }

    fn look_around(&mut self, now: Mono, at: UnixMicros) -> Result<News, StoreError> {
        let mut changed = false;
        while self.read(inbox::has_any)? && self.step(at, inbox::take)? > 0 {
            changed = true;
        }
        for Member { generation, master } in self.dead(now)? {
            let from_it = self.recover(generation, at)?.released;
            let Master { host, pid, .. } = master;
            log::warn!(
                "the master on `{host}` (process {pid}, generation {}) says nothing any more: taken over, {from_it} of its \
                 jobs are ready again",
                generation.0
            );
            changed |= from_it > 0;
        }
        Ok(News { anything: changed, serves: self.new_serves.take(), ..News::default() })
    }

    fn orders(&mut self) -> Result<Orders, StoreError> {
        self.take_orders()
    }

    fn lead(&mut self, duty: Duty) -> Result<bool, StoreError> {
        let ours = self.generation.unwrap_or_default();
        self.read(|conn| members::lead(conn, duty, ours))
    }

    fn apply(&mut self, number: u64, ops: &[Op], at: UnixMicros) -> Result<Applied, StoreError> {
        let ours = self.generation;
        if ours.is_none() && ops.iter().any(|op| matches!(op, Op::Change(Change::Claim(_)))) {
            return Err(StoreError::Other("a claim needs a generation, and none was begun".to_owned()));
        }
        let check = |found| if number == 0 { Ok(()) } else { Self::refuse(ours, found, number) };
        let prunes = ops.iter().any(|op| matches!(op, Op::Change(Change::Prune { .. })));
        let applied = self.transaction(at, check, |batch| {
            if prunes && let Some(ours) = ours {
                batch.prunes = members::lead(batch.conn, Duty::Prune, ours)?;
            }
            batch.apply_all(number, ops)
        })?;
        match self.commit() {
            Ok(()) => {
                self.pending = None;
                self.confirmed = self.confirmed.max(number as i64);
                Ok(applied)
            }
            Err(error) => {
                self.pending = Some((number, applied));
                Err(error)
            }
        }
    }

    fn applied_by(&mut self, number: u64) -> Option<Applied> {
        self.pending.take_if(|(pending, _)| *pending == number).map(|(_, applied)| applied)
    }

    fn bulks(&mut self) -> Result<Vec<OpenBulk>, StoreError> {
        self.read(bulk::all)
    }

    fn next_due(&mut self) -> Result<Option<UnixMicros>, StoreError> {
        let read =
            |conn: Conn<'_>| conn.prepare_cached(sql::NEXT_DUE)?.query_row([], |row| row.get::<_, Option<i64>>(0));
        Ok(self.read(read)?.map(UnixMicros))
    }

    fn totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        self.read(totals::read)
    }

    fn news(&mut self) -> Result<News, StoreError> {
        self.refuse_another()?;
        let (ours, heard) = (self.generation.unwrap_or_default(), self.heard);
        if ours.0 != 0 && self.pulse.taken.load(Ordering::Acquire) == ours.0 {
            let last = self.read(|conn| members::found(conn, ours.0))?.last;
            return Err(StoreError::Superseded(Generation(last)));
        }
        let (mut news, heard) = self.read(|conn| news::since(conn, ours, heard))?;
        news.totals |= self.pulse.counts_on.swap(false, Ordering::AcqRel);
        self.heard = heard;
        self.pulse.heard.store(heard, Ordering::Release);
        Ok(news)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.broken = true;
        self.names.clear();
        self.blocks.clear();
        self.refuse_another()?;
        self.conn = self.server.connect()?;
        self.broken = false;
        self.know_again().inspect_err(|_| self.broken = true)
    }

    fn is_applied(&mut self, number: u64) -> Result<bool, StoreError> {
        let ours = self.generation;
        let found = self.read(|conn| members::found(conn, ours.map_or(0, |ours| ours.0)))?;
        self.refuse_changed(&found)?;
        match Self::refuse(ours, found, number) {
            Ok(()) => Ok(false),
            Err(StoreError::AlreadyApplied) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn harden(&mut self) -> Result<(), StoreError> {
        // The server has synced what it has committed.
        if self.broken { self.reopen() } else { Ok(()) }
    }
}
