//! The tables of the store in memory, and how a job moves between them.
//!
//! Knows nothing of operations. Invariant: a job moves by [`State::put`] only, which keeps the order of the queues,
//! the times due and the totals.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::bulk::BulkOwner;
use crate::model::failure::{FailureNote, FailureRow};
use crate::model::job::Progress;
use crate::model::operation::Operation;
use crate::model::processor::{EndedRun, ProcessorRecord};
use crate::model::run_end::RunEnd;
use crate::model::shift;
use crate::model::trace::SpanIds;
use crate::model::{
    Cause, Counters, Detail, EXEC, Fingerprint, Generation, JobId, JobState, Lane, NewJob, OperationId, Outcome,
    ProcessorName, ProcessorRunId, QueueName, QueueTotals, RunId, UnixMicros, WorkerRecord,
};
use crate::store::{Duty, Master, News};

use super::after::{Refs, Waits};
use super::audit::Audit;
use super::autoscale_log::AutoscaleLog;
use super::call_log::CallLog;
use super::key_lanes::Keys;
use super::limits::Limits;
use super::processors::Kept;
use super::rollups::Periods;
use crate::model::table::TableRows;

/// One life of a master.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) master: Master,
    pub(super) started_at: UnixMicros,
    pub(super) ended_at: Option<UnixMicros>,
    pub(super) batch: u64,
    /// Grows with each renewal.
    pub(super) beat: u64,
    /// Changes by others since it last asked.
    pub(super) news: News,
    pub(super) orders: crate::model::order::Orders,
}

/// Where a job is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Ready,
    Scheduled,
    /// Waiting for others.
    Blocked,
    /// Pushed in bulk, and not opened yet.
    Unopened,
    Running(Running),
    Succeeded,
    Ended {
        state: JobState,
        cause: Cause,
        error: Option<String>,
        fingerprint: Option<Fingerprint>,
        at: UnixMicros,
    },
}

/// The current run of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) run: RunId,
    pub(super) worker: Option<i64>,
    pub(super) attempt: u32,
    pub(super) started_at: UnixMicros,
    pub(super) generation: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) new: NewJob,
    pub(super) pushed_at: UnixMicros,
    pub(super) due_at: UnixMicros,
    /// How long it was to wait until then, if that is a length.
    pub(super) wait: Option<i64>,
    pub(super) place: Place,
    /// Where it stands while it is ready, and whether in the lane of its key.
    pub(super) lane: Lane,
    pub(super) by_key: bool,
    /// Charges; `None`: none so far.
    pub(super) past: Option<Counters>,
    /// Its own limit, else the one in force when a run ended without success.
    pub(super) max_attempts: Option<u32>,
    pub(super) progress: Option<Progress>,
    /// The run of a processor that ends with it.
    pub(super) processor_run: Option<ProcessorRunId>,
}

impl Job {
    pub(super) fn state(&self) -> JobState {
        match self.place {
            Place::Blocked => JobState::Blocked,
            Place::Unopened if self.new.has_parents() => JobState::Blocked,
            Place::Unopened if self.due_at > self.pushed_at => JobState::Scheduled,
            Place::Unopened | Place::Ready => JobState::Ready,
            Place::Scheduled => JobState::Scheduled,
            Place::Running(_) => JobState::Running,
            Place::Succeeded => JobState::Succeeded,
            Place::Ended { state, .. } => state,
        }
    }

    fn order(&self, id: i64) -> Order {
        let key = self.by_key.then(|| self.new.key.clone().unwrap_or_default());
        (self.new.queue.clone(), self.lane.clone(), key, -i64::from(self.new.priority), self.due_at.0, id)
    }

    /// Whether it is ready and waits in the lane of its key.
    pub(super) fn is_by_key(&self) -> bool {
        self.by_key && matches!(self.place, Place::Ready)
    }

    /// When it lapses, while it can: waiting, and never started.
    fn lapses(&self) -> Option<i64> {
        let waits = matches!(self.place, Place::Ready | Place::Scheduled | Place::Blocked) && self.past.is_none();
        self.new.expires_at.filter(|_| waits).map(|at| at.0)
    }

