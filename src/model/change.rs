//! Items of a batch, which a store applies whole or not at all: changes that the core decides on, requests of operators,
//! and the replies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::action::JobAction;
use super::after::BadLink;
pub use super::after::Settled;
use super::audit::Deed;
use super::autoscale::AutoscaleChange;
use super::batch::{BatchError, IntoBatch};
use super::bulk::{BulkStep, Opened};
use super::failure::FailureNote;
use super::fingerprint::Fingerprint;
use super::gauge::Rollup;
use super::job::Progress;
pub use super::keep::{Keep, KeepFor};
use super::limit_record::{Override, PausedKey};
use super::operation::Operation;
use super::processor::{Armed, BeginRun, ProcessorRecord, ProcessorRun, ProcessorRunState, SkipCause, Switch, Tick};
pub use super::queue_limits::HeldBack;
use super::queue_limits::{Full, SaidLimits};
use super::shift::Shift;
pub use super::worker::{WorkerEnded, WorkerStarted};
use super::{
    BatchId, BulkId, Cause, Claimed, Counters, Detail, JobId, JobState, NewJob, OrderId, Outcome, ProcessorName,
    ProcessorRunId, Pushed, QueueName, RunId, States, Takes, UnixMicros, WorkerId,
};

/// One item of a batch.
#[derive(Clone, Debug)]
pub enum Op {
    /// Said by the core.
    Change(Change),
    /// Said by those who push and operate.
    Request(Request),
}

