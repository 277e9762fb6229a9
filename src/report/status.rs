//! The status document: what `status --json` prints and the control method `status` answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::AutoscaleStatus;
use crate::config::ReadFile;
use crate::model::limit_record::{Override, PausedKeys};
use crate::model::problem::Topic;
use crate::model::queue::QueueRate;
use crate::model::queue_limits::SaidLimits;
use crate::model::serves::Serves;
use crate::model::service::CallLoad;
use crate::model::unserved::Unserved;
use crate::model::worker::Exit;
use crate::model::{Generation, JobId, PoolKind, QueueName, QueueTotals, Slot, UnixMicros, WorkerState};
use crate::wire::control::LogLine;

/// Everything about one store and its master: queues and pools by name, workers by pool and slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `null` when no master runs.
    pub master: Option<MasterStatus>,
    pub queues: Vec<QueueStatus>,
    pub pools: Vec<PoolStatus>,
    pub workers: Vec<WorkerStatus>,
    /// Ready jobs that no pool takes, at most 100 entries.
    #[serde(default)]
    pub unserved: Vec<UnservedStatus>,
    /// Queues that the pools of other hosts serve, each with the types of jobs that they take.
    #[serde(default, skip_serializing_if = "Serves::is_empty")]
    pub elsewhere: Serves,
    /// Runs that ended in the last 10 seconds, per second.
    pub jobs_per_s: f64,
}

/// The state of a master that runs and does not answer; the rest is then from the store, as far as that knows it.
pub const UNREACHABLE: &str = "unreachable";

/// Spans, since the master has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracesStatus {
    /// Taken by the collector.
    pub exported: u64,
    /// Not taken, or there were too many.
    pub dropped: u64,
}

/// The page in the browser that a master shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebStatus {
    /// `null`: it has ended, and is started again.
    pub pid: Option<u32>,
    /// Where it listens.
    pub listen: String,
    /// `running` or `backoff`.
    pub state: String,
    /// Resident memory, in bytes.
    pub memory_bytes: Option<u64>,
}

/// The running master.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MasterStatus {
    /// Process id.
    pub pid: u32,
    pub generation: Generation,
    /// `running`, `draining` (a stop waits for the jobs that run) or `stopping` (they are ended); or [`UNREACHABLE`].
    pub state: String,
    pub version: String,
    pub started_at: UnixMicros,
    /// For how long, in seconds.
    pub uptime_s: f64,
    /// Path of the database.
    pub database: String,
    /// Id of the store; a copy has another.
    #[serde(default)]
    pub store: String,
    /// The configuration file that it has read; `null` for none.
    #[serde(default)]
    pub config: Option<ReadFile>,
    /// `full` or `process`.
    pub durability: String,
    /// Spans that were sent to a collector; `null`: there is none.
    #[serde(default)]
    pub traces: Option<TracesStatus>,
    /// The page that it shows in the browser; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<WebStatus>,
    /// The master is that of a `work`: it has one worker and stays so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single: bool,
    /// Means that holds together what workers start: `cgroup`, or `tree` where no control group can be made.
    pub containment: String,
    /// Resident memory of the master, in bytes.
    pub memory_bytes: u64,
    /// Until when steps are told to those who follow them (`debug`); absent: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_until: Option<UnixMicros>,
    /// Problems, if any (`the disk is full`, …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The subject of each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problem_topics: Vec<Topic>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Its name.
    pub name: QueueName,
    /// Hands out no jobs.
    pub paused: bool,
    pub ready: u64,
    /// Due later, retries included.
    pub scheduled: u64,
    /// Waiting for other jobs.
    #[serde(default)]
    pub blocked: u64,
    pub running: u64,
    /// Given up and kept.
    pub dead: u64,
    /// How long the first ready job has been due, in seconds; `null` when none is ready.
    pub oldest_ready_s: Option<f64>,
    pub succeeded_total: u64,
    /// Runs that failed, timed out or crashed, ever.
    pub failed_total: u64,
    /// Jobs that succeeded or died, per second of the last minute; `null` without a master.
    #[serde(default)]
    pub done_per_s: Option<f64>,
    /// Jobs that were pushed or retried, likewise.
    #[serde(default)]
    pub pushed_per_s: Option<f64>,
    /// When no job is ready any more, in seconds from now; `null` unless the queue becomes shorter.
    #[serde(default)]
    pub empty_in_s: Option<f64>,
    /// Limits of the queue; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitStatus>,
}

