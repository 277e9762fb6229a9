//! Batches: jobs that were pushed together, or joined such jobs, and have an end of their own.
//!
//! A push says of its jobs [`IntoBatch`]; each push of many jobs is a batch. A batch is kept as the ranges of the ids of its
//! jobs: those of one push follow one another, so that one row stands for a million of them, and neither a job nor its end
//! has anything to write down. How many of its jobs are in which state is counted from the jobs when somebody asks, and is
//! kept nowhere.
//!
//! A batch has ended when all of its jobs have, and then it takes in no other. A `then` is a job that is pushed along and
//! blocked until that, whatever became of the others; a `then_failed` is cancelled where none of them has died. Both come
//! after the batch as a job comes after another ([`super::after`]), under the number [`BatchId::as_parent`].
//! A store learns of the end as follows. Of the jobs of a batch that somebody waits for, one that has not ended is watched.
//! When that ends, another is looked for, the last one first: so long as jobs run in the order of their ids, this is done
//! once, at the end. Where none is found, the batch has ended, in the same transaction.
//!
//! Knows no store. Invariant: a `then` comes after nothing else, so that its batch alone frees it.

use serde::{Deserialize, Serialize};

use super::{BatchId, JobId, JobState, NewJob, UnixMicros};

/// The ref under which a `then` finds its batch among its parents.
pub const REF: &str = "batch";

impl BatchId {
    /// The number of the batch where jobs have theirs: no job has a number below one.
    #[must_use]
    pub const fn as_parent(self) -> JobId {
        JobId(-self.0)
    }

    /// The batch that such a number stands for.
    #[must_use]
    pub fn of_parent(parent: JobId) -> Option<Self> {
        (parent.0 < 0).then_some(Self(-parent.0))
    }
}

/// The batch of the jobs of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntoBatch {
    New(NewBatch),
    /// One that has not ended.
    Join(BatchId),
    /// The batch of this job, which has not ended.
    JoinThatOf(JobId),
}

impl Default for IntoBatch {
    fn default() -> Self {
        Self::New(NewBatch::default())
    }
}

/// A batch that a push makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewBatch {
    pub name: Option<Box<str>>,
    /// Runs when all of its jobs have ended.
    pub then: Option<Box<NewJob>>,
    /// Runs then if one of them has died.
    pub then_failed: Option<Box<NewJob>>,
}

impl IntoBatch {
    /// The jobs that come after the batch.
    pub fn followers(&self) -> impl Iterator<Item = &NewJob> {
        let new = if let Self::New(new) = self { Some(new) } else { None };
        new.into_iter().flat_map(|new| new.then.iter().chain(&new.then_failed)).map(|job| &**job)
    }
}

/// Why jobs cannot join a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("there is no batch {0}; see `queue-work batches`")]
    Unknown(BatchId),
    #[error("there is no job {0} whose batch could be joined")]
    UnknownJob(JobId),
    #[error("job {0} is in no batch that could be joined")]
    Alone(JobId),
    #[error("batch {0} has ended, so no job can join it; push a new one with `--batch NAME`")]
    Ended(BatchId),
}

impl BatchError {
    /// The exit code of the command line for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown(_) | Self::UnknownJob(_) => 4,
            Self::Alone(_) | Self::Ended(_) => 5,
        }
    }
}

/// How many jobs of a batch are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCounts {
    pub blocked: u64,
    pub scheduled: u64,
    pub ready: u64,
    pub running: u64,
    pub succeeded: u64,
    pub dead: u64,
    pub cancelled: u64,
    /// On record no more, or pushed for nothing, as another had their unique key.
    pub gone: u64,
}

impl BatchCounts {
    /// The count of a state.
    pub const fn of(&mut self, state: JobState) -> &mut u64 {
        match state {
            JobState::Blocked => &mut self.blocked,
            JobState::Scheduled => &mut self.scheduled,
            JobState::Ready => &mut self.ready,
            JobState::Running => &mut self.running,
            JobState::Succeeded => &mut self.succeeded,
            JobState::Dead => &mut self.dead,
            JobState::Cancelled => &mut self.cancelled,
        }
    }

    /// Jobs that were ever in it.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.open() + self.succeeded + self.dead + self.cancelled + self.gone
    }

    /// Jobs that have not ended.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.blocked + self.scheduled + self.ready + self.running
    }
}

/// A batch on record; serialises to the documented JSON of `batches show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRecord {
    pub id: BatchId,
    pub name: Option<String>,
    pub pushed_at: UnixMicros,
    /// The ids of its jobs: pairs of the first and the last.
    pub ranges: super::IdRanges,
    pub counts: BatchCounts,
    /// The jobs that come after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then_failed: Option<JobId>,
}

impl BatchRecord {
    /// The share of its jobs that have ended, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let all = self.counts.all();
        if all == 0 { 100.0 } else { 100.0 * (all - self.counts.open()) as f64 / all as f64 }
    }

    /// How long it may take until the others have ended as well, in seconds, if they do so at the pace since the push.
    #[must_use]
    pub fn seconds_left(&self, now: UnixMicros) -> Option<f64> {
        let ended = self.counts.all() - self.counts.open();
        let took = now.since(self.pushed_at).as_secs_f64();
        (ended > 0 && self.counts.open() > 0).then(|| took / ended as f64 * self.counts.open() as f64)
    }
}

/// What a `then` is told of its batch, among the results of its parents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchEnd {
    pub id: BatchId,
    pub name: Option<String>,
    pub jobs: u64,
    pub succeeded: u64,
    pub dead: u64,
    pub cancelled: u64,
}
