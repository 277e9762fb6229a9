//! One worker of a service: its pipes, the requests it has, what it has said of itself.
//!
//! Knows the protocol, not which call goes where. Invariants: each answer is told to the core at most once, and only if it is to a
//! request of this gateway; what a worker wrote before it ended counts, whatever is told first.

mod asks;
mod health;
mod input;
mod output;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;

use self::health::Watch;
use self::input::Input;
use super::channel::Channel;
use super::marks::{Mark, WORDS};
use super::shell::Shell;
use crate::core::calls::{Call, CallEvent};
use crate::model::service::{Body, CallError, Declared, Health};
use crate::model::worker::EndReason;
use crate::model::{CancelReason, PoolName, Slot, UnixMicros, WorkerId};
use crate::wire::gateway::FromGateway;
use crate::wire::service::{CallLine, request as request_line};
use crate::wire::worker::write_cancel;

/// How long a worker that drains may take to read that it is to shut down, before the master hears that it has no calls.
const SHUTDOWN_READ: Duration = Duration::from_secs(1);

/// A request that a worker has not answered.
#[derive(Debug)]
enum Open {
    Call { traceparent: Option<Arc<str>> },
    Init,
    Health,
}

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub id: WorkerId,
    pub pool: PoolName,
    /// `pool-slot`.
    pub name: Arc<str>,
    declared: OnceCell<Declared>,
    /// The declaration of a `ready` that came before the answer to `init`.
    said: OnceCell<Declared>,
    input: Input,
    mark: Rc<Mark>,
    channel: Rc<Channel>,
    open: RefCell<HashMap<u64, Open, RandomState>>,
    /// Whether it has answered a call of this gateway.
    has_answered: Cell<bool>,
    /// Requests of the worker that were not answered.
    asked: Cell<usize>,
    /// Whether it asks at all, as far as this gateway knows: most workers only answer.
    has_asked: Cell<bool>,
    /// Whether people were told that a value of its series was dropped.
    was_warned: Cell<bool>,
    shutdown: OnceCell<(String, Duration)>,
    watch: RefCell<Watch>,
    /// How it ended.
    ended: OnceCell<String>,
    has_ended: Notify,
    writer: OnceCell<AbortHandle>,
}

/// The identity of a worker, as the master says.
#[derive(Debug)]
pub(super) struct Introduced {
    pub worker: WorkerId,
    pub pool: PoolName,
    pub slot: Slot,
    pub declared: Option<Box<Declared>>,
}

/// Begins to talk with a worker.
pub(super) fn start(shell: &Rc<Shell>, who: Introduced, stdin: OwnedFd, stdout: OwnedFd) -> io::Result<()> {
    let Introduced { worker: id, pool, slot, declared } = who;
    let is_inherited = declared.is_some();
    let mark = Rc::new(Mark::new(&shell.marks, id));
    let left = mark.left();
    let worker = Rc::new(Worker {
        id,
        name: format!("{pool}-{slot}").into(),
        declared: OnceCell::new(),
        said: OnceCell::new(),
        input: Input::new(stdin, Rc::clone(&mark))?,
        mark,
        channel: Rc::clone(&shell.channel),
        open: RefCell::default(),
        has_answered: Cell::new(false),
        asked: Cell::new(0),
        has_asked: Cell::new(false),
        was_warned: Cell::new(false),
        shutdown: OnceCell::new(),
        watch: RefCell::default(),
        ended: OnceCell::new(),
        has_ended: Notify::new(),
        writer: OnceCell::new(),
        pool,
    });
    let stdout = pipe::Receiver::from_owned_fd(stdout)?;
    shell.workers.borrow_mut().insert(id, Rc::clone(&worker));
    let writing = Rc::clone(&worker);
    let task = spawn_local(async move { writing.input.keep_writing().await });
    worker.writer.set(task.abort_handle()).expect("BUG: a worker is started once");
    spawn_local(output::read(Rc::clone(shell), Rc::clone(&worker), stdout, is_inherited));
    shell.feed(CallEvent::Started { worker: id, pool: worker.pool.clone(), slot });
    if let Some(why) = left {
        let why = why.to_owned();
        shell.channel.say(&FromGateway::Replace { worker: id, reason: EndReason::Unhealthy, why });
    } else if let Some(declared) = declared {
        worker.watch.borrow_mut().wait(shell.mono() + worker.patience(shell));
        worker.is_ready(shell, *declared);
    } else if let Some(config) = shell.with_settings(&worker.pool, |settings| settings.init.clone()).flatten() {
        worker.ask(shell, Open::Init, "init", &json!({ "config": config, "services": shell.addresses() }));
    }
    Ok(())
}

impl Worker {
    /// Writes a call.
    pub(super) fn send(&self, request: u64, call: &Call, whole: Option<Arc<RawValue>>, deadline: UnixMicros) {
        let whole = whole.filter(|_| self.declared.get().is_none_or(|declared| declared.methods.is_empty()));
        self.open.borrow_mut().insert(request, Open::Call { traceparent: call.traceparent.clone() });
        let (traceparent, peer) = (call.traceparent.as_deref(), &*call.peer);
        let line = match whole {
            Some(message) => {
                CallLine { name: None, body: Some(&Body::Json(message)), deadline, traceparent, peer }.write(request)
            }
            None => CallLine { name: call.method.as_deref(), body: call.body.as_ref(), deadline, traceparent, peer }
                .write(request),
        };
        self.input.write(line);
    }

