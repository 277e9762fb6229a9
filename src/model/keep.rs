//! How long what has ended is kept.

use std::time::Duration;

use super::UnixMicros;

/// How long records are kept after their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepFor {
    /// Succeeded and cancelled jobs.
    pub succeeded: Duration,
    pub dead: Duration,
    /// Runs, workers and generations.
    pub runs: Duration,
    /// Deeds.
    pub audit: Duration,
}

impl KeepFor {
    /// The points in time before which records may go.
    #[must_use]
    pub fn before(self, now: UnixMicros, limit: u32) -> Keep {
        Keep {
            succeeded_since: now.minus(self.succeeded),
            dead_since: now.minus(self.dead),
            runs_since: now.minus(self.runs),
            audit_since: now.minus(self.audit),
            limit,
        }
    }
}

/// How long things are kept: everything that ended before these times may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Succeeded and cancelled jobs.
    pub succeeded_since: UnixMicros,
    pub dead_since: UnixMicros,
    /// Runs, workers and generations, and queues that are empty and not paused.
    pub runs_since: UnixMicros,
    /// Deeds.
    pub audit_since: UnixMicros,
    /// Bound on the rows looked at in one step, per table.
    pub limit: u32,
}