impl From<Change> for Op {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

impl From<Request> for Op {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

/// A change that the core decides on.
#[derive(Clone, Debug)]
pub enum Change {
    /// Take the next jobs. Reply: [`Reply::Claimed`].
    Claim(Claim),
    /// End a run. Reply: [`Reply::Done`] or [`Reply::Stale`].
    Finish(Box<Finish>),
    /// Give back a job that was claimed and never started: to the front, nothing charged, no run recorded.
    /// Reply: [`Reply::Done`] or [`Reply::Stale`].
    Unclaim { job: JobId, run: RunId },
    /// Say which worker has begun a job that was claimed ahead. Reply: [`Reply::Done`] or [`Reply::Stale`].
    Assign {
        job: JobId,
        run: RunId,
        /// The worker that holds it now.
        worker: WorkerId,
    },
    /// Make ready what is due, cancel what has expired, and go on telling the children of jobs what became of these, at most
    /// `limit` of each. Reply: [`Reply::Promoted`].
    Promote {
        /// Bound on the work of one step.
        limit: u32,
    },
    /// The clock was set, or may have been: move what waits for a length of time, a step at a time.
    /// Reply: [`Reply::Shifted`].
    Shift(Shift),
    /// Give jobs of these types lanes of their own from now on; what is ready already is moved by [`Change::Sort`].
    /// Reply: [`Reply::Sorted`], with `more` while there is something to move.
    NameTypes(Arc<BTreeSet<Arc<str>>>),
    /// Move ready jobs of types that were named to the lanes of these, looking at no more than `limit` jobs and queues.
    /// Reply: [`Reply::Sorted`].
    Sort { limit: u32 },
    /// Find out the type of the first ready job of a queue that is in the lane of the others. Reply: [`Reply::FirstOther`].
    FirstOther(QueueName),
    /// Record the progress of a running job. Reply: [`Reply::Done`] or [`Reply::Stale`].
    Progress { job: JobId, run: RunId, progress: Progress },
    /// Cancel a job that is ready or scheduled. Reply: [`Reply::Changed`] with the state it had before (`Running`: nothing
    /// was changed, the run must be ended first), or [`Reply::Missing`].
    Cancel {
        job: JobId,
        /// Only if it is in one of these states.
        only: States,
    },
    /// A worker was spawned. Reply: [`Reply::Done`].
    WorkerStarted(Box<WorkerStarted>),
    /// A worker ended. Reply: [`Reply::Done`].
    WorkerEnded(Box<WorkerEnded>),
    /// Forget what is past its time, a bounded number of rows. Reply: [`Reply::Count`] of rows removed, at least 1 where
    /// there is more to look at.
    Prune {
        /// Records older than these times may go.
        keep: Keep,
        /// Queues that are kept although they are empty: somebody serves them.
        served: Arc<BTreeSet<QueueName>>,
        /// Processors of which the runs that ended before these times may go; those of others as all runs.
        keep_runs: Arc<BTreeMap<ProcessorName, UnixMicros>>,
    },
    /// Add what was counted to its periods: all runs of this member that are on record by then. Reply: [`Reply::Done`].
    RollUp(Box<Rollup>),
    /// Put a change of a pool that scales itself on record. Reply: [`Reply::Done`].
    LogAutoscale(Box<AutoscaleChange>),
    /// Keep these rows of shared tables as they are now. Reply: [`Reply::Done`].
    KeepRows(Arc<[super::table::TableRow]>),
    /// Put calls of services on record. Reply: [`Reply::Done`].
    LogCalls(Arc<[super::call_log::LoggedCall]>),
    /// Keep how far a change of many jobs has come. Reply: [`Reply::Done`].
    PutOperation(Box<Operation>),
    /// Put a deed on record, of which [`Change::EndDeed`] may say later what came of it. Reply: [`Reply::Done`].
    LogDeed(Box<Deed>),
    /// A deed of the same time, verb and target has come to this. Reply: [`Reply::Done`].
    EndDeed(Box<Deed>),
    /// Put these processors on record, with their schedules. Where the schedule is another than before, the ticks of the old
    /// one count no more. Reply: [`Reply::Processors`], of these.
    ArmProcessors(Arc<[Armed]>),
    /// A tick of a processor, or a run without one, is due. Reply: [`Reply::Ticked`]; [`Reply::Skipped`], with a tick
    /// counted, else nothing was changed; [`Reply::Occupied`] or [`Reply::Stale`], nothing was changed.
    Tick(Box<Tick>),
    /// The next tick of a processor, if this is still its last one. Reply: [`Reply::Done`] or [`Reply::Stale`].
    SetNextTick {
        processor: ProcessorName,
        /// The last tick on record.
        expected: Option<UnixMicros>,
        next_at: Option<UnixMicros>,
    },
    /// End a run outside that is lost. Reply: [`Reply::Done`], or [`Reply::Stale`] if it is over, or has a job.
    LoseRun(ProcessorRunId),
}

/// A change that is asked for from outside, and needs no decision.
#[derive(Clone, Debug)]
pub enum Request {
    /// Add jobs. Reply: [`Reply::Pushed`], one per job, in order, or [`Reply::Full`] or [`Reply::BadLink`], and none was added.
    Push(Arc<[NewJob]>),
    /// The same, in a batch. Reply: also [`Reply::BadBatch`].
    PushInto { jobs: Arc<[NewJob]>, batch: Arc<IntoBatch> },
    /// A step of a bulk push.
    Bulk(BulkStep),
    /// Do something with a job. Reply: [`Reply::Changed`] with the state it had before, where nothing was changed if that is
    /// not one of `only`, nor one in which [the action](JobAction::is_for) can be done; [`Reply::Held`] where another
    /// unfinished job has the unique key of a job to retry, [`Reply::ParentFailed`] where it comes after one that has failed
    /// (nothing changed); or [`Reply::Missing`].
    Act {
        job: JobId,
        /// Only if it is in one of these states.
        only: States,
        action: JobAction,
    },
    /// Stop or go on handing out jobs of a queue; the queue is made if it is new. Reply: [`Reply::Done`].
    Pause { queue: QueueName, paused: bool },
    /// The limits of queues as the configuration has them, in the place of those of before. Reply: [`Reply::Sorted`]: jobs may
    /// wait elsewhere.
    ConfigureQueues(Arc<BTreeMap<QueueName, SaidLimits>>),
    /// Set limits of a queue over those of the configuration, in the place of what was set before, or take that back. Reply:
    /// [`Reply::Sorted`].
    SetLimits { queue: QueueName, set: Option<Box<Override>> },
    /// Let no job with this key start any more; `None`: let them again. Reply: [`Reply::Sorted`]: jobs may wait elsewhere.
    PauseKey { queue: QueueName, key: Box<str>, pause: Option<PausedKey> },
    /// Enable or disable processors, each with whether it is configured, or leave that to the file again. Reply:
    /// [`Reply::Done`], or [`Reply::NoProcessor`] for one that is neither configured nor on record, and nothing was changed.
    SwitchProcessors { processors: Vec<(ProcessorName, bool)>, switch: Switch },
    /// Keep what is said of an error beside what was said before. Reply: [`Reply::Done`], or [`Reply::Missing`] where no run
    /// on record has failed of it.
    NoteFailure { fingerprint: Fingerprint, said: FailureNote },
    /// Begin a run outside. Reply: [`Reply::RunBegun`], or, and nothing was recorded, [`Reply::Skipped`] or [`Reply::NoProcessor`].
    BeginRun(BeginRun),
    /// End a run outside. Reply: [`Reply::RunEnded`], or, and nothing was changed, [`Reply::Missing`] or [`Reply::RunIs`].
    EndRun { run: ProcessorRunId, state: ProcessorRunState, note: Option<String> },
    /// Tell the masters of other hosts something. Reply: [`Reply::Done`].
    Tell(Box<super::order::Tell>),
}

impl Change {
    /// Cancels a job that waits.
    #[must_use]
    pub const fn cancel(job: JobId) -> Self {
        Self::Cancel { job, only: States::ALL }
    }
}

impl Request {
    /// Retries a job, whatever state it is in.
    #[must_use]
    pub const fn retry(job: JobId) -> Self {
        Self::Act { job, only: States::ALL, action: JobAction::Retry }
    }

