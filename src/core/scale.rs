//! Changing what is wanted: more or fewer workers, new pools, pools and workers that go.

use std::collections::BTreeSet;
use std::time::Duration;

use super::commands::{Asker, Tried, Wait};
use super::pool::{Pool, PoolId, Rolling};
use super::slot::{SlotEntry, SlotState};
use super::{Action, Core, Handle, Refusal, Target};
use crate::model::autoscale::Basis;
use crate::model::done::{Scaled, ScaledPool, StoppedPool};
use crate::model::gauge::MarkKind;
use crate::model::worker::EndReason;
use crate::model::{Notice, Now, PoolName, PoolSettings, Slot, Wanted, WorkerId};

/// Refuses so many workers of a pool where its settings allow fewer.
fn refuse_beyond_most(settings: &PoolSettings, wanted: u32) -> Result<(), Refusal> {
    match settings.limits.max_workers {
        Some(most) if wanted > most => Err(Refusal::BeyondMost { pool: settings.name.clone(), most, wanted }),
        Some(_) | None => Ok(()),
    }
}

impl Core {
    /// Adds a pool that comes up at the next settling.
    pub fn add_pool(&mut self, settings: PoolSettings) -> Result<PoolId, Refusal> {
        if self.pool_named(&settings.name).is_some() {
            return Err(Refusal::PoolExists(settings.name));
        }
        let id = PoolId(self.next_pool);
        self.next_pool += 1;
        self.pools.insert(id, Pool::new(settings));
        self.watch_idleness(id);
        self.heed_autoscale(id);
        Ok(id)
    }

    /// The pool of this name, unless it is being removed.
    #[must_use]
    pub fn pool_named(&self, name: &PoolName) -> Option<PoolId> {
        self.pools.iter().find(|(_, pool)| pool.settings.name == *name && !pool.removed).map(|(&id, _)| id)
    }

    pub(super) fn pools_to_scale(&self, target: &Target) -> Result<Vec<PoolId>, Refusal> {
        let pools = match target {
            Target::All => self.only_pool()?,
            Target::Queue(_) | Target::Pool(_) | Target::Workers(_) => self.target_pools(target)?,
        };
        self.without_singles(pools)
    }

    pub(super) fn scale(
        &mut self,
        target: &Target,
        workers: Wanted,
        hold: Option<Duration>,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) -> Result<Wait, Refusal> {
        let pools = self.pools_to_scale(target)?;
        let wished = |&id: &PoolId| {
            let Pool { settings, wanted: was, .. } = &self.pools[&id];
            let refusal = || Refusal::OutOfRange { pool: settings.name.clone(), was: *was, asked: workers };
            let wanted = workers.from(*was).ok_or_else(refusal)?;
            // Fewer are never refused.
            if wanted > *was {
                refuse_beyond_most(settings, wanted)?;
            }
            Ok((id, wanted))
        };
        // All of them or none.
        let wished = pools.iter().map(wished).collect::<Result<Vec<_>, Refusal>>()?;
        self.refuse_beyond_cap(&wished, 0)?;
        match hold {
            Some(hold) => self.pin(&pools, hold, now.mono)?,
            None => self.refuse_if_autoscaled(&pools)?,
        }
        let (mut before, mut leavers) = (Vec::new(), BTreeSet::new());
        for (id, wanted) in wished {
            let Some(pool) = self.pools.get(&id) else { continue };
            let was = pool.wanted;
            before.push((id, was));
            out.push(Action::Tell(Notice::Scaled { pool: pool.settings.name.clone(), was, wanted }));
            let text = format!("pool `{}`: {was} → {wanted} workers", pool.settings.name);
            self.mark(MarkKind::Scale, text, now);
            leavers.extend(self.resize(id, wanted, asker, now, out));
            self.revive(id);
            self.log_operator(id, was, Basis::Pinned, now, out);
        }
        self.serve_anew();
        self.shorten(&leavers, EndReason::Scaled, asker, now, out);
        Ok(Wait::Scaled { pools: before, workers: leavers, released: 0 })
    }

