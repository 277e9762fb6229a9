//! The methods of the control socket for more jobs than one request can hold: all of them are added or none.
//!
//! `bulk.begin`, `bulk.add` as often as needed, `bulk.commit`, all by one connection. Nothing is added before the commit; what
//! was begun is dropped when the connection closes.

use serde::{Deserialize, Serialize};

use super::control::{PushBatch, PushJob};
use crate::model::{BatchId, BulkId, JobId};

/// The answer to `bulk.begin`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct BulkBegun {
    /// Names it in the requests that follow, which must come by the same connection.
    pub bulk: BulkId,
}

/// Add jobs to a bulk push, a line of 16 MiB at most; they are invisible before the commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddToBulk {
    pub bulk: BulkId,
    /// The jobs, at least one.
    #[serde(deserialize_with = "super::object::list")]
    pub jobs: Vec<PushJob>,
}

/// The answer to [`AddToBulk`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct BulkAdded {
    pub count: u64,
    /// The id of the first; those of the others follow it.
    pub first_id: JobId,
}

/// Add all jobs of a bulk push now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitBulk {
    pub bulk: BulkId,
    /// Whether the answer names the jobs that were there already.
    #[serde(default)]
    pub ids: bool,
    /// The batch of all of them; absent: a new one.
    #[serde(default)]
    pub batch: PushBatch,
}

/// One bulk push.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneBulk {
    pub bulk: BulkId,
}

/// The answer to [`CommitBulk`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkDone {
    /// How many were asked for.
    pub count: u64,
    /// How many of them were there already.
    pub deduplicated: u64,
    /// All of them are added, but the store cannot be written now, or the master stops: some run later, and those that were
    /// there already are not all counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// The lowest id; `null` for none.
    pub first_id: Option<JobId>,
    /// The highest id; `null` for none.
    pub last_id: Option<JobId>,
    /// For those that were there already, if asked for: the id that was to be theirs, and the id of that job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicates: Vec<[JobId; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
}
