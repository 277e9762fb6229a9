//! One service: its workers, its calls, and what is declared.
//!
//! Knows nothing of other services. Invariant: between two events no call waits that a worker could take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::circuit::Circuit;
use super::queue::{Lane, Queue};
use super::rules::{Rules, rules_of};
use super::sample::Sampling;
use super::stats::{End, OTHER, Stats, WHOLE_MESSAGE};
use super::workers::{Request, State, Wait, Workers};
use super::{Answer, Call, CallAction, CallId, ServiceView, Turn, refusal};
use crate::core::random;
use crate::model::service::{Absence, CallError, CallLoad, Declared, ServiceSettings, Strategy};
use crate::model::{Mono, PoolName, Slot, WorkerId};

/// A call that is not over.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) call: Arc<Call>,
    /// Calls that arrived before have smaller ones.
    pub(super) number: u64,
    pub(super) arrived: Mono,
    pub(super) place: Place,
    /// By the key of a sticky call.
    pub(super) sticky: u64,
    /// When the wait for a worker is over.
    pub(super) queued_until: Mono,
    pub(super) timer: Option<Mono>,
    /// Where and when a worker got it.
    pub(super) given: Option<(Slot, Mono)>,
    /// A worker has died with it.
    pub(super) is_retry: bool,
    /// A probe: its end shows whether the circuit can be closed.
    pub(super) is_probe: bool,
    /// The key under which its answer is kept.
    pub(super) key: Option<Arc<str>>,
    /// Calls that get the same answer.
    pub(super) followers: BTreeSet<CallId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Queued(Lane),
    Sent { worker: WorkerId, request: u64 },
    Follows(CallId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The caller, or the queue, waits no longer.
    Call(CallId),
    Request(WorkerId, u64),
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) pool: PoolName,
    pub(super) settings: ServiceSettings,
    pub(super) declared: Option<Box<Declared>>,
    pub(super) rules: BTreeMap<String, Rules>,
    pub(super) workers: Workers,
    pub(super) calls: BTreeMap<CallId, Held>,
    pub(super) queue: Queue,
    /// Calls that wait for the answer to another.
    pub(super) following: usize,
    /// Calls that have arrived.
    pub(super) arrivals: u64,
    /// Slots among which sticky calls are shared out.
    slots: Vec<Slot>,
    pub(super) timers: BTreeSet<(Mono, Timer)>,
    pub(super) circuit: Circuit,
    pub(super) stats: Stats,
    pub(super) sampling: Sampling,
}

impl Service {
    pub(super) fn new(pool: PoolName, settings: ServiceSettings) -> Self {
        let mut workers = Workers::default();
        workers.set(settings.strategy, settings.concurrency);
        Self {
            pool,
            slots: settings.slots.iter().copied().collect(),
            settings,
            declared: None,
            rules: BTreeMap::new(),
            workers,
            calls: BTreeMap::new(),
            queue: Queue::default(),
            following: 0,
            arrivals: 0,
            timers: BTreeSet::new(),
            circuit: Circuit::default(),
            stats: Stats::default(),
            sampling: Sampling::default(),
        }
    }

    pub(super) fn set(&mut self, settings: ServiceSettings, turn: &mut Turn<'_>) {
        self.workers.set(settings.strategy, settings.concurrency);
        self.settings = settings;
        self.share_out_slots();
        self.dispatch_all(turn);
    }

    pub(super) fn started(&mut self, worker: WorkerId, slot: Slot, turn: &mut Turn<'_>) {
        if self.workers.get(worker).is_none() {
            self.workers.add(worker, slot);
            self.share_out_slots();
            self.dispatch_all(turn);
        }
    }

    pub(super) fn ready(&mut self, worker: WorkerId, declared: Box<Declared>, turn: &mut Turn<'_>) {
        let concurrency = declared.concurrency.unwrap_or(self.settings.concurrency).max(1);
        let takes_calls = self.workers.change(worker, |worker| {
            worker.declared = declared.concurrency;
            worker.concurrency = concurrency;
            if worker.state == State::Starting {
                worker.state = State::Ready;
            }
            worker.state == State::Ready
        });
        if takes_calls != Some(true) {
            return;
        }
        match &self.declared {
            Some(before) if before.methods == declared.methods && before.version == declared.version => {}
            before => {
                let is_first = before.is_none();
                let (rules, warnings) = rules_of(&declared, std::mem::take(&mut self.rules));
                self.rules = rules;
                if !warnings.is_empty() {
                    turn.out.push(CallAction::Warn { worker, texts: warnings });
                }
                self.declared = Some(declared);
                if is_first {
                    self.check_waiting(turn);
                }
            }
        }
        self.dispatch_all(turn);
    }

    pub(super) fn drain(&mut self, worker: WorkerId, turn: &mut Turn<'_>) {
        let drains = self.workers.change(worker, |worker| {
            if worker.state != State::Drained {
                worker.state = State::Draining;
            }
        });
        if drains.is_some() {
            self.tell_drained(worker, turn);
            self.share_out_slots();
            self.dispatch_all(turn);
        }
    }

