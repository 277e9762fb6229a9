//! Steps of a master, told as events of level debug while `debug` is on.
//!
//! Invariant: words of a job, a worker or a command are in `detail` alone, so that who may not see them is given the rest.

use serde::{Deserialize, Serialize};

use super::text::did;
use crate::model::{JobId, Outcome, QueueName};
use crate::report::words;

/// A step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Step {
    /// A process was started for a worker.
    Spawned {
        /// `<pool>-<slot>`.
        worker: String,
        /// `None`: it could not be started.
        pid: Option<u32>,
        took_s: f64,
        /// The command.
        detail: String,
    },
    /// A message goes to a worker.
    Sent { worker: String, bytes: u64, detail: String },
    /// A message came from a worker.
    Received { worker: String, bytes: u64, detail: String },
    /// A pool asks the store for jobs.
    Claims {
        pool: String,
        jobs: u32,
        /// Workers that wait for them.
        workers: u64,
        queues: Vec<QueueName>,
    },
    /// The store has given them.
    Claimed { pool: String, jobs: u64, asked: u32 },
    /// A job is given to a worker.
    Dispatched {
        job: JobId,
        #[serde(rename = "type")]
        kind: String,
        queue: QueueName,
        worker: String,
        attempt: u32,
    },
    /// A run is over, and decided is what becomes of its job.
    Decided {
        job: JobId,
        #[serde(rename = "type")]
        kind: String,
        queue: QueueName,
        /// `None`: gone by now.
        worker: Option<String>,
        outcome: Outcome,
        /// `succeeded`, `ready`, `scheduled`, `dead` or `cancelled`.
        next: String,
        took_s: f64,
    },
    /// Turns of the event loop since this was told last.
    Turns { turns: u64, sum_s: f64, longest_s: f64 },
    /// The last one.
    DebugEnded {},
}

impl Step {
    /// The words for it, without its detail.
    pub(super) fn line(&self) -> String {
        let of = |kind: &str| words::one_line(kind, 60);
        match self {
            Self::Spawned { worker, pid: Some(pid), took_s, .. } => {
                format!("`{worker}` spawned as pid {pid} in {}", words::seconds(*took_s))
            }
            Self::Spawned { worker, pid: None, took_s, .. } => {
                format!("`{worker}` not spawned, after {}", words::seconds(*took_s))
            }
            Self::Sent { worker, bytes, .. } => format!("to `{worker}`, {}", words::count(*bytes, "byte")),
            Self::Received { worker, bytes, .. } => format!("from `{worker}`, {}", words::count(*bytes, "byte")),
            Self::Claims { pool, jobs, workers, queues } => format!(
                "pool `{pool}` asks for {} of {} for {}",
                words::count(u64::from(*jobs), "job"),
                words::list(queues),
                words::count(*workers, "worker"),
            ),
            Self::Claimed { pool, jobs, asked } => format!("pool `{pool}` gets {jobs} of {asked}"),
            Self::Dispatched { job, kind, worker, attempt, .. } => {
                format!("job {job} (`{}`) goes to `{worker}`, attempt {attempt}", of(kind))
            }
            Self::Decided { job, kind, outcome: Outcome::Succeeded, .. } => {
                format!("job {job} (`{}`) {}", of(kind), did(Outcome::Succeeded))
            }
            Self::Decided { job, kind, outcome, next, .. } => {
                format!("job {job} (`{}`) {}, and is {next} now", of(kind), did(*outcome))
            }
            Self::Turns { turns, sum_s, longest_s } => format!(
                "{} took {}, the longest {}",
                words::count(*turns, "turn"),
                words::seconds(*sum_s),
                words::seconds(*longest_s),
            ),
            Self::DebugEnded {} => "debug has ended".to_owned(),
        }
    }
}
