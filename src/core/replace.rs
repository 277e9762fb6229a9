//! Replacing workers: those at a limit, and those an operator wants new. At most one in four of a pool (at least
//! one) at any moment.
//!
//! A worker at a limit does its job, leaves, and its slot is filled at once: no more jobs run at a time than there are
//! places. A restart is the other way round: the new worker is ready before the old one is retired, whose job may last for
//! hours beside it, and keeps nobody else from being renewed. Until its turn comes, a worker at a limit is held back for a
//! moment, so that `max_jobs` holds also where jobs are much shorter than the start of a worker.

use super::pool::{PoolId, Rolling};
use super::slot::{SlotEntry, SlotState};
use super::worker::{Hold, Recycle, State};
use super::{Action, Core, Handle, Phase};
use crate::model::death::Over;
use crate::model::worker::EndReason;
use crate::model::{Now, Slot, WorkerId};

/// After this many new workers in a row that did not come up, a restart is given up.
const GIVE_UP_AFTER: u32 = 3;

impl SlotEntry {
    /// Its new workers do not come up. Deaths of the past do not count once one is ready.
    pub(super) fn is_failing(&self) -> bool {
        let is_given_up = matches!(self.state, SlotState::Over(Over::GivenUp(_)));
        is_given_up || (self.backoff.deaths >= GIVE_UP_AFTER && self.backoff.problem.is_some())
    }
}

impl Core {
    /// Gives the next workers their turn.
    pub(super) fn replace(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get(&id) else { return };
        let waits = |w: &WorkerId| self.workers.get(*w).is_some_and(|w| w.finishes_first() && w.is_held());
        if self.phase != Phase::Running || (pool.rolling.is_empty() && pool.recycles.iter().all(waits)) {
            return;
        }
        // One that does a last job in its place is missed by nobody.
        let being_replaced = |e: &SlotEntry| match e.state {
            SlotState::Held(worker) => !self.workers[worker].is_ready() && !self.workers[worker].leaves_after_job(),
            SlotState::Empty | SlotState::Replacing { .. } => true,
            SlotState::Over(_) => false,
        };
        let cap = pool.replace_cap();
        let mut free = cap.saturating_sub(pool.slots.values().filter(|e| being_replaced(e)).count());
        while free > 0
            && self.has_room_for_leaver(id, |w| !w.leaves_after_job())
            && (self.recycle_next(id, now, out) || self.roll_next(id, now, out))
        {
            free -= 1;
        }
    }

    /// Whether another worker may be replaced while those before it are still leaving: never more of those that count than
    /// the pool has places, or slow leavers would pile up. One that not even KILL ends does not count.
    fn has_room_for_leaver(&self, id: PoolId, counts: impl Fn(&Handle) -> bool) -> bool {
        let Some(pool) = self.pools.get(&id) else { return false };
        let leavers = pool.leaving.iter().map(|&w| &self.workers[w]);
        let left = leavers.filter(|w| counts(w) && !w.state.is_unkillable()).count();
        left < pool.wanted.max(1) as usize
    }

    /// Whether a worker may leave with jobs in hand and have a successor beside it, of itself and not by request: else the
    /// jobs that run at a time would be more and more.
    pub(super) fn may_add_busy_leaver(&self, id: PoolId) -> bool {
        self.has_room_for_leaver(id, |_| true)
    }

    /// Retires the next worker that reached a limit; false if there is none, or all are at their jobs.
    fn recycle_next(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) -> bool {
        let may_be_busy = self.may_add_busy_leaver(id);
        let Some(pool) = self.pools.get_mut(&id) else { return false };
        let workers = &self.workers;
        let may_leave = |w: &Handle| w.flights.is_empty() || (may_be_busy && !w.finishes_first());
        let limit = |w: &WorkerId| match workers.get(*w)?.state {
            State::Ready { recycle: Some(Recycle { why, .. }), .. } => Some(why),
            _ => None,
        };
        pool.recycles.retain(|w| limit(w).is_some());
        let Some(at) = pool.recycles.iter().position(|w| may_leave(&workers[*w])) else {
            let goes_on = pool.recycles.iter().find(|w| !workers[**w].is_held()).copied();
            if let Some(worker) = goes_on {
                self.hold_after_job(worker);
            }
            return false;
        };
        let Some((worker, why)) = pool.recycles.remove(at).and_then(|w| Some((w, limit(&w)?))) else { return false };
        self.vacate_for_successor(worker, why);
        self.leave(worker, why, None, now, out);
        self.reconcile(id, now, out);
        true
    }

