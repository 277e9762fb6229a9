//! The pulse of a member: a thread with a connection of its own that says the member lives, and hears what others say.
//!
//! Never in a transaction, so that nothing that a batch waits for keeps a beat. Invariants: a beat counts from the moment
//! before it was sent; a notice that is lost costs a second, as the news are looked at once a second; a connection that is lost
//! is made anew, and anything may have changed meanwhile.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::holder::{self, Holder};
use super::news::Glance;
use super::open::Server;
use super::{members, news};
use crate::clock;
use crate::model::Generation;
use crate::store::relational::conn::Conn;
use crate::store::relational::read::store_id;
use crate::store::{StoreError, silence};

/// How often the news are looked at where nobody gives notice.
const LOOK: Duration = Duration::from_secs(1);
/// Beats in a lease.
const BEATS: u32 = 6;
/// Pause before a lost connection is made anew.
const AGAIN: Duration = Duration::from_millis(500);

/// Facts that the thread and the store share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The member; 0: none yet.
    pub(super) generation: AtomicI64,
    /// When the last beat that was confirmed was sent, in microseconds of the monotonic clock.
    pub(super) renewed: AtomicU64,
    /// Until when this member may have workers, in microseconds of [`clock::boot_micros`]; 0: not yet known.
    pub(super) until: AtomicU64,
    /// Until when it may begin jobs, likewise.
    begin_until: AtomicU64,
    /// No beat was confirmed for a whole lease since this was looked at last.
    pub(super) was_away: AtomicBool,
    /// The member that was found to be none any more; 0: none was.
    pub(super) taken: AtomicI64,
    /// The id of the store that was opened first.
    pub(super) store: OnceLock<String>,
    /// A connection led to another.
    pub(super) is_another: AtomicBool,
    /// The news has been read up to here by the store.
    pub(super) heard: AtomicI64,
    /// Others have committed since this was looked at last.
    pub(super) counts_on: AtomicBool,
    ended: AtomicBool,
    news: AtomicBool,
}

impl Shared {
    /// Whether this is not the store that was opened first; from then on it is none.
    pub(super) fn is_other(&self, id: &str) -> bool {
        let is_other = self.store.get().is_some_and(|known| known != id);
        if is_other {
            self.is_another.store(true, Ordering::Release);
        }
        is_other
    }

    /// The member was heard; the moment before it spoke, in microseconds of [`clock::boot_micros`].
    pub(super) fn hold_until(&self, spoke: u64, lease: Duration) {
        self.until.store(silence::workers_until(spoke, lease), Ordering::Release);
        self.begin_until.store(silence::begin_until(spoke, lease), Ordering::Release);
    }
}

/// Tells when there may be news; ends the thread when it is dropped.
#[derive(Debug)]
pub(in crate::store) struct Pulse {
    shared: Arc<Shared>,
    ours: UnixStream,
    is_given_up: bool,
}

impl Pulse {
    /// Starts the thread.
    pub(super) fn start(server: Server, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let cannot =
            |e: std::io::Error| StoreError::Other(format!("cannot start what says that this master lives: {e}"));
        let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
        ours.set_nonblocking(true).map_err(cannot)?;
        theirs.set_nonblocking(true).map_err(cannot)?;
        let turn = Turn {
            server,
            shared: Arc::clone(&shared),
            wake: theirs,
            seen: Glance::default(),
            holder: Holder::default(),
        };
        std::thread::Builder::new().name("pulse".to_owned()).spawn(move || turn.run()).map_err(cannot)?;
        Ok(Self { shared, ours, is_given_up: false })
    }

