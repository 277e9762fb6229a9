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

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::model::service::{CallError, Declared, ServiceSettings};
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
    /// The worker does not answer: it is to be replaced.
    Replace {
        worker: WorkerId,
        why: String,
    },
}
