//! A host of a store that several share: its master, as the others know it.

use serde::{Deserialize, Serialize};

use super::serves::Serves;
use super::{Generation, UnixMicros};

/// How a host is, as far as the store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    Running,
    /// The master has said nothing for so long that its workers are dead, and others are about to take over.
    Silent,
    /// Another one takes over.
    Lost,
}

impl HostState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Silent => "silent",
            Self::Lost => "lost",
        }
    }
}

/// A host whose master has joined and not left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostRecord {
    pub name: String,
    pub state: HostState,
    pub generation: Generation,
    /// Process of its master, on that host.
    pub pid: u32,
    pub version: String,
    pub started_at: UnixMicros,
    /// By how much its clock is ahead of that of the server, in seconds, but for the time of the way to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_s: Option<f64>,
    /// For how long its master has said nothing, in seconds by the clock of the server.
    pub beat_age_s: f64,
    /// Workers that live.
    pub workers: u64,
    /// Jobs that it has claimed.
    pub busy: u64,
    /// The queues that it serves, each with the types of jobs that it takes: `exec` is a command, `*` every other type.
    #[serde(default, skip_serializing_if = "Serves::is_empty")]
    pub serves: Serves,
}
