//! Bulk pushes in the store in memory.
//!
//! Invariant: what is staged is in no order, no total and no record; what is committed and not opened yet is in the records
//! and the totals, and in no order.

use std::collections::{BTreeMap, BTreeSet};

use super::ops::wait_of;
use super::state::{Bulk, Job, Place, State};
use crate::model::bulk::{BulkStep, OpenBulk, Opened};
use crate::model::change::Reply;
use crate::model::{BulkId, JobId, Lane, NewJob, UnixMicros};

impl State {
    pub(super) fn bulk(&mut self, step: &BulkStep, at: UnixMicros) -> Reply {
        let (bulk, committed) = match step {
            BulkStep::Begin(owner) => {
                self.bulk_high += 1;
                let bulk = Bulk {
                    owner: owner.clone(),
                    committed: false,
                    dropped: false,
                    staged_in: BTreeSet::new(),
                    jobs: BTreeMap::new(),
                };
                self.bulks.insert(self.bulk_high, bulk);
                return Reply::Begun(BulkId(self.bulk_high));
            }
            BulkStep::Stage { bulk, .. } | BulkStep::Commit(bulk) | BulkStep::Drop { bulk, .. } => (*bulk, false),
            BulkStep::Open { bulk, .. } => (*bulk, true),
        };
        match self.bulks.get(&bulk.0) {
            None => return Reply::Missing,
            Some(found) if found.committed != committed => return Reply::Stale,
            Some(found) if found.dropped && !matches!(step, BulkStep::Drop { .. }) => return Reply::Stale,
            Some(_) => {}
        }
        match step {
            BulkStep::Begin(_) => Reply::Missing,
            BulkStep::Stage { jobs, .. } if let Some(full) = self.full_of(jobs, at) => full,
            BulkStep::Stage { jobs, .. } => self.stage(bulk, jobs, at),
            BulkStep::Commit(_) if let Some(full) = self.full_of_bulk(bulk) => full,
            BulkStep::Commit(_) => self.commit_bulk(bulk),
            BulkStep::Open { limit, .. } => self.open_bulk(bulk, *limit),
            BulkStep::Drop { limit, .. } => self.drop_bulk(bulk, *limit),
        }
    }

    pub(super) fn open_bulks(&self) -> Vec<OpenBulk> {
        let open = |(id, bulk): (&i64, &Bulk)| OpenBulk {
            id: BulkId(*id),
            owner: bulk.owner.clone(),
            committed: bulk.committed,
        };
        self.bulks.iter().map(open).collect()
    }

    fn stage(&mut self, bulk: BulkId, jobs: &[NewJob], at: UnixMicros) -> Reply {
        let first = self.job_high + 1;
        for new in jobs {
            self.queue(&new.queue);
            self.job_high += 1;
            let due_at = new.due_at.unwrap_or(at);
            let job = Job {
                new: new.clone(),
                pushed_at: at,
                due_at,
                wait: wait_of(new),
                place: Place::Unopened,
                lane: Lane::Others,
                past: None,
                max_attempts: new.max_attempts,
                progress: None,
                processor_run: None,
            };
            if let Some(bulk) = self.bulks.get_mut(&bulk.0) {
                bulk.staged_in.insert(new.queue.clone());
                bulk.jobs.insert(self.job_high, job);
            }
        }
        if jobs.is_empty() { Reply::Count(0) } else { Reply::Staged { first: JobId(first) } }
    }

    fn commit_bulk(&mut self, bulk: BulkId) -> Reply {
        let mut jobs = Vec::new();
        if let Some(bulk) = self.bulks.get_mut(&bulk.0) {
            bulk.committed = true;
            jobs.extend(bulk.jobs.iter().map(|(&id, job)| (id, job.clone())));
        }
        for (id, job) in jobs {
            self.queue(&job.new.queue).totals.pushed_total += 1;
            self.put(id, job);
        }
        Reply::Done
    }

    fn open_bulk(&mut self, bulk: BulkId, limit: u32) -> Reply {
        let mut opened = Opened::default();
        for _ in 0..limit {
            let first = self.bulks.get(&bulk.0).and_then(|bulk| bulk.jobs.keys().next().copied());
            let Some(id) = first else { break };
            match self.open_one(id) {
                None => opened.note(JobId(id)),
                Some(holder) => {
                    opened.note(holder);
                    opened.duplicates.push((JobId(id), holder));
                }
            }
        }
        opened.more = self.bulks.get(&bulk.0).is_some_and(|bulk| !bulk.jobs.is_empty());
        if !opened.more {
            self.bulks.remove(&bulk.0);
        }
        Reply::Opened(opened)
    }

    /// Opens a job that is not opened yet, if it is one; gives the holder of its key where that is another.
    pub(super) fn open_one(&mut self, id: i64) -> Option<JobId> {
        let bulk = self.bulks.values_mut().find(|bulk| bulk.committed && bulk.jobs.contains_key(&id))?;
        bulk.jobs.remove(&id);
        let mut job = self.take(id)?;
        if let Some(key) = &job.new.unique {
            if let Some(&holder) = self.uniques.get(&**key) {
                return Some(JobId(holder));
            }
            self.uniques.insert(key.to_string(), id);
        }
        job.place = if job.due_at > job.pushed_at { Place::Scheduled } else { Place::Ready };
        self.put(id, job);
        None
    }

    fn drop_bulk(&mut self, id: BulkId, limit: u32) -> Reply {
        let Some(bulk) = self.bulks.get_mut(&id.0) else { return Reply::Missing };
        let found: Vec<i64> = bulk.jobs.keys().copied().take(limit as usize).collect();
        for job in &found {
            bulk.jobs.remove(job);
        }
        if !bulk.jobs.is_empty() {
            bulk.dropped = true;
            return Reply::Count(u64::from(limit));
        }
        self.bulks.remove(&id.0);
        Reply::Count((found.len() as u64).min(u64::from(limit).saturating_sub(1)))
    }
}
