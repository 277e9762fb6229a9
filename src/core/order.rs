//! Pools that come after others: those that need others, and sidecars.
//!
//! A pool has workers from when each pool that it needs has one that is ready, wants none, or is finished; what becomes of
//! those later does not matter. A sidecar has workers from when a pool that it belongs to has one that is ready, until the last
//! worker of these is gone. When the master stops, the workers of a pool stay until those are gone that need it, or that it is a
//! sidecar of; so they do where a reload removes these pools too, which is decided when it does: what comes later is not waited
//! for, so there is no circle. Invariant: when the master stops, nobody waits for a pool that is removed.

use std::collections::BTreeSet;

use super::commands::{Asker, NOBODY, Wait};
use super::pool::{Pool, PoolId};
use super::slot::SlotEntry;
use super::{Action, Core, Handle, Phase};
use crate::model::worker::EndReason;
use crate::model::{Now, PoolName, Slot};

/// Whether a pool may have workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// The pool waits for others that it needs.
    Needs,
    /// The pools whose sidecar it is have no workers.
    Sidecar,
}

/// A pool is removed, and its workers leave when it is their turn.
#[derive(Debug)]
pub(super) struct Parting {
    /// Pools whose workers are to be gone before.
    after: Vec<PoolId>,
    asker: Asker,
}

impl Core {
    /// Opens and closes the gates of pools.
    pub(super) fn tend_gates(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        let has_order = self.has_order();
        let gate = |pool: &Pool| if has_order { self.gate_of(pool) } else { Gate::Open };
        let gates = self.pools.iter().filter(|(_, pool)| !pool.removed).map(|(&id, pool)| (id, gate(pool)));
        let changed: Vec<(PoolId, Gate)> = gates.filter(|(id, gate)| self.pools[id].gate != *gate).collect();
        for (id, gate) in changed {
            let Some(pool) = self.pools.get_mut(&id) else { continue };
            let was = std::mem::replace(&mut pool.gate, gate);
            pool.dirty = true;
            if was == Gate::Open {
                self.close(id, now, out);
            }
        }
    }

    /// Pools that this one waits for before it has workers.
    #[must_use]
    pub fn waits_for<'c>(&'c self, pool: &'c Pool) -> Vec<&'c PoolName> {
        match pool.gate {
            Gate::Open => Vec::new(),
            Gate::Needs => self.unmet(pool).collect(),
            Gate::Sidecar => self.mains_of(&pool.settings.name).map(|(_, main)| &main.settings.name).collect(),
        }
    }

    /// Workers of a master that stops leave when it is their turn.
    pub(super) fn stop_in_turn(&mut self, now: Now, out: &mut Vec<Action>) {
        if let Some((grace, caller)) = self.stopping
            && self.phase == Phase::Stopping
            && self.has_order()
        {
            self.stop_workers(grace, caller, now, out);
        }
    }

    /// The pools with workers that are to be gone before those of this one, which is removed with these others.
    pub(super) fn removed_before(&self, id: PoolId, others: &BTreeSet<PoolId>) -> Vec<PoolId> {
        let name = &self.pools[&id].settings.name;
        let goes = |other: PoolId, pool: &Pool| other != id && (pool.removed || others.contains(&other));
        let found = self.pools.iter().filter(|&(&other, pool)| goes(other, pool) && pool.ends_before(name));
        found.map(|(&other, _)| other).filter(|&other| self.has_living(other)).collect()
    }

