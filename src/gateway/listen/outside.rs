//! A request from a listener, made into a call of its service, or into several where it is an array of them.
//!
//! Invariants: what a client sends is checked here as far as its form goes; whether the call may be made is for the core. The
//! answers of an array stand in its order, and are together no longer than one may be.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::form::{self, Asked, Form};
use super::super::shell::{Asking, Numbers, Shell};
use super::framing::Found;
use crate::core::calls::CallId;
use crate::model::PoolName;
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::service::{Body, CallError, StickyKey, Strategy, code};
use crate::wire::rpc::INVALID_REQUEST;

/// The most calls of one array.
const MOST_CALLS: usize = 1000;

/// A request that no worker has seen yet.
pub(super) enum Request {
    One(Single),
    Batch(Vec<Single>),
}

/// A call, or the answer to what is none.
pub(super) enum Single {
    Call(Form, Asking),
    Refused(Form, CallError),
}

impl Request {
    /// The calls that it makes at most.
    pub(super) fn calls(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Batch(all) => all.len(),
        }
    }

    /// Makes its calls under these numbers. `done` is given the answer, once: `None` where none is wanted.
    pub(super) fn make(self, shell: &Rc<Shell>, calls: Numbers, done: impl FnOnce(Option<Vec<u8>>) + 'static) {
        match self {
            Self::One(single) => single.make(shell, calls.first, done),
            Self::Batch(all) => {
                let gathered = Rc::new(RefCell::new(Gathered::new(all.len(), done)));
                for ((at, single), id) in all.into_iter().enumerate().zip(calls.ids()) {
                    let gathered = Rc::clone(&gathered);
                    single.make(shell, id, move |answer| {
                        let whole = gathered.borrow_mut().take(at, answer);
                        if let Some((done, answer)) = whole {
                            done(answer);
                        }
                    });
                }
            }
        }
    }
}

impl Single {
    fn make(self, shell: &Rc<Shell>, id: CallId, done: impl FnOnce(Option<Vec<u8>>) + 'static) {
        match self {
            Self::Refused(form, error) => done(form.answer(false, &Err(error))),
            Self::Call(form, asking) => {
                let (weak, pool) = (Rc::downgrade(shell), asking.pool.clone());
                let reply = move |answer| {
                    let is_whole = weak.upgrade().is_some_and(|shell| shell.has_methods(&pool) == Some(false));
                    done(form.answer(is_whole, &answer));
                };
                shell.call(id, asking, Box::new(reply));
            }
        }
    }
}

type Done = Box<dyn FnOnce(Option<Vec<u8>>)>;

/// The answers of an array that are there.
struct Gathered {
    answers: Vec<Option<Vec<u8>>>,
    missing: usize,
    bytes: usize,
    done: Option<Done>,
}

impl Gathered {
    fn new(calls: usize, done: impl FnOnce(Option<Vec<u8>>) + 'static) -> Self {
        Self { answers: vec![None; calls], missing: calls, bytes: 0, done: Some(Box::new(done)) }
    }

    /// Takes in an answer; all of them, when it is the last.
    fn take(&mut self, at: usize, answer: Option<Vec<u8>>) -> Option<(Done, Option<Vec<u8>>)> {
        self.bytes += answer.as_ref().map_or(0, Vec::len);
        if self.bytes > MAX_LINE_BYTES {
            self.answers.clear();
        } else if let Some(place) = self.answers.get_mut(at) {
            *place = answer;
        }
        self.missing -= 1;
        let done = self.done.take_if(|_| self.missing == 0)?;
        if self.bytes > MAX_LINE_BYTES {
            let why = format!("the answers of these calls are longer than {MAX_LINE_BYTES} bytes together; send fewer");
            return Some((done, nobody().answer(false, &Err(no_call(&why)))));
        }
        let answers: Vec<&[u8]> = self.answers.iter().flatten().map(Vec::as_slice).collect();
        let whole = [b"[", &*answers.join(&b","[..]), b"]"].concat();
        Some((done, Some(whole).filter(|_| !answers.is_empty())))
    }
}

