//! Params and results of the methods that change many jobs.

use serde::{Deserialize, Serialize};

use super::control::Span;
use crate::model::{JobId, OperationId, States, UnixMicros};
use crate::store::JobFilter;

/// Some jobs, by their ids or by a filter; for `jobs.set` with what is to be changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    #[serde(default)]
    pub ids: Vec<JobId>,
    /// Only those that are in one of these states when their turn comes: the others are left as they are and counted.
    #[serde(rename = "state", default)]
    pub only: States,
    /// All that are like this, instead of `ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Box<JobFilter>>,
    /// `jobs.retry`: every dead job …
    #[serde(default)]
    pub all: bool,
    /// … of this queue.
    #[serde(default)]
    pub queue: Option<String>,
    /// `jobs.cancel` of a running job: answer at once, not when its run has ended.
    #[serde(default)]
    pub no_wait: bool,
    /// Go on by itself, and answer with the operation as soon as the jobs of the filter are found.
    #[serde(default, skip_serializing_if = "is_no")]
    pub background: bool,
    /// `jobs.retry` in the background: one job after the other in this time, not all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Span>,
    /// `jobs.set`: -100 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// `jobs.set`: the queue where it is to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_queue: Option<String>,
    /// `jobs.set`: not before this long from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// `jobs.set`: not before this time (RFC 3339). Not together with `delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMicros>,
}

/// The answer to `jobs.retry`, `jobs.cancel`, `jobs.delete` and `jobs.set`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedJobs {
    /// How many were changed.
    pub count: u64,
    /// Where states or a filter were given: jobs that were left as they are, in another state by then, or dead although
    /// they were to be retried, as another unfinished job has their unique key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub passed_over: u64,
    /// Jobs that were not changed, and why.
    #[serde(default)]
    pub refused: Vec<RefusedJob>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_no(set: &bool) -> bool {
    !*set
}

/// An operation, by its id.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneOperation {
    pub id: OperationId,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A job that was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedJob {
    pub id: JobId,
    /// Why: `there is no job 7`, `job 7 has succeeded`.
    pub reason: String,
    /// Exit code for it: 4 (no such job) or 5 (the state does not allow it).
    pub exit_code: u8,
}
