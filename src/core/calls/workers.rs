//! The workers of one service, and which of them gets a call.
//!
//! Invariant: a worker changes in [`Workers::change`] only, so that `order`, `free` and `present` always are as its state
//! says; a choice then looks at no more than a few workers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::CallId;
use super::queue::Lane;
use crate::core::random::Random;
use crate::model::service::Strategy;
use crate::model::{Mono, Slot, WorkerId};

/// Of so many calls one goes to the slowest worker, so that a worker that was slow once is not passed over for ever.
const TRY_SLOWEST: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Ready,
    /// Whether its replacement was asked for.
    Unwanted,
    Draining,
    /// Whether `Drained` was said of it.
    Drained,
}

/// The load of a worker.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) wait: Wait,
    pub(super) sent: Mono,
    /// When the worker must have answered.
    pub(super) limit: Mono,
    /// When this is looked at.
    pub(super) timer: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    For(CallId),
    /// Given up: nobody waits for its answer, and the worker was told.
    Abandoned,
    /// The time of the worker is over.
    Overdue,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) slot: Slot,
    pub(super) state: State,
    /// As it said itself.
    pub(super) declared: Option<u32>,
    pub(super) concurrency: u32,
    pub(super) requests: BTreeMap<u64, Request>,
    pub(super) done: u64,
    /// How long its answers took lately, in microseconds; 0 before the first.
    answer_time: u64,
    /// The number of the choice that fell on it last.
    chosen: u64,
    place: Option<Place>,
}

/// Where a worker with room is found.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: (u64, u64),
    /// In `free`.
    index: usize,
}

impl Worker {
    pub(super) fn has_room(&self) -> bool {
        self.state == State::Ready && self.requests.len() < self.concurrency as usize
    }

    /// Calls that it could still answer.
    pub(super) fn holds_calls(&self) -> bool {
        self.requests.values().any(|request| request.wait != Wait::Overdue)
    }

    fn load(&self) -> u64 {
        self.requests.len() as u64 * 1000 / u64::from(self.concurrency)
    }

    fn took(&mut self, time: Duration) {
        let time = (time.as_micros() as u64).max(1);
        self.answer_time = if self.answer_time == 0 { time } else { (self.answer_time * 4 + time) / 5 };
    }
}

#[derive(Debug, Default)]
pub(super) struct Workers {
    all: BTreeMap<WorkerId, Worker>,
    strategy: Strategy,
    concurrency: u32,
    choices: u64,
    /// Workers with room, the next to be chosen first.
    order: BTreeSet<((u64, u64), WorkerId)>,
    free: Vec<WorkerId>,
    /// Workers that have a claim to their slot.
    present: BTreeSet<(Slot, WorkerId)>,
}

impl Workers {
    pub(super) fn get(&self, id: WorkerId) -> Option<&Worker> {
        self.all.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.all.values()
    }

    /// No worker takes calls, or will.
    pub(super) fn is_over(&self) -> bool {
        self.present.is_empty()
    }

