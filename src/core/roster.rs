//! The roster: slots and the workers in them, from the wish for a process to its being ready.
//!
//! `reconcile` compares wanted with actual and is the only place where a slot is made or given up.

use std::collections::{BTreeSet, VecDeque};

use super::backoff::Ended;
use super::leaks::Mark;
use super::order::Gate;
use super::pool::{Pool, PoolId};
use super::slot::{SlotEntry, SlotHistory, SlotState};
use super::worker::{Handle, State};
use super::{Action, Core, Phase, Tag};
use crate::model::change::{Change, WorkerStarted};
use crate::model::death::SlotProblem;
use crate::model::worker::EndReason;
use crate::model::{Notice, Now, ReadyWhen, Slot, Takes, WorkerId};

impl Core {
    /// Compares the slots of a pool with what is wanted, and fills what is empty.
    pub(super) fn reconcile(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        if !std::mem::take(&mut pool.dirty) || pool.parting.is_some() || self.phase != Phase::Running {
            return;
        }
        let wanted = if pool.removed || pool.gate != Gate::Open { 0 } else { pool.wanted as usize };
        while self.pools[&id].slots.len() < wanted && self.take_back(id) {}
        let room = self.room();
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let taken: BTreeSet<Slot> = pool.leaving.iter().map(|&w| self.workers[w].slot).collect();
        // The lowest numbers that nobody has, also nobody who is leaving.
        let mut numbers = (1..=u32::MAX).map(Slot);
        while pool.slots.len() < wanted {
            let Some(slot) = numbers.find(|s| !pool.slots.contains_key(s) && !taken.contains(s)) else { break };
            pool.slots.insert(slot, SlotEntry::default());
        }
        let due = |entry: &SlotEntry| entry.state == SlotState::Empty && entry.may_spawn(now.mono);
        let mut empty: Vec<Slot> = pool.slots.iter().filter(|(_, e)| due(e)).map(|(&s, _)| s).collect();
        let (room, most) = (room as usize, self.spawns.left() as usize);
        let capped = empty.len() > room;
        empty.truncate(room);
        // The others have their turn later.
        pool.dirty = empty.len() > most;
        empty.truncate(most);
        if capped {
            self.wait_for_room();
        }
        for slot in empty {
            self.spawn(id, slot, now, out);
        }
    }

    /// A worker that was scaled away and does its last job is wanted again; false if there is none.
    fn take_back(&mut self, id: PoolId) -> bool {
        let Some(pool) = self.pools.get_mut(&id) else { return false };
        // The gateway does not take back what it was told.
        if pool.settings.is_service() {
            return false;
        }
        let stays = |w: &WorkerId| match self.workers[*w].state {
            State::Draining { pid, why: EndReason::Scaled, closed: false, .. } => Some((*w, pid)),
            _ => None,
        };
        let Some((worker, pid)) = pool.leaving.iter().find_map(stays) else { return false };
        pool.leaving.remove(&worker);
        let entry =
            SlotEntry { state: SlotState::Held(worker), history: self.workers[worker].history, ..SlotEntry::default() };
        pool.slots.insert(self.workers[worker].slot, entry);
        self.set_state(worker, State::ready(pid));
        true
    }

    /// The slot that costs least: an empty one, then one that is starting or ending, then idle, then busy; of equals the
    /// highest.
    pub(super) fn cheapest_slot(&self, id: PoolId) -> Option<Slot> {
        let rank = |entry: &SlotEntry| match entry.state.current().map(|w| &self.workers[w]) {
            None => 0,
            Some(worker) if !worker.is_ready() => 1,
            Some(worker) if worker.flights.is_empty() => 2,
            Some(_) => 3,
        };
        self.pools.get(&id)?.slots.iter().min_by_key(|(s, e)| (rank(e), std::cmp::Reverse(**s))).map(|(&s, _)| s)
    }