    /// Says that a worker that drains has no call any more.
    pub(super) fn tell_drained(&mut self, id: WorkerId, turn: &mut Turn<'_>) {
        let is_empty = |worker: &super::workers::Worker| worker.state == State::Draining && !worker.holds_calls();
        if self.workers.get(id).is_some_and(is_empty) {
            self.workers.change(id, |worker| worker.state = State::Drained);
            turn.out.push(CallAction::Drained(id));
        }
    }

    pub(super) fn gone(&mut self, id: WorkerId, how: &str, turn: &mut Turn<'_>) {
        let Some(worker) = self.workers.remove(id) else { return };
        for (number, request) in worker.requests {
            self.stats.request_ended(turn.now.since(request.sent));
            self.timers.remove(&(request.timer, Timer::Request(id, number)));
            if let Wait::For(call) = request.wait
                && !self.try_again(call, turn)
            {
                self.refuse(call, &refusal::worker_died(&self.pool, how), turn);
            }
        }
        if matches!(worker.state, State::Starting | State::Ready) {
            self.failed(turn);
        }
        self.share_out_slots();
        self.dispatch_all(turn);
    }

    /// Queues a call whose worker died once more, if its method says that this does no harm.
    fn try_again(&mut self, id: CallId, turn: &Turn<'_>) -> bool {
        let Some(held) = self.calls.get(&id) else { return false };
        if held.is_retry || !self.rules_of(&held.call).is_some_and(|rules| rules.is_idempotent) {
            return false;
        }
        let lane = self.lane_of(held.sticky);
        let until = turn.now + self.settings.max_queue_time;
        if let Some(held) = self.calls.get_mut(&id) {
            held.is_retry = true;
            held.queued_until = until;
            held.place = Place::Queued(lane);
            self.queue.put(lane, held.number, id);
        }
        self.arm_call(id);
        true
    }

    /// Why no worker is ready, if none is.
    pub(super) fn lack(&self) -> Option<&str> {
        let is_any = |state| self.workers.iter().any(|worker| worker.state == state);
        match &self.settings.absence {
            _ if is_any(State::Ready) => None,
            Some(Absence::Closed(why) | Absence::Awaited(why)) => Some(why),
            None if !is_any(State::Starting) => Some("it has no worker yet"),
            None if self.settings.init.is_some() => Some("its workers have not answered `init` yet"),
            None => Some("its workers have not said `ready` yet"),
        }
    }

    /// A worker died or did not answer in time.
    pub(super) fn failed(&mut self, turn: &mut Turn<'_>) {
        if self.circuit.failed(self.settings.circuit, turn.now) {
            let after = self.settings.circuit.map_or(Duration::ZERO, |circuit| circuit.open);
            self.refuse_waiting(&refusal::circuit_open(&self.pool, after), turn);
        }
    }

    pub(super) fn refuse_waiting(&mut self, error: &CallError, turn: &mut Turn<'_>) {
        for call in self.queue.all() {
            self.refuse(call, error, turn);
        }
    }

    /// Refuses all calls, those that workers have included.
    pub(super) fn refuse_all(&mut self, error: &CallError, turn: &mut Turn<'_>) {
        while let Some((&call, _)) = self.calls.first_key_value() {
            self.refuse(call, error, turn);
        }
    }

    pub(super) fn answered(&mut self, worker: WorkerId, number: u64, answer: &Answer, turn: &mut Turn<'_>) {
        let Some(request) = self.workers.answered(worker, number, turn.now) else { return };
        self.timers.remove(&(request.timer, Timer::Request(worker, number)));
        self.stats.request_ended(turn.now.since(request.sent));
        match request.wait {
            Wait::For(call) => self.answer(call, answer, turn),
            Wait::Abandoned => self.circuit.answered(self.settings.circuit, false),
            Wait::Overdue => {}
        }
        self.tell_drained(worker, turn);
        let lane = self.workers.get(worker).filter(|_| self.is_sticky()).map(|worker| worker.slot);
        self.dispatch(lane, turn);
    }

    /// Sends what waits in a lane, as far as workers have room.
    pub(super) fn dispatch(&mut self, lane: Lane, turn: &mut Turn<'_>) {
        while let Some(call) = self.queue.first(lane) {
            let Some(worker) = self.workers.choose(lane, turn.random) else { break };
            self.send(call, worker, turn);
        }
        if turn.stopping && self.workers.is_over() {
            self.refuse_waiting(&refusal::stopping(&self.pool), turn);
        }
    }

    pub(super) fn dispatch_all(&mut self, turn: &mut Turn<'_>) {
        for lane in self.queue.lanes() {
            self.dispatch(lane, turn);
        }
    }

    fn send(&mut self, id: CallId, worker: WorkerId, turn: &mut Turn<'_>) {
        let number = turn.next_request();
        let Some(held) = self.calls.get_mut(&id) else { return };
        if let Place::Queued(lane) = held.place {
            self.queue.remove(lane, held.number);
        }
        held.place = Place::Sent { worker, request: number };
        held.given = self.workers.get(worker).map(|worker| (worker.slot, turn.now));
        let call = held.call.clone();
        self.stats.waits.add(turn.now.since(held.arrived));
        let limit = turn.now + self.timeout_of(&call);
        self.workers.give(worker, number, Request { wait: Wait::For(id), sent: turn.now, limit, timer: limit });
        self.timers.insert((limit, Timer::Request(worker, number)));
        self.arm_call(id);
        let deadline = call.deadline.map_or(limit, |deadline| deadline.min(limit));
        turn.out.push(CallAction::Send { worker, request: number, call, deadline });
    }

