//! The reading side of the store in memory.
//!
//! Never changes anything. Invariant: the same filters give the same records in the same order as SQLite.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::MemoryStore;
use super::state::{Job, Place, Run, State};
use crate::model::audit::DeedRecord;
use crate::model::autoscale::AutoscaleRecord;
use crate::model::batch::BatchRecord;
use crate::model::call_log::CallRecord;
use crate::model::graph::{Link, Side};
use crate::model::job::SHOWN_PARENTS;
use crate::model::key_record::KeyRecord;
use crate::model::operation::Operation;
use crate::model::processor::{ProcessorRecord, ProcessorRun};
use crate::model::table::TableRow;
use crate::model::{
    ArgsSearch, BatchId, Counters, Detail, FailureRecord, Fingerprint, Generation, JobId, JobRecord, JobState,
    ProcessorName, ProcessorRunId, QueueName, QueueTotals, RunId, RunRecord, UnixMicros, WorkerRecord,
};
use crate::store::{
    AuditFilter, AutoscaleFilter, BatchFilter, CallFilter, DeadGroup, ErrorFilter, FailureFilter, History,
    HistoryFilter, JobFilter, KeyFilter, LastMaster, ProcessorRunFilter, Records, RunFilter, StoreError, WorkerFilter,
};

fn json(text: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text).map_err(|e| StoreError::Other(e.to_string()))
}

fn most(limit: Option<u32>) -> usize {
    limit.map_or(usize::MAX, |n| n as usize)
}

impl State {
    /// Jobs that a filter lets through, whatever its bounds.
    fn like(&self, filter: &JobFilter) -> impl Iterator<Item = (&i64, &Job)> {
        let args = filter.args.clone().map(ArgsSearch::from);
        self.jobs.iter().filter(move |(id, job)| {
            let is_it = filter.queue.as_ref().is_none_or(|name| *name == job.new.queue)
                && filter.states.has(job.state())
                && filter.kind.as_deref().is_none_or(|kind| kind == &*job.new.kind)
                && filter.label.as_deref().is_none_or(|label| Some(label) == job.new.label.as_deref())
                && filter.key.as_deref().is_none_or(|key| Some(key) == job.new.key.as_deref())
                && filter.unique.as_deref().is_none_or(|key| Some(key) == job.new.unique.as_deref())
                && args.as_ref().is_none_or(|args| args.fits(&job.new.args))
                && filter.ids.as_ref().is_none_or(|ids| ids.has(JobId(**id)));
            is_it
                && (filter.error.is_none() && filter.since.is_none() && filter.until.is_none()
                    || self.fits(filter, **id, job))
        })
    }

    fn fits(&self, filter: &JobFilter, id: i64, job: &Job) -> bool {
        let Ok(record) = self.job_record(id, job) else { return false };
        let at = record.finished_at.unwrap_or(record.pushed_at);
        filter.since.is_none_or(|since| at >= since)
            && filter.until.is_none_or(|until| at < until)
            && filter.error.as_ref().is_none_or(|error| match error {
                ErrorFilter::Text(text) => record.error.is_some_and(|error| error.contains(text)),
                ErrorFilter::Fingerprint(fingerprint) => record.fingerprint == Some(*fingerprint),
            })
    }

    fn job_record(&self, id: i64, job: &Job) -> Result<JobRecord, StoreError> {
        let last = self.runs.values().rev().find(|run| run.job == id);
        let fingerprint = if let Place::Ended { fingerprint, .. } = job.place { fingerprint } else { None };
        let (cause, error, finished_at) = match &job.place {
            Place::Ended { cause, error, at, .. } => (Some(*cause), error.clone(), Some(*at)),
            _ => last.map_or((None, None, None), |run| {
                (run.cause, run.detail.error.clone(), Some(run.ended_at).filter(|_| job.state().is_final()))
            }),
        };
        let jobs = || self.waits.parents(id).filter(|(parent, _)| **parent > 0);
        let told = last.filter(|_| error.is_some()).map(|run| &run.detail);
        let result = last.filter(|_| job.state() == JobState::Succeeded).and_then(|run| run.detail.result.clone());
        Ok(JobRecord {
            id: JobId(id),
            kind: job.new.kind.to_string(),
            queue: job.new.queue.clone(),
            state: job.state(),
            args: json(job.new.args.to_string())?,
            priority: job.new.priority,
            unique: job.new.unique.as_deref().map(str::to_owned),
            label: job.new.label.as_deref().map(str::to_owned),
            key: job.new.key.as_deref().map(str::to_owned),
            traceparent: job.new.pushed_in.as_deref().map(ToString::to_string),
            tracestate: job.new.pushed_in.as_deref().and_then(|context| context.state.as_deref()).map(str::to_owned),
            batch: self.batches.of_job(id),
            after: jobs().map(|(parent, _)| JobId(*parent)).take(SHOWN_PARENTS).collect(),
            after_batch: self.waits.parents(id).find_map(|(parent, _)| BatchId::of_parent(JobId(*parent))),
            after_failed: self.waits.failed(id).filter(|_| jobs().next().is_some()),
            counters: Counters { releases_in_a_row: 0, ..job.past.unwrap_or_default() },
            max_attempts: job.max_attempts,
            timeout_s: job.new.timeout.map(|t| t.as_micros() as f64 / 1e6),
            result: result.map(json).transpose()?,
            cause,
            error,
            error_type: told.and_then(|detail| detail.error_type.clone()).map(Into::into),
            error_code: told.and_then(|detail| detail.error_code),
            backtrace: told.and_then(|detail| detail.backtrace.clone()).map(Into::into),
            fingerprint,
            progress: job.progress.clone(),
            pushed_at: job.pushed_at,
            due_at: job.due_at,
            expires_at: job.new.expires_at,
            finished_at,
        })
    }

