//! The records of a store whose files are closed to us, as its master tells them: for members of the group of the socket.
//!
//! Knows what the control socket can be asked for. What it does not tell is left out: the lanes of a queue, masters
//! before this one.

use std::borrow::BorrowMut;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::output;
use crate::client::{Client, ClientError, NONE};
use crate::clock;
use crate::model::audit::DeedRecord;
use crate::model::autoscale::AutoscaleRecord;
use crate::model::batch::BatchRecord;
use crate::model::call_log::CallRecord;
use crate::model::graph::{Graph, Link, Side};
use crate::model::key_record::KeyRecord;
use crate::model::operation::Operation;
use crate::model::processor::{ProcessorRecord, ProcessorRun};
use crate::model::table::TableRow;
use crate::model::{
    FailureRecord, Fingerprint, JobId, JobRecord, JobState, ProcessorName, ProcessorRunId, QueueName, QueueTotals,
    RunRecord, States, UnixMicros, WorkerRecord,
};
use crate::report::Status;
use crate::report::autoscale::LoggedChange;
use crate::report::status::QueueStatus;
use crate::store::{
    AuditFilter, AutoscaleFilter, BatchFilter, CallFilter, DeadGroup, FailureFilter, History, HistoryFilter, JobFilter,
    KeyFilter, LastMaster, ProcessorRunFilter, Records, RunFilter, StoreError, WorkerFilter,
};
use crate::wire::control::OneJob;

/// Records that a master lists at once.
const MOST: u32 = 10_000;
/// Exit code of a refusal: there is no such job.
const NOT_FOUND: u8 = 4;

/// Asks a master.
pub(crate) struct RemoteRecords<C>(pub(crate) C);

impl<C: BorrowMut<Client>> RemoteRecords<C> {
    fn ask<R: DeserializeOwned>(&mut self, method: &str, params: &impl Serialize) -> Result<R, StoreError> {
        self.0.borrow_mut().call(method, params).map_err(|error| StoreError::Unanswered(error.to_string()))
    }

    fn status(&mut self) -> Result<Status, StoreError> {
        self.ask("status", &NONE)
    }
}

impl<C: BorrowMut<Client>> Records for RemoteRecords<C> {
    fn job(&mut self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        match self.0.borrow_mut().call("jobs.show", &OneJob { id, timeout_s: None }) {
            Ok(job) => Ok(Some(job)),
            Err(ClientError::Refused(error)) if error.exit_code() == NOT_FOUND => Ok(None),
            Err(error) => Err(StoreError::Unanswered(error.to_string())),
        }
    }

    fn jobs(&mut self, filter: &JobFilter) -> Result<Vec<JobRecord>, StoreError> {
        self.ask("jobs.list", filter)
    }

    fn job_ids(&mut self, filter: &JobFilter) -> Result<Vec<(JobId, JobState)>, StoreError> {
        let all = JobFilter { limit: Some(filter.limit.unwrap_or(MOST)), after: None, before: None, ..filter.clone() };
        Ok(self.jobs(&all)?.into_iter().map(|job| (job.id, job.state)).collect())
    }

    fn links(&mut self, id: JobId, side: Side, limit: u32) -> Result<Vec<Link>, StoreError> {
        let mut links = self.graph(id, u32::MAX)?.links;
        links.retain(|link| id == if side == Side::Parents { link.job } else { link.after });
        links.sort_by_key(|link| side == Side::Parents && !link.is_open);
        links.truncate(limit as usize);
        Ok(links)
    }

    fn graph(&mut self, id: JobId, _limit: u32) -> Result<Graph, StoreError> {
        self.ask("jobs.graph", &OneJob { id, timeout_s: None })
    }

    fn keys(&mut self, filter: &KeyFilter) -> Result<Vec<KeyRecord>, StoreError> {
        self.ask("queues.keys", filter)
    }

    fn dead_groups(&mut self, queue: Option<&QueueName>, limit: usize) -> Result<(Vec<DeadGroup>, usize), StoreError> {
        let (queue, states) = (queue.cloned(), States::of(&[JobState::Dead]));
        let dead = JobFilter { queue, states, newest: true, ..JobFilter::default() };
        let mut groups: BTreeMap<Option<Fingerprint>, DeadGroup> = BTreeMap::new();
        for job in self.jobs(&dead)? {
            let fingerprint = job.fingerprint;
            groups.entry(fingerprint).or_insert_with(|| DeadGroup { jobs: 0, newest: job }).jobs += 1;
        }
        let mut groups: Vec<DeadGroup> = groups.into_values().collect();
        groups.sort_unstable_by_key(|group| Reverse((group.jobs, group.newest.id)));
        let all = groups.len();
        groups.truncate(limit);
        Ok((groups, all))
    }

