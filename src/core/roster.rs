//! The roster: slots and the workers in them, from the wish for a process to its being ready.
//!
//! `reconcile` compares wanted with actual and is the only place where a slot is made or given up.

use std::collections::{BTreeSet, VecDeque};

use super::deadlines::Timer;
use super::dispatch::assign;
use super::pool::{PoolId, SlotEntry};
use super::worker::{Handle, State};
use super::{Action, Core, Note, Phase, Tag};
use crate::model::change::{Change, WorkerStarted};
use crate::model::death::SlotProblem;
use crate::model::worker::EndReason;
use crate::model::{Mono, Now, ReadyWhen, Slot, WorkerId};

impl Core {
    /// Compares the slots of a pool with what is wanted: gives up what is too many, fills what is empty.
    pub(super) fn reconcile(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if !std::mem::take(&mut pool.dirty) || self.phase != Phase::Running {
            return;
        }
        let wanted = if pool.removed { 0 } else { pool.wanted as usize };
        while self.pools[&id].slots.len() > wanted {
            self.give_up_slot(id, now, out);
        }
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let taken: BTreeSet<Slot> = pool.leaving.iter().map(|w| self.workers[w].slot).collect();
        // The lowest numbers that nobody has, also nobody who is leaving.
        let mut numbers = (1..=u32::MAX).map(Slot);
        while pool.slots.len() < wanted {
            let Some(slot) = numbers.find(|s| !pool.slots.contains_key(s) && !taken.contains(s)) else { break };
            pool.slots.insert(slot, SlotEntry::default());
        }
        let due = |entry: &SlotEntry| entry.current.is_none() && entry.not_before.is_none_or(|at| at <= now.mono);
        let most = self.spawns.left() as usize;
        let mut empty: Vec<Slot> = pool.slots.iter().filter(|(_, e)| due(e)).map(|(&s, _)| s).collect();
        // The others have their turn later.
        pool.dirty = empty.len() > most;
        empty.truncate(most);
        for slot in empty {
            let worker = self.spawn(id, slot, now, out);
            if let Some(entry) = self.entry(id, slot) {
                entry.current = Some(worker);
            }
        }
    }

    /// Gives up the slot that costs least: an empty one, then one that is starting or ending, then idle, then busy; of equals
    /// the highest.
    fn give_up_slot(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let rank = |entry: &SlotEntry| match entry.current.map(|w| &self.workers[&w]) {
            None => 0,
            Some(worker) if !worker.is_ready() => 1,
            Some(worker) if worker.flights.is_empty() => 2,
            Some(_) => 3,
        };
        let Some(slot) = pool.slots.iter().min_by_key(|(s, e)| (rank(e), std::cmp::Reverse(**s))).map(|(&s, _)| s)
        else {
            return;
        };
        let grace = pool.settings.limits.grace;
        let why = if pool.removed { EndReason::Stopped } else { EndReason::Scaled };
        let Some(entry) = self.remove_slot(id, slot) else { return };
        for worker in [entry.current, entry.successor].into_iter().flatten() {
            self.leave(worker, why, grace, now, out);
        }
    }

    /// Removes a slot; its workers are the caller's business.
    pub(super) fn remove_slot(&mut self, id: PoolId, slot: Slot) -> Option<SlotEntry> {
        let entry = self.pools.get_mut(&id)?.slots.remove(&slot)?;
        if let Some(at) = entry.not_before {
            self.timers.disarm(at, Timer::Slot(id, slot));
        }
        Some(entry)
    }

