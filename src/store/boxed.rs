//! A boxed store is a store, so that wrappers such as [`Faulty`](super::memory::Faulty) take one of any kind.
//!
//! Invariant: every call goes to the store inside, unchanged.

use super::{Applied, DiskSync, Master, Recovered, Start, Store, StoreError};
use crate::model::bulk::OpenBulk;
use crate::model::change::Op;
use crate::model::{QueueTotals, UnixMicros};

impl<S: Store + ?Sized> Store for Box<S> {
    fn begin(&mut self, master: &Master, at: UnixMicros) -> Result<Start, StoreError> {
        (**self).begin(master, at)
    }
    fn recover(&mut self, at: UnixMicros) -> Result<Recovered, StoreError> {
        (**self).recover(at)
    }
    fn end(&mut self, at: UnixMicros) -> Result<(), StoreError> {
        (**self).end(at)
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
    fn changed_by_others(&mut self) -> Result<bool, StoreError> {
        (**self).changed_by_others()
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
