//! Changes of many jobs that go on by themselves, whoever listens.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OperationId, UnixMicros};

/// Operations that are remembered, the newest.
pub const MOST_OPERATIONS: u32 = 1000;

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    Running,
    Done,
    /// Somebody has stopped it: the jobs that were left are as they were.
    Stopped,
    /// The jobs could not be found.
    Failed,
}

impl OperationState {
    /// In the order of their numbers in the store.
    pub const ALL: [Self; 4] = [Self::Running, Self::Done, Self::Stopped, Self::Failed];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// A change of many jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OperationId,
    /// `retry`, `cancel`, `delete` or `set`.
    pub verb: String,
    /// The request, with the filter that finds the jobs that are left when a master goes on with it.
    pub params: Value,
    /// The one who asked for it, as far as that was said.
    pub by: Option<String>,
    /// The jobs are retried one by one until then.
    pub spread_until: Option<UnixMicros>,
    /// Jobs that were meant when it began.
    pub expected: u64,
    /// Jobs that were changed.
    pub done: u64,
    /// Jobs that were in another state by then, and left as they were.
    pub passed_over: u64,
    /// Jobs that could not be changed.
    pub refused: u64,
    pub state: OperationState,
    pub started_at: UnixMicros,
    pub ended_at: Option<UnixMicros>,
}
