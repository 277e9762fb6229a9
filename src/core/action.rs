//! Everything the core can ask the shell to do.

use std::sync::Arc;
use std::time::Duration;

use super::{PoolId, ProcessorId, ShareId, Worked};
use crate::model::change::Change;
use crate::model::death::SlotProblem;
use crate::model::done::{Awaited, Ran, Reloaded, Restarted, Scaled, Stopped};
use crate::model::worker::EndReason;
use crate::model::{
    CancelReason, Claimed, JobId, JobState, Notice, PoolName, ProcessorName, Slot, States, Wanted, WorkerId,
};

/// Something to do. Actions about one worker are to be carried out in order.
#[derive(Debug)]
pub enum Action {
    /// Start a process; answer with `Spawned` or `SpawnFailed`.
    Spawn {
        /// Its id from now on.
        worker: WorkerId,
        /// The slot to fill.
        pool: PoolId,
        /// Which place it takes.
        slot: Slot,
    },
    /// Write a job to a worker.
    Send {
        worker: WorkerId,
        /// Request id on this worker.
        request: u64,
        /// The job; its claim is committed.
        job: Arc<Claimed>,
        /// Attempts it has in all.
        max_attempts: u32,
        /// How long it may run.
        timeout: Duration,
    },
    /// Write a cancellation to a worker.
    CancelRequest {
        worker: WorkerId,
        /// The request id.
        request: u64,
        reason: CancelReason,
    },
    /// See to it that the worker of a service is given no more calls; answer with `Drained` when it has none.
    Drain {
        worker: WorkerId,
        why: EndReason,
        /// How long its calls may go on.
        grace: Duration,
    },
    /// Close a worker's stdin, after what is still to be written.
    CloseStdin {
        worker: WorkerId,
    },
    /// Signal a worker's process group.
    Signal {
        worker: WorkerId,
        signal: Signal,
    },
    /// Measure this worker now.
    Measure {
        worker: WorkerId,
    },
    /// Put a change into the next batch; its reply comes back as the tag says.
    Write(Change, Tag),
    Reply(Ticket, Result<Done, Refusal>),
    /// Tell who asked what the reply waits for.
    Waits(Ticket, Awaited),
    /// Tell people.
    Tell(Notice),
    /// Tell the client to whom a pool is lent.
    TellClient(Ticket, Notice),
    /// Tell those who follow all runs, and nobody else.
    TellFollowers(Notice),
    /// Call the hook of a pool that has become idle.
    TellIdle(PoolId),
}

/// Use of the reply to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Nothing; a stale one is worth a debug line.
    None,
    /// The job is dead: the hook of this pool is called.
    Died(PoolId),
    /// `Event::Claimed`.
    Claim {
        pool: PoolId,
        share: ShareId,
        /// How many were asked for.
        asked: u32,
        /// How often the pool had heard of new jobs; if it has heard more since, an empty answer says nothing.
        news: u64,
    },
    /// `Event::Promoted`.
    Promote,
    /// `Event::Shifted`.
    Shift,
    /// `Event::Sorted`.
    Sort,
    /// `Event::FirstOther`.
    FirstOther,
    /// `Event::Pruned`.
    Prune,
    /// `Event::RolledUp`.
    RollUp,
    /// `Event::Armed`.
    ArmProcessors,
    /// `Event::Ticked`.
    Tick(ProcessorId),
    /// `Event::Ran`.
    Run { processor: ProcessorId, ticket: Option<Ticket> },
    /// `Event::JobChanged`.
    Cancel {
        job: JobId,
        only: States,
        ticket: Ticket,
        /// Answer when its run has ended, where it runs at another host.
        wait: bool,
    },
}

/// Where an answer goes. 0: nobody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Signals the core uses. Ordered: an escalation only climbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    Term,
    Kill,
}

/// Outcome of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Pools and their counts.
    Scaled(Scaled),
    /// Workers replaced, jobs given back.
    Restarted(Restarted),
    /// Workers ended, jobs given back.
    Stopped(Stopped),
    /// The file is in force.
    Reloaded(Box<Reloaded>),
    /// A lent pool is gone.
    Worked(Box<Worked>),
    /// The job will not run again.
    Cancelled,
    /// A processor runs.
    Ran(Ran),
    /// Still to come: the answer was given at once, as it would have waited for the caller itself.
    AtOnce(Box<Done>),
}

/// Why something was not done for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No pool of this name.
    NoSuchPool(String),
    /// No pool serves this queue.
    NoSuchQueue(String),
    /// No worker of this name.
    NoSuchWorker(String),
    /// No job of this id.
    NoSuchJob(JobId),
    /// There are several pools; which one?
    WhichPool(Vec<PoolName>),
    /// The pool scales itself.
    ScalesItself { pool: PoolName, min: u32, max: u32 },
    /// The pool does not scale itself.
    ScaledByHand(PoolName),
    /// The pool has a single worker, and keeps it.
    SingleWorker(PoolName),
    /// A pool of this name exists.
    PoolExists(PoolName),
    /// No processor of this name.
    NoSuchProcessor(String),
    /// The processor was taken from the file while its run was asked for.
    ProcessorGone,
    /// The processor is run from outside only.
    NothingToRun(ProcessorName),
    /// The processor is disabled.
    Disabled(ProcessorName),
    /// The run before is open.
    RunOpen(ProcessorName),
    /// The master is on its way out.
    Stopping,
    /// The job is in this state, and cannot be cancelled.
    JobEnded(JobId, JobState),
    /// The job is in this state by now, which was not meant.
    JobLeft(JobId, JobState),
    /// The job runs at another master, which did not cancel it, for this reason, with the exit code of the command line.
    Elsewhere(JobId, String, u8),
    /// All pools together would have more workers than there may be.
    BeyondCap { cap: u32, after: u64 },
    /// The pool would have more workers than its settings allow.
    BeyondMost { pool: PoolName, most: u32, wanted: u32 },
    /// So many more or fewer workers than now are not possible.
    OutOfRange { pool: PoolName, was: u32, asked: Wanted },
    /// New workers do not come up; the old ones go on.
    ReplacementFailed {
        worker: String,
        why: Option<SlotProblem>,
        /// Workers that had not come up before, and were tried again.
        tried: u64,
        /// Its pool, where that is there until it is stopped and in no file.
        spawned: Option<PoolName>,
    },
}