    /// Tells the worker that nobody waits for this any more.
    pub(super) fn cancel(&self, request: u64) {
        let mut line = Vec::new();
        write_cancel(&mut line, request, CancelReason::Cancelled);
        self.input.write(line);
    }

    /// Gives it no new calls; `why` and `grace` are for a worker that declares `shutdown`.
    pub(super) fn drain(&self, shell: &Shell, why: String, grace: Duration) {
        // The first reason counts.
        let _ = self.shutdown.set((why, grace));
        shell.feed(CallEvent::Drain { worker: self.id });
    }

    /// Tells the master that it has no calls and gets none; a worker that declares `shutdown` is told first.
    pub(super) fn drained(self: &Rc<Self>) {
        if !self.declared.get().is_some_and(|declared| declared.shutdown) {
            self.channel.say(&FromGateway::Drained { worker: self.id });
            return;
        }
        if let Some((why, grace)) = self.shutdown.get() {
            let params = json!({ "reason": why, "grace_s": grace.as_secs_f64() });
            self.input.write(format!("{{\"jsonrpc\":\"2.0\",\"method\":\"shutdown\",\"params\":{params}}}\n").into());
        }
        let worker = Rc::clone(self);
        spawn_local(async move {
            // A worker that does not read is not waited for.
            let _ = timeout(SHUTDOWN_READ, worker.input.emptied()).await;
            worker.channel.say(&FromGateway::Drained { worker: worker.id });
        });
    }

    /// The process has ended, or is to be spoken to no more.
    pub(super) fn gone(&self, how: String) {
        // The end is told once.
        let _ = self.ended.set(how);
        self.has_ended.notify_one();
    }

    /// Marks that it is about to be read, where it may wait for what comes of its words. Of a worker that only answers no more
    /// is lost with them than the call, which has failed already: it goes on with the next gateway. The first time that a
    /// ready worker asks goes unmarked for this moment; it is found by its health or by the timeout of its call.
    fn mark_reading(&self) {
        if self.declared.get().is_none() || self.has_asked.get() {
            self.mark.set(WORDS, true);
        }
    }

    /// Marks whether something is to come of what was read of it; `is_inside`: it is in the middle of a line. What goes to and
    /// from a worker that never asked is calls and answers, and these have failed with the gateway.
    fn mark_words(&self, is_inside: bool) {
        let may_wait = self.has_asked.get() && (is_inside || self.asked.get() > 0 || !self.input.is_empty());
        self.mark.set(WORDS, self.declared.get().is_none() || may_wait);
    }

    pub(super) fn health(&self) -> Option<Health> {
        self.watch.borrow().health()
    }

    /// How long its calls may take.
    fn patience(&self, shell: &Shell) -> Duration {
        shell.with_settings(&self.pool, |settings| settings.timeout).unwrap_or_default()
    }

    fn ask(&self, shell: &Shell, open: Open, method: &str, params: &serde_json::Value) {
        let request = shell.next_request();
        self.open.borrow_mut().insert(request, open);
        self.input.write(request_line(request, method, params));
    }

    /// Takes in its `ready`.
    fn says_ready(&self, shell: &Shell, params: &RawValue) {
        if self.declared.get().is_some() {
            return;
        }
        let declared = match Declared::read("ready", params) {
            Ok(declared) => declared,
            Err(why) => return self.refuse(why),
        };
        if shell.with_settings(&self.pool, |settings| settings.init.is_some()) == Some(true) {
            // The first counts.
            let _ = self.said.set(declared);
        } else {
            self.introduce(shell, declared);
        }
    }

    /// Takes in its answer to `init`.
    fn initialised(&self, shell: &Shell, answer: Result<&RawValue, CallError>) {
        let result = match answer {
            Ok(result) => result,
            Err(error) => return self.refuse(format!("`init` failed: {}", error.message)),
        };
        match Declared::read("init", result) {
            Ok(declared) if declared == Declared::default() => {
                self.introduce(shell, self.said.get().cloned().unwrap_or_default());
            }
            Ok(declared) => self.introduce(shell, declared),
            Err(why) => self.refuse(why),
        }
    }

    fn introduce(&self, shell: &Shell, declared: Declared) {
        let wanted = shell.with_settings(&self.pool, |settings| settings.version.clone()).flatten();
        if let Some(wanted) = wanted.filter(|wanted| declared.version.as_ref() != Some(wanted)) {
            return self.refuse(match &declared.version {
                Some(version) => format!("it says it is version {version}; {wanted} was asked for"),
                None => format!("it says no version; {wanted} was asked for"),
            });
        }
        self.channel.say(&FromGateway::Ready { worker: self.id, declared: Box::new(declared.clone()) });
        self.is_ready(shell, declared);
    }

    fn is_ready(&self, shell: &Shell, declared: Declared) {
        let event = CallEvent::Ready { worker: self.id, declared: Box::new(declared.clone()) };
        if self.declared.set(declared).is_ok() {
            self.mark_words(false);
            shell.feed(event);
        }
    }

    fn refuse(&self, why: String) {
        self.channel.say(&FromGateway::Refused { worker: self.id, why });
    }
}
