//! A request from a listener, made into a call of its service.
//!
//! Invariant: what a client sends is checked here as far as its form goes; whether the call may be made is for the core.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::form::{self, Asked, Form};
use super::super::shell::{Asking, Shell};
use super::framing::Found;
use crate::model::PoolName;
use crate::model::service::{Body, CallError, StickyKey, Strategy, code};

/// The end of a request that no worker has seen yet.
pub(super) enum Request {
    Call(Form, Asking),
    Refused(Form, CallError),
}

/// Reads a request.
pub(super) fn request(shell: &Shell, pool: &PoolName, peer: &Arc<str>, found: Found) -> Request {
    let bytes = match found {
        Found::Raw(bytes) => {
            let body = Some(Body::Raw(bytes.into()));
            return Request::Call(Form::Raw, Asking::outside(pool, None, body, peer));
        }
        Found::Bad(message) => return Request::Refused(Form::Action, not_json(message)),
        Found::Json(bytes) => bytes,
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Request::Refused(Form::Action, not_json(format!("the request is no UTF-8: {error}"))),
    };
    let asked = match form::read(&text) {
        Ok(asked) => asked,
        Err(error) => return Request::Refused(Form::Action, error),
    };
    let key = sticky_key(shell, pool, &text);
    match call(shell, pool, peer, asked, text) {
        Request::Call(form, asking) => Request::Call(form, Asking { key, ..asking }),
        refused @ Request::Refused(..) => refused,
    }
}

fn call(shell: &Shell, pool: &PoolName, peer: &Arc<str>, asked: Asked, text: String) -> Request {
    let Asked { form, named, traceparent } = asked;
    let has_methods = shell.has_methods(pool);
    let whole = if has_methods == Some(true) { None } else { RawValue::from_string(text).ok().map(Arc::from) };
    let (method, body) = match (named, &whole) {
        (Some((method, args)), _) if has_methods != Some(false) => (Some(method), args),
        (_, Some(whole)) => (None, Some(Arc::clone(whole))),
        (_, None) => return Request::Refused(form, form::names_none()),
    };
    let asking = Asking::outside(pool, method, body.map(Body::Json), peer);
    Request::Call(form, Asking { whole, traceparent, ..asking })
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
