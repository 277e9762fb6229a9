//! Changing what is wanted: more or fewer workers, new pools, pools and workers that go.

use std::collections::BTreeSet;
use std::time::Duration;

use super::commands::{Asker, Wait};
use super::escalation::grace_for;
use super::pool::{Pool, PoolId, Rolling};
use super::slot::{SlotEntry, SlotState};
use super::{Action, Core, Done, Refusal, Target, Ticket};
use crate::model::done::{Scaled, ScaledPool};
use crate::model::worker::EndReason;
use crate::model::{Notice, Now, PoolName, PoolSettings, Slot, WorkerId};

impl Core {
    /// Adds a pool that comes up at the next settling.
    pub fn add_pool(&mut self, settings: PoolSettings) -> Result<PoolId, Refusal> {
        if self.pool_named(&settings.name).is_some() {
            return Err(Refusal::PoolExists(settings.name));
        }
        let id = PoolId(self.next_pool);
        self.next_pool += 1;
        self.pools.insert(id, Pool::new(settings));
        self.serve_anew();
        Ok(id)
    }

    /// The pool of this name, unless it is being removed.
    #[must_use]
    pub fn pool_named(&self, name: &PoolName) -> Option<PoolId> {
        self.pools.iter().find(|(_, pool)| pool.settings.name == *name && !pool.removed).map(|(&id, _)| id)
    }

    pub(super) fn scale(
        &mut self,
        ticket: Ticket,
        target: &Target,
        workers: u32,
        asker: Asker,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let pools = match target {
            Target::All => self.only_pool()?,
            Target::Queue(_) | Target::Pool(_) | Target::Workers(_) => self.target_pools(target)?,
        };
        let mut before = Vec::new();
        for id in pools {
            let Some(pool) = self.pools.get_mut(&id) else { continue };
            before.push((id, pool.wanted));
            pool.dirty = true;
            let was = std::mem::replace(&mut pool.wanted, workers);
            out.push(Action::Tell(Notice::Scaled { pool: pool.settings.name.clone(), was, wanted: workers }));
        }
        let wait_for = Wait::Scaled { pools: before };
        self.wait_or_answer(ticket, wait_for, asker, out);
        Ok(())
    }

    pub(super) fn new_pool(
        &mut self,
        ticket: Ticket,
        settings: PoolSettings,
        asker: Asker,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let id = self.add_pool(settings)?;
        self.wait_or_answer(ticket, Wait::Scaled { pools: vec![(id, 0)] }, asker, out);
        Ok(())
    }

    pub(super) fn restart(
        &mut self,
        ticket: Ticket,
        target: &Target,
        at_once: bool,
        asker: Asker,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let workers = self.target_workers(target)?;
        for pool in self.target_pools(target).unwrap_or_default() {
            for slot in self.pools[&pool].slots.keys().copied().collect::<Vec<_>>() {
                self.forgive(pool, slot);
            }
        }
        for id in &workers {
            self.forgive(self.workers[*id].pool, self.workers[*id].slot);
        }
        let mut names = Vec::new();
        for &id in &workers {
            let worker = &self.workers[id];
            names.push(worker.name.to_string());
            let at_once = at_once && asker.caller != Some(id);
            if let Some(pool) = self.pools.get_mut(&worker.pool) {
                match pool.rolling.iter_mut().find(|r| r.worker == id) {
                    Some(rolling) => rolling.at_once |= at_once,
                    None => pool.rolling.push_back(Rolling { worker: id, at_once }),
                }
            }
        }
        names.sort();
        let slots = workers.iter().map(|&w| (self.workers[w].pool, self.workers[w].slot)).collect();
        let wait_for = Wait::Restarted { workers: workers.into_iter().collect(), slots, names, released: 0 };
        self.wait_or_answer(ticket, wait_for, asker, out);
        Ok(())
    }

    /// A restart tries anew: what did not come up before may be repaired.
    fn forgive(&mut self, id: PoolId, slot: Slot) {
        let Some(entry) = self.entry(id, slot) else { return };
        entry.backoff.deaths = 0;
        entry.backoff.problem = None;
        self.end_backoff(id, slot);
    }

