//! Everything that can happen to the core.

use std::sync::Arc;
use std::time::Duration;

use super::{PoolChanges, PoolId, ProcessorId, ShareId, Tag, Ticked, Ticket};
use crate::model::autoscale::Machine;
use crate::model::change::{HeldBack, Reply};
use crate::model::done::Reloaded;
use crate::model::job::Progress;
use crate::model::processor::{EndedRun, OpenRun, ProcessorRecord};
use crate::model::serves::Serves;
use crate::model::service::CallLoad;
use crate::model::worker::{EndReason, Exit};
use crate::model::{
    Answer, Claimed, JobId, JobState, LastLines, PoolName, PoolSettings, ProcessorName, ProcessorRunId, QueueName,
    QueueTotals, States, Takes, UnixMicros, Until, Wanted, WorkerId,
};

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A spawn that was asked for worked.
    Spawned {
        worker: WorkerId,
        /// Its process id.
        pid: u32,
    },
    /// A spawn that was asked for failed.
    SpawnFailed {
        /// The worker that is not.
        worker: WorkerId,
        /// Why, for people.
        error: String,
        /// The machine was out of processes, memory or descriptors: not the fault of the program.
        temporary: bool,
    },
    /// The worker sent `ready`.
    Ready {
        worker: WorkerId,
        /// Jobs it can do at a time, from 1.
        concurrency: u32,
        /// The types it takes, if it names them.
        types: Option<Takes>,
    },
    /// The worker of a service is not what it is to be.
    Refused {
        worker: WorkerId,
        /// For people.
        why: String,
    },
    /// The worker of a service answered calls.
    Called {
        worker: WorkerId,
        /// How many since this was said last.
        calls: u64,
    },
    /// The load of a service, as its gateway counts.
    Load { pool: PoolName, load: Box<CallLoad> },
    /// The worker of a service that leaves has no call any more: the answer to [`super::Action::Drain`].
    Drained { worker: WorkerId },
    /// The worker of a service is to be ended: it does not answer, or is unhealthy.
    GivenUp { worker: WorkerId, reason: EndReason, why: String },
    /// The worker answered a job.
    Answered {
        worker: WorkerId,
        /// The request id.
        request: u64,
        answer: Answer,
    },
    /// The worker told how far it is.
    Progress {
        worker: WorkerId,
        /// The request id.
        request: u64,
        progress: Progress,
    },
    /// The worker said what the run of a processor is to be remembered by.
    RunNote {
        worker: WorkerId,
        /// The request id.
        request: u64,
        text: Box<str>,
    },
    /// The worker asked for more time.
    Extend {
        worker: WorkerId,
        /// The request id.
        request: u64,
        /// The new deadline is now plus this.
        by: Duration,
    },
    /// The worker wants no more jobs.
    Retire { worker: WorkerId },
    /// The worker closed its input: what it had not read by then nobody will ever read.
    InputClosed {
        worker: WorkerId,
        /// The last request of which it had read anything.
        read: u64,
    },
    /// The process ended; everything it wrote was handled before.
    Exited {
        worker: WorkerId,
        /// Everything about its end.
        end: Box<End>,
    },
    /// Processes that the kernel has killed for want of memory so far, where it says. Told now and then.
    OomKills(Option<u64>),
    /// The machine was measured, for pools that scale themselves. Told every second while there are some.
    Machine(Machine),
    /// Nothing that the worker started is left.
    Swept { worker: WorkerId },
    /// Measured.
    Sampled {
        worker: WorkerId,
        /// With descendants, in bytes.
        memory: u64,
        /// Of one CPU.
        cpu: f64,
    },
    /// Measured when it answered a job, before the answer: descendants are not counted.
    SampledAlone {
        worker: WorkerId,
        /// Of its own process, in bytes.
        memory: u64,
    },
    /// The answer to a claim.
    Claimed {
        pool: PoolId,
        share: ShareId,
        /// How many were asked for.
        asked: u32,
        /// News known to the pool when it asked: see [`super::Tag::Claim`].
        news: u64,
        jobs: Vec<Claimed>,
        /// Fewer than asked for, but not because the queues were empty.
        more: bool,
        held: HeldBack,
    },
    /// Jobs were moved to the lanes of types that workers have named.
    Sorted {
        /// Queues in which there were some.
        queues: Vec<QueueName>,
        /// Whether there may be more to move.
        more: bool,
    },
    /// The answer to the question what the first job in the lane of the others is.
    FirstOther { queue: QueueName, kind: Option<Arc<str>> },
    /// Whether the store has not heard from this master for so long that others may soon take over what it runs.
    CutOff(bool),
    /// Queues may have ready jobs that claims written before now did not see.
    News {
        /// The queues; empty: any of them.
        queues: Vec<QueueName>,
    },
    /// The answer to a promotion.
    Promoted {
        /// Queues with new ready jobs.
        queues: Vec<QueueName>,
    },
    /// The wall clock was set, by so many microseconds; 0: it may have been while nobody looked.
    ClockSet {
        /// Forward, or back.
        by: i64,
    },
    /// A step of removing old records is done.
    Pruned {
        /// Whether there may be more to remove.
        found: bool,
    },
    /// Counts are on record.
    RolledUp,
    /// A step of moving what waits for a length of time is done.
    Shifted {
        /// Where to go on, if there may be more.
        next: Option<(UnixMicros, JobId)>,
    },
    /// Processors as they are on record, which were to be armed.
    Armed(Vec<ProcessorRecord>),
    /// The answer to a tick.
    Ticked { processor: ProcessorId, answer: Ticked },
    /// The answer to a run without a tick.
    Ran {
        processor: ProcessorId,
        /// The client who asked for it.
        ticket: Option<Ticket>,
        answer: Ticked,
    },
    /// A run of a processor was begun outside.
    RunBegun { processor: ProcessorName, run: OpenRun },
    /// The process outside is gone that ran a processor.
    RunLost(ProcessorRunId),
    /// Runs of processors are over, by a batch that is committed. Told after the answers to its changes, of which one may
    /// say that such a run was open.
    RunsEnded(Vec<EndedRun>),
    /// A batch is committed. Told before the answers to its changes.
    Committed {
        /// Queues that are on record no more.
        forgotten: Vec<QueueName>,
        /// Totals of the queues that it touched.
        changed: Vec<QueueTotals>,
        /// Queues in which jobs that waited for others are ready.
        freed: Vec<QueueName>,
        /// When the store next has something to promote.
        next_due: Option<UnixMicros>,
        /// How long the store took for it.
        took: Duration,
    },
    /// The store was read anew, at the start or after a change by another process.
    Reread {
        /// Totals of all queues.
        totals: Vec<QueueTotals>,
        /// When the store next has something to promote.
        next_due: Option<UnixMicros>,
        /// Jobs may be there to claim; if not, only totals have changed.
        may_run: bool,
    },
    /// What the pools of the masters of other hosts serve.
    ServedElsewhere(Serves),
    /// End the master. Its answer is its end.
    Stop {
        /// Instead of the pools' own grace.
        grace: Option<Duration>,
        /// The worker from whose job it came, if it did.
        caller: Option<WorkerId>,
    },
    /// End the master without grace.
    Force,
    /// An operator wants something.
    Command {
        /// Where the answer goes.
        ticket: Ticket,
        /// The worker from whose job it came, if it did: that is never waited for, nor ended before its time.
        caller: Option<WorkerId>,
        command: Command,
    },
    /// The answer to `Cancel` of a job that was not at a worker when asked.
    JobChanged {
        only: States,
        /// Whose question it was.
        ticket: Ticket,
        job: JobId,
        /// Finding of the store.
        change: JobChange,
    },
}

