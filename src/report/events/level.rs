//! How much an event matters, and what `-q` and `-v` show.
//!
//! Invariant: what was asked for never counts as a problem.

use super::Event;
use crate::model::Notice;
use crate::model::worker::EndReason;

/// How much an event matters, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `-vv`.
    Debug,
    /// `-v`.
    Detail,
    Normal,
    Problem,
    /// Also with `-q`: what a job of `work` prints; what ends the command is said as its error.
    Nothing,
}

impl Level {
    /// The least level shown with so many `-v`, or `-q`.
    #[must_use]
    pub const fn shown(verbose: u8, quiet: bool) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Nothing,
            (false, 0) => Self::Normal,
            (false, 1) => Self::Detail,
            (false, 2..) => Self::Debug,
        }
    }
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Output(_) => Level::Detail,
            Self::Printed(_) => Level::Nothing,
            Self::MasterStarted { .. }
            | Self::PoolStarted { .. }
            | Self::Recovered { .. }
            | Self::Reloaded { .. }
            | Self::Stopping { .. }
            | Self::Forced { .. }
            | Self::Drained { .. }
            | Self::Stopped { .. } => Level::Normal,
            Self::Notice(notice) => notice_level(notice),
            Self::Step(_) => Level::Debug,
        }
    }
}

const fn notice_level(notice: &Notice) -> Level {
    match notice {
        Notice::WorkerStarted { .. }
        | Notice::Autoscaled(_)
        | Notice::StrayAnswer { .. }
        | Notice::WorkerEnded { known: true, .. }
        | Notice::Backoff { known: true, .. } => Level::Detail,
        Notice::WorkerEnded { reason, .. } => ended_level(*reason),
        Notice::JobBegan { .. }
        | Notice::JobEnded { .. }
        | Notice::JobFailed { .. }
        | Notice::WorkerFinished { well: true, .. }
        | Notice::Scaled { .. }
        | Notice::TicksMissed { .. } => Level::Normal,
        Notice::JobDead { .. }
        | Notice::Backoff { .. }
        | Notice::WorkerFinished { .. }
        | Notice::WorkerGivenUp { .. }
        | Notice::Problem { .. }
        | Notice::RunLost { .. }
        | Notice::MemoryBaseline { .. } => Level::Problem,
    }
}

/// Ends that were asked for matter less than those that were not.
const fn ended_level(reason: EndReason) -> Level {
    match reason {
        EndReason::Scaled | EndReason::Restarted | EndReason::Stopped | EndReason::Retired => Level::Detail,
        EndReason::MaxJobs | EndReason::MaxTime | EndReason::Memory | EndReason::Cpu | EndReason::JobCancelled => {
            Level::Normal
        }
        EndReason::Exited
        | EndReason::MemoryMax
        | EndReason::JobTimeout
        | EndReason::ReadyTimeout
        | EndReason::Protocol
        | EndReason::SpawnFailed
        | EndReason::Unhealthy
        | EndReason::MasterLost => Level::Problem,
    }
}
