//! Limits that have two ways of being said.

use serde::{Deserialize, Serialize};

/// The soft memory limit of a worker, its descendants counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryLimit {
    /// Recycle after this many bytes of growth since the worker's first finished job (`+128M`).
    Growth(u64),
    /// Recycle above this many bytes (`256M`).
    Absolute(u64),
}

/// How many jobs may be on their way to one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefetch {
    /// About 1 ms of work, 1 to 64.
    Auto,
    /// A fixed number, 1 to 1000.
    Fixed(u32),
}