impl Event {
    /// The event that the reply to a change about processors stands for; else gives both back.
    pub fn of_processor(tag: Tag, reply: Reply) -> Result<Self, (Tag, Reply)> {
        let answer = match &reply {
            Reply::Ticked { run, job } => Some(Ticked::Ran { run: *run, job: *job }),
            Reply::Skipped(cause) => Some(Ticked::Skipped(*cause)),
            Reply::Occupied => Some(Ticked::Occupied),
            Reply::Stale => Some(Ticked::Stale),
            _ => None,
        };
        match (tag, reply, answer) {
            (Tag::ArmProcessors, Reply::Processors(records), _) => Ok(Self::Armed(records)),
            (Tag::Tick(processor), _, Some(answer)) => Ok(Self::Ticked { processor, answer }),
            (Tag::Run { processor, ticket }, _, Some(answer)) => Ok(Self::Ran { processor, ticket, answer }),
            (tag, reply, _) => Err((tag, reply)),
        }
    }
}

/// The end of a process.
#[derive(Debug)]
pub struct End {
    /// `None`: its status could not be read.
    pub exit: Option<Exit>,
    /// The kernel's count of OOM kills, as in [`Event::OomKills`]; needed where KILL ended it.
    pub oom_kills: Option<u64>,
    /// Its last lines of output.
    pub last: LastLines,
    /// The last request of which it had read anything; later ones it never saw.
    pub read: u64,
}