    /// The turn of a worker has come that was given jobs again: this one is its last.
    fn hold_after_job(&mut self, id: WorkerId) {
        self.change(id, |worker, _| {
            if let State::Ready { recycle: Some(Recycle { hold, .. }), .. } = &mut worker.state {
                *hold = Hold::Busy;
            }
        });
    }

    /// Starts the successor of the next worker to be renewed; false if there is none whose time has come.
    fn roll_next(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) -> bool {
        let Some(pool) = self.pools.get_mut(&id) else { return false };
        let workers = &self.workers;
        let in_slot = |r: &Rolling| workers.get(r.worker).map(|w| w.slot);
        // Workers that left for another reason: the ones in their places are new already.
        let (slots, rolling) = (&pool.slots, &mut pool.rolling);
        rolling.retain(|r| in_slot(r).and_then(|s| slots.get(&s)).is_some_and(|e| e.state.current() == Some(r.worker)));
        let entries = || rolling.iter().filter_map(in_slot).filter_map(|s| Some((s, slots.get(&s)?)));
        if entries().any(|(_, e)| e.is_failing()) {
            rolling.clear();
            return false;
        }
        // Workers whose successor is coming up stay, in case it fails.
        let may = self.spawns.left() > 0;
        let due = |e: &SlotEntry| may && e.state.successor().is_none() && e.may_spawn(now.mono);
        let Some(slot) = entries().find(|(_, e)| due(e)).map(|(s, _)| s) else { return false };
        if self.room() == 0 {
            self.renew_in_place(id, slot, now, out);
        } else {
            self.spawn(id, slot, now, out);
        }
        true
    }

    /// There may be no process beside the old one: that leaves first.
    fn renew_in_place(&mut self, id: PoolId, slot: Slot, now: Now, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let Some(old) = pool.slots.get(&slot).and_then(|entry| entry.state.current()) else { return };
        let at = pool.rolling.iter().position(|rolling| rolling.worker == old);
        let grace = at.and_then(|at| pool.rolling.remove(at)).and_then(|rolling| rolling.grace);
        self.vacate_for_successor(old, EndReason::Restarted);
        self.leave(old, EndReason::Restarted, grace, now, out);
    }

    /// A worker has become ready: if it is a successor, the old one retires.
    pub(super) fn take_over(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let (pool_id, slot) = (self.workers[id].pool, self.workers[id].slot);
        let Some(entry) = self.entry(pool_id, slot) else { return };
        let SlotState::Replacing { old, new } = entry.state else { return };
        if new != id {
            return;
        }
        entry.backoff.deaths = 0;
        entry.history.restarts += 1;
        entry.history.last_exit = Some((EndReason::Restarted, None));
        self.set_slot(pool_id, slot, SlotState::Held(new));
        let Some(pool) = self.pools.get_mut(&pool_id) else { return };
        let grace = pool.rolling.iter().find(|r| r.worker == old).and_then(|r| r.grace);
        pool.rolling.retain(|r| r.worker != old);
        self.leave(old, EndReason::Restarted, grace, now, out);
    }

    /// Takes a worker out of its slot so that it is filled anew while the worker still finishes.
    pub(super) fn vacate_for_successor(&mut self, id: WorkerId, why: EndReason) {
        let Some(worker) = self.workers.get(id) else { return };
        let (pool, slot) = (worker.pool, worker.slot);
        let Some(entry) = self.entry(pool, slot).filter(|entry| entry.state.current() == Some(id)) else { return };
        let Some(state) = entry.state.without(id) else { return };
        entry.history.restarts += 1;
        entry.backoff.deaths = 0;
        entry.history.last_exit = Some((why, None));
        self.set_slot(pool, slot, state);
    }
}
