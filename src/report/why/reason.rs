//! The reasons there are, each with its facts; serialise to the JSON of `why`: a code, a sentence, the next step.

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use crate::model::{BatchId, Cause, JobId, JobState, Outcome, QueueName};

/// A job that runs, and its worker.
pub(super) type Holder = (JobId, Option<String>);

/// One reason.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The error of the commands that need a master, with the command that starts one.
    NoMaster {
        error: String,
    },
    /// A master runs and does not answer.
    Unreachable {
        error: String,
    },
    /// The master ends.
    Ending {
        pid: u32,
        state: String,
    },
    /// The store cannot be written or synced.
    Store {
        problem: String,
    },
    /// The machine has nothing left to start workers or commands with.
    Machine {
        problem: String,
    },
    Paused {
        queue: QueueName,
    },
    /// A limit of the queue, or of its key, holds it: as many run as may, or the next starts in so long.
    Limited {
        queue: QueueName,
        key: Option<String>,
        limits: String,
        running: u64,
        next_in_s: Option<f64>,
        /// Jobs that run in its place.
        holders: Vec<Holder>,
    },
    KeyPaused {
        queue: QueueName,
        key: String,
        by: String,
    },
    /// No pool serves the queue or takes the type: as `status` and `push` say it.
    Unserved {
        problem: String,
    },
    /// Pools that would take it have no workers.
    PoolStopped {
        pool: String,
    },
    /// The pool has no workers before others have, or while its main ones have none.
    WaitsFor {
        pool: String,
        others: Vec<String>,
    },
    /// All workers of the pool have ended, and are not to be followed by others.
    Finished {
        pool: String,
    },
    /// No worker comes up of the pools that take it.
    NoWorker {
        pool: String,
        problem: String,
    },
    Starting {
        pool: String,
        workers: u32,
        /// The message that is waited for.
        ready_by: Option<String>,
        /// For how long, each.
        timeout: Option<String>,
    },
    /// All workers that take it have a job.
    Busy {
        pools: Vec<String>,
        /// The first of them that does not scale itself.
        fixed: Option<String>,
        workers: u32,
        longest: Option<(JobId, f64)>,
    },
    /// A worker is idle.
    Begins {
        pool: String,
    },
    Scheduled {
        due_in_s: f64,
    },
    /// Jobs that it comes after are not done: the first of them.
    Blocked {
        by: Vec<(JobId, Option<JobState>)>,
    },
    /// Comes after a batch that has not ended.
    AwaitsBatch {
        batch: BatchId,
    },
    Retry {
        attempt: u32,
        of: Option<u32>,
        outcome: Outcome,
        cause: Option<Cause>,
        error: Option<String>,
        due_in_s: f64,
    },
    /// The job has an end of its own while it waits.
    Expires {
        in_s: f64,
    },
    /// Pushes with its key return this job.
    Unique {
        key: String,
    },
    /// The last run ended with its worker or its master.
    LostWorker {
        worker: Option<String>,
        outcome: Outcome,
        cause: Option<Cause>,
        ago_s: f64,
    },
    GivenBack {
        times: u32,
    },
    Running {
        worker: String,
        pid: Option<u32>,
        attempt: u32,
        for_s: f64,
    },
    /// Given to a worker that does several at a time, or first the jobs before it.
    AtWorker,
    /// Was running when its master ended; with the error of the commands that need one.
    LostMaster {
        error: String,
    },
    Succeeded {
        ago_s: f64,
        worker: Option<String>,
    },
    Cancelled {
        ago_s: f64,
    },
    Expired {
        ago_s: f64,
    },
    /// Cancelled, as a job that it comes after has failed.
    ParentFailed {
        ago_s: f64,
        by: Option<(JobId, Option<JobState>)>,
    },
    /// Cancelled, as it was for a failure and no job of its batch has died.
    NoneDied {
        ago_s: f64,
        batch: BatchId,
    },
    Dead {
        job: JobId,
        cause: Option<Cause>,
        runs: u32,
        first: Option<String>,
        last: Option<String>,
    },
    /// Never there, deleted, or ended so long ago that it is not kept.
    Gone {
        job: JobId,
        is_new: bool,
    },
    /// The pool itself is stopped.
    Stopped {
        pool: String,
    },
    /// Services are not reached, as no gateway runs.
    Gateway {
        problem: String,
    },
    /// The service refuses calls for a while, or its workers say that they are not well.
    CircuitOpen {
        pool: String,
        text: String,
    },
    Unhealthy {
        pool: String,
        text: String,
    },
    /// Nothing is wrong with the pool.
    Up {
        ready: u32,
        wanted: u32,
    },
    Disabled {
        processor: String,
        switched: Option<String>,
    },
    /// On record, and in no configuration.
    Unconfigured,
    /// The run before is not over.
    RunOpen {
        job: Option<JobId>,
    },
    NextTick {
        in_s: Option<f64>,
    },
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Reason", 3)?;
        object.serialize_field("code", self.code())?;
        object.serialize_field("text", &self.text())?;
        object.serialize_field("next", &self.next())?;
        object.end()
    }
}