    /// Has a pool want so many workers; returns those that are too many, now or from earlier.
    pub(super) fn resize(
        &mut self,
        id: PoolId,
        wanted: u32,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) -> BTreeSet<WorkerId> {
        let mut leavers = BTreeSet::new();
        let Some(pool) = self.pools.get_mut(&id) else { return leavers };
        (pool.dirty, pool.wanted) = (true, wanted);
        while self.pools[&id].slots.len() > wanted as usize {
            let Some(slot) = self.cheapest_slot(id) else { break };
            let current = self.pools[&id].slots[&slot].state.current();
            let is_renewed = self.pools[&id].rolling.iter().any(|r| Some(r.worker) == current);
            // One that was to be renewed is not taken back.
            let why = if is_renewed { EndReason::Restarted } else { EndReason::Scaled };
            self.give_up_slot(id, slot, why, asker, now, out);
            leavers.extend(current);
        }
        leavers.extend(self.workers.ids(|w| w.pool == id && w.state.leaves() == Some(EndReason::Scaled)));
        leavers
    }

    pub(super) fn new_pool(&mut self, settings: PoolSettings) -> Result<Wait, Refusal> {
        refuse_beyond_most(&settings, settings.limits.workers)?;
        self.refuse_beyond_cap(&[], settings.limits.workers)?;
        let id = self.add_pool(settings)?;
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.spawned = true;
        }
        Ok(Wait::Scaled { pools: vec![(id, 0)], workers: BTreeSet::new(), released: 0 })
    }

    pub(super) fn restart(
        &mut self,
        target: &Target,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) -> Result<Wait, Refusal> {
        let slots = self.target_slots(&self.with_workers_of_pools(target))?;
        if let Some(&(id, slot)) = slots.iter().find(|(id, slot)| !self.pools[id].slots.contains_key(slot)) {
            return Err(Refusal::NoSuchWorker(self.name_of(id, slot)));
        }
        let mut workers = BTreeSet::new();
        let (mut names, mut tried) = (Vec::new(), Tried::default());
        for &(id, slot) in &slots {
            if self.forgive(id, slot) {
                tried.slots.insert((id, slot));
            }
            let Some(pool) = self.pools.get_mut(&id) else { continue };
            let Some(worker) = pool.slots.get(&slot).and_then(|e| e.state.current()) else {
                tried.count += 1;
                tried.slots.insert((id, slot));
                continue;
            };
            workers.insert(worker);
            names.push(self.workers[worker].name.to_string());
            let grace = asker.grace_of(worker);
            match pool.rolling.iter_mut().find(|r| r.worker == worker) {
                Some(rolling) => rolling.grace = [rolling.grace, grace].into_iter().flatten().min(),
                None => pool.rolling.push_back(Rolling { worker, grace }),
            }
        }
        names.sort();
        // Also those whose places an earlier restart has given to others.
        let leavers = self.leavers(&slots, EndReason::Restarted);
        if asker.grace.is_some() {
            self.shorten(&leavers, EndReason::Restarted, asker, now, out);
            workers.extend(leavers);
        }
        Ok(Wait::Restarted { workers, slots, names, tried, released: 0 })
    }

    /// A restart tries anew: what did not come up before may be repaired. Whether something did not.
    fn forgive(&mut self, id: PoolId, slot: Slot) -> bool {
        let Some(entry) = self.entry(id, slot) else { return false };
        let (state, deaths) = (entry.state, entry.backoff.deaths);
        entry.backoff.forget();
        if state.over().is_some() {
            self.set_slot(id, slot, SlotState::Empty);
        }
        self.end_backoff(id, slot);
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.said = None;
        }
        deaths > 0 || state.over().is_some()
    }

    /// Slots of the pool that are over are to be filled again.
    pub(super) fn revive(&mut self, id: PoolId) {
        let Some(pool) = self.pools.get(&id) else { return };
        let over: Vec<Slot> = pool.slots.iter().filter(|(_, e)| e.state.over().is_some()).map(|(&s, _)| s).collect();
        for slot in over {
            self.forgive(id, slot);
        }
    }

    pub(super) fn stop_some(
        &mut self,
        target: &Target,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) -> Result<Wait, Refusal> {
        let slots = self.target_slots(target)?;
        let pools = if let Target::Workers(_) = target { Vec::new() } else { self.target_pools(target)? };
        let in_slots = slots.iter().filter_map(|&(id, slot)| self.pools[&id].slots.get(&slot)?.state.current());
        let mut workers: BTreeSet<WorkerId> = in_slots.collect();
        let leaves = |w: &Handle| w.is_alive() && w.state.leaves().is_some() && slots.contains(&(w.pool, w.slot));
        workers.extend(self.workers.ids(|w| pools.contains(&w.pool) || leaves(w)));
        let mut stopped = Vec::new();
        for &id in &pools {
            let Some(pool) = self.stop_pool(id, out) else { continue };
            self.stop_scaling(id, pool.was, now, out);
            stopped.push(pool);
        }
        for (id, slot) in slots {
            let pool = self.pools.get_mut(&id).filter(|pool| pool.slots.contains_key(&slot) && !pools.contains(&id));
            if let Some(pool) = pool {
                let was = pool.wanted;
                (pool.wanted, pool.dirty) = (was.saturating_sub(1), true);
                self.log_operator(id, was, Basis::StoppedWorker, now, out);
            }
            self.give_up_slot(id, slot, EndReason::Stopped, asker, now, out);
        }
        self.serve_anew();
        self.wake_scaling();
        for &id in &workers {
            self.leave(id, EndReason::Stopped, asker.grace_of(id), now, out);
        }
        Ok(Wait::Stopped { workers, pools: stopped, released: 0 })
    }

    /// No more jobs for a pool; one that was spawned is forgotten with its last worker.
    pub(super) fn stop_pool(&mut self, id: PoolId, out: &mut Vec<Action>) -> Option<StoppedPool> {
        let pool = self.pools.get_mut(&id)?;
        pool.removed = pool.spawned;
        pool.dirty = true;
        let was = std::mem::take(&mut pool.wanted);
        let stopped = StoppedPool { pool: pool.settings.name.clone(), was, kept: !pool.spawned };
        self.hold_back(id, |_| true, out);
        Some(stopped)
    }

    /// Removes a slot, with its worker and who was to follow in it.
    pub(super) fn give_up_slot(
        &mut self,
        id: PoolId,
        slot: Slot,
        why: EndReason,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(left) = self.remove_slot(id, slot) else { return };
        for worker in left.state.workers() {
            self.change(worker, |worker, _| worker.history = left.history);
            self.leave(worker, why, asker.grace_of(worker), now, out);
        }
    }

    /// Workers of these names that left their slots for this reason, and are still there.
    fn leavers(&self, slots: &BTreeSet<(PoolId, Slot)>, why: EndReason) -> BTreeSet<WorkerId> {
        let leaves = |w: &Handle| w.state.leaves() == Some(why) && slots.contains(&(w.pool, w.slot));
        self.workers.ids(leaves).into_iter().collect()
    }

    /// A grace that is given holds also for workers that are leaving already.
    fn shorten(&mut self, leavers: &BTreeSet<WorkerId>, why: EndReason, asker: Asker, now: Now, out: &mut Vec<Action>) {
        if asker.grace.is_some() {
            for &id in leavers {
                self.leave(id, why, asker.grace_of(id), now, out);
            }
        }
    }

    /// The pool that is meant where none is named, if there is one.
    #[must_use]
    pub fn pool_unnamed(&self) -> Option<&str> {
        let pool = self.only_pool().ok()?.pop()?;
        Some(self.pools.get(&pool)?.settings.name.as_str())
    }

    fn only_pool(&self) -> Result<Vec<PoolId>, Refusal> {
        let live: Vec<_> = self.pools.iter().filter(|(_, p)| !p.removed && p.single.is_none()).collect();
        match live.as_slice() {
            [(id, _)] => Ok(vec![**id]),
            [] => Err(Refusal::NoSuchPool(String::from("default"))),
            several => Err(Refusal::WhichPool(several.iter().map(|(_, p)| p.settings.name.clone()).collect())),
        }
    }

    /// The ones among these pools that can be scaled.
    fn without_singles(&self, mut pools: Vec<PoolId>) -> Result<Vec<PoolId>, Refusal> {
        let single = pools.extract_if(.., |id| self.pools[id].single.is_some()).next();
        match single {
            Some(id) if pools.is_empty() => Err(Refusal::SingleWorker(self.pools[&id].settings.name.clone())),
            Some(_) | None => Ok(pools),
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

    /// The name of the workers in a slot.
    fn name_of(&self, id: PoolId, slot: Slot) -> String {
        format!("{}-{slot}", self.pools[&id].settings.name)
    }

    /// The slots that are meant, of workers by name also those that nobody has any more whose worker is still leaving.
    fn target_slots(&self, target: &Target) -> Result<BTreeSet<(PoolId, Slot)>, Refusal> {
        let slots_of =
            |(&id, pool): (&PoolId, &Pool)| pool.slots.keys().map(move |&slot| (id, slot)).collect::<Vec<_>>();
        let Target::Workers(names) = target else {
            let pools = self.target_pools(target)?;
            return Ok(self.pools.iter().filter(|(id, _)| pools.contains(id)).flat_map(slots_of).collect());
        };
        let leaving = self.workers.iter().filter(|(_, w)| w.is_alive()).map(|(_, w)| (w.pool, w.slot));
        let all: BTreeSet<(PoolId, Slot)> = self.pools.iter().flat_map(slots_of).chain(leaving).collect();
        let found = |name: &String| {
            let found = all.iter().find(|&&(id, slot)| self.name_of(id, slot) == *name);
            found.copied().ok_or_else(|| Refusal::NoSuchWorker(name.clone()))
        };
        names.iter().map(found).collect()
    }

    /// Slots of the pool whose workers ended as they were to, and are not to be followed by others.
    pub(super) fn finished_count(&self, id: PoolId) -> u32 {
        self.pools.get(&id).map_or(0, |pool| pool.slots.values().filter(|e| e.state.is_finished()).count() as u32)
    }

    /// The same target, with the workers of pools in the place of names that only pools have.
    fn with_workers_of_pools(&self, target: &Target) -> Target {
        let Target::Workers(names) = target else { return target.clone() };
        let names = names.iter().flat_map(|name| {
            let is_it = |pool: &Pool| !pool.removed && pool.settings.name.as_str() == name;
            match self.pools.iter().find(|(_, pool)| is_it(pool)) {
                Some((&id, pool)) => pool.slots.keys().map(|&slot| self.name_of(id, slot)).collect(),
                None => vec![name.clone()],
            }
        });
        Target::Workers(names.collect())
    }

    /// Workers of the pool that take jobs.
    pub(super) fn ready_count(&self, id: PoolId) -> u32 {
        let Some(pool) = self.pools.get(&id) else { return 0 };
        let ready = |e: &&SlotEntry| e.state.current().is_some_and(|w| self.workers[w].is_ready());
        pool.slots.values().filter(ready).count() as u32
    }

    /// Slots that are as they are wanted: filled, over, or with a worker that follows one that has reached a limit. Where
    /// workers are replaced all the time they may never be ready all at once.
    pub(super) fn settled_count(&self, id: PoolId) -> u32 {
        let Some(pool) = self.pools.get(&id) else { return 0 };
        let is_ready = |e: &SlotEntry| e.state.current().is_some_and(|w| self.workers[w].is_ready());
        let is_renewed =
            |e: &SlotEntry| e.backoff.deaths == 0 && e.history.last_exit.is_some_and(|(why, _)| why.is_limit());
        pool.slots.values().filter(|e| e.state.is_finished() || is_ready(e) || is_renewed(e)).count() as u32
    }

    pub(super) fn counts(&self, pools: &[(PoolId, u32)], released: u64) -> Scaled {
        let count = |&(id, was): &(PoolId, u32)| {
            let pool = self.pools.get(&id)?;
            Some(ScaledPool { pool: pool.settings.name.clone(), was, wanted: pool.wanted, ready: self.ready_count(id) })
        };
        Scaled { pools: pools.iter().filter_map(count).collect(), released, left: Vec::new() }
    }
}
