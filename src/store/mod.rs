//! Where jobs, runs and workers are recorded.
//!
//! [`Store`] is what the master's writer thread needs: one transaction per batch of [`Op`]s, each change of a
//! running job guarded by its run id. [`Records`] is what readers need. Both are implemented by SQLite and by
//! memory, and one conformance suite runs over both. SQL stays in `store::sqlite`.
//!
//! Invariants:
//! - A job is in exactly one place: ready, scheduled, running, ended (dead or cancelled), or in none of them,
//!   which means it succeeded.
//! - A batch is applied whole or not at all, and totals change in the same transaction.
//! - An `Op` about a run that is no longer the job's current one changes nothing: [`Reply::Stale`].
//! - Ids are never used twice.

mod boxed;
pub mod memory;
pub mod sqlite;
pub mod writer;

#[cfg(test)]
mod conformance;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::job::Progress;
use crate::model::worker::{EndReason, Exit};
use crate::model::{
    Cause, Claimed, Counters, Generation, JobId, JobRecord, JobState, NewJob, Outcome, PoolName, Pushed, QueueName,
    QueueTotals, RunId, RunRecord, Slot, UnixMicros, WorkerId, WorkerRecord,
};

/// One change, to be made in a batch with others.
#[derive(Clone, Debug)]
pub enum Op {
    /// Add jobs. Reply: [`Reply::Pushed`], one per job, in order.
    Push(Arc<[NewJob]>),
    /// Take the next jobs. Reply: [`Reply::Claimed`].
    Claim(Claim),
    /// End a run. Reply: [`Reply::Done`] or [`Reply::Stale`].
    Finish(Box<Finish>),
    /// Give back a job that was claimed and never started: to the front, nothing charged, no run recorded.
    /// Reply: [`Reply::Done`] or [`Reply::Stale`].
    Unclaim {
        /// The job.
        job: JobId,
        /// Its current run.
        run: RunId,
    },
    /// Say which worker a job that was claimed ahead went to. Reply: [`Reply::Done`] or [`Reply::Stale`].
    Assign {
        /// The job.
        job: JobId,
        /// Its current run.
        run: RunId,
        /// The worker that holds it now.
        worker: WorkerId,
    },
    /// Make ready what is due, and cancel what has expired, at most `limit` of each. Reply: [`Reply::Promoted`].
    Promote {
        /// Bound on the work of one step.
        limit: u32,
    },
    /// What a running job says of itself. Reply: [`Reply::Done`] or [`Reply::Stale`].
    Progress {
        /// The job.
        job: JobId,
        /// Its current run.
        run: RunId,
        /// What it said.
        progress: Progress,
    },
    /// Cancel a job that is ready or scheduled. Reply: [`Reply::Changed`] with the state it had before
    /// (`Running`: nothing was changed, the master must end the run first), or [`Reply::Missing`].
    Cancel(JobId),
    /// Make a dead, cancelled or scheduled job ready now, its counters at zero.
    /// Reply: [`Reply::Changed`] with the state it had before (other states: nothing changed), or [`Reply::Missing`].
    Retry(JobId),
    /// Forget a job that is not running, with its runs. Reply: [`Reply::Changed`] with the state it had before
    /// (`Running`: nothing was changed), or [`Reply::Missing`].
    Delete(JobId),
    /// Retry every dead job of a queue (of all queues: `None`), at most `limit`. Reply: [`Reply::Count`].
    RetryDead {
        /// The queue, or all.
        queue: Option<QueueName>,
        /// Bound on the work of one step.
        limit: u32,
    },
    /// Stop or go on handing out jobs of a queue; the queue is made if it is new. Reply: [`Reply::Done`].
    Pause {
        /// The queue.
        queue: QueueName,
        /// True: stop.
        paused: bool,
    },
    /// A worker was spawned. Reply: [`Reply::Done`].
    WorkerStarted(Box<WorkerStarted>),
    /// A worker ended. Reply: [`Reply::Done`].
    WorkerEnded(Box<WorkerEnded>),
    /// Forget what is past its time, a bounded number of rows. Reply: [`Reply::Count`] of rows removed.
    Prune(Keep),
}

/// A request for jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Queues in the order to try them, each with the most jobs to take at this place; a queue may stand here
    /// twice (first its share, then what the others left). Paused and unknown queues give nothing.
    pub takes: Vec<(QueueName, u32)>,
    /// Workers the first jobs are meant for, in order.
    pub workers: Vec<WorkerId>,
    /// Most jobs in all; those beyond `workers` are claimed ahead, for no worker yet (worker 0).
    pub total: u32,
    /// Stop after this many bytes of args (the first job is always taken).
    pub max_bytes: usize,
}

