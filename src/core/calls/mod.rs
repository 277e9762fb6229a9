//! Calls: from a caller to a worker of a service and back, decided without touching anything.
//!
//! The gateway process has a [`Calls`] of its own; the master has none. The gateway tells what happens as [`CallEvent`]s and
//! carries out the [`CallAction`]s. A call is `queued → sent → over`; over means answered, timed out, lost with its worker,
//! refused, or cancelled because its caller is gone.
//!
//! Invariants:
//! - each call gets one [`CallAction::Reply`], unless its caller is gone; a second or late answer of a worker changes nothing;
//! - a worker has at most as many calls as its concurrency, none before it is ready and no new one while it drains;
//! - what a call may not do (no such method, wrong arguments, rate limit, full queue, open circuit) is refused before any worker
//!   sees it;
//! - all state is bounded: the queue by `max_queue`, answers by the `max` of their rule, rate limits by a number of keys.

mod admit;
mod arguments;
mod cache;
mod circuit;
mod ends;
mod queue;
mod rate_limit;
mod refusal;
mod rules;
mod sample;
mod schema;
mod service;
mod stats;
#[cfg(test)]
mod tests;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::schema::{mismatch, unchecked};
use self::service::Service;
pub use self::stats::{Count, Stats};
use super::random::Random;
use crate::model::call_log::CallSample;
use crate::model::service::{Body, CallError, CallLoad, Declared, Method, ServiceSettings};
use crate::model::{Mono, PoolName, Slot, WorkerId};

/// A call, by the number that the gateway gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A question to a service.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: CallId,
    pub pool: PoolName,
    /// `None`: the whole message is the argument, as for a service that declares no methods.
    pub method: Option<Arc<str>>,
    /// `None`: no arguments were given, which a method that takes an object gets as `{}`, another one as `[]`.
    pub body: Option<Body>,
    /// The caller, as far as it is known: an address, or the name of a worker.
    pub peer: Arc<str>,
    /// A caller from outside sees public methods only.
    pub is_outside: bool,
    /// The caller does not wait longer.
    pub deadline: Option<Mono>,
    /// Overrides the key by which a sticky call finds its slot.
    pub key: Option<Arc<str>>,
    pub traceparent: Option<Arc<str>>,
}

/// The end of a call.
pub type Answer = Result<Body, CallError>;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum CallEvent {
    Settings(PoolName, Box<ServiceSettings>),
    /// The pool is gone; its calls are refused.
    Forgotten(PoolName),
    /// A worker was started; it takes calls once it is ready.
    Started {
        worker: WorkerId,
        pool: PoolName,
        slot: Slot,
    },
    Ready {
        worker: WorkerId,
        declared: Box<Declared>,
    },
    Drain {
        worker: WorkerId,
    },
    Gone {
        worker: WorkerId,
        how: String,
    },
    Called(Box<Call>),
    /// The caller is gone.
    Left(CallId),
    /// A worker has answered its request of this number.
    Answered {
        worker: WorkerId,
        request: u64,
        answer: Answer,
    },
    /// Nothing new is taken.
    Stop,
}

/// Something to do. To be done in this order.
#[derive(Clone, Debug)]
pub enum CallAction {
    /// Write a call to a worker. `timeout`: when it is to be answered.
    Send {
        worker: WorkerId,
        request: u64,
        call: Arc<Call>,
        deadline: Mono,
    },
    /// Tell a worker that nobody waits for this any more.
    Cancel {
        worker: WorkerId,
        request: u64,
    },
    Reply {
        call: CallId,
        answer: Answer,
    },
    /// A call waits, and the service has no worker, nor one that is starting. Once for all that wait.
    NoWorker(PoolName),
    /// The worker has no call, and gets none.
    Drained(WorkerId),
    /// The worker does not answer: it is to be replaced, and gets no call any more.
    Replace {
        worker: WorkerId,
        why: String,
    },
    /// Put a call on record that has ended now.
    Log(Box<CallSample>),
    /// What a worker declared is not understood in these places, and goes without.
    Warn {
        worker: WorkerId,
        texts: Vec<String>,
    },
}

/// A service, as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct ServiceView<'a> {
    pub pool: &'a PoolName,
    /// The declaration of its worker that was ready last.
    pub declared: Option<&'a Declared>,
    /// Workers that take calls.
    pub ready: usize,
    pub stats: &'a Stats,
}

impl<'a> ServiceView<'a> {
    /// The methods that may be called, from outside or by pools; none are declared where every message is taken.
    pub fn methods(&self, is_outside: bool) -> impl Iterator<Item = (&'a str, &'a Method)> + use<'a> {
        let methods = self.declared.into_iter().flat_map(|declared| &declared.methods);
        methods.filter(move |(_, method)| method.public || !is_outside).map(|(name, method)| (name.as_str(), method))
    }
}

/// All calls of this gateway.
#[derive(Debug)]
pub struct Calls {
    services: BTreeMap<PoolName, Service>,
    /// The pool of each worker.
    workers: BTreeMap<WorkerId, PoolName>,
    random: Random,
    /// The number of the next request.
    requests: u64,
    stopping: bool,
}

/// The means to decide on an event.
struct Turn<'a> {
    now: Mono,
    out: &'a mut Vec<CallAction>,
    random: &'a mut Random,
    requests: &'a mut u64,
    stopping: bool,
    /// How many there are.
    services: usize,
}

impl Turn<'_> {
    fn next_request(&mut self) -> u64 {
        *self.requests += 1;
        *self.requests - 1
    }
}