    /// Asks for a process. The roster knows it before it can speak.
    pub(super) fn spawn(&mut self, id: PoolId, slot: Slot, now: Now, out: &mut Vec<Action>) -> WorkerId {
        self.spawns.ask(now.mono);
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        let settings = &self.pools[&id].settings;
        let jitter = self.random.factor(0.1);
        let handle = Handle {
            name: format!("{}-{slot}", settings.name).into(),
            pool: id,
            slot,
            pid: None,
            state: State::Starting { ready_by: now.mono + settings.limits.ready_timeout },
            flights: VecDeque::new(),
            since: now.mono,
            jobs_done: 0,
            concurrency: 1,
            memory: None,
            peak: None,
            cpu: None,
            baseline: None,
            alone: None,
            max_jobs: settings.limits.max_jobs.map(|n| ((n as f64 * jitter).round() as u64).max(1)),
            expires: settings.limits.max_time.map(|d| now.mono + d.mul_f64(jitter)),
            recycle: None,
            held_until: None,
            paused_until: None,
            pauses: 0,
            next_request: 1,
            armed: None,
            load: None,
        };
        self.workers.insert(worker, handle);
        self.arm(worker);
        out.push(Action::Spawn { worker, pool: id, slot });
        worker
    }

    pub(super) fn spawned(&mut self, id: WorkerId, pid: u32, now: Now, out: &mut Vec<Action>) {
        self.spawns.worked();
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.pid = Some(pid);
        let pool = &self.pools[&worker.pool];
        let (slot, by_message) = (worker.slot, pool.settings.ready == ReadyWhen::Message);
        let started = WorkerStarted { worker: id, pool: pool.settings.name.clone(), slot, pid, at: now.wall };
        out.push(Action::Write(Change::WorkerStarted(Box::new(started)), Tag::None));
        if !by_message {
            self.ready(id, 1, now, out);
        }
    }

    pub(super) fn ready(&mut self, id: WorkerId, concurrency: u32, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(pool) = self.pools.get(&worker.pool) else { return };
        worker.concurrency = concurrency.clamp(1, 1000);
        worker.start_flights(now.mono, pool.settings.limits.kill_after, assign(id, pool, out));
        let (pool, slot) = (worker.pool, worker.slot);
        if let State::Starting { .. } = worker.state {
            worker.state = State::Ready;
            let name = worker.name.to_string();
            out.push(Action::Note(Note::WorkerReady { worker: name, pid: worker.pid.unwrap_or(0) }));
            if let Some(entry) = self.entry(pool, slot) {
                entry.problem = None;
            }
            self.take_over(id, now, out);
        }
        self.reload(id);
        self.arm(id);
    }

    pub(super) fn spawn_failed(&mut self, id: WorkerId, error: String, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.forget_unspawned(id) else { return };
        self.vacate(id, &worker, true, now);
        let next_in = self.entry(worker.pool, worker.slot).map(|entry| {
            entry.last_exit = Some((EndReason::SpawnFailed, None));
            entry.problem = Some(SlotProblem::NotStarted(error.clone()));
            entry.not_before.map_or(std::time::Duration::ZERO, |at| at.since(now.mono))
        });
        if let Some(next_in) = next_in {
            let worker = worker.name.to_string();
            out.push(Action::Note(Note::SpawnFailed { worker, error, next_in }));
        }
    }

    /// There will be no process of this worker.
    pub(super) fn forget_unspawned(&mut self, id: WorkerId) -> Option<Handle> {
        let worker = self.workers.remove(&id)?;
        if let Some(at) = worker.armed {
            self.timers.disarm(at, Timer::Worker(id));
        }
        if let Some(pool) = self.pools.get_mut(&worker.pool) {
            pool.leaving.remove(&id);
        }
        Some(worker)
    }

    pub(super) fn entry(&mut self, pool: PoolId, slot: Slot) -> Option<&mut SlotEntry> {
        self.pools.get_mut(&pool).and_then(|p| p.slots.get_mut(&slot))
    }

    /// Arms the worker's timer for its next deadline, if that is earlier than what is armed.
    pub(super) fn arm(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(at) = worker.next_deadline() else { return };
        if worker.armed.is_none_or(|armed: Mono| at < armed) {
            if let Some(old) = worker.armed {
                self.timers.disarm(old, Timer::Worker(id));
            }
            worker.armed = Some(at);
            self.timers.arm(at, Timer::Worker(id));
        }
    }
}
