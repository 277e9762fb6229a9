//! What of the lists that are not of jobs and runs is asked for.

use serde::{Deserialize, Serialize};

use crate::model::{BatchId, QueueName, UnixMicros};

/// Which changes of pools that scale themselves to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoscaleFilter {
    /// Only this pool.
    pub pool: Option<String>,
    /// Only changes since.
    pub since: Option<UnixMicros>,
    /// Only ids below this.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Which calls of services to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFilter {
    /// Only calls of this service.
    pub service: Option<String>,
    /// Only calls that failed.
    #[serde(default)]
    pub failed: bool,
    /// Only calls that ended since.
    pub since: Option<UnixMicros>,
    /// Only ids below this.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Batches to list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchFilter {
    /// Only this one.
    pub id: Option<BatchId>,
    /// Only of this name.
    pub name: Option<String>,
    /// Only ids below this.
    pub before: Option<BatchId>,
    /// At most this many.
    pub limit: Option<u32>,
}

impl BatchFilter {
    /// The one with this id, else those of this name.
    #[must_use]
    pub fn named(text: &str) -> Self {
        match text.parse() {
            Ok(id) => Self { id: Some(BatchId(id)), ..Self::default() },
            Err(_) => Self { name: Some(text.to_owned()), ..Self::default() },
        }
    }
}

/// Keys of a queue to list, those with the most waiting jobs first, then those with the most that run. Without `key` only those
/// that have some, or are paused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFilter {
    pub queue: QueueName,
    /// Only this key.
    pub key: Option<String>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Deeds to list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditFilter {
    /// Only of this user.
    pub who: Option<String>,
    pub verb: Option<String>,
    /// Only what was asked for since.
    pub since: Option<UnixMicros>,
    /// Only ids below this.
    pub before: Option<i64>,
    /// At most this many.
    pub limit: Option<u32>,
}