/// Finding of the store when it was asked to cancel a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobChange {
    /// The state it was in (ready and scheduled jobs are cancelled now).
    Was(JobState),
    /// The job ran at another master, which has cancelled it; or not, for this reason, with the exit code of the command line.
    Elsewhere(Result<(), (String, u8)>),
    /// There is no such job.
    Missing,
}

/// Which workers an operator means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All pools; for `scale`, the only pool.
    All,
    /// Pools that serve this queue.
    Queue(QueueName),
    Pool(PoolName),
    /// Workers by name (`<pool>-<slot>`).
    Workers(Vec<String>),
}

/// A command of an operator.
#[derive(Clone, Debug)]
pub enum Command {
    /// Another number of workers.
    Scale {
        target: Target,
        workers: Wanted,
        /// How long jobs may go on whose workers are too many; `None`: until they are done.
        grace: Option<Duration>,
        /// Of pools that scale themselves: for so long.
        hold: Option<Duration>,
        /// Answer when it is so.
        wait: bool,
    },
    /// Pools scale themselves again.
    ScaleAuto {
        target: Target,
        /// Answer when they have as many workers as they want.
        wait: bool,
    },
    AddPool {
        /// How it is to be.
        settings: Box<PoolSettings>,
        /// Answer when its workers are ready.
        wait: bool,
    },
    /// A pool of a single worker for as long as its client is there. Answered when it is gone.
    Lend { settings: Box<PoolSettings>, until: Until },
    /// New workers for old.
    Restart {
        target: Target,
        /// How long the jobs of old workers may go on; `None`: until they are done.
        grace: Option<Duration>,
        /// Answer when the old ones are gone.
        wait: bool,
    },
    /// End pools or workers. A pool that the master began with stays, with no workers.
    StopSome {
        target: Target,
        /// How long their jobs may go on; `None`: until they are done.
        grace: Option<Duration>,
        /// Answer when they are gone.
        wait: bool,
    },
    /// A run of a processor now.
    RunProcessor {
        processor: String,
        /// Instead of those of the file, JSON text.
        args: Option<Box<str>>,
        /// Also if it is disabled.
        force: bool,
    },
    /// Pools as a file says that was read again.
    Reload {
        changes: PoolChanges,
        /// The answer, as far as it is known.
        done: Box<Reloaded>,
        /// Answer when new workers are ready and old ones are gone.
        wait: bool,
    },
    /// End a job, wherever it is.
    Cancel {
        job: JobId,
        /// Only if it runs, or is in one of these states.
        only: States,
        /// Answer when a running one has ended.
        wait: bool,
    },
}