/// Reads a request.
pub(super) fn request(shell: &Shell, pool: &PoolName, peer: &Arc<str>, found: Found) -> Request {
    let bytes = match found {
        Found::Raw(bytes) => {
            let body = Some(Body::Raw(bytes.into()));
            return Request::One(Single::Call(Form::Raw, Asking::outside(pool, None, body, peer)));
        }
        Found::Bad(message) => return Request::One(Single::Refused(Form::Action, not_json(message))),
        Found::Json(bytes) => bytes,
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let error = not_json(format!("the request is no UTF-8: {error}"));
            return Request::One(Single::Refused(Form::Action, error));
        }
    };
    let is_batch = text.trim_ascii_start().starts_with('[') && shell.has_methods(pool) == Some(true);
    if is_batch { batch(shell, pool, peer, &text) } else { Request::One(single(shell, pool, peer, text)) }
}

/// Several calls.
fn batch(shell: &Shell, pool: &PoolName, peer: &Arc<str>, text: &str) -> Request {
    let refused = |error| Request::One(Single::Refused(nobody(), error));
    let calls: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(calls) => calls,
        Err(error) => return refused(not_json(format!("the request is no JSON: {error}"))),
    };
    match calls.len() {
        0 => refused(no_call("an array of calls is empty")),
        1..=MOST_CALLS => {
            let read = |call: &RawValue| match single(shell, pool, peer, call.get().to_owned()) {
                Single::Refused(Form::Action, _) => Single::Refused(nobody(), form::names_none()),
                single => single,
            };
            Request::Batch(calls.into_iter().map(read).collect())
        }
        more => refused(no_call(&format!("{more} calls are too many at once; the most is {MOST_CALLS}"))),
    }
}

fn single(shell: &Shell, pool: &PoolName, peer: &Arc<str>, text: String) -> Single {
    let asked = match form::read(&text) {
        Ok(asked) => asked,
        Err(error) => return Single::Refused(Form::Action, error),
    };
    let key = sticky_key(shell, pool, &text);
    match call(shell, pool, peer, asked, text) {
        Single::Call(form, asking) => Single::Call(form, Asking { key, ..asking }),
        refused @ Single::Refused(..) => refused,
    }
}

fn call(shell: &Shell, pool: &PoolName, peer: &Arc<str>, asked: Asked, text: String) -> Single {
    let Asked { form, named, traceparent } = asked;
    let has_methods = shell.has_methods(pool);
    let whole = if has_methods == Some(true) { None } else { RawValue::from_string(text).ok().map(Arc::from) };
    let (method, body) = match (named, &whole) {
        (Some((method, args)), _) if has_methods != Some(false) => (Some(method), args),
        (_, Some(whole)) => (None, Some(Arc::clone(whole))),
        (_, None) => return Single::Refused(form, form::names_none()),
    };
    let asking = Asking::outside(pool, method, body.map(Body::Json), peer);
    Single::Call(form, Asking { whole, traceparent, ..asking })
}

/// The form of an answer to what is no call, as JSON-RPC has it.
fn nobody() -> Form {
    Form::Rpc(Some(RawValue::NULL.to_owned()))
}

fn no_call(why: &str) -> CallError {
    CallError { code: INVALID_REQUEST, message: why.to_owned(), data: None }
}

fn not_json(message: String) -> CallError {
    CallError { code: code::NOT_JSON, message, data: None }
}

/// The key of a sticky call that is to be found in the message as the client sent it.
fn sticky_key(shell: &Shell, pool: &PoolName, text: &str) -> Option<Arc<str>> {
    let pointer = shell.with_settings(pool, |settings| match (&settings.strategy, &settings.sticky) {
        (Strategy::Sticky, StickyKey::Pointer(pointer)) => Some(pointer.clone()),
        _ => None,
    })??;
    let message: Value = serde_json::from_str(text).ok()?;
    message.pointer(&pointer).map(|found| match found {
        Value::String(text) => Arc::from(text.as_str()),
        other => Arc::from(other.to_string()),
    })
}