    /// Whether it has lapsed by now.
    pub(super) fn has_lapsed(&self, now: UnixMicros) -> bool {
        self.lapses().is_some_and(|at| at <= now.0)
    }
}

/// A bulk push that is not over.
#[derive(Clone, Debug)]
pub(super) struct Bulk {
    pub(super) owner: BulkOwner,
    pub(super) committed: bool,
    /// Some of its jobs were removed: it can neither grow nor be committed.
    pub(super) dropped: bool,
    /// Queues of the jobs that were ever staged.
    pub(super) staged_in: BTreeSet<QueueName>,
    pub(super) refs: Refs,
    /// By id: staged, or after the commit a mark of what is not opened yet.
    pub(super) jobs: BTreeMap<i64, Job>,
}

/// The order of the queues: queue, lane, the key where it waits by that, -priority, due, id.
pub(super) type Order = (QueueName, Lane, Option<Box<str>>, i64, i64, i64);

/// A run on record.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) job: i64,
    pub(super) kind: String,
    pub(super) queue: QueueName,
    pub(super) worker: Option<i64>,
    pub(super) generation: i64,
    pub(super) attempt: u32,
    pub(super) outcome: Outcome,
    pub(super) cause: Option<Cause>,
    pub(super) detail: Detail,
    pub(super) span: SpanIds,
    pub(super) started_at: UnixMicros,
    pub(super) ended_at: UnixMicros,
    pub(super) waited_us: i64,
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) totals: QueueTotals,
    pub(super) cancelled: u64,
    /// Runs that were ever recorded.
    pub(super) runs: u64,
    /// The last change of what is above.
    pub(super) changed_at: UnixMicros,
    /// At that time the highest id of a run of any queue.
    pub(super) run_high: i64,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) jobs: BTreeMap<i64, Job>,
    pub(super) runs: BTreeMap<i64, Run>,
    /// Without how many jobs are dead.
    pub(super) failures: BTreeMap<i64, FailureRow>,
    pub(super) failure_notes: BTreeMap<Fingerprint, FailureNote>,
    pub(super) workers: BTreeMap<i64, WorkerRecord>,
    pub(super) lives: BTreeMap<i64, Life>,
    pub(super) queues: BTreeMap<QueueName, Queue>,
    /// Queues that a batch has touched, as they were before it; `None`: not there.
    pub(super) before: BTreeMap<QueueName, Option<Queue>>,
    /// Queues that a batch has forgotten.
    pub(super) forgotten: Vec<QueueName>,
    pub(super) periods: Periods,
    pub(super) audit: Audit,
    pub(super) autoscale_log: AutoscaleLog,
    pub(super) call_log: CallLog,
    pub(super) operations: BTreeMap<OperationId, Operation>,
    pub(super) table_rows: TableRows,
    /// Processors, without their runs.
    pub(super) processors: BTreeMap<ProcessorName, ProcessorRecord>,
    pub(super) processor_runs: BTreeMap<i64, Kept>,
    /// Runs of processors that a batch has ended.
    pub(super) ended_runs: Vec<EndedRun>,
    /// The last queue that retention has come by.
    pub(super) queues_seen: Option<QueueName>,
    pub(super) uniques: HashMap<String, i64>,
    pub(super) running: BTreeMap<i64, i64>,
    pub(super) ready: BTreeSet<Order>,
    /// Types that have lanes of their own.
    pub(super) named: BTreeSet<Arc<str>>,
    /// Whether ready jobs of such types may be elsewhere.
    pub(super) sorting: bool,
    scheduled: BTreeSet<(i64, i64)>,
    expiring: BTreeSet<(i64, i64)>,
    pub(super) limits: BTreeMap<QueueName, Limits>,
    pub(super) waits: Waits,
    pub(super) batches: super::batches::Batches,
    pub(super) keys: Keys,
    pub(super) bulks: BTreeMap<i64, Bulk>,
    pub(super) bulk_high: i64,
    pub(super) job_high: i64,
    pub(super) run_high: i64,
    pub(super) worker_high: i64,
    pub(super) runs_seen: i64,
    /// `None`: of one member at a time.
    pub(super) lease: Option<Duration>,
    pub(super) leads: BTreeMap<Duty, Generation>,
    pub(super) given: super::members::Given,
    /// News to others from the batch in hand.
    pub(super) news: News,
}

