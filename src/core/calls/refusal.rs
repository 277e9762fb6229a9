//! How calls that come to nothing are worded: errors with a code of ours, with what a program can use in `data`.

use std::time::Duration;

use serde_json::{Value, json};

use super::schema::Mismatch;
use crate::model::PoolName;
use crate::model::service::{CallError, ServiceSettings, code};
use crate::model::units::show_duration;

/// Methods that a message names.
const NAMED: usize = 20;
/// Names longer than this are compared with nothing.
const COMPARED: usize = 64;

fn error(code: i64, message: String, data: Option<Value>) -> CallError {
    CallError { code, message, data }
}

/// An error after which the same call may go well in a while.
fn later(code: i64, message: String, after: Duration) -> CallError {
    let after = after.max(Duration::from_millis(1));
    let seconds = (after.as_secs_f64() * 1000.0).ceil() / 1000.0;
    error(code, message, Some(json!({ "retry_after_s": seconds })))
}

pub(super) fn no_such_service(pool: &PoolName, known: &[&str]) -> CallError {
    let message = format!("there is no service `{pool}`{}", alternatives(pool.as_str(), known, "there is"));
    error(code::NO_SUCH_METHOD, message, None)
}

/// `known`: the methods that the caller may know of.
pub(super) fn no_such_method(pool: &PoolName, name: Option<&str>, known: &[&str]) -> CallError {
    let message = match name {
        Some(name) => format!("`{pool}` has no method `{name}`{}", alternatives(name, known, "it has")),
        None => format!("the call of `{pool}` names no method{}", alternatives("", known, "it has")),
    };
    error(code::NO_SUCH_METHOD, message, None)
}

fn alternatives(name: &str, known: &[&str], there_is: &str) -> String {
    let far = (name.chars().count() / 3).max(1);
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let comparable = known.iter().filter(|known| name.len() <= COMPARED && known.len() <= COMPARED && !name.is_empty());
    let nearest = comparable.map(|known| (distance(known), known)).filter(|(distance, _)| *distance <= far).min();
    if let Some((_, nearest)) = nearest {
        return format!("; did you mean `{nearest}`?");
    }
    let names: Vec<String> = known.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    match (names.len(), known.len() - names.len()) {
        (0, _) => String::new(),
        (_, 0) => format!("; {there_is} {}", names.join(", ")),
        (_, more) => format!("; {there_is} {} and {more} more", names.join(", ")),
    }
}

pub(super) fn wrong_arguments(method: &str, mismatch: &Mismatch) -> CallError {
    let what = if mismatch.path.is_empty() { "the arguments".into() } else { format!("`{}`", mismatch.path) };
    let data = json!({ "path": mismatch.path, "expected": mismatch.expected });
    error(code::WRONG_PARAMS, format!("`{method}`: {what} {}", mismatch.text), Some(data))
}

/// `why`: as a part of a sentence.
pub(super) fn unreadable_arguments(why: &str) -> CallError {
    error(code::WRONG_PARAMS, format!("the arguments {why}"), None)
}

pub(super) fn rate_limited(method: &str, after: Duration) -> CallError {
    later(code::RATE_LIMITED, format!("`{method}` is called more often than its `rate_limit` allows"), after)
}

pub(super) fn circuit_open(pool: &PoolName, after: Duration) -> CallError {
    let message = format!("`{pool}` takes no calls for now, as its workers died or did not answer; see `circuit`");
    later(code::CIRCUIT_OPEN, message, after)
}

pub(super) fn queue_full(pool: &PoolName, waiting: usize, settings: &ServiceSettings, after: Duration) -> CallError {
    let most = settings.max_queue;
    let message = format!(
        "{} for a worker of `{pool}` and `max_queue` is {most}; call again later, raise it or add workers",
        calls_wait(waiting)
    );
    later(code::QUEUE_FULL, message, after)
}

/// `lack`: why no worker is ready.
pub(super) fn waited_too_long(
    pool: &PoolName,
    waiting: usize,
    settings: &ServiceSettings,
    lack: Option<&str>,
) -> CallError {
    let time = show_duration(settings.max_queue_time);
    let more = lack.map_or_else(|| format!("; {}", calls_wait(waiting)), |lack| because(pool, lack));
    let message = format!("no worker of `{pool}` was free for {time} (`max_queue_time`){more}");
    later(code::QUEUE_FULL, message, settings.max_queue_time)
}

fn calls_wait(waiting: usize) -> String {
    if waiting == 1 { "1 call waits".to_owned() } else { format!("{waiting} calls wait") }
}

fn because(pool: &PoolName, lack: &str) -> String {
    format!(": {lack}; see `queue-work why {pool}`")
}

pub(super) fn closed(pool: &PoolName, why: &str) -> CallError {
    error(code::STOPPING, format!("`{pool}` has no worker and starts none: {why}"), None)
}

pub(super) fn caller_waited_too_long(pool: &PoolName, lack: Option<&str>) -> CallError {
    let more = lack.map(|lack| because(pool, lack)).unwrap_or_default();
    error(code::TIMED_OUT, format!("`{pool}` did not answer before the deadline of the call{more}"), None)
}

pub(super) fn timed_out(pool: &PoolName, timeout: Duration) -> CallError {
    let message = format!("a worker of `{pool}` did not answer in {} (`timeout`)", show_duration(timeout));
    error(code::TIMED_OUT, message, None)
}

pub(super) fn worker_died(pool: &PoolName, how: &str) -> CallError {
    error(code::WORKER_DIED, format!("a worker of `{pool}` died in the call: {how}"), None)
}

pub(super) fn stopping(pool: &PoolName) -> CallError {
    error(code::STOPPING, format!("`{pool}` is being stopped"), None)
}
