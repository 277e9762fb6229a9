//! Jobs: what is pushed, what is handed out, what is on record.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::after::{After, AfterFailed, ParentResults};
pub use super::progress::{MOST_STATE_BYTES, Progress};
use super::trace::SpanIds;
use super::{
    BatchId, Fingerprint, JobId, ProcessorRunId, QueueName, RunId, RunTrace, TraceContext, UnixMicros, run::Cause,
};

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Due later: pushed with a delay, or waiting for a retry.
    Scheduled,
    /// Waiting for a worker.
    Ready,
    /// Handed to a worker.
    Running,
    Succeeded,
    /// Given up: out of attempts, not to be retried, or poison.
    Dead,
    /// Ended by us, by its expiry, or as a job that it comes after has failed; never to run again.
    Cancelled,
    /// Waiting for other jobs.
    Blocked,
}

impl JobState {
    /// Every state, in the order of life.
    pub const ALL: [Self; 7] =
        [Self::Blocked, Self::Scheduled, Self::Ready, Self::Running, Self::Succeeded, Self::Dead, Self::Cancelled];

    /// The word used in JSON, tables and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job will never run again by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Dead | Self::Cancelled)
    }
}

/// A set of states. In JSON one state or a list of them.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMany", into = "Vec<JobState>")]
pub struct States(u8);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a state such as \"dead\", or a list of states")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl States {
    /// Every state.
    pub const ALL: Self = Self::of(&JobState::ALL);

    /// A set of these states.
    #[must_use]
    pub const fn of(states: &[JobState]) -> Self {
        let (mut bits, mut next) = (0, 0);
        while next < states.len() {
            bits |= 1 << states[next] as u8;
            next += 1;
        }
        Self(bits)
    }

    /// Whether this state is one of them.
    #[must_use]
    pub const fn has(self, state: JobState) -> bool {
        self.0 & (1 << state as u8) != 0
    }

    /// The states that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, state: JobState) -> Self {
        Self(self.0 | (1 << state as u8))
    }

    /// Whether there is no state in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The states, in the order of life.
    pub fn iter(self) -> impl Iterator<Item = JobState> {
        JobState::ALL.into_iter().filter(move |&state| self.has(state))
    }

    /// The only one of them, if there is no other.
    #[must_use]
    pub fn single(self) -> Option<JobState> {
        self.iter().next().filter(|_| self.0.is_power_of_two())
    }
}

impl Default for States {
    fn default() -> Self {
        Self::ALL
    }
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl TryFrom<OneOrMany> for States {
    type Error = String;

    fn try_from(states: OneOrMany) -> Result<Self, String> {
        let words = match states {
            OneOrMany::One(word) => vec![word],
            OneOrMany::Many(words) => words,
        };
        let state = |word: String| {
            let known = JobState::ALL.into_iter().find(|state| state.as_str() == word);
            known.ok_or_else(|| format!("`{word}` is no state of a job"))
        };
        Ok(Self::of(&words.into_iter().map(state).collect::<Result<Vec<_>, _>>()?))
    }
}

impl From<States> for Vec<JobState> {
    fn from(states: States) -> Self {
        states.iter().collect()
    }
}

/// Charges of a job so far, each kind kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Failed and timed-out runs; counts towards `max_attempts`.
    pub attempts: u32,
    /// Runs whose worker died under them; counts towards `max_crashes`.
    pub crashes: u32,
    /// Runs that we interrupted; never blamed on the job.
    pub releases: u32,
    /// Releases since its last other outcome.
    #[serde(skip)]
    pub releases_in_a_row: u32,
}

/// A job that is given back this often in a row goes behind the others: it may be what makes it happen.
pub const BEHIND_AFTER: u32 = 5;

impl Counters {
    /// After a release.
    #[must_use]
    pub fn released(self) -> Self {
        Self {
            releases: self.releases.saturating_add(1),
            releases_in_a_row: self.releases_in_a_row.saturating_add(1),
            ..self
        }
    }

    /// Whether the job has been given back so often in a row that it goes behind the others.
    #[must_use]
    pub const fn goes_behind(self) -> bool {
        self.releases_in_a_row >= BEHIND_AFTER
    }
}

/// A job as it is pushed: checked, with every default applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its type; `exec` is a command.
    pub kind: Arc<str>,
    /// Any JSON, as text that was is within [`super::payload::check_limits`].
    pub args: Box<str>,
    pub queue: QueueName,
    /// -100 to 100; higher goes first.
    pub priority: i8,
    /// Not before this time. `None`: at once.
    pub due_at: Option<UnixMicros>,
    /// How long that is from now, where it was said as a length.
    pub wait: Option<Duration>,
    /// Cancelled if it has not started by then.
    pub expires_at: Option<UnixMicros>,
    /// Longest run; `None`: what the pool says.
    pub timeout: Option<Duration>,
    /// Most attempts; `None`: what the pool says.
    pub max_attempts: Option<u32>,
    /// While a job with this key is unfinished, pushing another returns the first.
    pub unique: Option<Box<str>>,
    /// A word of the user's, to tell it from others.
    pub label: Option<Box<str>>,
    /// Those with the same one belong together: jobs of a customer.
    pub key: Option<Box<str>>,
    /// The trace that it belongs to.
    pub pushed_in: Option<Box<TraceContext>>,
    /// The jobs that it comes after, and the name by which others of its push come after it.
    pub after: Option<Box<After>>,
}