impl State {
    /// Takes a job out, leaving every order and total as if it were not there.
    pub(super) fn take(&mut self, id: i64) -> Option<Job> {
        let mut job = self.jobs.remove(&id)?;
        if let Some(at) = job.lapses() {
            self.expiring.remove(&(at, id));
        }
        let Queue { totals, cancelled, .. } = self.queue(&job.new.queue);
        let command = u64::from(&*job.new.kind == EXEC);
        match &job.place {
            Place::Blocked => totals.blocked -= 1,
            Place::Unopened if job.state() == JobState::Blocked => totals.blocked -= 1,
            Place::Unopened if job.state() == JobState::Scheduled => totals.scheduled -= 1,
            Place::Ready | Place::Unopened => {
                totals.ready -= 1;
                totals.commands -= command;
            }
            Place::Scheduled => {
                totals.scheduled -= 1;
                totals.retrying -= u64::from(job.past.is_some());
                totals.retrying_commands -= u64::from(job.past.is_some()) * command;
            }
            Place::Running(_) => totals.running -= 1,
            Place::Ended { state: JobState::Dead, .. } => totals.dead -= 1,
            Place::Ended { .. } => *cancelled -= 1,
            Place::Succeeded => {}
        }
        if let (Place::Ready, Lane::Type(kind)) = (&job.place, &job.lane)
            && let Some(ready) = totals.typed.get_mut(kind)
        {
            *ready -= 1;
            totals.typed.retain(|_, ready| *ready > 0);
        }
        match &job.place {
            Place::Ready => drop(self.ready.remove(&job.order(id))),
            Place::Scheduled => drop(self.scheduled.remove(&(job.due_at.0, id))),
            Place::Running(_) => drop(self.running.remove(&id)),
            Place::Ended { .. } | Place::Succeeded | Place::Unopened | Place::Blocked => {}
        }
        // One that is ready stays in its lane; any other goes to that of its type.
        if !matches!(job.place, Place::Ready) {
            job.lane = self.lane_of(&job.new.kind);
            job.by_key = self.waits_by_key(&job.new);
        }
        Some(job)
    }

    /// Puts a job where it says it is.
    pub(super) fn put(&mut self, id: i64, job: Job) {
        if let Some(at) = job.lapses() {
            self.expiring.insert((at, id));
        }
        let Queue { totals, cancelled, .. } = self.queue(&job.new.queue);
        let command = u64::from(&*job.new.kind == EXEC);
        match &job.place {
            Place::Blocked => totals.blocked += 1,
            Place::Unopened if job.state() == JobState::Blocked => totals.blocked += 1,
            Place::Unopened if job.state() == JobState::Scheduled => totals.scheduled += 1,
            Place::Ready | Place::Unopened => {
                totals.ready += 1;
                totals.commands += command;
            }
            Place::Scheduled => {
                totals.scheduled += 1;
                totals.retrying += u64::from(job.past.is_some());
                totals.retrying_commands += u64::from(job.past.is_some()) * command;
            }
            Place::Running(_) => totals.running += 1,
            Place::Ended { state: JobState::Dead, .. } => totals.dead += 1,
            Place::Ended { .. } => *cancelled += 1,
            Place::Succeeded => {}
        }
        if let (Place::Ready, Lane::Type(kind)) = (&job.place, &job.lane) {
            *totals.typed.entry(kind.clone()).or_default() += 1;
        }
        match &job.place {
            Place::Ready => drop(self.ready.insert(job.order(id))),
            Place::Scheduled => drop(self.scheduled.insert((job.due_at.0, id))),
            Place::Running(running) => drop(self.running.insert(id, running.run.0)),
            Place::Ended { .. } | Place::Succeeded | Place::Unopened | Place::Blocked => {}
        }
        match &job.place {
            Place::Ready | Place::Unopened => drop(self.news.queues.insert(job.new.queue.clone())),
            Place::Ended { .. } | Place::Succeeded => self.news.ended.push(JobId(id)),
            Place::Scheduled | Place::Blocked | Place::Running(_) => {}
        }
        let is_by_key = job.is_by_key();
        self.jobs.insert(id, job);
        if is_by_key {
            self.enter_key_lane(id);
        }
    }

