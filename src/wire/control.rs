//! The methods of the control socket: their params and results. Both sides use these types.
//!
//! | method | params | result |
//! | --- | --- | --- |
//! | `push` | [`PushJob`] | [`crate::model::Pushed`], its `id` also as `job_id` |
//! | `push_many` | [`PushMany`] | [`PushedMany`] |
//! | `bulk.begin` | none | [`super::bulk::BulkBegun`]: from here to `bulk.commit` nothing is added; dropped when the connection closes |
//! | `bulk.add` | [`super::bulk::AddToBulk`] | [`super::bulk::BulkAdded`] |
//! | `bulk.commit` | [`super::bulk::CommitBulk`] | [`super::bulk::BulkDone`], when all jobs are there and safe |
//! | `bulk.drop` | [`super::bulk::OneBulk`] | `true` |
//! | `status` | none | [`crate::report::Status`] |
//! | `scale` | [`Scale`] | [`Scaled`] |
//! | `autoscale` | none | array of [`crate::report::AutoscaleStatus`] |
//! | `spawn` | [`SpawnPool`] | [`Scaled`] |
//! | `work` | [`Work`] | `true`, when the pool is gone; first notifications [`EVENT`], and [`LOG`] with [`LogLine`] |
//! | `restart` | [`Restart`] | [`Restarted`] |
//! | `stop` | [`Stop`] | [`Stopped`] |
//! | `reload` | [`Reload`] | [`Reloaded`] |
//! | `pause`, `resume` | [`Queues`] | [`PausedQueues`] |
//! | `queues.set` | [`SetQueue`] | `true`, when it is on the disk |
//! | `jobs.list` | [`crate::store::JobFilter`] | array of [`crate::model::JobRecord`] |
//! | `jobs.show`, `jobs.wait` | [`OneJob`] | [`crate::model::JobRecord`] |
//! | `jobs.graph` | [`OneJob`] | [`crate::model::graph::Graph`] |
//! | `jobs.retry`, `jobs.cancel`, `jobs.delete`, `jobs.set` | [`Jobs`] | [`ChangedJobs`] |
//! | … with `background` | [`Jobs`] | [`crate::model::operation::Operation`] |
//! | `operations.list` | none | array of the same |
//! | `operations.stop` | [`OneOperation`] | the operation |
//! | `runs.list`, `errors.list` | [`crate::store::RunFilter`], [`crate::store::FailureFilter`] | array of [`crate::model::RunRecord`], of [`crate::model::FailureRecord`] |
//! | `errors.set` | [`NoteFailure`] | `true`, when it is on the disk |
//! | `workers.list` | [`crate::store::WorkerFilter`] | array of [`crate::model::WorkerRecord`] |
//! | `autoscale.history` | [`crate::store::AutoscaleFilter`] | array of [`crate::report::autoscale::LoggedChange`] |
//! | `batches.list` | [`crate::store::BatchFilter`] | array of [`crate::model::batch::BatchRecord`] |
//! | `calls.list` | [`crate::store::CallFilter`] | array of [`crate::model::call_log::CallRecord`] |
//! | `queues.keys` | [`crate::store::KeyFilter`] | array of [`crate::model::key_record::KeyRecord`] |
//! | `audit.list` | [`crate::store::AuditFilter`] | array of [`crate::model::audit::DeedRecord`] |
//! | `metrics` | none | array of [`crate::report::exposition::Family`] |
//! | `metrics.history` | [`super::metrics::AskHistory`] | [`crate::report::history::HistoryReport`] |
//! | `logs.follow` | [`Follow`] | `true`, then notifications `log` with [`LogLine`] |
//! | `logs.written` | none | `true`, when what was printed until now is in the files |
//! | `events.follow` | [`FollowEvents`] | [`FollowedEvents`], then notifications [`HAPPENED`] |
//! | `debug` | [`DebugFor`] | [`DebugUntil`] |
//! | `leaks` | none | array of [`crate::model::leak::TypeMemory`] |
//! | *(any)* | | a notification [`NOTE`] may come before the answer |
//! | `scale`, `restart`, `stop`, `reload` | | a notification [`AWAITED`] with [`Awaited`] comes first where jobs are waited for |
//! | `ping` | none | `{"generation": n}`; also the nudge after a write to the store from outside |

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use super::batch::{MadeBatch, PushBatch};
pub use super::failures::NoteFailure;
pub use super::jobs::{ChangedJobs, Jobs, OneOperation, RefusedJob};
pub use super::push_job::{PushJob, Span};
pub use super::queues::{PausedQueue, PausedQueues, Queues, SetQueue};
pub use super::scale::Scale;
pub use crate::model::done::{Awaited, Reloaded, Restarted, Scaled, ScaledPool, Stopped, StoppedPool};
pub use crate::model::listen::{MAX_SOCKET_PATH_BYTES, NEW_SOCKET_ENDING};
use crate::model::{BatchId, JobId, OsText, Pushed, UnixMicros};