    /// Readable when there may be news.
    pub(in crate::store) fn descriptor(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    /// Goes on without the descriptor: there may be news at every look.
    pub(in crate::store) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    /// Until when this member may have workers; see [`Tenure::Lease`](crate::store::Tenure).
    pub(in crate::store) fn lease_until(&self) -> Option<u64> {
        Some(self.shared.until.load(Ordering::Acquire)).filter(|until| *until > 0)
    }

    /// Whether this member has not been heard for so long that it is to begin no job.
    pub(in crate::store) fn is_cut_off(&self) -> bool {
        let until = self.shared.begin_until.load(Ordering::Acquire);
        until > 0 && clock::boot_micros() >= until
    }

    /// Takes in what the thread tells.
    pub(in crate::store) fn hear(&mut self) {
        let mut bytes = [0; 64];
        while self.ours.read(&mut bytes).is_ok_and(|read| read > 0) {}
    }

    /// Whether there may be any since the last call.
    pub(in crate::store) fn has_news(&self) -> bool {
        self.shared.news.swap(false, Ordering::AcqRel) || self.is_given_up
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
    }
}

/// The state of the thread.
struct Turn {
    server: Server,
    shared: Arc<Shared>,
    wake: UnixStream,
    /// As it was found last.
    seen: Glance,
    holder: Holder,
}

impl Turn {
    fn run(mut self) {
        while !self.shared.ended.load(Ordering::Acquire) {
            if let Err(error) = self.beat_and_hear() {
                log::debug!("the pulse is interrupted: {error}");
            }
            self.tell();
            std::thread::park_timeout(AGAIN);
        }
    }

    fn tell(&mut self) {
        self.shared.news.store(true, Ordering::Release);
        // Full: it is readable already.
        let _ = self.wake.write(&[1]);
    }

    /// Until the connection is lost.
    fn beat_and_hear(&mut self) -> Result<(), StoreError> {
        let conn = self.server.connect()?;
        let id = store_id(Conn::Postgres(&conn)).map_err(|e| super::error::map(&self.server.shown, &e))?;
        // Another may have a member of the same number, for which we must not say that it lives.
        if self.shared.is_other(&id) {
            return Ok(());
        }
        conn.run(&format!("LISTEN {}", self.server.channel)).map_err(|e| super::error::map(&self.server.shown, &e))?;
        let every = (self.server.lease / BEATS).as_micros() as u64;
        let (mut next_beat, mut known, mut next_look) = (0, 0, 0);
        while !self.shared.ended.load(Ordering::Acquire) {
            let now = clock::monotonic_micros();
            let generation = self.shared.generation.load(Ordering::Acquire);
            if now >= next_beat || std::mem::replace(&mut known, generation) != generation {
                self.beat(&conn, now)?;
                next_beat = now + every;
                // To look whether the others live.
                self.tell();
            }
            if now >= next_look {
                // A server that cannot answer this keeps no beat from being said.
                if let Err(error) = self.holder.look(Conn::Postgres(&conn)) {
                    let error = super::error::map(&self.server.shown, &error);
                    log::debug!("cannot look for who keeps the server from clearing away rows: {error}");
                }
                next_look = now + holder::LOOK.as_micros() as u64;
            }
            if conn.hears(LOOK).map_err(|e| super::error::map(&self.server.shown, &e))? {
                self.tell();
                continue;
            }
            let glance = news::glance(Conn::Postgres(&conn), generation);
            let glance = glance.map_err(|e| super::error::map(&self.server.shown, &e))?;
            let is_heard = glance.last == self.seen.last || glance.last == self.shared.heard.load(Ordering::Acquire);
            let counts_on = glance.batches != self.seen.batches;
            if counts_on {
                self.shared.counts_on.store(true, Ordering::Release);
            }
            if glance.has_inbox || counts_on || !is_heard {
                self.tell();
            }
            self.seen = glance;
        }
        Ok(())
    }

    fn beat(&self, conn: &super::Connection, now: u64) -> Result<(), StoreError> {
        let ours = Generation(self.shared.generation.load(Ordering::Acquire));
        if ours.0 == 0 {
            return Ok(());
        }
        let sent = clock::boot_micros();
        if members::renew(Conn::Postgres(conn), ours).map_err(|e| super::error::map(&self.server.shown, &e))? {
            let before = self.shared.renewed.swap(now, Ordering::AcqRel);
            self.shared.hold_until(sent, self.server.lease);
            if before != 0 && now.saturating_sub(before) >= self.server.lease.as_micros() as u64 {
                self.shared.was_away.store(true, Ordering::Release);
            }
        } else {
            self.shared.taken.store(ours.0, Ordering::Release);
        }
        Ok(())
    }
}
