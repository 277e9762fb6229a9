//! A boxed store is a store, so that wrappers such as [`Faulty`](super::memory::Faulty) take one of any kind.
//!
//! Invariant: every call goes to the store inside, unchanged.

use super::{Applied, DiskSync, Duty, Master, Member, Membership, News, Recovered, Store, StoreError};
use crate::model::bulk::OpenBulk;
use crate::model::change::Op;
use crate::model::order::Orders;
use crate::model::{Generation, Mono, QueueTotals, UnixMicros};

impl<S: Store + ?Sized> Store for Box<S> {
    fn join(&mut self, master: &Master, at: UnixMicros) -> Result<Membership, StoreError> {
        (**self).join(master, at)
    }
    fn renew(&mut self, now: Mono) -> Result<(), StoreError> {
        (**self).renew(now)
    }
    fn leave(&mut self, at: UnixMicros) -> Result<(), StoreError> {
        (**self).leave(at)
    }
    fn dead(&mut self, now: Mono) -> Result<Vec<Member>, StoreError> {
        (**self).dead(now)
    }
    fn recover(&mut self, generation: Generation, at: UnixMicros) -> Result<Recovered, StoreError> {
        (**self).recover(generation, at)
    }
    fn look_around(&mut self, now: Mono, at: UnixMicros) -> Result<News, StoreError> {
        (**self).look_around(now, at)
    }
    fn orders(&mut self) -> Result<Orders, StoreError> {
        (**self).orders()
    }
    fn lead(&mut self, duty: Duty) -> Result<bool, StoreError> {
        (**self).lead(duty)
    }
    fn news(&mut self) -> Result<News, StoreError> {
        (**self).news()
    }
    fn apply(&mut self, batch: u64, ops: &[Op], at: UnixMicros) -> Result<Applied, StoreError> {
        (**self).apply(batch, ops, at)
    }
    fn tend(&mut self, awaited: bool) -> Result<(), StoreError> {
        (**self).tend(awaited)
    }
    fn applied_by(&mut self, batch: u64) -> Option<Applied> {
        (**self).applied_by(batch)
    }
    fn bulks(&mut self) -> Result<Vec<OpenBulk>, StoreError> {
        (**self).bulks()
    }
    fn next_due(&mut self) -> Result<Option<UnixMicros>, StoreError> {
        (**self).next_due()
    }
    fn totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        (**self).totals()
    }
    fn reopen(&mut self) -> Result<(), StoreError> {
        (**self).reopen()
    }
    fn is_applied(&mut self, batch: u64) -> Result<bool, StoreError> {
        (**self).is_applied(batch)
    }
    fn syncer(&self) -> Option<DiskSync> {
        (**self).syncer()
    }
    fn harden(&mut self) -> Result<(), StoreError> {
        (**self).harden()
    }
}
