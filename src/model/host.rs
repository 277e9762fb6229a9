//! A host of a store that several share: its master, as the others know it.

use serde::{Deserialize, Serialize};

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
    /// For how long its master has said nothing, in seconds by the clock of the server.
    pub beat_age_s: f64,
    /// Workers that live.
    pub workers: u64,
    /// Jobs that it has claimed.
    pub busy: u64,
}