    fn run_record(&self, id: i64, run: &Run) -> RunRecord {
        let worker = run.worker.and_then(|id| self.workers.get(&id));
        RunRecord {
            id: RunId(id),
            job_id: JobId(run.job),
            kind: run.kind.clone(),
            queue: run.queue.clone(),
            worker: worker.map(|w| w.id.clone()),
            pid: worker.map(|w| w.pid),
            generation: Generation(run.generation),
            attempt: run.attempt,
            outcome: run.outcome,
            cause: run.cause,
            detail: Detail { result: None, note: None, peak_memory: None, ..run.detail.clone() },
            span: run.span,
            started_at: run.started_at,
            ended_at: run.ended_at,
            duration_s: run.ended_at.since(run.started_at).as_secs_f64(),
            waited_s: run.waited_us as f64 / 1e6,
            peak_memory_bytes: run.detail.peak_memory,
        }
    }
}

impl Records for MemoryStore {
    fn job(&mut self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        let state = self.state();
        state.jobs.get(&id.0).map(|job| state.job_record(id.0, job)).transpose()
    }

    fn jobs(&mut self, filter: &JobFilter) -> Result<Vec<JobRecord>, StoreError> {
        let state = self.state();
        // Jobs that were pushed in bulk and are not opened yet are in no order of their state.
        let by_due = filter.by_due().is_some() && !state.bulks.values().any(|bulk| bulk.committed);
        let order = |id: i64, job: &Job| if by_due { (job.due_at, id) } else { (UnixMicros(0), id) };
        // A cursor that is no job stands where the last one before it does.
        let cursor = |id: JobId| {
            state.jobs.range(..=id.0).next_back().map_or_else(|| (UnixMicros(0), id.0), |(_, job)| order(id.0, job))
        };
        let (after, before) = (filter.after.map(cursor), filter.before.map(cursor));
        let in_bounds = |&(id, job): &(&i64, &Job)| {
            after.is_none_or(|after| order(*id, job) > after) && before.is_none_or(|before| order(*id, job) < before)
        };
        let mut jobs: Vec<(&i64, &Job)> = state.like(filter).filter(in_bounds).collect();
        jobs.sort_by_key(|&(&id, job)| order(id, job));
        if filter.newest {
            jobs.reverse();
        }
        jobs.into_iter().take(most(filter.limit)).map(|(id, job)| state.job_record(*id, job)).collect()
    }

    fn job_ids(&mut self, filter: &JobFilter) -> Result<Vec<(JobId, JobState)>, StoreError> {
        let state = self.state();
        let most = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        Ok(state.like(filter).take(most).map(|(id, job)| (JobId(*id), job.state())).collect())
    }

    fn links(&mut self, id: JobId, side: Side, limit: u32) -> Result<Vec<Link>, StoreError> {
        Ok(self.state().links(id.0, side, limit))
    }

    fn keys(&mut self, filter: &KeyFilter) -> Result<Vec<KeyRecord>, StoreError> {
        Ok(self.state().keys(filter))
    }

