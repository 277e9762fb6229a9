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

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::model::service::{CallError, Declared, Method, ServiceSettings, ServiceStats};
use crate::model::{Mono, PoolName, Slot, WorkerId};

/// A call, by the number that the gateway gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What is asked of a service.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: CallId,
    pub pool: PoolName,
    /// `None`: the whole message is the argument, as for a service that declares no methods.
    pub method: Option<Arc<str>>,
    pub body: Body,
    /// Who calls, as far as it is known: an address, or the name of a worker.
    pub peer: Arc<str>,
    /// A caller from outside sees public methods only.
    pub is_outside: bool,
    /// The caller does not wait longer.
    pub deadline: Option<Mono>,
    /// Overrides the key by which a sticky call finds its slot.
    pub key: Option<Arc<str>>,
    pub traceparent: Option<Arc<str>>,
}

/// The content of a request or an answer.
#[derive(Clone, Debug)]
pub enum Body {
    Json(Arc<RawValue>),
    /// Bytes that are no JSON.
    Raw(Arc<[u8]>),
}

/// What happened.
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
        answer: Result<Body, CallError>,
    },
    /// Nothing new is taken.
    Stop,
}

/// What is to be done, in this order.
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
        answer: Result<Body, CallError>,
    },
    /// The worker has no call, and gets none.
    Drained(WorkerId),
    /// The worker does not answer: it is to be replaced, and gets no call any more.
    Replace {
        worker: WorkerId,
        why: String,
    },
    /// Something that a worker declared is not understood, and does without.
    Warn {
        worker: WorkerId,
        text: String,
    },
}

/// A service, as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct ServiceView<'a> {
    pub pool: &'a PoolName,
    /// What its last worker that was ready said.
    pub declared: Option<&'a Declared>,
    /// Workers that take calls.
    pub ready: usize,
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
    requests: u64,
}

impl Calls {
    /// Requests to workers are numbered from `first_request`.
    #[must_use]
    pub fn new(seed: u64, first_request: u64) -> Self {
        let _ = seed;
        Self { requests: first_request }
    }

    /// Takes in what happened, and says what is to be done about it.
    pub fn handle(&mut self, event: CallEvent, now: Mono, out: &mut Vec<CallAction>) {
        let _ = (event, now, out);
    }

    /// When [`Calls::tick`] is to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        None
    }

    /// Says what is to be done because time has passed.
    pub fn tick(&mut self, now: Mono, out: &mut Vec<CallAction>) {
        let _ = (now, out);
    }

    /// A number for a request that is no call, such as `init` and `health`; no call has it.
    pub fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests - 1
    }

    /// Calls that a worker has answered.
    #[must_use]
    pub fn calls_done(&self, worker: WorkerId) -> u64 {
        let _ = worker;
        0
    }

    #[must_use]
    pub fn service(&self, pool: &PoolName) -> Option<ServiceView<'_>> {
        let _ = pool;
        None
    }

    pub fn services(&self) -> impl Iterator<Item = ServiceView<'_>> {
        std::iter::empty()
    }

    #[must_use]
    pub fn stats(&self) -> BTreeMap<PoolName, ServiceStats> {
        BTreeMap::new()
    }
}
