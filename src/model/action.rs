//! Actions of operators on a job, and the states in which each can be done.

use std::sync::Arc;
use std::time::Duration;

use super::{JobState, QueueName, States, UnixMicros};

/// An action of operators on a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobAction {
    /// Make a dead, cancelled or scheduled job ready now, its counters at zero.
    Retry,
    /// The same, due at this time.
    RetryAt(UnixMicros),
    /// Cancel it.
    Cancel,
    /// Forget it with its runs.
    Delete,
    /// Change what waits.
    Set(Arc<Setting>),
}

/// States of jobs that have not ended.
pub const UNFINISHED: States =
    States::of(&[JobState::Blocked, JobState::Scheduled, JobState::Ready, JobState::Running]);
/// States of jobs that have not begun, or wait for another attempt.
pub const WAITING: States = States::of(&[JobState::Blocked, JobState::Scheduled, JobState::Ready]);

/// New values of a job that waits; `None`: as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// -100 to 100.
    pub priority: Option<i8>,
    pub queue: Option<QueueName>,
    /// When it is due, and how long that is from now, where it was said so.
    pub due: Option<(UnixMicros, Option<Duration>)>,
}

impl Setting {
    /// Whether a job that expires then would do so before it is due.
    #[must_use]
    pub fn lapses(&self, expires_at: Option<i64>) -> bool {
        self.due.zip(expires_at).is_some_and(|((due_at, _), expires_at)| expires_at <= due_at.0)
    }
}

impl JobAction {
    /// `retry`, `cancel`, `delete` or `set`.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Retry | Self::RetryAt(_) => "retry",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::Set(_) => "set",
        }
    }

    /// The states in which it can be done.
    #[must_use]
    pub const fn possible(&self) -> States {
        if matches!(self, Self::Cancel) { UNFINISHED } else { self.is_for() }
    }

    /// The states that are meant by a filter that names none.
    #[must_use]
    pub const fn usual(&self) -> States {
        if matches!(self, Self::Retry | Self::RetryAt(_)) { States::of(&[JobState::Dead]) } else { self.possible() }
    }

    /// The states in which a store does it. A running job is cancelled by ending its run.
    #[must_use]
    pub const fn is_for(&self) -> States {
        use JobState::{Blocked, Cancelled, Dead, Ready, Scheduled, Succeeded};
        States::of(match self {
            Self::Retry | Self::RetryAt(_) => &[Scheduled, Dead, Cancelled],
            Self::Cancel | Self::Set(_) => return WAITING,
            Self::Delete => &[Blocked, Scheduled, Ready, Succeeded, Dead, Cancelled],
        })
    }
}