/// The notification that comes before an answer and says to people what is special about it; its params are a text.
pub const NOTE: &str = "note";
/// The notification that comes before an answer which waits for jobs.
pub const AWAITED: &str = "awaited";
/// The notifications of a line that a worker printed, and of how many lines were dropped.
pub const LOG: &str = "log";
pub const DROPPED: &str = "dropped";
/// The notification of what happens at a pool that is lent; its params are a [`crate::report::Event`].
pub const EVENT: &str = "event";

/// Many jobs at once: all are added or none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushMany {
    #[serde(deserialize_with = "super::object::list")]
    pub jobs: Vec<PushJob>,
    /// The answer has only the count and the first and last id, unless this is true.
    #[serde(default)]
    pub ids: bool,
    /// The batch of all of them; absent, also in the jobs: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<PushBatch>,
}

/// The answer to [`PushMany`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedMany {
    /// How many were asked for.
    pub count: u64,
    /// How many of them were there already.
    #[serde(default)]
    pub deduplicated: u64,
    /// The lowest id; `null` for none.
    pub first_id: Option<JobId>,
    /// The highest id; `null` for none.
    pub last_id: Option<JobId>,
    /// Every id in order, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<JobId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
}

impl PushedMany {
    /// The sums over the jobs of one push.
    #[must_use]
    pub fn new(pushed: &[Pushed], ids: bool) -> Self {
        Self {
            count: pushed.len() as u64,
            deduplicated: pushed.iter().filter(|p| p.deduplicated).count() as u64,
            first_id: pushed.iter().map(|p| p.id).min(),
            last_id: pushed.iter().map(|p| p.id).max(),
            ids: ids.then(|| pushed.iter().map(|p| p.id).collect()),
            batch: pushed.first().and_then(|p| p.batch),
        }
    }
}

/// Add a pool to the running master.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpawnPool {
    /// Its name; absent: that of its first queue (with `.2`, `.3` … where that is taken).
    #[serde(default)]
    pub pool: Option<String>,
    /// The queues it serves, in strict order.
    pub queues: Vec<String>,
    /// 1 to 10000; absent: the number of CPUs.
    #[serde(default)]
    pub workers: Option<u32>,
    /// The worker program; absent: commands as jobs.
    #[serde(default)]
    pub command: Option<Vec<OsText>>,
    /// `protocol`, `exec`, `opaque` or `service`; absent: `protocol` with a command, else `exec`.
    #[serde(default)]
    pub kind: Option<String>,
    /// Where its workers run; absent: where the master runs.
    #[serde(default)]
    pub cwd: Option<OsText>,
    /// Answer at once, not when the workers are ready.
    #[serde(default)]
    pub no_wait: bool,
    /// The part of a service that other pools do not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<SpawnService>,
}

/// The settings of a service that is added to the running master; the rest is as for one of the file that does not say it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpawnService {
    /// `unix:/run/calc.sock`, `tcp:127.0.0.1:9501`, `http:127.0.0.1:9502`; paths are absolute.
    #[serde(default)]
    pub listen: Vec<String>,
    #[serde(default)]
    pub strategy: Option<String>,
    #[serde(default)]
    pub init: Option<serde_json::Value>,
    #[serde(default)]
    pub version: Option<String>,
}