    /// Deletes a job, whatever state it is in.
    #[must_use]
    pub const fn delete(job: JobId) -> Self {
        Self::Act { job, only: States::ALL, action: JobAction::Delete }
    }
}

impl Op {
    /// Whether something may be due earlier or later afterwards.
    #[must_use]
    pub fn reschedules(&self) -> bool {
        match self {
            Self::Request(Request::Push(jobs) | Request::PushInto { jobs, .. }) => {
                jobs.iter().any(|job| job.due_at.is_some() || job.expires_at.is_some())
            }
            Self::Request(Request::Bulk(step)) => matches!(step, BulkStep::Open { .. }),
            Self::Change(Change::Finish(finish)) => matches!(finish.next, Next::RetryAt(_)),
            Self::Request(
                Request::Pause { .. }
                | Request::PauseKey { .. }
                | Request::ConfigureQueues(_)
                | Request::SwitchProcessors { .. }
                | Request::NoteFailure { .. }
                | Request::BeginRun(_)
                | Request::EndRun { .. }
                | Request::Tell(_),
            )
            | Self::Change(
                Change::Claim(_)
                | Change::Assign { .. }
                | Change::NameTypes(_)
                | Change::Sort { .. }
                | Change::FirstOther(_)
                | Change::Progress { .. }
                | Change::WorkerStarted(_)
                | Change::WorkerEnded(_)
                | Change::RollUp(_)
                | Change::LogAutoscale(_)
                | Change::KeepRows(_)
                | Change::LogCalls(_)
                | Change::PutOperation(_)
                | Change::LogDeed(_)
                | Change::EndDeed(_)
                | Change::ArmProcessors(_)
                | Change::SetNextTick { .. }
                | Change::LoseRun(_),
            ) => false,
            Self::Request(_) | Self::Change(_) => true,
        }
    }
}

/// A request for jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Queues in the order to try them, each with the most jobs to take at this place; a queue may stand here
    /// twice (first its share, then what the others left). Paused and unknown queues give nothing.
    pub takes: Vec<(QueueName, u32)>,
    /// Jobs of which lanes.
    pub lanes: Takes,
    /// Workers the first jobs are meant for, in order.
    pub workers: Vec<WorkerId>,
    /// Most jobs in all; those beyond `workers` are claimed ahead, for no worker yet.
    pub total: u32,
    /// Most jobs of queues with limits: as many as workers begin now.
    pub at_once: u32,
    /// Stop after this many bytes of args (the first job is always taken).
    pub max_bytes: usize,
}

/// The end of a run, and what becomes of its job.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The job, as it was claimed.
    pub job: Arc<Claimed>,
    /// The worker that ran it.
    pub worker: WorkerId,
    pub outcome: Outcome,
    pub cause: Option<Cause>,
    /// Details for the record.
    pub detail: Detail,
    /// When it was handed to the worker.
    pub started_at: UnixMicros,
    pub ended_at: UnixMicros,
    /// Next state of the job.
    pub next: Next,
    /// Its counters from now on.
    pub counters: Counters,
    /// Attempts that it had in all.
    pub max_attempts: u32,
}

