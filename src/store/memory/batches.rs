//! Batches in memory.
//!
//! Invariant: a batch watches the same job as in SQLite, and looks for another in the same steps.

use std::collections::BTreeMap;

use super::state::State;
use crate::model::after::{AfterFailed, Standing};
use crate::model::batch::{BatchCounts, BatchEnd, BatchError, BatchRecord, IntoBatch, REF};
use crate::model::change::{Keep, Reply};
use crate::model::{BatchId, BulkId, IdRange, JobId, NewJob, UnixMicros};
use crate::store::BatchFilter;

use super::state::Place;

/// A batch on record.
#[derive(Clone, Debug)]
struct JobBatch {
    name: Option<Box<str>>,
    pushed_at: UnixMicros,
    ids: Vec<i64>,
    then: Option<i64>,
    then_failed: Option<i64>,
    /// `Some(0)`: another is looked for.
    watched: Option<i64>,
    seen: i64,
    end: Option<BatchCounts>,
}

/// All batches.
#[derive(Debug, Default)]
pub(super) struct Batches {
    all: BTreeMap<i64, JobBatch>,
    high: i64,
}

impl Batches {
    pub(super) fn of_job(&self, job: i64) -> Option<BatchId> {
        self.all.iter().find(|(_, batch)| batch.ids.contains(&job)).map(|(id, _)| BatchId(*id))
    }

    pub(super) fn is_searching(&self) -> bool {
        self.searched().is_some()
    }

    fn searched(&self) -> Option<i64> {
        self.all.iter().find(|(_, batch)| batch.watched == Some(0)).map(|(id, _)| *id)
    }
}

impl State {
    pub(super) fn push_into(&mut self, jobs: &[NewJob], into: &IntoBatch, at: UnixMicros) -> Reply {
        let joined = match self.can_join(into) {
            Ok(joined) => joined,
            Err(refused) => return Reply::BadBatch(refused),
        };
        let mut pushed = match self.full_of(jobs, at).unwrap_or_else(|| self.push_all(jobs, at)) {
            Reply::Pushed(pushed) => pushed,
            refused => return refused,
        };
        let new = pushed.iter().filter(|pushed| !pushed.deduplicated).map(|pushed| pushed.id.0).collect();
        let batch = self.put_in_batch(new, joined, into, at);
        for pushed in &mut pushed {
            pushed.batch = Some(batch);
        }
        Reply::Pushed(pushed)
    }

    pub(super) fn can_join(&mut self, into: &IntoBatch) -> Result<Option<BatchId>, BatchError> {
        let id = match into {
            IntoBatch::New(_) => return Ok(None),
            IntoBatch::Join(batch) => *batch,
            IntoBatch::JoinThatOf(job) => match self.batches.of_job(job.0) {
                Some(batch) => batch,
                None if self.jobs.contains_key(&job.0) => return Err(BatchError::Alone(*job)),
                None => return Err(BatchError::UnknownJob(*job)),
            },
        };
        let batch = self.batches.all.get(&id.0).ok_or(BatchError::Unknown(id))?;
        let is_open = batch.end.is_none() && batch.ids.iter().any(|job| self.is_open(*job));
        if is_open { Ok(Some(id)) } else { Err(BatchError::Ended(id)) }
    }

    pub(super) fn put_bulk(
        &mut self,
        bulk: BulkId,
        joined: Option<BatchId>,
        into: &IntoBatch,
        at: UnixMicros,
    ) -> BatchId {
        let ids = self.bulks.get(&bulk.0).into_iter().flat_map(|bulk| bulk.jobs.keys().copied()).collect();
        self.put_in_batch(ids, joined, into, at)
    }

    fn put_in_batch(&mut self, new: Vec<i64>, joined: Option<BatchId>, into: &IntoBatch, at: UnixMicros) -> BatchId {
        if let Some(joined) = joined {
            if let Some(batch) = self.batches.all.get_mut(&joined.0) {
                batch.seen = new.first().map_or(batch.seen, |first| batch.seen.min(first - 1));
                batch.ids.extend(new);
                batch.ids.sort_unstable();
            }
            return joined;
        }
        let IntoBatch::New(made) = into else { return BatchId::default() };
        self.batches.high += 1;
        let id = BatchId(self.batches.high);
        let mut follow = |job: Option<&NewJob>, failed: AfterFailed| {
            let job = self.push_as(job?, true, None, at).id.0;
            self.link_batch(job, id, REF, failed);
            Some(job)
        };
        let then = follow(made.then.as_deref(), AfterFailed::Continue);
        let then_failed = follow(made.then_failed.as_deref(), AfterFailed::Cancel);
        let is_followed = then.is_some() || then_failed.is_some();
        let (name, watched) = (made.name.clone(), is_followed.then_some(0));
        let batch = JobBatch { name, pushed_at: at, ids: new, then, then_failed, watched, seen: 0, end: None };
        self.batches.all.insert(id.0, batch);
        if is_followed {
            self.search(id.0);
        }
        id
    }

    fn is_open(&self, job: i64) -> bool {
        self.jobs.get(&job).is_some_and(|job| !job.state().is_final())
    }

