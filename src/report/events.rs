//! Events of a master while it runs: typed here, worded in `text`, as JSON by [`json`].
//!
//! Invariant: who reports an event knows nothing of its wording, and who words it knows nothing of the master.

mod level;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::Summary;
use crate::model::worker::{EndReason, Exit};
use crate::model::{Cause, Durability, Generation, JobId, MemoryLimit, Outcome, QueueName, UnixMicros};
use crate::wire::control::LogLine;

pub use level::Level;
pub use text::{end_reason, exit, label, line};

/// Something a person or a program may want to know.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The master is up.
    MasterStarted {
        /// Its process id.
        pid: u32,
        /// Which life on this store.
        generation: Generation,
        /// Path of the database.
        database: String,
        /// Path of the control socket.
        socket: String,
        /// `full` or `process`.
        durability: Durability,
        /// Names of the pools.
        pools: Vec<String>,
        /// Workers wanted, in all.
        workers: u32,
    },
    /// A pool begins.
    PoolStarted {
        /// Its name.
        pool: String,
        /// `protocol`, `exec` or `opaque`.
        kind: String,
        /// The queues it serves.
        queues: Vec<QueueName>,
        /// Workers wanted.
        workers: u32,
        /// Limits in force, worded as in the status document.
        limits: BTreeMap<String, String>,
    },
    /// A worker process runs.
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
        /// Its process id; `null` if it never ran.
        pid: Option<u32>,
        /// Why.
        reason: EndReason,
        /// How.
        exit: Option<Exit>,
        /// Jobs it answered.
        jobs_done: u64,
    },
    /// A run ended badly, and its job will be tried again.
    JobFailed {
        /// The job.
        job: JobId,
        /// Its type.
        #[serde(rename = "type")]
        kind: String,
        /// `<pool>-<slot>`.
        worker: String,
        /// Failed, timed out or crashed.
        outcome: Outcome,
        /// Why.
        cause: Option<Cause>,
        /// Error text.
        error: Option<String>,
        /// When it is tried again, in seconds from now.
        retry_in_s: f64,
    },
    /// A job was given up.
    JobDead {
        /// The job.
        job: JobId,
        /// Its type.
        #[serde(rename = "type")]
        kind: String,
        /// Why.
        cause: Cause,
        /// Error text.
        error: Option<String>,
    },
    /// A slot waits before its next spawn.
    Backoff {
        /// `<pool>-<slot>`.
        worker: String,
        /// The error.
        why: String,
        /// When it is tried again, in seconds from now.
        next_in_s: f64,
    },
    /// Jobs of an earlier life of the master are ready again.
    Recovered {
        /// How many.
        jobs: u64,
    },
    /// The wanted number of workers has changed.
    Scaled {
        /// The pool.
        pool: String,
        /// Before.
        was: u32,
        /// Now.
        wanted: u32,
    },
    /// The master is stopping.
    Stopping {
        /// Jobs that run.
        running: u64,
        /// How long they may go on, in seconds.
        grace_s: f64,
    },
    /// The running jobs are ended at once.
    Forced {
        /// How many.
        running: u64,
    },
    /// Something is wrong.
    Problem {
        /// The problem, and the next step.
        text: String,
    },
    /// An absolute memory limit lies below what a worker needs.
    MemoryBaseline {
        /// The pool.
        pool: String,
        /// The limit.
        limit: MemoryLimit,
        /// Memory of a worker after its first job, in bytes.
        baseline_bytes: u64,
    },
    /// Nothing is left to do, as `--drain` wants.
    Drained {
        /// The action.
        summary: Summary,
    },
    /// The master has ended.
    Stopped {
        /// The action.
        summary: Summary,
    },
    /// A worker wrote a line.
    Output(LogLine),
    /// A worker answered twice, or what it was not asked.
    StrayAnswer {
        /// The worker.
        worker: String,
        /// The id it gave.
        request: u64,
    },
}

/// The event as one JSON object, without a line break: `{"at": …, "level": …, "event": "job_dead", …}`.
#[must_use]
pub fn json(event: &Event, at: UnixMicros) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: UnixMicros,
        level: &'static str,
        #[serde(flatten)]
        event: &'a Event,
    }
    let level = match event.level() {
        Level::Debug => "debug",
        Level::Detail | Level::Normal => "info",
        Level::Problem | Level::Nothing => "warn",
    };
    serde_json::to_string(&Line { time: at, level, event })
        .map_or_else(|e| format!("{{\"event\":\"problem\",\"text\":\"{e}\"}}"), super::words::escape_json)
}

#[cfg(test)]
mod tests;