/// Next state of a job whose run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Succeeded,
    /// Ready again at its old place: with the old due time it is at the front.
    Ready,
    /// Ready again, behind those that are due by now.
    Behind,
    /// Scheduled for a retry.
    RetryAt(UnixMicros),
    Dead(Cause),
    Cancelled(Cause),
}

/// The answer to one [`Op`].
#[derive(Clone, Debug)]
pub enum Reply {
    /// Done, nothing more to say.
    Done,
    /// The run is no longer the job's current one, or the tick no longer the next one; nothing was changed.
    Stale,
    /// One per job pushed.
    Pushed(Vec<Pushed>),
    /// A queue has no room for the jobs that were to be added, or committed: nothing was changed.
    Full(Full),
    /// One of the jobs cannot come after what it names: nothing was changed.
    BadLink(BadLink),
    /// The jobs cannot join their batch: nothing was changed.
    BadBatch(BatchError),
    /// All jobs of a bulk push are there, in this batch.
    Committed(BatchId),
    /// A bulk push was begun.
    Begun(BulkId),
    /// Jobs were added to a bulk push; their ids follow one another.
    Staged {
        first: JobId,
    },
    /// Jobs of a bulk push were opened.
    Opened(Opened),
    /// The jobs taken. Fewer than asked for: the queues are empty, `max_bytes` was reached (`more`), or limits hold back others
    /// (`held`).
    Claimed {
        jobs: Vec<Claimed>,
        /// Jobs that stood before them and had expired: they are cancelled now.
        expired: Vec<JobId>,
        /// True if `max_bytes` ended it.
        more: bool,
        held: HeldBack,
    },
    /// Result of [`Change::Promote`].
    Promoted {
        /// Queues that have new ready jobs.
        queues: Vec<QueueName>,
        expired: Vec<JobId>,
    },
    /// How far [`Change::Shift`] came, if there may be more.
    Shifted {
        /// The last one looked at.
        next: Option<(UnixMicros, JobId)>,
    },
    /// Jobs were moved to the lanes of their types.
    Sorted {
        /// Queues in which there are some.
        queues: Vec<QueueName>,
        /// Whether there may be more to move.
        more: bool,
    },
    /// The type of the first job of this queue in the lane of the others, if there is one.
    FirstOther {
        queue: QueueName,
        kind: Option<Arc<str>>,
    },
    /// The state the job had before, and its queue.
    Changed {
        was: JobState,
        queue: QueueName,
    },
    /// The job runs at another member of the store, on this host, which is told to cancel it by this order.
    Elsewhere(String, OrderId),
    /// Another unfinished job has the unique key of this one: nothing was changed.
    Held {
        by: JobId,
    },
    /// A job that this one comes after has failed, and is to be retried first: nothing was changed. `is_gone`: it was deleted.
    ParentFailed {
        parent: JobId,
        is_gone: bool,
    },
    /// The job would expire before the time that was to be set: nothing was changed.
    Lapses,
    Missing,
    Count(u64),
    /// Processors as they are on record now.
    Processors(Vec<ProcessorRecord>),
    /// A run of a processor was put on record, and its job pushed.
    Ticked {
        run: ProcessorRunId,
        job: JobId,
    },
    /// There is no run, for this reason.
    Skipped(SkipCause),
    /// The run before is open, and the one asked for is to follow it.
    Occupied,
    /// A run outside was begun, and is on record so.
    RunBegun(Box<ProcessorRun>),
    RunEnded(Box<ProcessorRun>),
    /// The processor is neither configured nor on record.
    NoProcessor(ProcessorName),
    /// The run is over, or its job runs it.
    RunIs(ProcessorRunState),
}
