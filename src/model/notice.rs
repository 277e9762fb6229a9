//! Things about workers and jobs worth telling people: part of the events of a master, worded in `report`.

use serde::{Deserialize, Serialize};

use super::autoscale::AutoscaleChange;
use super::trace::SpanIds;
use super::worker::{EndReason, Exit};
use super::{Cause, Claimed, JobId, MemoryLimit, Outcome, PoolName, ProcessorName, ProcessorRunId, QueueName, RunId};

/// The run that a notice is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFacts {
    pub run: RunId,
    pub queue: QueueName,
    /// The number of the attempt.
    pub attempt: u32,
    #[serde(flatten)]
    pub span: SpanIds,
}

impl From<&Claimed> for RunFacts {
    fn from(job: &Claimed) -> Self {
        Self { run: job.run, queue: job.queue.clone(), attempt: job.attempt(), span: job.span() }
    }
}

/// Something worth telling people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Notice {
    /// A worker process is ready.
    WorkerStarted {
        /// `<pool>-<slot>`.
        worker: String,
        /// Its process id.
        pid: u32,
    },
    /// A worker process has ended.
    WorkerEnded {
        /// `<pool>-<slot>`.
        worker: String,
        /// Its process id.
        pid: u32,
        reason: EndReason,
        /// `None`: its status could not be read.
        exit: Option<Exit>,
        jobs_done: u64,
        /// The worker did not come up, or was the last in its slot, which is said by itself.
        known: bool,
        /// Why a worker of a service was replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A run began: at the worker of a `work`, or somebody follows all runs.
    JobBegan {
        job: JobId,
        #[serde(rename = "type")]
        kind: String,
        /// `<pool>-<slot>`; `None`: the only one.
        worker: Option<String>,
        #[serde(flatten)]
        of: RunFacts,
    },
    /// A run ended, and not badly; told as its begin was.
    JobEnded {
        job: JobId,
        #[serde(rename = "type")]
        kind: String,
        /// `<pool>-<slot>`; `None`: the only one.
        worker: Option<String>,
        /// Succeeded, cancelled or released.
        outcome: Outcome,
        took_s: f64,
        #[serde(flatten)]
        of: RunFacts,
    },
    /// A run ended badly, and its job will be tried again.
    JobFailed {
        job: JobId,
        #[serde(rename = "type")]
        kind: String,
        /// `<pool>-<slot>`.
        worker: String,
        /// Failed, timed out or crashed.
        outcome: Outcome,
        cause: Cause,
        /// Error text.
        error: Option<String>,
        /// When it is tried again, in seconds from now.
        retry_in_s: f64,
        #[serde(default)]
        took_s: f64,
        #[serde(flatten)]
        of: RunFacts,
    },
    /// A job was given up.
    JobDead {
        job: JobId,
        #[serde(rename = "type")]
        kind: String,
        cause: Cause,
        /// Error text.
        error: Option<String>,
        #[serde(default)]
        took_s: f64,
        #[serde(flatten)]
        of: RunFacts,
    },
    /// A worker does not come up, or ended soon after.
    Backoff {
        pool: PoolName,
        /// `<pool>-<slot>`.
        worker: String,
        why: String,
        /// When it is tried again, in seconds from now.
        next_in_s: f64,
        /// The same was said of this pool already.
        known: bool,
        #[serde(default)]
        came_up: bool,
    },
    /// A worker ended that is not to be followed by another.
    WorkerFinished {
        pool: PoolName,
        /// `<pool>-<slot>`.
        worker: String,
        why: String,
        /// The exit code was 0.
        well: bool,
    },
    /// Workers of a slot died more often than their pool allows.
    WorkerGivenUp {
        pool: PoolName,
        /// `<pool>-<slot>`.
        worker: String,
        why: String,
    },
    /// The wanted number of workers has changed.
    Scaled {
        pool: PoolName,
        /// Before.
        was: u32,
        wanted: u32,
    },
    /// A pool has scaled itself.
    Autoscaled(Box<AutoscaleChange>),
    /// Ticks of a processor passed at which no master ran, or the machine slept.
    TicksMissed {
        processor: ProcessorName,
        /// Ticks without a run, at least.
        missed: u64,
        /// A later one has a run.
        ran: bool,
    },
    /// A process outside is gone without having ended its run, or was past its timeout.
    RunLost {
        processor: ProcessorName,
        #[serde(rename = "processor_run")]
        run: ProcessorRunId,
    },
    Problem {
        /// The problem, and the next step.
        text: String,
    },
    /// An absolute memory limit lies below what a worker needs, and is not applied.
    MemoryBaseline {
        pool: PoolName,
        /// The limit.
        limit: MemoryLimit,
        /// Memory of a worker after its first job, in bytes.
        baseline_bytes: u64,
    },
    /// A worker answered twice, or what it was not asked.
    StrayAnswer {
        /// `<pool>-<slot>`.
        worker: String,
        /// The id it gave.
        request: u64,
    },
}