impl NewJob {
    /// Whether it comes after others.
    #[must_use]
    pub fn has_parents(&self) -> bool {
        self.after.as_ref().is_some_and(|after| !after.parents.is_empty())
    }

    /// One that is due at once, in the queue `default`, and about which nothing else is said.
    #[must_use]
    pub fn new(kind: impl Into<Arc<str>>, args: impl Into<Box<str>>) -> Self {
        Self {
            kind: kind.into(),
            args: args.into(),
            queue: QueueName::default(),
            priority: 0,
            due_at: None,
            wait: None,
            expires_at: None,
            timeout: None,
            max_attempts: None,
            unique: None,
            label: None,
            key: None,
            pushed_in: None,
            after: None,
        }
    }
}

/// The answer to one pushed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// The job: the new one, or the unfinished one with the same unique key.
    pub id: JobId,
    /// True when the job was there already.
    pub deduplicated: bool,
    /// The batch of the push, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
}

/// A job handed out: its row moved to `running` under this run id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub id: JobId,
    /// The run; guards every later change.
    pub run: RunId,
    /// The queue it came from.
    pub queue: QueueName,
    pub kind: Arc<str>,
    /// Its args, JSON text.
    pub args: Box<str>,
    /// Charges before this run.
    pub counters: Counters,
    /// When it was pushed.
    pub pushed_at: UnixMicros,
    /// Since when it could have run.
    pub due_at: UnixMicros,
    /// Its own time limit, if any.
    pub timeout: Option<Duration>,
    /// Its own attempt limit, if any.
    pub max_attempts: Option<u32>,
    /// Things that its end frees.
    pub holds: Holds,
    /// Whether it has no past: no run, no release, no retry by an operator.
    pub is_new: bool,
    /// Where an earlier attempt said that the next one goes on, JSON text.
    pub state: Option<Arc<str>>,
    /// What the jobs that it comes after have made.
    pub parents: Option<Box<ParentResults>>,
    /// The trace that it was pushed in.
    pub pushed_in: Option<Box<TraceContext>>,
    /// The spans of this run, which the master gives to it.
    pub trace: Option<Box<RunTrace>>,
}

/// Things that a job holds until it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// A unique key.
    pub unique: bool,
    /// The run of a processor, which ends with it.
    pub run: Option<ProcessorRunId>,
}

impl Claimed {
    /// The number of this attempt, from 1: what was charged, plus one.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.counters.attempts + 1
    }

    /// The span of this run, if the job belongs to a trace.
    #[must_use]
    pub fn span(&self) -> SpanIds {
        self.trace.as_deref().map_or_else(SpanIds::default, |trace| SpanIds {
            trace_id: Some(trace.run.trace_id),
            span_id: Some(trace.run.span_id),
        })
    }
}

/// The most of [`JobRecord::after`].
pub const SHOWN_PARENTS: usize = 100;

/// A job on record; serialises to the documented JSON of `jobs show`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobRecord {
    pub id: JobId,
    #[serde(rename = "type")]
    pub kind: String,
    pub queue: QueueName,
    pub state: JobState,
    pub args: Box<RawValue>,
    /// -100 to 100.
    pub priority: i8,
    pub unique: Option<String>,
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// The trace that it was pushed in.
    #[serde(default)]
    pub traceparent: Option<String>,
    #[serde(default)]
    pub tracestate: Option<String>,
    /// The jobs that it comes after, the first [`SHOWN_PARENTS`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<JobId>,
    /// The batch that it comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_batch: Option<BatchId>,
    /// What becomes of it if one of them fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_failed: Option<AfterFailed>,
    #[serde(flatten)]
    pub counters: Counters,
    /// Its own limit, else the one that was in force when an attempt failed; `null`: what its pool says.
    pub max_attempts: Option<u32>,
    /// Its own limit in seconds, or `null`: what its pool says.
    pub timeout_s: Option<f64>,
    /// Result of the successful run; `null` before.
    pub result: Option<Box<RawValue>>,
    /// Why it is dead or cancelled, or what ended its last run.
    pub cause: Option<Cause>,
    /// The last error text.
    pub error: Option<String>,
    /// Of that error: its kind, its number and where it happened, as the worker told them.
    #[serde(default)]
    pub error_type: Option<String>,
    #[serde(default)]
    pub error_code: Option<i64>,
    #[serde(default)]
    pub backtrace: Option<String>,
    /// Of a dead job: the same for all that died of the same error.
    #[serde(default)]
    pub fingerprint: Option<Fingerprint>,
    /// Its last report of progress.
    pub progress: Option<Progress>,
    /// When it was pushed.
    pub pushed_at: UnixMicros,
    /// When it is or was due.
    pub due_at: UnixMicros,
    pub expires_at: Option<UnixMicros>,
    pub finished_at: Option<UnixMicros>,
}
