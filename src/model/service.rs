//! Services: what a pool whose workers answer calls is told to be, and how a call fails.

mod declared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

pub use self::declared::{CacheRule, Declared, MOST_DECLARED_BYTES, MOST_METHODS, Method, RateLimit};
use super::Slot;
use super::token::Token;

/// How the worker of a call is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The one with the fewest calls for its concurrency.
    #[default]
    LeastLoaded,
    RoundRobin,
    Random,
    /// The less loaded of two that are drawn.
    TwoChoices,
    /// The one whose answers took the least time lately, among those with room.
    Fastest,
    /// The same slot for the same key.
    Sticky,
}

/// Where the key of a sticky call is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StickyKey {
    /// The address of the caller.
    Peer,
    /// A JSON pointer (RFC 6901) into the request: `/parameters/user`.
    Pointer(String),
}

/// How requests are told apart on a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// By their first bytes: JSON values, lines or raw text.
    #[default]
    Auto,
    Lines,
    Once,
    Http,
}

/// When calls are refused because workers die or do not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// Deaths and timeouts in a row; errors that a worker answers do not count.
    pub failures: u32,
    /// How long all calls are refused then.
    pub open: Duration,
    /// Calls that are let through afterwards; when all are answered, the circuit is closed.
    pub probes: u32,
}

/// A pool of kind `service` as it is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceSettings {
    pub strategy: Strategy,
    pub sticky: StickyKey,
    /// Calls that may wait for a worker; more are refused at once.
    pub max_queue: u32,
    /// How long one may wait.
    pub max_queue_time: Duration,
    /// How long a worker may take, unless the method says otherwise.
    pub timeout: Duration,
    /// A call that took as long goes on record.
    pub slow_call: Duration,
    /// Calls that a worker takes at a time, unless its `ready` says otherwise; at least 1.
    pub concurrency: u32,
    pub circuit: Option<Circuit>,
    /// The value that a worker is given in `init` before it is ready.
    pub init: Option<Value>,
    /// The version that workers must declare.
    pub version: Option<String>,
    /// The token that callers over HTTP must show.
    pub token: Option<Token>,
    /// How long a raw request may pause before it counts as whole.
    pub raw_idle: Duration,
    /// The slots that it has now, whether or not a worker is in them, where calls are sticky: the replacement of a worker
    /// moves no call then. Empty: those that have workers.
    pub slots: BTreeSet<Slot>,
    /// Why it has no worker that is ready, where that is known; it may have one all the same.
    pub absence: Option<Absence>,
}

/// Why a service has no worker, as a part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// None comes until an operator wants it to: calls are refused while there is none.
    Closed(String),
    /// One is to come, which calls wait for.
    Awaited(String),
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            sticky: StickyKey::Peer,
            max_queue: 1000,
            max_queue_time: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            slow_call: Duration::from_secs(1),
            concurrency: 1,
            circuit: None,
            init: None,
            version: None,
            token: None,
            raw_idle: Duration::from_millis(50),
            slots: BTreeSet::new(),
            absence: None,
        }
    }
}

/// The content of a request or an answer.
#[derive(Clone, Debug)]
pub enum Body {
    Json(Arc<RawValue>),
    /// Bytes that are no JSON.
    Raw(Arc<[u8]>),
}

impl Body {
    /// In bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.get().len(),
            Self::Raw(bytes) => bytes.len(),
        }
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallError {
    /// A number of [`code`], or the worker's own.
    pub code: i64,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// Codes of failed calls, in the sense of JSON-RPC; a worker has others.
pub mod code {
    pub const NOT_JSON: i64 = -32700;
    pub const NO_SUCH_METHOD: i64 = -32601;
    pub const WRONG_PARAMS: i64 = -32602;
    pub const TIMED_OUT: i64 = -32001;
    pub const QUEUE_FULL: i64 = -32002;
    pub const RATE_LIMITED: i64 = -32003;
    pub const CIRCUIT_OPEN: i64 = -32004;
    pub const WORKER_DIED: i64 = -32005;
    pub const STOPPING: i64 = -32006;
    /// In traces only, as nobody is there to read it: the caller has left.
    pub const CALLER_LEFT: i64 = -32007;

    /// The word for a code of ours; `None` for those of workers.
    #[must_use]
    pub const fn word(code: i64) -> Option<&'static str> {
        Some(match code {
            NOT_JSON => "not_json",
            NO_SUCH_METHOD => "no_such_method",
            WRONG_PARAMS => "wrong_params",
            TIMED_OUT => "timed_out",
            QUEUE_FULL => "queue_full",
            RATE_LIMITED => "rate_limited",
            CIRCUIT_OPEN => "circuit_open",
            WORKER_DIED => "worker_died",
            STOPPING => "stopping",
            CALLER_LEFT => "cancelled",
            _ => return None,
        })
    }
}

/// The calls of a service, as its gateway counts: sums since it began, and how things are now. Times are in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallLoad {
    /// Calls that have ended, those included that were refused, and those that failed.
    pub calls: u64,
    pub errors: u64,
    /// Calls that needed a worker.
    pub arrived: u64,
    /// Requests that workers are done with, be it that they died, and how long they had them.
    pub ended: u64,
    pub took_s: f64,
    /// Calls that wait for a worker, and for how long the first has.
    pub waiting: u64,
    pub oldest_s: Option<f64>,
    /// Calls that workers have, for how long they have in all, and workers that have one.
    pub running: u32,
    pub running_for_s: f64,
    pub busy: u32,
    /// For how long calls are refused yet, as workers died or did not answer.
    pub circuit_open_s: Option<f64>,
    /// The worst that a worker has said; `None`: none says.
    pub health: Option<Health>,
}

impl CallLoad {
    /// Whether calls wait, or workers have some.
    #[must_use]
    pub const fn has_calls(&self) -> bool {
        self.waiting > 0 || self.running > 0
    }
}

/// Calls of one method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodStats {
    pub requests: u64,
    pub errors: u64,
    pub cache_hits: u64,
    /// Requests per second, of the last minute or two.
    #[serde(default)]
    pub per_s: f64,
    /// From a call to its answer by a worker, in the last five minutes.
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// How workers say they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Health {
    pub status: HealthStatus,
    /// The checks that are not healthy.
    pub message: String,
}

/// From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    Healthy,
    Degraded,
    Unhealthy,
}

impl HealthStatus {
    /// Every status, the best first.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Degraded, Self::Unhealthy];

    /// The word that workers say, and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A series that workers count in by `metric`, all of a pool together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    #[serde(flatten)]
    pub value: MetricValue,
}

/// The value of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MetricValue {
    /// The sum of what was added.
    Counter { sum: f64 },
    /// The last.
    Gauge { last: f64 },
    /// Values that were seen.
    Histogram { count: u64, sum: f64 },
}