/// The end of a run, and what becomes of its job.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The job, as it was claimed.
    pub job: Arc<Claimed>,
    /// Who ran it.
    pub worker: WorkerId,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub cause: Option<Cause>,
    /// Details for the record.
    pub detail: Detail,
    /// When it was handed to the worker.
    pub started_at: UnixMicros,
    /// When it ended.
    pub ended_at: UnixMicros,
    /// What becomes of the job.
    pub next: Next,
    /// Its counters from now on.
    pub counters: Counters,
}

/// What the record says of a run beyond its outcome.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// Of the command.
    pub exit_code: Option<i32>,
    /// Name of the signal, such as `SIGKILL`.
    pub signal: Option<String>,
    /// Error text.
    pub error: Option<String>,
    /// Last lines on stderr.
    pub stderr_tail: String,
    /// Result, JSON text; `None` is `null`.
    pub result: Option<String>,
    /// Most memory seen, in bytes.
    pub peak_memory: Option<u64>,
}

/// What becomes of a job whose run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It succeeded.
    Succeeded,
    /// It is ready again at its old place: with the old due time it is at the front.
    Ready,
    /// It is scheduled for a retry.
    RetryAt(UnixMicros),
    /// It is dead.
    Dead(Cause),
    /// It is cancelled.
    Cancelled(Cause),
}

/// A worker that was spawned. Its id is given by the master: see [`Start::next_worker`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStarted {
    /// This process.
    pub worker: WorkerId,
    /// Its pool.
    pub pool: PoolName,
    /// Its slot.
    pub slot: Slot,
    /// Its process id.
    pub pid: u32,
    /// When.
    pub at: UnixMicros,
}

/// A worker that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerEnded {
    /// This process.
    pub worker: WorkerId,
    /// Why.
    pub reason: EndReason,
    /// How; `None` when it never ran.
    pub exit: Option<Exit>,
    /// Jobs it answered.
    pub jobs_done: u64,
    /// Most memory seen, in bytes.
    pub peak_memory: Option<u64>,
    /// When.
    pub at: UnixMicros,
}

/// How long things are kept: everything that ended before these times may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Succeeded and cancelled jobs.
    pub succeeded_since: UnixMicros,
    /// Dead jobs.
    pub dead_since: UnixMicros,
    /// Runs, workers and generations.
    pub runs_since: UnixMicros,
    /// Bound on the rows looked at in one step, per table.
    pub limit: u32,
}

/// The answer to one [`Op`].
#[derive(Clone, Debug)]
pub enum Reply {
    /// Done, nothing more to say.
    Done,
    /// The run is no longer the job's current one; nothing was changed.
    Stale,
    /// One per job pushed.
    Pushed(Vec<Pushed>),
    /// The jobs taken. Fewer than asked for: the queues are empty, or `max_bytes` was reached (`more`).
    Claimed {
        /// In order.
        jobs: Vec<Claimed>,
        /// True if `max_bytes` ended it.
        more: bool,
    },
    /// What [`Op::Promote`] did.
    Promoted {
        /// Queues that have new ready jobs.
        queues: Vec<QueueName>,
        /// Jobs that expired.
        expired: Vec<JobId>,
        /// True if `limit` ended it and there is more to do now.
        more: bool,
    },
    /// The state the job had before, and its queue.
    Changed {
        /// State before.
        was: JobState,
        /// Its queue.
        queue: QueueName,
    },
    /// No such job.
    Missing,
    /// How many.
    Count(u64),
}

/// Who begins a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its process id.
    pub pid: u32,
    /// Start time of the process, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub pid_start: u64,
    /// Identity of this boot of the machine.
    pub boot_id: String,
    /// Found in the environment of everything it starts.
    pub cookie: String,
    /// Version of the program.
    pub version: String,
}

/// What a new generation finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its number.
    pub generation: Generation,
    /// The first worker id it may use.
    pub next_worker: WorkerId,
    /// The generations that neither ended in order nor were recovered since, oldest first (several when masters died
    /// while they recovered): the processes of all of them must be proven dead, then [`Store::recover`] called, before
    /// the first claim.
    pub crashed: Vec<Master>,
}

/// What [`Store::recover`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Jobs that were running or claimed and are ready again.
    pub released: u64,
}

/// The writing side: one owner, one batch at a time.
pub trait Store: Send {
    /// Begins a generation; from now on every batch is refused if another has begun since.
    fn begin(&mut self, master: &Master, at: UnixMicros) -> Result<Start, StoreError>;

    /// Gives back everything earlier generations left running: each job is ready again at its old place with its
    /// attempt refunded (`releases` + 1) and its run recorded as `released`, cause `master_lost`; workers without
    /// an end get one (`master_lost`). At last the earlier generations count as ended. In steps of bounded size inside.
    fn recover(&mut self, at: UnixMicros) -> Result<Recovered, StoreError>;