    pub(super) fn look_on(&mut self, job: i64) {
        let watching = self.batches.all.iter().find(|(_, batch)| batch.watched == Some(job)).map(|(id, _)| *id);
        if let Some(batch) = watching {
            self.search(batch);
        }
    }

    pub(super) fn reopens(&mut self, job: i64) {
        if let Some(batch) = self.batches.all.values_mut().find(|batch| batch.ids.contains(&job)) {
            batch.seen = batch.seen.min(job - 1);
        }
    }

    pub(super) fn search_on(&mut self) {
        while self.waits.left > 0
            && let Some(batch) = self.batches.searched()
        {
            self.search(batch);
            self.settle();
        }
    }

    fn search(&mut self, id: i64) {
        let Some(batch) = self.batches.all.get(&id) else { return };
        let is_unopened = |job: &&i64| self.jobs.get(job).is_some_and(|job| matches!(job.place, Place::Unopened));
        let unopened = batch.ids.iter().rfind(is_unopened).copied();
        let last = batch.ids.last().copied().filter(|job| self.is_open(*job));
        let (mut seen, mut found) = (batch.seen, unopened.or(last));
        let (mut left, mut is_over) = (self.waits.left, false);
        if found.is_none() {
            let onward: Vec<i64> =
                batch.ids.iter().filter(|job| **job > batch.seen && self.jobs.contains_key(job)).copied().collect();
            is_over = left as usize > onward.len();
            for job in onward.into_iter().take(left as usize) {
                if self.is_open(job) {
                    (found, is_over) = (Some(job), false);
                    break;
                }
                (seen, left) = (job, left - 1);
            }
        }
        self.waits.left = left;
        self.waits.settled.moved |= found.is_none() && !is_over;
        let counts = self.count(id);
        let Some(batch) = self.batches.all.get_mut(&id) else { return };
        batch.watched = if is_over { None } else { Some(found.unwrap_or(0)) };
        batch.seen = seen;
        if is_over {
            batch.end = Some(counts);
            self.waits.fates.push_back((BatchId(id).as_parent().0, 0));
        }
    }

    fn count(&self, id: i64) -> BatchCounts {
        let mut counts = BatchCounts::default();
        for job in self.batches.all.get(&id).into_iter().flat_map(|batch| &batch.ids) {
            match self.jobs.get(job) {
                Some(job) => *counts.of(job.state()) += 1,
                None => counts.gone += 1,
            }
        }
        counts
    }

    pub(super) fn standing_of_batch(&self, batch: BatchId, job: i64) -> Standing {
        let batch = self.batches.all.get(&batch.0);
        let is_in_vain =
            batch.is_some_and(|batch| batch.then_failed == Some(job) && batch.end.is_some_and(|end| end.dead == 0));
        if is_in_vain { Standing::Gone } else { Standing::Done }
    }

    pub(super) fn batch_end(&self, id: BatchId) -> Option<String> {
        let batch = self.batches.all.get(&id.0)?;
        let BatchCounts { succeeded, dead, cancelled, .. } = batch.end?;
        let (name, jobs) = (batch.name.as_deref().map(str::to_owned), batch.ids.len() as u64);
        serde_json::to_string(&BatchEnd { id, name, jobs, succeeded, dead, cancelled }).ok()
    }

    pub(super) fn prune_batches(&mut self, keep: &Keep, at: UnixMicros) -> usize {
        let Some((&high, _)) = self.batches.all.last_key_value() else { return 0 };
        let after = if high <= i64::from(keep.limit) { 0 } else { at.0 % high };
        let is_there = |job: &i64| self.jobs.contains_key(job);
        let next = self.batches.all.range(after + 1..).take(keep.limit as usize);
        let is_empty = |batch: &JobBatch| !batch.ids.iter().chain(&batch.then).chain(&batch.then_failed).any(is_there);
        let empty: Vec<i64> = next.filter(|(_, batch)| is_empty(batch)).map(|(id, _)| *id).collect();
        self.batches.all.retain(|id, _| !empty.contains(id));
        empty.len()
    }

    pub(super) fn list_batches(&self, filter: &BatchFilter) -> Vec<BatchRecord> {
        let is_meant = |id: i64, batch: &JobBatch| {
            filter.id.is_none_or(|wanted| wanted.0 == id)
                && filter.name.as_deref().is_none_or(|name| batch.name.as_deref() == Some(name))
                && filter.before.is_none_or(|before| id < before.0)
        };
        let record = |(&id, batch): (&i64, &JobBatch)| BatchRecord {
            id: BatchId(id),
            name: batch.name.as_deref().map(str::to_owned),
            pushed_at: batch.pushed_at,
            ranges: batch.ids.iter().map(|id| IdRange { first: JobId(*id), last: JobId(*id) }).collect(),
            counts: self.count(id),
            then: batch.then.map(JobId),
            then_failed: batch.then_failed.map(JobId),
        };
        let meant = self.batches.all.iter().rev().filter(|(id, batch)| is_meant(**id, batch));
        meant.take(filter.limit.map_or(usize::MAX, |limit| limit as usize)).map(record).collect()
    }
}
