//! The record of calls that were slow or failed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{PoolName, SpanId, UnixMicros};

/// Calls go on record so often at most, of all services together.
pub const MOST_A_MINUTE: u32 = 100;
/// Calls are kept for this long.
pub const CALLS_KEPT_FOR: Duration = Duration::from_hours(24);
/// And no more than these, the newest.
pub const MOST_CALLS: u32 = MOST_A_MINUTE * 24 * 60;

/// A call that is over. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallSample {
    pub service: PoolName,
    /// `None`: the call named none, and the whole message was the argument.
    pub method: Option<String>,
    /// The caller, as far as it is known.
    pub peer: String,
    /// The worker that had it last, and how long the call had waited until then; `None`: no worker had it.
    pub worker: Option<String>,
    pub waited_s: Option<f64>,
    /// From its arrival to its end.
    pub took_s: f64,
    /// `None`: it was slow.
    pub error: Option<CallFailure>,
    pub traceparent: Option<String>,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFailure {
    /// A number of [`super::service::code`], or the worker's own.
    pub code: i64,
    pub message: String,
}

/// A call that ended at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedCall {
    pub at: UnixMicros,
    #[serde(flatten)]
    pub call: CallSample,
}

/// The span of a call that is over, in a trace that somebody wants to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallSpan {
    /// The context that its worker continues.
    pub traceparent: String,
    /// The span of the caller.
    pub parent: SpanId,
    pub service: PoolName,
    pub method: Option<String>,
    pub begun_at: UnixMicros,
    pub ended_at: UnixMicros,
    pub error: Option<CallFailure>,
}

/// A call on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub id: i64,
    #[serde(flatten)]
    pub logged: LoggedCall,
}
