//! What operators do with a job, and in which states that can be done.

use std::sync::Arc;
use std::time::Duration;

use super::{JobState, QueueName, States, UnixMicros};

/// What operators do with a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobAction {
    /// Make a dead, cancelled or scheduled job ready now, its counters at zero.
    Retry,
    /// Cancel it.
    Cancel,
    /// Forget it with its runs.
    Delete,
    /// Change what waits.
    Set(Arc<Setting>),
}

/// New values of a job that waits; `None`: as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// -100 to 100.
    pub priority: Option<i8>,
    pub queue: Option<QueueName>,
    /// When it is due, and how long that is from now, where it was said so.
    pub due: Option<(UnixMicros, Option<Duration>)>,
}

impl JobAction {
    /// The states in which a store does it. A running job is cancelled by ending its run.
    #[must_use]
    pub const fn is_for(&self) -> States {
        use JobState::{Cancelled, Dead, Ready, Scheduled, Succeeded};
        States::of(match self {
            Self::Retry => &[Scheduled, Dead, Cancelled],
            Self::Cancel | Self::Set(_) => &[Scheduled, Ready],
            Self::Delete => &[Scheduled, Ready, Succeeded, Dead, Cancelled],
        })
    }
}
