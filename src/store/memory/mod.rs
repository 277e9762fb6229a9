//! The store in memory: for simulation, and to hold the SQLite one against.
//!
//! Keeps nothing. Invariant: it answers as the SQLite store does, record for record; the conformance suite and a
//! comparison over random operations hold both to it.

mod bulk;
mod faulty;
mod forget;
mod ops;
mod records;
mod state;
mod upkeep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::faulty::{Fault, Faulty};
use self::state::{Life, State};
use super::{Applied, Master, Recovered, Start, Store, StoreError};
use crate::model::bulk::OpenBulk;
use crate::model::change::{Change, Op};
use crate::model::{Generation, QueueTotals, UnixMicros, WorkerId};

/// One connection to a store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    generation: Option<Generation>,
    /// Commits made through this connection, to tell those of others.
    own: u64,
    seen: u64,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another connection to the same store, as another process would have.
    #[must_use]
    pub fn connect(&self) -> Self {
        let commits = self.state().commits;
        Self { state: self.state.clone(), generation: None, own: 0, seen: commits }
    }

    /// A panic elsewhere does not make the state worse than a crash would.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ours(&self, state: &State) -> Result<Generation, StoreError> {
        let none = || StoreError::Other("a numbered batch needs a generation, and none was begun".to_owned());
        let ours = self.generation.ok_or_else(none)?;
        let last = state.lives.keys().next_back().copied().map(Generation);
        match last {
            Some(last) if last == ours => Ok(ours),
            last => Err(StoreError::Superseded(last.unwrap_or_default())),
        }
    }
}

impl Store for MemoryStore {
    fn begin(&mut self, master: &Master, at: UnixMicros) -> Result<Start, StoreError> {
        let mut state = self.state();
        let number = state.lives.keys().next_back().copied().unwrap_or(0) + 1;
        let crashed = state.lives.values().filter(|life| life.ended_at.is_none()).map(|life| life.master.clone());
        let crashed = crashed.collect();
        let life = Life { master: master.clone(), started_at: at, ended_at: None, batch: 0 };
        state.lives.insert(number, life);
        state.commits += 1;
        let start = Start {
            generation: Generation(number),
            next_worker: WorkerId(state.worker_high + 1),
            crashed,
            store: "memory".to_owned(),
        };
        drop(state);
        self.own += 1;
        self.generation = Some(start.generation);
        Ok(start)
    }

    fn recover(&mut self, at: UnixMicros) -> Result<Recovered, StoreError> {
        let mut state = self.state();
        let ours = self.ours(&state)?;
        let released = state.recover(ours, at);
        state.settle(true, at);
        state.commits += 1;
        drop(state);
        self.own += 1;
        Ok(Recovered { released })
    }

    fn end(&mut self, at: UnixMicros) -> Result<(), StoreError> {
        let mut state = self.state();
        let ours = self.ours(&state)?;
        if let Some(life) = state.lives.get_mut(&ours.0) {
            life.ended_at = Some(at);
        }
        state.commits += 1;
        drop(state);
        self.own += 1;
        Ok(())
    }

    fn apply(&mut self, batch: u64, ops: &[Op], at: UnixMicros) -> Result<Applied, StoreError> {
        let mut state = self.state();
        if self.generation.is_none() && ops.iter().any(|op| matches!(op, Op::Change(Change::Claim(_)))) {
            return Err(StoreError::Other("a claim needs a generation, and none was begun".to_owned()));
        }
        if batch != 0 {
            let ours = self.ours(&state)?;
            if let Some(life) = state.lives.get_mut(&ours.0) {
                if batch <= life.batch {
                    return Err(StoreError::AlreadyApplied);
                }
                life.batch = batch;
            }
        }
        let generation = self.generation.unwrap_or_default();
        let replies = ops.iter().map(|op| state.apply(op, generation, at)).collect();
        let changed = state.settle(self.generation.is_some(), at);
        let forgotten = std::mem::take(&mut state.forgotten);
        state.commits += 1;
        drop(state);
        self.own += 1;
        Ok(Applied { replies, forgotten, changed })
    }

    fn applied_by(&mut self, _batch: u64) -> Option<Applied> {
        None
    }

    fn bulks(&mut self) -> Result<Vec<OpenBulk>, StoreError> {
        Ok(self.state().open_bulks())
    }

    fn next_due(&mut self) -> Result<Option<UnixMicros>, StoreError> {
        Ok(self.state().next_due().map(UnixMicros))
    }

    fn totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        Ok(self.state().totals())
    }

    fn changed_by_others(&mut self) -> Result<bool, StoreError> {
        let others = self.state().commits - self.own;
        Ok(std::mem::replace(&mut self.seen, others) != others)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_applied(&mut self, batch: u64) -> Result<bool, StoreError> {
        let state = self.state();
        let ours = self.ours(&state)?;
        Ok(state.lives.get(&ours.0).is_some_and(|life| batch <= life.batch))
    }

    fn harden(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
