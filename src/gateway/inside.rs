//! Requests of those who are inside: workers that call services, and `queue-work call`.
//!
//! `{"id"?, "service", "method"?, "args"?, "timeout_s"?, "key"?, "traceparent"?}`; the answer is `{"id", "result"}` or `{"id",
//! "error"}`. Without a method, `args` is the whole message.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::form;
use super::shell::Asking;
use crate::model::service::{Body, CallError, code};
use crate::model::{PoolName, json_text};
use crate::wire::object;

/// The longest that a caller waits, unless it says so.
const LONGEST: Duration = Duration::from_hours(24);

#[derive(Deserialize)]
struct Members<'a> {
    service: String,
    method: Option<String>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    timeout_s: Option<f64>,
    key: Option<String>,
    traceparent: Option<String>,
}

/// Reads a request of `peer`.
pub(super) fn read(text: &str, peer: &Arc<str>) -> Result<Asking, CallError> {
    let Members { service, method, args, timeout_s, key, traceparent } = object::read(text)
        .map_err(|error| wrong(format!("the request is not understood: {}", json_text::words(&error))))?;
    let pool = PoolName::new(&service).map_err(|_| no_such_service(&service))?;
    let timeout = timeout_s.map(|seconds| Duration::try_from_secs_f64(seconds).map(|timeout| timeout.min(LONGEST)));
    Ok(Asking {
        pool,
        method: method.map(Arc::from),
        body: args.map(|args| Body::Json(form::shared(args))),
        whole: None,
        peer: Arc::clone(peer),
        is_outside: false,
        timeout: timeout.transpose().map_err(|error| wrong(format!("`timeout_s`: {error}")))?,
        key: key.map(Arc::from),
        traceparent: traceparent.map(Arc::from),
    })
}

fn wrong(message: String) -> CallError {
    CallError { code: code::WRONG_PARAMS, message, data: None }
}

fn no_such_service(name: &str) -> CallError {
    CallError { code: code::NO_SUCH_METHOD, message: format!("there is no service `{name}`"), data: None }
}