    fn failures(&mut self, filter: &FailureFilter, _now: UnixMicros) -> Result<Vec<FailureRecord>, StoreError> {
        self.ask("errors.list", filter)
    }

    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.ask("runs.list", filter)
    }

    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError> {
        let limit = filter.limit.unwrap_or(u32::MAX);
        let found: Vec<WorkerRecord> =
            self.ask("workers.list", &WorkerFilter { limit: Some(limit), ..filter.clone() })?;
        if found.len() == MOST as usize && limit > MOST {
            output::say(&format!("of workers only the newest {MOST} count; the user of the master sees all"));
        }
        Ok(found)
    }

    fn processors(&mut self) -> Result<Vec<ProcessorRecord>, StoreError> {
        Err(untold())
    }

    fn processor(&mut self, _name: &ProcessorName) -> Result<Option<ProcessorRecord>, StoreError> {
        Err(untold())
    }

    fn processor_runs(&mut self, filter: &ProcessorRunFilter) -> Result<Vec<ProcessorRun>, StoreError> {
        self.ask("processors.runs", filter)
    }

    fn processor_run(&mut self, _id: ProcessorRunId) -> Result<Option<ProcessorRun>, StoreError> {
        Err(untold())
    }

    fn table_rows(&mut self) -> Result<Vec<TableRow>, StoreError> {
        Err(StoreError::Unanswered("a master tells of tables by its gateway only".to_owned()))
    }

    fn autoscale_log(&mut self, filter: &AutoscaleFilter) -> Result<Vec<AutoscaleRecord>, StoreError> {
        let (mut filter, mut all) = (filter.clone(), Vec::new());
        let mut left = filter.limit.unwrap_or(u32::MAX);
        loop {
            filter.limit = Some(left.min(MOST));
            let page: Vec<LoggedChange> = self.ask("autoscale.history", &filter)?;
            filter.before = page.last().map(|change| change.id);
            left -= page.len() as u32;
            let goes_on = page.len() == MOST as usize && left > 0;
            all.extend(page.into_iter().map(AutoscaleRecord::from));
            if !goes_on {
                return Ok(all);
            }
        }
    }

    fn operations(&mut self) -> Result<Vec<Operation>, StoreError> {
        self.ask("operations.list", &NONE)
    }

    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<DeedRecord>, StoreError> {
        self.ask("audit.list", filter)
    }

    fn batches(&mut self, filter: &BatchFilter) -> Result<Vec<BatchRecord>, StoreError> {
        self.ask("batches.list", filter)
    }

    fn call_log(&mut self, filter: &CallFilter) -> Result<Vec<CallRecord>, StoreError> {
        self.ask("calls.list", filter)
    }

    fn history(&mut self, _filter: &HistoryFilter) -> Result<History, StoreError> {
        Err(StoreError::Unanswered("a master tells of the past by `metrics.history` only".to_owned()))
    }

    fn queue_totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        let now = clock::wall();
        Ok(self.status()?.queues.into_iter().map(|queue| totals(queue, now)).collect())
    }

    fn first_other(&mut self, _queue: &QueueName) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn store_id(&mut self) -> Result<String, StoreError> {
        Ok(self.status()?.master.map(|master| master.store).unwrap_or_default())
    }

    fn last_master(&mut self) -> Result<Option<LastMaster>, StoreError> {
        Ok(None)
    }
}

/// A master tells its own view of a processor, with the schedule it has for it.
fn untold() -> StoreError {
    StoreError::Unanswered("a master tells of its processors by `processors.list` only".to_owned())
}

fn totals(queue: QueueStatus, now: UnixMicros) -> QueueTotals {
    let since = |seconds| std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    QueueTotals {
        name: queue.name,
        paused: queue.paused,
        ready: queue.ready,
        scheduled: queue.scheduled,
        blocked: queue.blocked,
        running: queue.running,
        dead: queue.dead,
        succeeded_total: queue.succeeded_total,
        failed_total: queue.failed_total,
        oldest_ready_at: queue.oldest_ready_s.map(|seconds| now.minus(since(seconds))),
        ..QueueTotals::default()
    }
}