    /// Sets the timer of a call to where its wait is over, which may be that of its worker.
    pub(super) fn arm_call(&mut self, id: CallId) {
        let Some(held) = self.calls.get_mut(&id) else { return };
        let own = held.call.deadline;
        let at = match held.place {
            Place::Queued(_) => Some(own.map_or(held.queued_until, |own| own.min(held.queued_until))),
            Place::Sent { worker, request } => {
                let request = self.workers.get(worker).and_then(|worker| worker.requests.get(&request));
                own.filter(|own| request.is_none_or(|request| *own < request.limit))
            }
            Place::Follows(_) => own,
        };
        if held.timer != at {
            if let Some(before) = std::mem::replace(&mut held.timer, at) {
                self.timers.remove(&(before, Timer::Call(id)));
            }
            self.timers.extend(at.map(|at| (at, Timer::Call(id))));
        }
    }

    pub(super) fn rules_of(&self, call: &Call) -> Option<&Rules> {
        self.rules.get(call.method.as_deref()?)
    }

    pub(super) fn timeout_of(&self, call: &Call) -> Duration {
        self.rules_of(call).and_then(|rules| rules.timeout).unwrap_or(self.settings.timeout)
    }

    pub(super) fn is_sticky(&self) -> bool {
        self.settings.strategy == Strategy::Sticky
    }

    /// Where a call waits: the slot with the highest number for it (rendezvous hashing), if calls are sticky. A slot more
    /// or less moves only the calls that go to it.
    pub(super) fn lane_of(&self, sticky: u64) -> Lane {
        let weight = |slot: &Slot| random::mix(sticky.wrapping_add(u64::from(slot.0).wrapping_mul(random::STEP)));
        if self.is_sticky() { self.slots.iter().copied().max_by_key(weight) } else { None }
    }

    /// Moves calls that wait to the lanes of the slots that there are now.
    fn share_out_slots(&mut self) {
        let mut slots: Vec<Slot> = self.settings.slots.iter().copied().collect();
        if slots.is_empty() && self.is_sticky() {
            slots = self.workers.slots();
        }
        let is_same = slots == self.slots && self.queue.lanes().iter().all(|lane| lane.is_some() == self.is_sticky());
        self.slots = slots;
        if is_same {
            return;
        }
        for id in self.queue.all() {
            let Some(sticky) = self.calls.get(&id).map(|held| held.sticky) else { continue };
            let lane = self.lane_of(sticky);
            if let Some(held) = self.calls.get_mut(&id)
                && let Place::Queued(before) = std::mem::replace(&mut held.place, Place::Queued(lane))
            {
                self.queue.remove(before, held.number);
                self.queue.put(lane, held.number, id);
            }
        }
    }

    /// Counts the end of a call. Names of methods that there are not are left out, as anybody can make them up.
    pub(super) fn count(&mut self, call: &Call, end: End, now: Mono) {
        let takes_all = self.declared.as_ref().is_some_and(|declared| declared.methods.is_empty());
        let is_known = takes_all || self.rules_of(call).is_some();
        let name = call.method.as_deref().unwrap_or(WHOLE_MESSAGE);
        self.stats.call_ended(if is_known { name } else { OTHER }, end, now);
    }

    pub(super) fn view(&self) -> ServiceView<'_> {
        let ready = self.workers.iter().filter(|worker| worker.state == State::Ready).count();
        ServiceView { pool: &self.pool, declared: self.declared.as_deref(), ready, stats: &self.stats }
    }

    /// But for the health of workers, which is not known here.
    pub(super) fn load(&self, now: Mono) -> CallLoad {
        let requests = || self.workers.iter().flat_map(|worker| worker.requests.values());
        let first = self.queue.lanes().into_iter().filter_map(|lane| self.queue.first(lane));
        let oldest = first.filter_map(|call| self.calls.get(&call)).map(|held| now.since(held.arrived)).max();
        let Stats { methods, arrived, ended, took, .. } = &self.stats;
        CallLoad {
            calls: methods.values().map(|method| method.requests).sum(),
            errors: methods.values().map(|method| method.errors).sum(),
            arrived: *arrived,
            ended: *ended,
            took_s: took.as_secs_f64(),
            waiting: (self.queue.len() + self.following) as u64,
            oldest_s: oldest.map(|age| age.as_secs_f64()),
            running: requests().count() as u32,
            running_for_s: requests().map(|request| now.since(request.sent).as_secs_f64()).sum(),
            busy: self.workers.iter().filter(|worker| !worker.requests.is_empty()).count() as u32,
            circuit_open_s: self.circuit.open_for(now).map(|left| left.as_secs_f64()),
            health: None,
        }
    }
}