    /// Asks for a process for this slot: to fill it, or to follow the worker in it. The roster knows it before it can speak.
    pub(super) fn spawn(&mut self, id: PoolId, slot: Slot, now: Now, out: &mut Vec<Action>) {
        self.spawns.ask(now.mono);
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        let Pool { settings, slots, share, .. } = &self.pools[&id];
        let Some(entry) = slots.get(&slot) else { return };
        let (state, jitter) = (entry.state.with(worker), self.random.factor(0.1));
        let handle = Handle {
            name: format!("{}-{slot}", settings.name).into(),
            pool: id,
            slot,
            state: State::Spawning { leaves: None },
            flights: VecDeque::new(),
            since: now.mono,
            history: SlotHistory::default(),
            jobs_done: 0,
            has_calls: false,
            given_up: None,
            was_ready: false,
            refused: None,
            concurrency: 1,
            share: *share,
            memory: None,
            peak: None,
            cpu: None,
            sampled: None,
            cpu_over: None,
            baseline: None,
            alone: None,
            max_jobs: settings.limits.own_max_jobs(jitter),
            expires: settings.limits.max_time.map(|d| now.mono + d.mul_f64(jitter)),
            pauses: 0,
            next_request: 1,
            armed: None,
            load: None,
            mark: Mark::default(),
        };
        self.add_worker(worker, handle);
        self.set_slot(id, slot, state);
        out.push(Action::Spawn { worker, pool: id, slot });
    }

    pub(super) fn spawned(&mut self, id: WorkerId, pid: u32, now: Now, out: &mut Vec<Action>) {
        self.spawns.worked();
        let Some(worker) = self.workers.get(id) else { return };
        let State::Spawning { leaves } = worker.state else { return };
        let settings = &self.pools[&worker.pool].settings;
        let (by_message, ready_by) = (settings.ready == ReadyWhen::Message, now.mono + settings.limits.ready_timeout);
        let started = WorkerStarted { worker: id, pool: settings.name.clone(), slot: worker.slot, pid, at: now.wall };
        out.push(Action::Write(Change::WorkerStarted(Box::new(started)), Tag::None));
        self.change(id, |worker, pool| {
            worker.state = State::Starting { pid, ready_by };
            pool.counts.started += 1;
        });
        self.rollups.touch(now.mono);
        match leaves {
            Some((why, at)) => self.leave(id, why, at.map(|at| at.since(now.mono)), now, out),
            None if by_message => {}
            None => self.ready(id, 1, now, out),
        }
    }

    /// The worker sent `ready`.
    pub(super) fn says_ready(
        &mut self,
        id: WorkerId,
        concurrency: u32,
        types: Option<Takes>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.name_types(id, types, out);
        self.ready(id, concurrency, now, out);
    }

    fn ready(&mut self, id: WorkerId, concurrency: u32, now: Now, out: &mut Vec<Action>) {
        self.change(id, |worker, _| worker.concurrency = concurrency.clamp(1, 1000));
        self.begin_next(id, now, out);
        let Some(worker) = self.workers.get(id) else { return };
        if let State::Starting { pid, .. } = worker.state {
            let (pool, took) = (worker.pool, now.mono.since(worker.since));
            if let Some(scaler) = self.pools.get_mut(&pool).and_then(|pool| pool.scaler.as_mut()) {
                scaler.learn_start(took);
            }
            out.push(Action::Tell(Notice::WorkerStarted { worker: worker.name.to_string(), pid }));
            self.change(id, |worker, _| (worker.state, worker.was_ready) = (State::ready(pid), true));
            if let Some(entry) = self.slot_of(id) {
                entry.backoff.problem = None;
            }
            self.take_over(id, now, out);
        }
    }

    pub(super) fn spawn_failed(&mut self, id: WorkerId, error: String, now: Now, out: &mut Vec<Action>) {
        let ended = Ended::NotStarted;
        let next = self.vacate(id, ended, now);
        let said = next.and_then(|next| self.note_end(id, ended, next, SlotProblem::NotStarted(error), now));
        out.extend(said.map(Action::Tell));
        let Some(worker) = self.remove_worker(id) else { return };
        if let Some(pool) = self.pools.get_mut(&worker.pool) {
            // A successor leaves a slot that is held, and is tried again in the next turn all the same.
            pool.dirty = true;
        }
        let Some(entry) = self.entry(worker.pool, worker.slot).filter(|_| next.is_some()) else { return };
        entry.history.last_exit = Some((EndReason::SpawnFailed, None));
    }
}