    /// Ends the generation in order.
    fn end(&mut self, at: UnixMicros) -> Result<(), StoreError>;

    /// Applies all of `ops`, in order, in one transaction; `replies[i]` answers `ops[i]`.
    ///
    /// `batch` is the number of this batch, growing by one per batch of a generation (0 for a writer that is no
    /// master, which is not checked). If a batch that failed is applied again under the same number after it was
    /// in fact committed, this returns `Err(StoreError::AlreadyApplied)`: a failed commit means "unknown".
    fn apply(&mut self, batch: u64, ops: &[Op], at: UnixMicros) -> Result<Vec<Reply>, StoreError>;

    /// The answers to a batch whose commit failed and that turned out to be [`StoreError::AlreadyApplied`]: they
    /// were computed before the commit. `None` if they are not known (any more).
    fn replies_of(&mut self, batch: u64) -> Option<Vec<Reply>>;

    /// The next time [`Op::Promote`] has something to do.
    fn next_due(&mut self) -> Result<Option<UnixMicros>, StoreError>;

    /// Totals of all queues, by name.
    fn totals(&mut self) -> Result<Vec<QueueTotals>, StoreError>;

    /// Whether somebody else has committed since the last call (a push by a process that is no master).
    fn changed_by_others(&mut self) -> Result<bool, StoreError>;

    /// Drops the connection and opens it anew, after an I/O error.
    fn reopen(&mut self) -> Result<(), StoreError>;
}

/// Which jobs to list. Ascending by id, those after `after`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFilter {
    /// Only this queue.
    pub queue: Option<QueueName>,
    /// Only this state.
    pub state: Option<JobState>,
    /// Only this type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Only ids above this.
    pub after: Option<JobId>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Which runs to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFilter {
    /// Only this job.
    pub job: Option<JobId>,
    /// Only this queue.
    pub queue: Option<QueueName>,
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Only runs that ended since.
    pub since: Option<UnixMicros>,
    /// Only ids below this.
    pub before: Option<RunId>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Which workers to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerFilter {
    /// Only this pool.
    pub pool: Option<String>,
    /// Only `<pool>-<slot>`.
    pub worker: Option<String>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// The last generation on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastMaster {
    /// Who.
    pub master: Master,
    /// Its number.
    pub generation: Generation,
    /// When it began.
    pub started_at: UnixMicros,
    /// When it ended in order, if it did.
    pub ended_at: Option<UnixMicros>,
}

/// The reading side.
pub trait Records {
    /// One job.
    fn job(&mut self, id: JobId) -> Result<Option<JobRecord>, StoreError>;
    /// Jobs, ascending by id.
    fn jobs(&mut self, filter: &JobFilter) -> Result<Vec<JobRecord>, StoreError>;
    /// Runs, newest first.
    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError>;
    /// Workers, newest first.
    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError>;
    /// Totals of all queues, by name.
    fn queue_totals(&mut self) -> Result<Vec<QueueTotals>, StoreError>;
    /// The last generation.
    fn last_master(&mut self) -> Result<Option<LastMaster>, StoreError>;
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened, made or written.
    #[error("cannot {doing} the database `{path}`: {reason}")]
    Cannot {
        /// `open`, `create`, `write to`, `read` …
        doing: &'static str,
        /// Which.
        path: String,
        /// What the system says, with the next step where there is one.
        reason: String,
    },
    /// Not ours.
    #[error("`{path}` is not a queue-work database; choose another with --database")]
    Foreign {
        /// Which.
        path: String,
    },
    /// Made by a newer version.
    #[error(
        "the database `{path}` has schema {found}, this queue-work knows up to {known}; install a newer queue-work"
    )]
    Newer {
        /// Which.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest we know.
        known: i64,
    },
    /// Another master has begun a generation on this store.
    #[error("another master has taken over this store (generation {0})")]
    Superseded(Generation),
    /// This batch number was committed before: see [`Store::apply`].
    #[error("this batch was already applied")]
    AlreadyApplied,
    /// No room on the disk.
    #[error("the disk of the database `{path}` is full; free some space")]
    Full {
        /// Which.
        path: String,
    },
    /// Somebody else holds the write lock for too long.
    #[error("the database `{path}` is locked by another program")]
    Busy {
        /// Which.
        path: String,
    },
    /// Reading or writing failed; whether a commit took place is unknown.
    #[error("input or output on the database failed: {0}")]
    Io(String),
    /// Anything else SQLite says.
    #[error("the database failed: {0}")]
    Other(String),
}

/// The name of a signal, such as `SIGKILL`.
fn signal_name(number: i32) -> String {
    nix::sys::signal::Signal::try_from(number).map_or_else(|_| format!("SIG{number}"), |s| s.as_str().to_owned())
}