    pub(super) fn stop_some(
        &mut self,
        ticket: Ticket,
        target: &Target,
        grace: Option<Duration>,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let workers: BTreeSet<WorkerId> = match target {
            Target::Workers(_) => self.target_workers(target)?.into_iter().collect(),
            Target::All | Target::Queue(_) | Target::Pool(_) => {
                let pools = self.target_pools(target)?;
                for id in &pools {
                    if let Some(pool) = self.pools.get_mut(id) {
                        pool.removed = true;
                        pool.dirty = true;
                    }
                    self.hold_back(*id, |_| true, out);
                }
                self.serve_anew();
                self.workers.ids(|w| pools.contains(&w.pool)).into_iter().collect()
            }
        };
        let mut leaving = workers.clone();
        for &id in &workers {
            let (pool, slot) = (self.workers[id].pool, self.workers[id].slot);
            // The slot goes with its worker, and so does who was to follow in it.
            if self.entry(pool, slot).is_some_and(|e| e.state.current() == Some(id)) {
                leaving.extend(self.remove_slot(pool, slot).and_then(SlotState::successor));
                if let Some(pool) = self.pools.get_mut(&pool) {
                    pool.wanted = pool.wanted.saturating_sub(1);
                    pool.dirty = true;
                }
            }
        }
        for id in leaving {
            let own = self.pools[&self.workers[id].pool].settings.limits.grace;
            self.leave(id, EndReason::Stopped, grace_for(id, asker.caller, grace, own), now, out);
        }
        let count = workers.len() as u64;
        self.wait_or_answer(ticket, Wait::Stopped { workers, count, released: 0 }, asker, out);
        Ok(())
    }

    fn only_pool(&self) -> Result<Vec<PoolId>, Refusal> {
        let live: Vec<_> = self.pools.iter().filter(|(_, p)| !p.removed).collect();
        match live.as_slice() {
            [(id, _)] => Ok(vec![**id]),
            [] => Err(Refusal::NoSuchPool(String::from("default"))),
            several => Err(Refusal::WhichPool(several.iter().map(|(_, p)| p.settings.name.clone()).collect())),
        }
    }

    fn target_pools(&self, target: &Target) -> Result<Vec<PoolId>, Refusal> {
        let which = |keep: &dyn Fn(&Pool) -> bool| -> Vec<PoolId> {
            self.pools.iter().filter(|(_, p)| !p.removed && keep(p)).map(|(&id, _)| id).collect()
        };
        let (pools, missing) = match target {
            Target::All => return Ok(which(&|_| true)),
            Target::Queue(queue) => (which(&|p| p.serves(queue)), Refusal::NoSuchQueue(queue.to_string())),
            Target::Pool(name) => (which(&|p| p.settings.name == *name), Refusal::NoSuchPool(name.to_string())),
            Target::Workers(names) => (Vec::new(), Refusal::NoSuchWorker(names.first().cloned().unwrap_or_default())),
        };
        if pools.is_empty() { Err(missing) } else { Ok(pools) }
    }

    /// The workers in their slots that are meant.
    fn target_workers(&self, target: &Target) -> Result<Vec<WorkerId>, Refusal> {
        let in_slots = |pool: PoolId| self.pools[&pool].slots.values().filter_map(|e| e.state.current());
        let Target::Workers(names) = target else {
            return Ok(self.target_pools(target)?.into_iter().flat_map(in_slots).collect());
        };
        let all: Vec<WorkerId> = self.pools.keys().copied().flat_map(in_slots).collect();
        names
            .iter()
            .map(|name| {
                let found = all.iter().find(|id| *self.workers[**id].name == **name);
                found.copied().ok_or_else(|| Refusal::NoSuchWorker(name.clone()))
            })
            .collect()
    }

    /// Workers of the pool that take jobs.
    pub(super) fn ready_count(&self, id: PoolId) -> u32 {
        let Some(pool) = self.pools.get(&id) else { return 0 };
        let ready = |e: &&SlotEntry| e.state.current().is_some_and(|w| self.workers[w].is_ready());
        pool.slots.values().filter(ready).count() as u32
    }

    pub(super) fn counts(&self, pools: &[(PoolId, u32)]) -> Done {
        let count = |&(id, was): &(PoolId, u32)| {
            let pool = self.pools.get(&id)?;
            Some(ScaledPool { pool: pool.settings.name.clone(), was, wanted: pool.wanted, ready: self.ready_count(id) })
        };
        Done::Scaled(Scaled { pools: pools.iter().filter_map(count).collect() })
    }
}
