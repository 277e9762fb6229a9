//! Runs: one attempt at one job by one worker, with its outcome and cause.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::trace::SpanIds;
use super::{Generation, JobId, QueueName, RunId, UnixMicros};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The worker answered with a result.
    Succeeded,
    /// The worker answered with an error.
    Failed,
    /// Ran past its deadline and was ended.
    TimedOut,
    /// Its worker died under it.
    Crashed,
    /// Its job was cancelled.
    Cancelled,
    /// Given back: stop, restart, prefetch, death of the master.
    Released,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::Succeeded, Self::Failed, Self::TimedOut, Self::Crashed, Self::Cancelled, Self::Released];

    /// The word used in JSON, tables and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Crashed => "crashed",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
        }
    }
}

/// Why a run or a job ended as it did, in one word. `None` where there is nothing to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    MaxAttempts,
    /// The worker or the exit code said: do not retry.
    NoRetry,
    /// Its worker died under it too often.
    Poison,
    /// The command, or the type, does not exist.
    NotFound,
    /// The command exists but may not be executed.
    NotExecutable,
    /// Cancelled by an operator.
    Cancelled,
    /// Not started in time.
    Expired,
    /// The command ended with an exit code that is not 0, or the worker answered with an error.
    Error,
    /// Ended by a signal.
    Signal,
    Timeout,
    /// Over the hard memory limit.
    Memory,
    /// The worker process ended.
    WorkerExited,
    /// The worker broke the protocol (a line over the limit).
    Protocol,
    /// The master is stopping.
    Stop,
    /// The worker is being restarted.
    Restart,
    /// The pool is being scaled down, or the worker recycled.
    Scale,
    /// The worker reached a limit.
    Recycle,
    /// The master itself died while this ran.
    MasterLost,
    /// The machine had nothing left to start the command with.
    NotBegun,
    /// A job that it comes after is dead, cancelled or deleted.
    Parent,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 20] = [
        Self::MaxAttempts,
        Self::NoRetry,
        Self::Poison,
        Self::NotFound,
        Self::NotExecutable,
        Self::Cancelled,
        Self::Expired,
        Self::Error,
        Self::Signal,
        Self::Timeout,
        Self::Memory,
        Self::WorkerExited,
        Self::Protocol,
        Self::Stop,
        Self::Restart,
        Self::Scale,
        Self::Recycle,
        Self::MasterLost,
        Self::NotBegun,
        Self::Parent,
    ];

    /// The word used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxAttempts => "max_attempts",
            Self::NoRetry => "no_retry",
            Self::Poison => "poison",
            Self::NotFound => "not_found",
            Self::NotExecutable => "not_executable",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Error => "error",
            Self::Signal => "signal",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::WorkerExited => "worker_exited",
            Self::Protocol => "protocol",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Scale => "scale",
            Self::Recycle => "recycle",
            Self::MasterLost => "master_lost",
            Self::NotBegun => "not_begun",
            Self::Parent => "parent",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Facts about a run beside its outcome. Most runs have nothing to tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Of the command, where there is one.
    pub exit_code: Option<i32>,
    /// Name of the signal that ended it, such as `SIGKILL`.
    pub signal: Option<String>,
    /// Error text, with the kind of error in front and the last line that was printed behind, where these say more.
    pub error: Option<String>,
    /// Kind of error, such as `KeyError`, in the word of the worker.
    #[serde(default)]
    pub error_type: Option<Box<str>>,
    /// Its number, in the sense of the worker.
    #[serde(default)]
    pub error_code: Option<i64>,
    /// Where it happened, as the worker tells it.
    #[serde(default)]
    pub backtrace: Option<Box<str>>,
    /// The last lines on stderr.
    pub stderr_tail: String,
    /// The last lines on stdout, if it did not succeed.
    #[serde(default)]
    pub stdout_tail: String,
    /// JSON text; `None` is `null`. On record it is the job's.
    #[serde(skip)]
    pub result: Option<String>,
    /// The note of the worker on the run, for people. On record it is that of the processor's run.
    #[serde(skip)]
    pub note: Option<Box<str>>,
    /// Most memory seen, in bytes. On record beside these facts, as every run has it.
    #[serde(skip)]
    pub peak_memory: Option<u64>,
}

#[cfg(test)]
impl Detail {
    /// An example with something in each field that its record shows.
    pub(crate) fn full() -> Self {
        Self {
            exit_code: Some(-1),
            signal: Some("SIGKILL".into()),
            error: Some("nul \0 in it".into()),
            error_type: Some("KeyError".into()),
            error_code: Some(i64::MIN),
            backtrace: Some("first\nsecond \0\n".into()),
            stderr_tail: "a\0b\n".into(),
            stdout_tail: "c\0d\n".into(),
            result: None,
            note: None,
            peak_memory: None,
        }
    }
}

/// A run on record; serialises to the documented JSON of `runs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub id: RunId,
    pub job_id: JobId,
    #[serde(rename = "type")]
    pub kind: String,
    pub queue: QueueName,
    /// `<pool>-<slot>`; `null` if it was claimed but its worker is not known.
    pub worker: Option<String>,
    /// The worker's process id.
    pub pid: Option<u32>,
    /// The life of the master it belonged to.
    pub generation: Generation,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    pub outcome: Outcome,
    pub cause: Option<Cause>,
    /// Further facts.
    #[serde(flatten)]
    pub detail: Detail,
    #[serde(flatten)]
    pub span: SpanIds,
    /// When it was handed to the worker.
    pub started_at: UnixMicros,
    pub ended_at: UnixMicros,
    /// `ended_at - started_at`, in seconds.
    pub duration_s: f64,
    /// From due to started, in seconds.
    pub waited_s: f64,
    /// Most memory seen, in bytes.
    pub peak_memory_bytes: Option<u64>,
}
