//! The store in memory: for simulation, and to hold the SQLite one against.
//!
//! Keeps nothing. Invariant: it answers as the SQLite store does, record for record; the conformance suite and a
//! comparison over random operations hold both to it.

mod after;
mod audit;
mod autoscale_log;
mod batches;
mod bulk;
mod call_log;
mod claim;
mod failures;
mod faulty;
mod forget;
mod key_lanes;
mod lanes;
mod limits;
mod members;
mod operations;
mod ops;
mod processors;
mod push;
mod records;
mod rollups;
mod state;
mod table_rows;
mod upkeep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::faulty::{Fault, Faulty};
use self::state::{Life, State};
use super::silence::Watch;
use super::{Applied, Duty, Master, Member, Membership, News, Recovered, Store, StoreError, Tenure};
use crate::model::bulk::OpenBulk;
use crate::model::change::{Change, Op};
use crate::model::order::Orders;
use crate::model::{Generation, Mono, QueueTotals, UnixMicros, WorkerId};

/// Each of several members has so many bits of worker ids of its own, which is more than it can start.
const WORKER_BITS: u32 = 32;

/// One connection to a store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    generation: Option<Generation>,
    /// When this member renewed last.
    renewed: Mono,
    watch: Watch,
}

impl MemoryStore {
    /// An empty store, of one member at a time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store of several members.
    #[must_use]
    pub fn shared(lease: Duration) -> Self {
        let store = Self::default();
        store.state().lease = Some(lease);
        store
    }

    /// Another connection to the same store, as another process would have.
    #[must_use]
    pub fn connect(&self) -> Self {
        Self { state: self.state.clone(), ..Self::default() }
    }

    /// A panic elsewhere does not make the state worse than a crash would.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ours(&self, state: &State) -> Result<Generation, StoreError> {
        let none = || StoreError::Other("a numbered batch needs a generation, and none was begun".to_owned());
        let ours = self.generation.ok_or_else(none)?;
        let last = state.lives.keys().next_back().copied().map(Generation).unwrap_or_default();
        let taken_over = state.lives.get(&ours.0).is_none_or(|life| life.ended_at.is_some());
        let is_fenced = if state.lease.is_some() { taken_over } else { last != ours };
        if is_fenced { Err(StoreError::Superseded(last)) } else { Ok(ours) }
    }
}

impl Store for MemoryStore {
    fn join(&mut self, master: &Master, at: UnixMicros) -> Result<Membership, StoreError> {
        let mut state = self.state();
        let number = state.lives.keys().next_back().copied().unwrap_or(0) + 1;
        let (news, orders) = (News::default(), Orders::default());
        let life = Life { master: master.clone(), started_at: at, ended_at: None, batch: 0, beat: 0, news, orders };
        state.lives.insert(number, life);
        let counted = (state.run_high, std::collections::BTreeSet::new());
        state.periods.counted.insert(number, counted);
        state.add_mark(master.mark(at));
        let (tenure, first_worker) = match state.lease {
            Some(lease) => (Tenure::Lease(lease), number << WORKER_BITS),
            None => (Tenure::Exclusive, state.worker_high + 1),
        };
        drop(state);
        self.generation = Some(Generation(number));
        self.watch.forget_all();
        let (generation, first_worker) = (Generation(number), WorkerId(first_worker));
        Ok(Membership { generation, first_worker, tenure, store: "memory".to_owned() })
    }

    fn renew(&mut self, now: Mono) -> Result<(), StoreError> {
        let mut state = self.state();
        let ours = self.ours(&state)?;
        let lease = state.lease.unwrap_or(Duration::MAX);
        if let Some(life) = state.lives.get_mut(&ours.0) {
            life.beat += 1;
        }
        drop(state);
        if now.since(std::mem::replace(&mut self.renewed, now)) >= lease {
            // A member that was away itself has not seen whether the others were.
            self.watch.forget_all();
        }
        Ok(())
    }

    fn leave(&mut self, at: UnixMicros) -> Result<(), StoreError> {
        let mut state = self.state();
        let ours = self.ours(&state)?;
        state.count_left(&(ours..=ours));
        if let Some(life) = state.lives.get_mut(&ours.0) {
            life.ended_at = Some(at);
        }
        Ok(())
    }

    fn dead(&mut self, now: Mono) -> Result<Vec<Member>, StoreError> {
        let ours = self.generation.map_or(i64::MAX, |ours| ours.0);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |number: i64| number < ours || (state.lease.is_some() && number > ours);
        let mut dead = Vec::new();
        for (&number, life) in state.lives.iter().filter(|(number, life)| is_other(**number) && life.ended_at.is_none())
        {
            let of = (Generation(number), life.beat);
            if state.lease.is_none_or(|lease| self.watch.is_silent(of, lease, self.renewed, now)) {
                dead.push(Member { generation: of.0, master: life.master.clone() });
            }
        }
        Ok(dead)
    }

    fn recover(&mut self, dead: Generation, at: UnixMicros) -> Result<Recovered, StoreError> {
        let mut state = self.state();
        let ours = self.ours(&state)?;
        let seen = self.watch.seen(dead);
        let is_dead = match state.lease {
            Some(_) => state.lives.get(&dead.0).is_some_and(|life| life.ended_at.is_none() && Some(life.beat) == seen),
            None => dead < ours,
        };
        if !is_dead {
            return Ok(Recovered::default());
        }
        let released = state.recover(dead, at);
        state.close_batch(true, at);
        state.tell_others(self.generation);
        Ok(Recovered { released })
    }

    fn lead(&mut self, duty: Duty) -> Result<bool, StoreError> {
        let mut state = self.state();
        let ours = self.ours(&state)?;
        Ok(state.lead(duty, ours))
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
        state.begin_batch(at);
        let apply = |op| {
            let reply = state.apply(op, generation, at);
            state.settle();
            reply
        };
        let replies = ops.iter().map(apply).collect();
        let changed = state.close_batch(self.generation.is_some(), at);
        let forgotten = std::mem::take(&mut state.forgotten);
        let ended_runs = std::mem::take(&mut state.ended_runs);
        let settled = state.take_settled();
        state.tell_others(self.generation);
        Ok(Applied { replies, forgotten, changed, ended_runs, settled })
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

    fn orders(&mut self) -> Result<Orders, StoreError> {
        let ours = self.generation.map_or(0, |ours| ours.0);
        let life = self.state().lives.get_mut(&ours).map(|life| std::mem::take(&mut life.orders));
        Ok(life.unwrap_or_default())
    }

    fn news(&mut self) -> Result<News, StoreError> {
        let mut state = self.state();
        let ours = self.generation.and_then(|ours| state.lives.get_mut(&ours.0));
        Ok(ours.map(|life| std::mem::take(&mut life.news)).unwrap_or_default())
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
