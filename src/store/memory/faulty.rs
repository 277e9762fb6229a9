//! A store whose commits fail when a test says so.
//!
//! Knows nothing of what is stored. Invariant: a batch that fails before its commit leaves no trace; one that fails
//! after it is applied in full and answers [`StoreError::Io`], as an unknown outcome does.

use std::collections::BTreeMap;

use crate::model::bulk::OpenBulk;
use crate::model::change::Op;
use crate::model::order::Orders;
use crate::model::{Generation, Mono, QueueTotals, UnixMicros};
use crate::store::{Applied, DiskSync, Duty, Master, Member, Membership, News, Recovered, Store, StoreError};

/// Fault of one call of [`Store::apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is applied; the error is `Io`.
    BeforeCommit,
    /// All is applied; the error is `Io` all the same.
    AfterCommit,
    /// Nothing is applied; the disk is full.
    Full,
    /// Nothing is applied; another program holds the lock.
    Busy,
}

/// A store with faults.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    pending: Option<(u64, Applied)>,
    must_reopen: bool,
    failing_reopens: u32,
    failing_totals: u32,
    failing_hardenings: u32,
    failing_checkpoints: u32,
    no_sync: bool,
}

impl<S: Store> Faulty<S> {
    /// No faults yet.
    pub fn new(inner: S) -> Self {
        let (faults, pending) = (BTreeMap::new(), None);
        Self {
            inner,
            calls: 0,
            faults,
            pending,
            must_reopen: false,
            failing_reopens: 0,
            failing_totals: 0,
            failing_hardenings: 0,
            failing_checkpoints: 0,
            no_sync: false,
        }
    }

    /// The `n`-th call of `apply` from the start (from 1) fails.
    #[must_use]
    pub fn with(mut self, n: u64, fault: Fault) -> Self {
        self.faults.insert(n, fault);
        self
    }

    /// The next call of `apply` fails.
    pub fn fail_next(&mut self, fault: Fault) {
        self.faults.insert(self.calls + 1, fault);
    }

    /// The next `n` calls of `reopen` fail.
    #[must_use]
    pub fn with_failing_reopens(mut self, n: u32) -> Self {
        self.failing_reopens = n;
        self
    }

    /// The next `n` calls of `totals` fail.
    #[must_use]
    pub fn with_failing_totals(mut self, n: u32) -> Self {
        self.failing_totals = n;
        self
    }

    /// The next `n` calls of `harden` fail.
    #[must_use]
    pub fn with_failing_hardenings(mut self, n: u32) -> Self {
        self.failing_hardenings = n;
        self
    }

    /// After the next `n` batches the log cannot be written to the database.
    #[must_use]
    pub fn with_failing_checkpoints(mut self, n: u32) -> Self {
        self.failing_checkpoints = n;
        self
    }

    /// No sync succeeds.
    #[must_use]
    pub fn without_sync(mut self) -> Self {
        self.no_sync = true;
        self
    }

    /// The store inside.
    pub fn inner(&mut self) -> &mut S {
        &mut self.inner
    }
}

fn unknown() -> StoreError {
    StoreError::Io("injected".to_owned())
}

impl<S: Store> Store for Faulty<S> {
    fn join(&mut self, master: &Master, at: UnixMicros) -> Result<Membership, StoreError> {
        self.inner.join(master, at)
    }

    fn renew(&mut self, now: Mono) -> Result<(), StoreError> {
        self.inner.renew(now)
    }

    fn leave(&mut self, at: UnixMicros) -> Result<(), StoreError> {
        self.inner.leave(at)
    }

    fn dead(&mut self, now: Mono) -> Result<Vec<Member>, StoreError> {
        self.inner.dead(now)
    }

    fn recover(&mut self, generation: Generation, at: UnixMicros) -> Result<Recovered, StoreError> {
        self.inner.recover(generation, at)
    }

    fn lead(&mut self, duty: Duty) -> Result<bool, StoreError> {
        self.inner.lead(duty)
    }

    fn orders(&mut self) -> Result<Orders, StoreError> {
        self.inner.orders()
    }

    fn news(&mut self) -> Result<News, StoreError> {
        self.inner.news()
    }

    fn apply(&mut self, batch: u64, ops: &[Op], at: UnixMicros) -> Result<Applied, StoreError> {
        self.calls += 1;
        if self.must_reopen {
            return Err(StoreError::Io("not reopened".to_owned()));
        }
        let Some(fault) = self.faults.remove(&self.calls) else { return self.inner.apply(batch, ops, at) };
        self.must_reopen = true;
        let path = "injected".to_owned();
        match fault {
            Fault::BeforeCommit => Err(unknown()),
            Fault::AfterCommit => {
                let applied = self.inner.apply(batch, ops, at)?;
                self.pending = Some((batch, applied));
                Err(unknown())
            }
            Fault::Full => Err(StoreError::Full { path }),
            Fault::Busy => Err(StoreError::Busy { path }),
        }
    }

    fn tend(&mut self, awaited: bool) -> Result<(), StoreError> {
        if self.failing_checkpoints > 0 {
            self.failing_checkpoints -= 1;
            return Err(unknown());
        }
        self.inner.tend(awaited)
    }

    fn applied_by(&mut self, batch: u64) -> Option<Applied> {
        self.pending.take_if(|(pending, _)| *pending == batch).map(|(_, applied)| applied)
    }

    fn bulks(&mut self) -> Result<Vec<OpenBulk>, StoreError> {
        self.inner.bulks()
    }

    fn next_due(&mut self) -> Result<Option<UnixMicros>, StoreError> {
        self.inner.next_due()
    }

    fn totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        if self.failing_totals > 0 {
            self.failing_totals -= 1;
            return Err(unknown());
        }
        self.inner.totals()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.failing_reopens > 0 {
            self.failing_reopens -= 1;
            return Err(unknown());
        }
        self.must_reopen = false;
        self.inner.reopen()
    }

    fn is_applied(&mut self, batch: u64) -> Result<bool, StoreError> {
        if self.must_reopen { Err(unknown()) } else { self.inner.is_applied(batch) }
    }

    fn syncer(&self) -> Option<DiskSync> {
        if self.no_sync { Some(Box::new(|| Err("injected".to_owned()))) } else { self.inner.syncer() }
    }

    fn harden(&mut self) -> Result<(), StoreError> {
        if self.failing_hardenings > 0 {
            self.failing_hardenings -= 1;
            return Err(unknown());
        }
        self.inner.harden()
    }
}