    /// A queue, made if it is new; the batch has touched it.
    pub(super) fn queue(&mut self, name: &QueueName) -> &mut Queue {
        let found = self.queues.get(name);
        if !self.before.contains_key(name) {
            self.before.insert(name.clone(), found.cloned());
        }
        let totals = || QueueTotals { name: name.clone(), ..QueueTotals::default() };
        self.queues.entry(name.clone()).or_insert_with(|| Queue { totals: totals(), ..Queue::default() })
    }

    /// The place of the first ready job in a lane of a queue.
    pub(super) fn front_of(&self, queue: &QueueName, lane: &Lane) -> Option<(i64, i64, i64)> {
        let from = (queue.clone(), lane.clone(), None, i64::MIN, i64::MIN, i64::MIN);
        let first = self.ready.range(from..).next();
        let first = first.filter(|(name, of, key, ..)| name == queue && of == lane && key.is_none());
        first.map(|(_, _, _, nprio, due_at, id)| (*nprio, *due_at, *id))
    }

    /// Scheduled jobs that are due.
    pub(super) fn due(&self, now: UnixMicros, limit: u32) -> Vec<i64> {
        self.scheduled.range(..=(now.0, i64::MAX)).take(limit as usize).map(|(_, id)| *id).collect()
    }

    /// Jobs that have lapsed.
    pub(super) fn lapsed(&self, now: UnixMicros, limit: u32) -> Vec<i64> {
        self.expiring.range(..=(now.0, i64::MAX)).take(limit as usize).map(|(_, id)| *id).collect()
    }

    /// Waiting jobs, by the time until when.
    pub(super) fn waiting_until(&self, which: shift::Waits) -> &BTreeSet<(i64, i64)> {
        match which {
            shift::Waits::Due => &self.scheduled,
            shift::Waits::Expiry => &self.expiring,
        }
    }

    pub(super) fn next_due(&self) -> Option<i64> {
        let first = |set: &BTreeSet<(i64, i64)>| set.first().map(|(at, _)| *at);
        let set = self.limits_end().map(|at| at.0);
        let settling = (self.waits.is_settling() || self.batches.is_searching()).then_some(0);
        first(&self.scheduled).into_iter().chain(first(&self.expiring)).chain(set).chain(settling).min()
    }

    pub(super) fn totals(&self) -> Vec<QueueTotals> {
        self.queues.keys().filter_map(|name| self.totals_of(name)).collect()
    }

    pub(super) fn totals_of(&self, name: &QueueName) -> Option<QueueTotals> {
        let types = self.named.iter().cloned().map(Lane::Type);
        let lanes = [Lane::Commands, Lane::Others].into_iter().chain(types);
        let by_key = self.jobs.values().filter(|job| job.new.queue == *name && job.is_by_key()).map(|job| job.due_at.0);
        let by_lane = lanes.filter_map(|lane| self.front_of(name, &lane)).map(|(_, due_at, _)| due_at);
        let oldest = by_lane.chain(by_key).min();
        let oldest_ready_at = oldest.map(UnixMicros);
        let limits = self.limits_of(name);
        let parked = self.parked(name);
        self.queues.get(name).map(|queue| QueueTotals { oldest_ready_at, limits, parked, ..queue.totals.clone() })
    }

    /// A job is over, or goes: what it holds is free.
    pub(super) fn let_go(&mut self, id: i64, job: &Job, end: impl FnOnce() -> RunEnd) {
        if let Some(run) = job.processor_run {
            self.end_run(run, end());
        }
        if let Some(key) = job.new.unique.as_deref()
            && self.uniques.get(key) == Some(&id)
        {
            self.uniques.remove(key);
        }
    }
}
