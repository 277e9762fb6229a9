//! A job as it is pushed, on the control socket, by a worker, over HTTP and in lines of `push --jsonl`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::batch::PushBatch;
use crate::model::UnixMicros;
use crate::model::after::{AfterFailed, Parent};

/// A job as a program writes it; also one line of `push --jsonl` and the params of a worker's `push`.
/// Durations are seconds (a number) or text such as `"10s"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a job object such as {\"type\": \"resize\", \"args\": …}")]
pub struct PushJob {
    #[serde(rename = "type")]
    pub kind: String,
    /// Any JSON; absent: `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Box<RawValue>>,
    /// Absent: `default` (in `push_many`, the queue given there).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// -100 to 100, default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Not before this long from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Not before this time (RFC 3339). Not together with `delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMicros>,
    /// Cancelled if not started within this long from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Most attempts, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// While a job with this key is unfinished, the push returns that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<String>,
    /// A word to tell it from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Jobs with the same one belong together, such as those of a customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The trace that it belongs to, as W3C Trace Context has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
    /// A name by which other jobs of the same push come after this one.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The jobs that must have succeeded before it runs: their ids, or refs of the same push.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Parent>,
    /// What becomes of it when one of them is dead or cancelled; `cancel` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_failed: Option<AfterFailed>,
    /// The batch that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<PushBatch>,
}

/// A duration in a request: seconds, or text with a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Span {
    /// Seconds.
    Seconds(f64),
    /// `10s`, `1h 30m`, `2d`.
    Text(String),
}