/// The limits of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitStatus {
    /// By their keys, as they are written in the configuration.
    pub in_force: SaidLimits,
    /// What was set over the configuration; `null`: nothing.
    pub set: Option<Override>,
    /// Keys of which no job starts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paused_keys: PausedKeys,
    /// As many jobs run as may.
    pub is_full: bool,
    /// When the next may start, by the rate; `null`: now, or it is not known.
    pub next_start_at: Option<UnixMicros>,
}

impl QueueStatus {
    /// A queue with these totals.
    #[must_use]
    pub fn new(totals: &QueueTotals, rate: Option<QueueRate>, now: UnixMicros) -> Self {
        Self {
            name: totals.name.clone(),
            paused: totals.paused,
            ready: totals.ready,
            scheduled: totals.scheduled,
            blocked: totals.blocked,
            running: totals.running,
            dead: totals.dead,
            oldest_ready_s: totals.oldest_ready_at.map(|at| now.since(at).as_secs_f64()),
            succeeded_total: totals.succeeded_total,
            failed_total: totals.failed_total,
            done_per_s: rate.map(|rate| rate.done_per_s),
            pushed_per_s: rate.map(|rate| rate.pushed_per_s),
            empty_in_s: rate.and_then(|rate| rate.empty_in_s),
            limits: totals.limits.as_deref().map(|record| LimitStatus {
                in_force: record.said(),
                set: record.set.clone(),
                paused_keys: record.paused.clone(),
                is_full: record.in_force.concurrency.is_some_and(|most| totals.running >= u64::from(most)),
                next_start_at: None,
            }),
        }
    }
}

impl QueueStatus {
    /// Whether clearly more is pushed than done.
    #[must_use]
    pub fn grows(&self) -> bool {
        let (Some(done), Some(pushed)) = (self.done_per_s, self.pushed_per_s) else { return false };
        self.ready > 0 && !self.paused && self.empty_in_s.is_none() && pushed > done * 1.05
    }
}

/// What has a name: a queue, a pool, a worker, or several of the same name; what `status NAME --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    pub queues: Vec<QueueStatus>,
    pub pools: Vec<PoolStatus>,
    pub workers: Vec<WorkerStatus>,
    /// The last lines that the worker printed; only of a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<LogLine>>,
}

impl Named {
    /// All in this status that has the name.
    #[must_use]
    pub fn of(status: &Status, name: &str) -> Self {
        let mut queues: Vec<_> = status.queues.iter().filter(|queue| queue.name.as_str() == name).cloned().collect();
        let mut served = status.pools.iter().flat_map(|pool| &pool.queues);
        if let (true, Some(queue)) = (queues.is_empty(), served.find(|queue| queue.as_str() == name)) {
            // One that never had a job.
            let totals = QueueTotals { name: queue.clone(), ..QueueTotals::default() };
            queues.push(QueueStatus::new(&totals, None, UnixMicros::default()));
        }
        Self {
            queues,
            pools: status.pools.iter().filter(|pool| pool.name == name).cloned().collect(),
            workers: status.workers.iter().filter(|worker| worker.id == name).cloned().collect(),
            log: None,
        }
    }

    /// Whether nothing has the name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.pools.is_empty() && self.workers.is_empty()
    }
}

/// The most entries of ready jobs that no pool takes.
pub const MOST_UNSERVED: usize = 100;

/// Ready jobs that no pool takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnservedStatus {
    pub queue: QueueName,
    /// How many.
    pub jobs: u64,
    /// The type of the first of them, if it is known.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The problem in words, and the next step.
    pub problem: String,
}