    /// Slots with a worker in them, in order.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self.present.iter().map(|&(slot, _)| slot).collect();
        slots.dedup();
        slots
    }

    pub(super) fn set(&mut self, strategy: Strategy, concurrency: u32) {
        self.strategy = strategy;
        self.concurrency = concurrency;
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            self.change(id, |worker| worker.concurrency = worker.declared.unwrap_or(concurrency).max(1));
        }
    }

    pub(super) fn add(&mut self, id: WorkerId, slot: Slot) {
        let worker = Worker {
            slot,
            state: State::Starting,
            declared: None,
            concurrency: self.concurrency.max(1),
            requests: BTreeMap::new(),
            done: 0,
            answer_time: 0,
            chosen: 0,
            place: None,
        };
        self.all.insert(id, worker);
        self.change(id, |_| ());
    }

    pub(super) fn remove(&mut self, id: WorkerId) -> Option<Worker> {
        let before = self.change(id, |worker| std::mem::replace(&mut worker.state, State::Drained))?;
        self.all.remove(&id).map(|worker| Worker { state: before, ..worker })
    }

    /// Changes a worker; `None` if there is none of this id.
    pub(super) fn change<T>(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        let worker = self.all.get_mut(&id)?;
        let result = change(worker);
        match worker.state {
            State::Starting | State::Ready | State::Unwanted => self.present.insert((worker.slot, id)),
            State::Draining | State::Drained => self.present.remove(&(worker.slot, id)),
        };
        let key = worker.has_room().then(|| match self.strategy {
            Strategy::LeastLoaded => (worker.load(), worker.chosen),
            Strategy::RoundRobin => (0, worker.chosen),
            Strategy::Fastest => (worker.answer_time, worker.chosen),
            Strategy::Random | Strategy::TwoChoices | Strategy::Sticky => (0, 0),
        });
        let before = worker.place;
        match (before, key) {
            (Some(place), Some(key)) => worker.place = Some(Place { key, ..place }),
            (None, Some(key)) => {
                worker.place = Some(Place { key, index: self.free.len() });
                self.free.push(id);
            }
            (_, None) => worker.place = None,
        }
        if let Some(place) = before {
            self.order.remove(&(place.key, id));
            if key.is_none() {
                self.take_from_free(place.index);
            }
        }
        if let Some(key) = key {
            self.order.insert((key, id));
        }
        Some(result)
    }

    fn take_from_free(&mut self, index: usize) {
        self.free.swap_remove(index);
        let moved = self.free.get(index).and_then(|id| self.all.get_mut(id));
        if let Some(place) = moved.and_then(|worker| worker.place.as_mut()) {
            place.index = index;
        }
    }

    /// Whether a call of this lane would get a worker now.
    pub(super) fn has_room(&self, lane: Lane) -> bool {
        match self.strategy {
            Strategy::Sticky => self.of_slot(lane).is_some(),
            _ => !self.free.is_empty(),
        }
    }

    /// The worker that gets the next call of a lane.
    pub(super) fn choose(&self, lane: Lane, random: &mut Random) -> Option<WorkerId> {
        match self.strategy {
            Strategy::Fastest if random.next().is_multiple_of(TRY_SLOWEST) => self.order.last().map(|&(_, id)| id),
            Strategy::LeastLoaded | Strategy::RoundRobin | Strategy::Fastest => self.order.first().map(|&(_, id)| id),
            Strategy::Random => self.draw(random),
            Strategy::TwoChoices => {
                let (one, other) = (self.draw(random)?, self.draw(random)?);
                [one, other].into_iter().min_by_key(|id| self.all[id].load())
            }
            Strategy::Sticky => self.of_slot(lane),
        }
    }

    /// Gives a request to the worker that was chosen for it.
    pub(super) fn give(&mut self, id: WorkerId, number: u64, request: Request) {
        self.choices += 1;
        let chosen = self.choices;
        self.change(id, |worker| {
            worker.chosen = chosen;
            worker.requests.insert(number, request);
        });
    }

    fn draw(&self, random: &mut Random) -> Option<WorkerId> {
        let index = random.next().checked_rem(self.free.len() as u64)?;
        self.free.get(index as usize).copied()
    }

    /// The newest worker of a slot that has room.
    fn of_slot(&self, lane: Lane) -> Option<WorkerId> {
        let slot = lane?;
        let of_slot = self.present.range((slot, WorkerId(i64::MIN))..=(slot, WorkerId(i64::MAX)));
        of_slot.rev().map(|&(_, id)| id).find(|id| self.all[id].has_room())
    }

    /// Takes a request that was answered away from its worker; `None` if it does not have it.
    pub(super) fn answered(&mut self, id: WorkerId, request: u64, now: Mono) -> Option<Request> {
        self.change(id, |worker| {
            let answered = worker.requests.remove(&request)?;
            worker.done += 1;
            worker.took(now.since(answered.sent));
            Some(answered)
        })?
    }
}