    /// Removes a pool whose workers leave when those of the pools `after` are gone.
    pub(super) fn part_after(
        &mut self,
        id: PoolId,
        after: Vec<PoolId>,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) -> Wait {
        let workers = self.workers.ids(|worker| worker.pool == id).into_iter().collect();
        let stopped = self.stop_pool(id, out);
        if let Some(stopped) = &stopped {
            self.stop_scaling(id, stopped.was, now, out);
        }
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.parting = Some(Parting { after, asker });
        }
        self.serve_anew();
        self.wake_scaling();
        Wait::Stopped { workers, pools: stopped.into_iter().collect(), released: 0 }
    }

    /// Workers of pools that are removed leave when it is their turn.
    pub(super) fn part_in_turn(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        let is_due = |pool: &Pool| {
            pool.parting.as_ref().is_some_and(|parting| !parting.after.iter().any(|&other| self.has_living(other)))
        };
        let due: Vec<PoolId> = self.pools.iter().filter(|(_, pool)| is_due(pool)).map(|(&id, _)| id).collect();
        for id in due {
            if let Some(Parting { asker, .. }) = self.pools.get_mut(&id).and_then(|pool| pool.parting.take()) {
                self.empty(id, asker, now, out);
            }
        }
    }

    /// Whether workers of other pools are there that are to be gone before those of this one.
    pub(super) fn outlives_others(&self, id: PoolId) -> bool {
        let name = &self.pools[&id].settings.name;
        self.pools.iter().any(|(&other, pool)| !pool.removed && pool.ends_before(name) && self.has_living(other))
    }

    fn has_order(&self) -> bool {
        let is_plain = |pool: &Pool| {
            let supervision = &pool.settings.supervision;
            supervision.needs.is_empty() && supervision.sidecars.is_empty()
        };
        !self.pools.values().all(is_plain)
    }

    fn gate_of(&self, pool: &Pool) -> Gate {
        let is_open = pool.gate == Gate::Open;
        let mut mains = self.mains_of(&pool.settings.name).peekable();
        if mains.peek().is_some() && !mains.any(|(id, main)| self.is_up(id, main, is_open)) {
            return Gate::Sidecar;
        }
        if is_open || self.unmet(pool).next().is_none() { Gate::Open } else { Gate::Needs }
    }

    /// Whether a pool has workers; the sidecars of one that is being replaced are not touched.
    fn is_up(&self, id: PoolId, main: &Pool, was_up: bool) -> bool {
        let goes_on = || main.wanted > 0 && !main.removed && !main.is_over();
        if was_up { self.has_living(id) || goes_on() } else { self.ready_count(id) > 0 }
    }

    fn unmet<'c>(&'c self, pool: &'c Pool) -> impl Iterator<Item = &'c PoolName> {
        pool.settings.supervision.needs.iter().filter(|name| {
            let needed = self.pool_named(name);
            let is_met = |id| self.pools[&id].wanted == 0 || self.ready_count(id) + self.finished_count(id) > 0;
            !needed.is_none_or(is_met)
        })
    }

    fn mains_of<'c>(&'c self, name: &'c PoolName) -> impl Iterator<Item = (PoolId, &'c Pool)> {
        self.pools().filter(move |(_, pool)| pool.settings.supervision.sidecars.contains(name))
    }

    fn has_living(&self, id: PoolId) -> bool {
        let lives = |worker: &Handle| worker.pool == id && worker.is_alive() && !worker.state.is_unkillable();
        self.workers.iter().any(|(_, worker)| lives(worker))
    }

    /// All workers of a pool leave, and it keeps the number that it is to have.
    fn close(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) {
        self.hold_back(id, |_| true, out);
        self.empty(id, NOBODY, now, out);
    }

    fn empty(&mut self, id: PoolId, asker: Asker, now: Now, out: &mut Vec<Action>) {
        let slots: Vec<Slot> = self.pools[&id].slots.keys().copied().collect();
        for slot in slots {
            self.give_up_slot(id, slot, EndReason::Stopped, asker, now, out);
        }
    }
}

impl Pool {
    /// Whether its workers leave before those of the pool of this name, as it needs that one or has it as a sidecar.
    fn ends_before(&self, name: &PoolName) -> bool {
        let supervision = &self.settings.supervision;
        supervision.needs.contains(name) || supervision.sidecars.contains(name)
    }

    /// All its slots are over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_over = |entry: &SlotEntry| entry.state.over().is_some();
        !self.slots.is_empty() && self.slots.values().all(is_over)
    }
}