impl From<&Unserved> for UnservedStatus {
    fn from(found: &Unserved) -> Self {
        let kind = found.kind().map(str::to_owned);
        Self { queue: found.queue.clone(), jobs: found.jobs, kind, problem: found.to_string() }
    }
}

/// One pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// The queues it serves.
    pub queues: Vec<QueueName>,
    /// Where it listens, if it is a service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<String>,
    /// `protocol`, `exec`, `opaque` or `service`.
    pub kind: String,
    /// The listener, if it is a service: `gateway` or `worker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_mode: Option<String>,
    /// The types of job it takes: `exec`, `*` for all others, or those that its workers have named.
    #[serde(default)]
    pub takes: Vec<String>,
    /// `running`, `stopped` where no worker is wanted, `finished` where all have ended that are not replaced, or
    /// `waiting` for other pools.
    #[serde(default)]
    pub state: String,
    pub wanted: u32,
    /// Workers that are idle or busy.
    pub ready: u32,
    /// Workers with a job, or a call.
    pub busy: u32,
    /// Workers not yet ready, and slots in backoff.
    pub starting: u32,
    /// Workers on their way out.
    pub draining: u32,
    /// Workers that ended, and are not to be followed by others.
    #[serde(default, skip_serializing_if = "is_none")]
    pub finished: u32,
    /// Pools without which it has no workers yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// The message by which a worker says that it is ready: `ready`, or the answer to `init`; absent: it need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_by: Option<String>,
    /// Limits in force, worded: `{"memory": "+128M", "max_time": "1h", …}`.
    #[serde(default)]
    pub limits: std::collections::BTreeMap<String, String>,
    /// Its calls, if it is a service, as the gateway has said within the last second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<CallLoad>,
    /// How it scales itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<AutoscaleStatus>,
    /// Problem, if any (`cannot run `foo`: not found in PATH; next try in 3 s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl PoolStatus {
    /// Whether it is a service, whoever listens.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.kind == PoolKind::Service.as_str()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// `<pool>-<slot>`.
    pub id: String,
    pub pool: String,
    pub slot: Slot,
    /// Process id; `null` in backoff.
    pub pid: Option<u32>,
    pub state: WorkerState,
    /// Why there is no process any more: `finished: exit 0`, `given up: more than 10 deaths in 1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Life of the master it belongs to.
    pub generation: Generation,
    /// Jobs this process has answered.
    pub jobs_done: u64,
    /// Last measured, with descendants, in bytes.
    pub memory_bytes: Option<u64>,
    /// Most measured, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Percent of one CPU, last measured.
    pub cpu_percent: Option<f64>,
    /// Age of this process, in seconds.
    pub uptime_s: f64,
    /// How often the process in this slot was replaced, whatever for.
    pub restarts: u64,
    /// How often it ended unasked.
    #[serde(default)]
    pub crashes: u64,
    /// How the process before this one ended.
    pub last_exit: Option<LastExit>,
    /// When the grace of a draining or stopping worker is over, in seconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<f64>,
    /// The job it runs now.
    pub job: Option<WorkerJob>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastExit {
    /// Why (`exited`, `max_jobs`, `restarted`, …).
    pub reason: String,
    pub exit_code: Option<i32>,
    /// Signal name.
    pub signal: Option<String>,
}

impl LastExit {
    /// From the exit of a process; `signal_name` turns a number into a name.
    #[must_use]
    pub fn new(reason: &str, exit: Option<Exit>, signal_name: impl Fn(i32) -> String) -> Self {
        let (exit_code, signal) = match exit {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(n)) => (None, Some(signal_name(n))),
            None => (None, None),
        };
        Self { reason: reason.to_owned(), exit_code, signal }
    }
}

/// The job a worker runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerJob {
    pub id: JobId,
    #[serde(rename = "type")]
    pub kind: String,
    /// The number of the attempt.
    pub attempt: u32,
    /// For how long, in seconds.
    pub running_s: f64,
    /// Its last report of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<crate::model::job::Progress>,
}
