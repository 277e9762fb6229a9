//! The questions that can be asked, and the answers; a codec turns bytes into the one and the other into bytes.

use crate::core::Done;
use crate::master::reader::{self, AboutProcessors};
use crate::model::batch::IntoBatch;
use crate::model::leak::TypeMemory;
use crate::model::operation::Operation;
use crate::model::processor::ProcessorRun;
use crate::model::{BulkId, Generation, JobAction, NewJob, OperationId, ProcessorName, Pushed};
use crate::report::{AutoscaleStatus, Status};
use crate::wire::bulk::{BulkAdded, BulkBegun, BulkDone};
use crate::wire::control::{
    ChangedJobs, DebugFor, DebugUntil, Follow, FollowEvents, FollowedEvents, Jobs, NoteFailure, OneJob, PausedQueues,
    PushedMany, Queues, Reload, Restart, Scale, SetQueue, SpawnPool, Stop, Work,
};
use crate::wire::processors::{BeginProcessorRun, EndProcessorRun, SwitchProcessors, SwitchedProcessor};

/// Params of a question were read and checked as far as can be done without the state of the master.
#[derive(Debug)]
pub(in crate::master) enum Question {
    /// Is anybody there? Also: another process has written to the store.
    Ping,
    Status,
    Metrics,
    Push(Pushing),
    PushMany {
        push: Pushing,
        ids: bool,
    },
    BeginBulk,
    AddToBulk {
        bulk: BulkId,
        jobs: Vec<NewJob>,
    },
    CommitBulk {
        bulk: BulkId,
        /// Whether the answer names the jobs that were there already.
        ids: bool,
        batch: IntoBatch,
    },
    DropBulk(BulkId),
    Scale(Scale),
    /// How do pools scale themselves?
    Autoscale,
    Spawn(Box<SpawnPool>),
    Work(Box<Work>),
    Restart(Restart),
    Stop(Stop),
    Reload(Reload),
    Pause {
        queues: Queues,
        paused: bool,
    },
    SetQueue(SetQueue),
    /// The ids are in order, each once.
    ChangeJobs {
        action: JobAction,
        jobs: Box<Jobs>,
    },
    /// Which operations are there, and were?
    Operations,
    StopOperation(OperationId),
    WaitForJob(OneJob),
    NoteFailure(NoteFailure),
    LookAtProcessors(AboutProcessors),
    SwitchProcessors(SwitchProcessors),
    RunProcessor {
        processor: ProcessorName,
        /// JSON text on one line.
        args: Option<Box<str>>,
        force: bool,
    },
    BeginRun(BeginProcessorRun),
    EndRun(EndProcessorRun),
    /// Records, as the reader finds them.
    Look(reader::Question),
    Follow(Follow),
    /// Is everything that was printed until now in the files?
    LogWritten,
    /// What happens, and what has happened?
    FollowEvents(FollowEvents),
    /// Tell steps for a while.
    Debug(DebugFor),
    /// How much memory do jobs keep?
    Leaks,
}

/// Jobs to push, and the batch that they are in.
#[derive(Debug)]
pub(in crate::master) struct Pushing {
    pub(in crate::master) jobs: Vec<NewJob>,
    pub(in crate::master) batch: Option<IntoBatch>,
}

impl Pushing {
    /// All jobs that it adds.
    pub(in crate::master) fn all(&self) -> impl Iterator<Item = &NewJob> {
        self.jobs.iter().chain(self.batch.iter().flat_map(IntoBatch::followers))
    }
}

/// The answer of a question that was not refused.
#[derive(Debug)]
pub(in crate::master) enum Answer {
    /// Nothing to say but that it is done.
    Yes,
    Alive(Generation),
    Status(Box<Status>),
    Events(FollowedEvents),
    Debug(DebugUntil),
    Leaks(Vec<TypeMemory>),
    Autoscale(Vec<AutoscaleStatus>),
    Pushed(Pushed),
    PushedMany(PushedMany),
    BulkBegun(BulkBegun),
    BulkAdded(BulkAdded),
    BulkDone(BulkDone),
    Done(Done),
    /// The jobs that were refused may be many: the codec has written each when it was known.
    Jobs {
        changed: ChangedJobs,
        refused: String,
        /// Jobs that were refused are only counted: they were not named one by one.
        passes_over: bool,
    },
    /// All of them, or the one that was meant.
    Operations(Vec<Operation>, bool),
    Queues(PausedQueues),
    Switched(Vec<SwitchedProcessor>),
    /// `None`: the processor is disabled, and nothing was recorded.
    ProcessorRun(Option<Box<ProcessorRun>>),
    /// Records may be long: the reader has had them written in its own thread.
    Records(String),
}

/// Why a question got no answer, worded.
#[derive(Clone, Debug)]
pub(in crate::master) enum Refused {
    /// The question makes no sense.
    Params(String),
    /// With the exit code of the command line.
    Failed(u8, String),
    /// The store cannot be written now.
    Unavailable(String),
}
