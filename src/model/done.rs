//! Outcomes of requests of operators: said by the core, answered as JSON.

use serde::{Deserialize, Serialize};

use super::reload::FileChange;
use super::{JobId, PoolName, ProcessorRunId};

/// Pools have another number of workers, or are new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    pub pools: Vec<ScaledPool>,
    /// Jobs that were given back because the grace was over.
    #[serde(default)]
    pub released: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftWorker>,
}

/// A pool in [`Scaled`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaledPool {
    /// Its name.
    pub pool: PoolName,
    /// Workers wanted before.
    pub was: u32,
    pub wanted: u32,
    pub ready: u32,
}

/// Workers are new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarted {
    /// Workers that were replaced (or, if that was not waited for, will be).
    pub workers: Vec<String>,
    /// Workers that had not come up, and were tried again.
    #[serde(default)]
    pub tried: u64,
    /// Jobs that were given back.
    pub released: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftWorker>,
}

/// Workers, or the master, have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    pub workers: u64,
    /// Jobs that were given back because the grace was over.
    pub released: u64,
    /// Pools that were stopped while the master goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<StoppedPool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftWorker>,
}

/// The configuration file is in force as it is now, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The file.
    pub file: String,
    pub changes: Vec<FileChange>,
    /// False: nothing was done, as that was only asked for.
    pub applied: bool,
    /// Allowed by the file, but probably not meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Workers that were replaced (or, if that was not waited for, will be).
    pub workers: Vec<String>,
    /// Jobs that were given back.
    pub released: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftWorker>,
}

/// A worker that was to end and does not, not even by SIGKILL: it is not waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftWorker {
    /// `<pool>-<slot>`.
    pub worker: String,
    pub pid: u32,
}

/// A pool in [`Stopped`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedPool {
    pub pool: PoolName,
    /// Workers wanted before.
    pub was: u32,
    /// The pool is there with no workers, and can be scaled up again; one that was spawned is gone.
    pub kept: bool,
}

/// A processor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    pub run: ProcessorRunId,
    pub job_id: JobId,
}

/// Cause of a wait, told before the answer of the request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Awaited {
    /// Jobs that still run on workers that are to leave.
    pub jobs: u64,
    /// How long they may go on, in seconds; `null`: until they are done.
    pub grace_s: Option<f64>,
}
