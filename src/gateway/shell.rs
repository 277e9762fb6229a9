//! The state of the gateway, around the decisions of [`Calls`]: tells it what happens, carries out what it says.
//!
//! One thread: each part is borrowed for a moment, and never while a reply is given or a line is written. Invariants: a call
//! that is made gets its reply, unless its caller has left; time is read here only.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::timeout;

use super::budget::Budget;
use super::channel::Channel;
use super::marks::Marks;
use super::pool::Pool;
use super::tables::Tables;
use super::workers::Worker;
use crate::clock::Clock;
use crate::core::calls::{Call, CallAction, CallEvent, CallId, Calls};
use crate::model::call_log::{CallFailure, CallSpan, LoggedCall};
use crate::model::service::{Body, CallError, Health, ServiceSettings, code};
use crate::model::trace::Spans;
use crate::model::worker::EndReason;
use crate::model::{Mono, Now, PoolName, TraceContext, WorkerId};
use crate::wire::gateway::FromGateway;

/// Where the answer of a call goes.
pub(super) type Reply = Box<dyn FnOnce(Result<Body, CallError>)>;

/// Spans of calls that wait for the master; more are dropped.
const MOST_SPANS: usize = 8192;
/// Names and messages in a span are cut to so many bytes.
const MOST_TEXT: usize = 1000;
/// Bytes that are read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A call that is to be made.
#[derive(Debug)]
pub(super) struct Asking {
    pub pool: PoolName,
    pub method: Option<Arc<str>>,
    /// `None`: no arguments are given.
    pub body: Option<Body>,
    /// The message as it came, for a service of which nothing is known yet, or that declares no methods.
    pub whole: Option<Arc<RawValue>>,
    pub peer: Arc<str>,
    pub is_outside: bool,
    pub timeout: Option<Duration>,
    pub key: Option<Arc<str>>,
    pub traceparent: Option<Arc<str>>,
}

impl Asking {
    pub(super) fn outside(pool: &PoolName, method: Option<Arc<str>>, body: Option<Body>, peer: &Arc<str>) -> Self {
        let (pool, peer) = (pool.clone(), Arc::clone(peer));
        let (whole, timeout, key, traceparent) = (None, None, None, None);
        Self { pool, method, body, whole, peer, is_outside: true, timeout, key, traceparent }
    }
}

/// Calls of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub first: CallId,
    count: u64,
}

impl Numbers {
    pub(super) fn ids(self) -> impl Iterator<Item = CallId> {
        (self.first.0..self.first.0 + self.count).map(CallId)
    }
}

/// A call that is not over.
struct Waiting {
    reply: Reply,
    whole: Option<Arc<RawValue>>,
    /// Of a call in a trace that somebody wants to see.
    span: Option<Box<CallSpan>>,
}

/// Everything.
pub(super) struct Shell {
    pub channel: Rc<Channel>,
    pub marks: Rc<Marks>,
    pub budget: Budget,
    /// The task that accepts clients of the console.
    pub console: RefCell<Option<AbortHandle>>,
    pub tables: RefCell<Tables>,
    pub pools: RefCell<BTreeMap<PoolName, Pool>>,
    pub workers: RefCell<HashMap<WorkerId, Rc<Worker>, RandomState>>,
    /// Bytes are read into this first: nobody waits while it is in use.
    pub scratch: RefCell<Vec<u8>>,
    /// Calls that are to be put on record.
    pub logged: RefCell<Vec<LoggedCall>>,
    /// Spans of calls that are over.
    pub traced: RefCell<Vec<CallSpan>>,
    spans: Spans,
    has_changed: Cell<bool>,
    stirred: Notify,
    clock: Clock,
    calls: RefCell<Calls>,
    waiting: RefCell<HashMap<CallId, Waiting, RandomState>>,
    last_call: Cell<u64>,
    /// When the timer rings.
    armed: Cell<Option<Mono>>,
    earlier: Notify,
}