    fn dead_groups(&mut self, queue: Option<&QueueName>, limit: usize) -> Result<(Vec<DeadGroup>, usize), StoreError> {
        let state = self.state();
        let mut groups: BTreeMap<Fingerprint, (u64, i64)> = BTreeMap::new();
        let is_of = |job: &Job| queue.is_none_or(|name| *name == job.new.queue);
        for (id, job) in state.jobs.iter().filter(|(_, job)| is_of(job)) {
            if let Place::Ended { fingerprint: Some(fingerprint), .. } = job.place {
                let group = groups.entry(fingerprint).or_default();
                *group = (group.0 + 1, *id);
            }
        }
        let mut groups: Vec<(u64, i64)> = groups.into_values().collect();
        groups.sort_unstable_by_key(|group| Reverse(*group));
        let all = groups.len();
        let group =
            |(jobs, id): (u64, i64)| state.job_record(id, &state.jobs[&id]).map(|newest| DeadGroup { jobs, newest });
        Ok((groups.into_iter().take(limit).map(group).collect::<Result<_, _>>()?, all))
    }

    fn failures(&mut self, filter: &FailureFilter, now: UnixMicros) -> Result<Vec<FailureRecord>, StoreError> {
        Ok(self.state().list_failures(filter, now))
    }

    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let state = self.state();
        let (before, says) = (filter.before.map_or(i64::MAX, |id| id.0), filter.says().map(ArgsSearch::from));
        let runs = state.runs.iter().rev().filter(|(id, run)| {
            **id < before
                && filter.job.is_none_or(|job| job.0 == run.job)
                && filter.queue.as_ref().is_none_or(|name| *name == run.queue)
                && filter.outcome.is_none_or(|wanted| wanted == run.outcome)
                && filter.since.is_none_or(|since| run.ended_at >= since)
                && says.as_ref().is_none_or(|says| {
                    let Detail { error, stderr_tail, stdout_tail, result, .. } = &run.detail;
                    let said = [error.as_deref().unwrap_or_default(), stderr_tail, stdout_tail];
                    says.fits_one_of(&said, result.as_deref().unwrap_or_default())
                })
        });
        Ok(runs.take(most(filter.limit)).map(|(id, run)| state.run_record(*id, run)).collect())
    }

    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError> {
        let state = self.state();
        let workers = state.workers.values().rev().filter(|w| {
            filter.pool.as_deref().is_none_or(|pool| pool == w.pool)
                && filter.worker.as_deref().is_none_or(|id| id == w.id)
        });
        Ok(workers.take(most(filter.limit)).cloned().collect())
    }

    fn processors(&mut self) -> Result<Vec<ProcessorRecord>, StoreError> {
        let state = self.state();
        Ok(state.processors.keys().filter_map(|name| state.processor_record(name)).collect())
    }

    fn processor(&mut self, name: &ProcessorName) -> Result<Option<ProcessorRecord>, StoreError> {
        Ok(self.state().processor_record(name))
    }

    fn processor_runs(&mut self, filter: &ProcessorRunFilter) -> Result<Vec<ProcessorRun>, StoreError> {
        Ok(self.state().list_processor_runs(filter))
    }

    fn processor_run(&mut self, id: ProcessorRunId) -> Result<Option<ProcessorRun>, StoreError> {
        let state = self.state();
        Ok(state.processor_runs.get(&id.0).map(|kept| state.processor_run(kept)))
    }

    fn table_rows(&mut self) -> Result<Vec<TableRow>, StoreError> {
        Ok(self.state().list_table_rows())
    }

    fn autoscale_log(&mut self, filter: &AutoscaleFilter) -> Result<Vec<AutoscaleRecord>, StoreError> {
        Ok(self.state().list_autoscale_log(filter))
    }

    fn operations(&mut self) -> Result<Vec<Operation>, StoreError> {
        Ok(self.state().operations.values().cloned().collect())
    }

    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<DeedRecord>, StoreError> {
        Ok(self.state().list_audit(filter))
    }

    fn batches(&mut self, filter: &BatchFilter) -> Result<Vec<BatchRecord>, StoreError> {
        Ok(self.state().list_batches(filter))
    }

    fn call_log(&mut self, filter: &CallFilter) -> Result<Vec<CallRecord>, StoreError> {
        Ok(self.state().list_call_log(filter))
    }

    fn history(&mut self, filter: &HistoryFilter) -> Result<History, StoreError> {
        Ok(self.state().history(filter))
    }

    fn queue_totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        Ok(self.state().totals())
    }

    fn first_other(&mut self, queue: &QueueName) -> Result<Option<String>, StoreError> {
        Ok(self.state().first_other(queue).map(|kind| kind.to_string()))
    }

    fn store_id(&mut self) -> Result<String, StoreError> {
        Ok("memory".to_owned())
    }

    fn last_master(&mut self) -> Result<Option<LastMaster>, StoreError> {
        let state = self.state();
        Ok(state.lives.last_key_value().map(|(n, life)| LastMaster {
            master: life.master.clone(),
            generation: Generation(*n),
            started_at: life.started_at,
            ended_at: life.ended_at,
        }))
    }
}