/// Lend a pool of a single worker until this connection closes, or as long as the rest says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The queues it serves, in strict order. The worker is like those of a pool that serves the first.
    pub queues: Vec<String>,
    /// Another worker program.
    #[serde(default)]
    pub command: Option<Vec<OsText>>,
    /// `protocol` or `exec`; absent: `protocol`.
    #[serde(default)]
    pub kind: Option<String>,
    /// Where that runs; absent: where the master runs.
    #[serde(default)]
    pub cwd: Option<OsText>,
    /// Longest run of a job that says nothing itself, in seconds.
    #[serde(default)]
    pub timeout_s: Option<f64>,
    #[serde(default)]
    pub drain: bool,
    /// Until so many runs have ended.
    #[serde(default)]
    pub max_jobs: Option<u64>,
    /// No job is begun after so long, in seconds.
    #[serde(default)]
    pub max_time_s: Option<f64>,
}

/// Replace workers, one after the other; exactly one of `all`, `queue`, `pool`, `workers` is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    #[serde(default)]
    pub all: bool,
    /// Workers of pools that serve this queue.
    #[serde(default)]
    pub queue: Option<String>,
    /// Workers of this pool.
    #[serde(default)]
    pub pool: Option<String>,
    /// Names (`<pool>-<slot>`), or pools where no worker has the name.
    #[serde(default)]
    pub workers: Vec<String>,
    /// How long the jobs of old workers may go on, in seconds; absent: until they are done.
    #[serde(default)]
    pub grace_s: Option<f64>,
    /// End running jobs at once (they go back to the front, nothing charged).
    #[serde(default)]
    pub now: bool,
    #[serde(default)]
    pub no_wait: bool,
}

/// Stop the master, pools, or single workers (their slots are given up). A pool that the master began with stays, with no
/// workers; one that was spawned is gone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Grace for running jobs, in seconds; absent: what the pool says where the master stops, else until they are done.
    #[serde(default, alias = "grace_s")]
    pub timeout_s: Option<f64>,
    /// Pools that serve this queue.
    #[serde(default)]
    pub queue: Option<String>,
    #[serde(default)]
    pub pool: Option<String>,
    /// Names of workers.
    #[serde(default)]
    pub workers: Vec<String>,
    #[serde(default)]
    pub no_wait: bool,
}

/// Read the configuration file again, and put in force what is different.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// Only say what would change.
    #[serde(default)]
    pub dry_run: bool,
    /// Answer at once, not when new workers are ready and old ones are gone.
    #[serde(default)]
    pub no_wait: bool,
}

/// One job. `jobs.wait` answers when it has ended, or after `timeout_s` with the job as it is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneJob {
    pub id: JobId,
    /// For `jobs.wait`: how long at most, in seconds; absent: for ever.
    #[serde(default)]
    pub timeout_s: Option<f64>,
}

/// The notification of an event that is followed: the object that `--log-format json` writes, with its number in `seq`.
pub const HAPPENED: &str = "happened";

/// Which events to follow: those that come, and those that were before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowEvents {
    /// Also those before, from this number on; the master keeps the last 2000.
    #[serde(default)]
    pub since: Option<u64>,
    /// Also the begin of each run and each end that is none of a failure, which have no number and are not kept.
    #[serde(default)]
    pub runs: bool,
    /// Also each step of the master while `debug` is on, likewise.
    #[serde(default)]
    pub debug: bool,
}

/// The longest that `debug` may be on.
pub const MOST_DEBUG: Duration = Duration::from_hours(1);

/// Tell steps of the master, as events of level debug, to those who follow these.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebugFor {
    /// From now on; 0 ends it.
    pub seconds: f64,
}

/// The answer to [`DebugFor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugUntil {
    /// `null`: it is off.
    pub until: Option<UnixMicros>,
}

/// Events that were before.
#[derive(Debug, Serialize, Deserialize)]
pub struct FollowedEvents {
    pub events: Vec<Box<RawValue>>,
    /// Events from `since` on that are kept no more.
    pub missed: u64,
    /// The number of the next event.
    pub next: u64,
}

/// Which output to follow; absent: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// Only this worker, or the workers of the pool of this name.
    #[serde(default)]
    pub worker: Option<String>,
    /// Only workers of pools that serve this queue.
    #[serde(default)]
    pub queue: Option<String>,
    /// Only while this job runs.
    #[serde(default)]
    pub job: Option<JobId>,
}

/// One line of worker output; control characters are escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When the master read it.
    pub at: UnixMicros,
    /// `<pool>-<slot>`.
    pub worker: String,
    /// `out` or `err`.
    pub stream: String,
    /// The job it ran.
    pub job: Option<JobId>,
    /// The text.
    pub text: String,
}
