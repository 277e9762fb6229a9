//! Events of a master while it runs: typed here, worded in `text`, as JSON in `record`.
//!
//! Invariant: who reports an event knows nothing of its wording, and who words it knows nothing of the master.

mod level;
mod record;
mod step;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Summary;
use crate::model::reload::FileChange;
use crate::model::{Durability, Generation, Notice, QueueName};
use crate::wire::control::LogLine;

pub use level::Level;
pub use record::{diagnostic, json, warning};
pub use step::Step;
pub(super) use text::{did, failed};
pub use text::{end_reason, exit, label, line, log_line, waits_for_retry};

/// Something a person or a program may want to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    MasterStarted {
        pid: u32,
        generation: Generation,
        database: String,
        socket: String,
        /// `full` or `process`.
        durability: Durability,
        pools: Vec<String>,
        /// Workers wanted, in all.
        workers: u32,
    },
    PoolStarted {
        /// Its name.
        pool: String,
        /// `protocol`, `exec` or `opaque`.
        kind: String,
        /// The queues it serves.
        queues: Vec<QueueName>,
        workers: u32,
        /// Limits in force, worded as in the status document.
        limits: BTreeMap<String, String>,
    },
    /// The configuration file was read again, and is in force.
    Reloaded { file: String, changes: Vec<FileChange> },
    /// Jobs of an earlier generation are ready again.
    Recovered { jobs: u64 },
    Stopping {
        running: u64,
        /// How long they may go on, in seconds.
        grace_s: f64,
        /// A Ctrl-C asked for it: another one ends them now.
        ctrl_c: bool,
    },
    /// The running jobs are ended at once.
    Forced { running: u64 },
    /// Nothing is left to do, as `--drain` wants.
    Drained { summary: Summary },
    /// The master has ended.
    Stopped { summary: Summary },
    /// A worker wrote a line.
    Output(LogLine),
    /// The worker of a `work` wrote a line, which is printed as it is.
    #[serde(rename = "output", skip_deserializing)]
    Printed(LogLine),
    /// About a worker or a job.
    #[serde(untagged)]
    Notice(Notice),
    /// Told while `debug` is on.
    #[serde(untagged)]
    Step(Step),
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}

#[cfg(test)]
mod tests;
