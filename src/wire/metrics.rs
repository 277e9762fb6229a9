//! The methods `metrics.…`: their params.

use serde::{Deserialize, Serialize};

use crate::model::{QueueName, UnixMicros};

/// Numbers of which time, of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskHistory {
    pub since: UnixMicros,
    /// Absent: now.
    pub until: Option<UnixMicros>,
    /// Only this queue.
    pub queue: Option<QueueName>,
    /// Only this type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}