impl Shell {
    /// `number`: of this gateway, from 1.
    pub(super) fn new(channel: Rc<Channel>, marks: Rc<Marks>, number: u32) -> Self {
        let clock = Clock::start();
        let seed = clock.now().wall.0.unsigned_abs();
        let spans = Spans::new(&format!("{} {seed}", std::process::id()), 0.0);
        Self {
            channel,
            marks,
            budget: Budget::default(),
            console: RefCell::default(),
            tables: RefCell::default(),
            pools: RefCell::default(),
            workers: RefCell::default(),
            scratch: RefCell::new(vec![0; READ_BYTES]),
            logged: RefCell::default(),
            traced: RefCell::default(),
            spans,
            has_changed: Cell::new(false),
            stirred: Notify::new(),
            clock,
            calls: RefCell::new(Calls::new(seed, u64::from(number) << 32)),
            waiting: RefCell::default(),
            last_call: Cell::new(0),
            armed: Cell::new(None),
            earlier: Notify::new(),
        }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn mono(&self) -> Mono {
        self.clock.mono()
    }

    /// The number of the next call.
    pub(super) fn next_call(&self) -> CallId {
        self.next_calls(1).first
    }

    /// The numbers of the next calls, so many.
    pub(super) fn next_calls(&self, count: usize) -> Numbers {
        let (last, count) = (self.last_call.get(), count as u64);
        self.last_call.set(last + count);
        Numbers { first: CallId(last + 1), count }
    }

    /// Makes a call; the reply may be given before this returns.
    pub(super) fn call(&self, id: CallId, asking: Asking, reply: Reply) {
        let Asking { pool, method, body, whole, peer, is_outside, timeout, key, traceparent } = asking;
        let span = traceparent.as_deref().and_then(|parent| self.begin_span(id, parent, &pool, method.as_deref()));
        let traceparent = span.as_ref().map(|span| Arc::from(&*span.traceparent)).or(traceparent);
        self.waiting.borrow_mut().insert(id, Waiting { reply, whole, span });
        let deadline = timeout.map(|timeout| self.mono() + timeout);
        let call = Call { id, pool, method, body, peer, is_outside, deadline, key, traceparent };
        self.feed(CallEvent::Called(Box::new(call)));
    }

    /// The span of a call, if somebody wants to see it.
    fn begin_span(&self, id: CallId, parent: &str, pool: &PoolName, method: Option<&str>) -> Option<Box<CallSpan>> {
        let parent = TraceContext::new(parent, None).ok().filter(TraceContext::is_sampled)?;
        let now = self.now().wall;
        Some(Box::new(CallSpan {
            traceparent: self.spans.of_call(&parent, id.0).to_string(),
            parent: parent.span_id,
            service: pool.clone(),
            method: method.map(cut),
            begun_at: now,
            ended_at: now,
            error: None,
        }))
    }

    fn end_span(&self, span: CallSpan, answer: &Result<Body, CallError>) {
        let mut traced = self.traced.borrow_mut();
        if traced.len() < MOST_SPANS {
            let error = answer.as_ref().err();
            let error = error.map(|error| CallFailure { code: error.code, message: cut(&error.message) });
            traced.push(CallSpan { ended_at: self.now().wall, error, ..span });
        }
    }

    /// Forgets a call that nobody waits for any more.
    pub(super) fn left(&self, id: CallId) {
        let Some(waiting) = self.waiting.borrow_mut().remove(&id) else { return };
        if let Some(span) = waiting.span {
            let message = String::from("the caller has left");
            self.end_span(*span, &Err(CallError { code: code::CALLER_LEFT, message, data: None }));
        }
        self.feed(CallEvent::Left(id));
    }

    /// Forgets calls of one request.
    pub(super) fn left_all(&self, numbers: Numbers) {
        numbers.ids().for_each(|id| self.left(id));
    }

    /// Whether the workers of a pool declare methods; `None`: none was ready yet.
    pub(super) fn has_methods(&self, pool: &PoolName) -> Option<bool> {
        let calls = self.calls.borrow();
        calls.service(pool)?.declared.map(|declared| !declared.methods.is_empty())
    }

    pub(super) fn with_settings<T>(&self, pool: &PoolName, read: impl FnOnce(&ServiceSettings) -> T) -> Option<T> {
        self.pools.borrow().get(pool).map(|pool| read(&pool.settings))
    }

    /// The worst that a worker of a pool has said of its health.
    pub(super) fn health(&self, pool: &PoolName) -> Option<Health> {
        let workers = self.workers.borrow();
        workers.values().filter(|worker| worker.pool == *pool).filter_map(|worker| worker.health()).max()
    }

    /// Where each service listens first.
    pub(super) fn addresses(&self) -> BTreeMap<PoolName, String> {
        let pools = self.pools.borrow();
        let first = pools.iter().map(|(name, pool)| Some((name.clone(), pool.listeners.keys().next()?.clone())));
        first.flatten().collect()
    }

    /// Reads what the core knows.
    pub(super) fn with_calls<T>(&self, read: impl FnOnce(&Calls) -> T) -> T {
        read(&self.calls.borrow())
    }

    /// A number for a request to a worker that is no call.
    pub(super) fn next_request(&self) -> u64 {
        self.calls.borrow_mut().next_request()
    }

    pub(super) fn worker(&self, id: WorkerId) -> Option<Rc<Worker>> {
        self.workers.borrow().get(&id).cloned()
    }

    /// Tells the core what happened, and does what it says.
    pub(super) fn feed(&self, event: CallEvent) {
        let mut actions = Vec::new();
        self.calls.borrow_mut().handle(event, self.mono(), &mut actions);
        self.settle(actions);
    }

    /// Lets the core act on time, for ever.
    pub(super) async fn keep_time(&self) {
        loop {
            let earlier = self.earlier.notified();
            let next = self.calls.borrow().next_deadline();
            self.armed.set(next);
            let Some(at) = next else {
                earlier.await;
                continue;
            };
            let now = self.mono();
            if at > now {
                // Either way, the next deadline is asked for again.
                let _ = timeout(at.since(now), earlier).await;
            } else {
                let mut actions = Vec::new();
                self.calls.borrow_mut().tick(now, &mut actions);
                self.settle(actions);
                yield_now().await;
            }
        }
    }

    /// Something has changed that statistics, the master or the store show.
    pub(super) fn stir(&self) {
        if !self.has_changed.replace(true) {
            self.stirred.notify_one();
        }
    }

    /// Until something has changed.
    pub(super) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// Whether something has changed since this was asked last.
    pub(super) fn take_changed(&self) -> bool {
        self.has_changed.take()
    }

    fn settle(&self, actions: Vec<CallAction>) {
        self.stir();
        for action in actions {
            self.carry_out(action);
        }
        let next = self.calls.borrow().next_deadline();
        let is_earlier = next.is_some_and(|at| self.armed.get().is_none_or(|armed| at < armed));
        if is_earlier {
            self.earlier.notify_waiters();
        }
    }

    fn carry_out(&self, action: CallAction) {
        match action {
            CallAction::Send { worker, request, call, deadline } => self.send(worker, request, &call, deadline),
            CallAction::Cancel { worker, request } => {
                if let Some(worker) = self.worker(worker) {
                    worker.cancel(request);
                }
            }
            CallAction::Reply { call, answer } => {
                let waiting = self.waiting.borrow_mut().remove(&call);
                if let Some(Waiting { reply, span, .. }) = waiting {
                    if let Some(span) = span {
                        self.end_span(*span, &answer);
                    }
                    reply(answer);
                }
            }
            CallAction::NoWorker(pool) => self.tell_load_of(&pool, None),
            CallAction::Drained(worker) => {
                if let Some(worker) = self.worker(worker) {
                    worker.drained();
                }
            }
            CallAction::Replace { worker, why } => {
                let reason = EndReason::JobTimeout;
                self.channel.say(&FromGateway::Replace { worker, reason, why });
            }
            CallAction::Log(call) => {
                self.logged.borrow_mut().push(LoggedCall { at: self.now().wall, call: *call });
            }
            CallAction::Warn { worker, texts } => {
                let text = format!("what it declares is not followed everywhere: {}", texts.join("; "));
                self.channel.say(&FromGateway::Warned { worker, text });
            }
        }
    }

    fn send(&self, worker: WorkerId, request: u64, call: &Call, deadline: Mono) {
        let Some(worker) = self.worker(worker) else {
            log::error!("call {} was to go to worker {worker}, which is not there", call.id.0);
            return;
        };
        let whole = self.waiting.borrow().get(&call.id).and_then(|waiting| waiting.whole.clone());
        let now = self.now();
        worker.send(request, call, whole, now.wall.plus(deadline.since(now.mono)));
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MOST_TEXT)].to_owned()
}