impl Calls {
    /// Requests to workers are numbered from `first_request`.
    #[must_use]
    pub fn new(seed: u64, first_request: u64) -> Self {
        Self {
            services: BTreeMap::new(),
            workers: BTreeMap::new(),
            random: Random::new(seed),
            requests: first_request,
            stopping: false,
        }
    }

    /// Takes in what happened, and says what is to be done about it.
    pub fn handle(&mut self, event: CallEvent, now: Mono, out: &mut Vec<CallAction>) {
        match event {
            CallEvent::Settings(pool, settings) => self.set(pool, *settings, now, out),
            CallEvent::Forgotten(pool) => self.forget(&pool, now, out),
            CallEvent::Started { worker, pool, slot } => {
                self.workers.insert(worker, pool);
                self.of_worker(worker, now, out, |service, turn| service.started(worker, slot, turn));
            }
            CallEvent::Ready { worker, declared } => {
                self.of_worker(worker, now, out, |service, turn| service.ready(worker, declared, turn));
            }
            CallEvent::Drain { worker } => {
                self.of_worker(worker, now, out, |service, turn| service.drain(worker, turn));
            }
            CallEvent::Gone { worker, how } => {
                self.of_worker(worker, now, out, |service, turn| service.gone(worker, &how, turn));
                self.workers.remove(&worker);
            }
            CallEvent::Called(call) => self.called(*call, now, out),
            CallEvent::Left(call) => self.each(now, out, |service, turn| service.left(call, turn)),
            CallEvent::Answered { worker, request, answer } => {
                self.of_worker(worker, now, out, |service, turn| service.answered(worker, request, &answer, turn));
            }
            CallEvent::Stop => {
                self.stopping = true;
                self.each(now, out, Service::dispatch_all);
            }
        }
    }

    fn set(&mut self, pool: PoolName, settings: ServiceSettings, now: Mono, out: &mut Vec<CallAction>) {
        match self.service_turn(&pool, now, out) {
            Some((service, mut turn)) => service.set(settings, &mut turn),
            None => _ = self.services.insert(pool.clone(), Service::new(pool, settings)),
        }
    }

    fn forget(&mut self, pool: &PoolName, now: Mono, out: &mut Vec<CallAction>) {
        if let Some((service, mut turn)) = self.service_turn(pool, now, out) {
            service.refuse_all(&refusal::stopping(pool), &mut turn);
        }
        self.services.remove(pool);
        self.workers.retain(|_, of| of != pool);
    }

    fn called(&mut self, call: Call, now: Mono, out: &mut Vec<CallAction>) {
        let id = call.id;
        let stopping = self.stopping;
        let error = match self.service_turn(&call.pool, now, out) {
            Some((service, mut turn)) if !stopping => return service.called(&Arc::new(call), &mut turn),
            Some(_) => refusal::stopping(&call.pool),
            None => {
                let known: Vec<&str> = self.services.keys().map(PoolName::as_str).collect();
                refusal::no_such_service(&call.pool, &known)
            }
        };
        out.push(CallAction::Reply { call: id, answer: Err(error) });
    }

    fn service_turn<'a>(
        &'a mut self,
        pool: &PoolName,
        now: Mono,
        out: &'a mut Vec<CallAction>,
    ) -> Option<(&'a mut Service, Turn<'a>)> {
        let count = self.services.len();
        let service = self.services.get_mut(pool)?;
        let Self { random, requests, stopping, .. } = self;
        Some((service, Turn { now, out, random, requests, stopping: *stopping, services: count }))
    }

    fn of_worker(
        &mut self,
        worker: WorkerId,
        now: Mono,
        out: &mut Vec<CallAction>,
        act: impl FnOnce(&mut Service, &mut Turn<'_>),
    ) {
        let Some(pool) = self.workers.get(&worker).cloned() else { return };
        if let Some((service, mut turn)) = self.service_turn(&pool, now, out) {
            act(service, &mut turn);
        }
    }

    fn each(&mut self, now: Mono, out: &mut Vec<CallAction>, act: impl Fn(&mut Service, &mut Turn<'_>)) {
        let Self { services, random, requests, stopping, .. } = self;
        let mut turn = Turn { now, out, random, requests, stopping: *stopping, services: services.len() };
        for service in services.values_mut() {
            act(service, &mut turn);
        }
    }

    /// When [`Calls::tick`] is to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.services.values().filter_map(|service| service.timers.first()).map(|&(at, _)| at).min()
    }

    /// Says what is to be done because time has passed.
    pub fn tick(&mut self, now: Mono, out: &mut Vec<CallAction>) {
        self.each(now, out, Service::tick);
    }

    /// A number for a request that is no call, such as `init` and `health`; no call has it.
    pub fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests - 1
    }

    /// Requests that a worker has answered.
    #[must_use]
    pub fn calls_done(&self, worker: WorkerId) -> u64 {
        let service = self.workers.get(&worker).and_then(|pool| self.services.get(pool));
        service.and_then(|service| service.workers.get(worker)).map_or(0, |worker| worker.done)
    }

    #[must_use]
    pub fn service(&self, pool: &PoolName) -> Option<ServiceView<'_>> {
        self.services.get(pool).map(Service::view)
    }

    pub fn services(&self) -> impl Iterator<Item = ServiceView<'_>> {
        self.services.values().map(Service::view)
    }

    /// The load of each service, but for the health of its workers.
    #[must_use]
    pub fn loads(&self, now: Mono) -> BTreeMap<PoolName, CallLoad> {
        self.services.iter().map(|(pool, service)| (pool.clone(), service.load(now))).collect()
    }
}
