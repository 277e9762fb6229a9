//! Bulk pushes in the store in memory.
//!
//! Invariant: what is staged is in no order, no total and no record; what is committed and not opened yet is in the records
//! and the totals, and in no order.

use std::collections::{BTreeMap, BTreeSet};

use super::after::Refs;
use super::push::wait_of;
use super::state::{Bulk, Job, Place, State};
use crate::model::batch::IntoBatch;
use crate::model::bulk::{BulkStep, OpenBulk, Opened};
use crate::model::change::Reply;
use crate::model::{BulkId, JobId, Lane, NewJob, UnixMicros};

/// What became of the key of a job that is opened.
enum Key {
    /// It was opened before, or never was one of a bulk push.
    NotStaged,
    /// It has its key, if it asks for one.
    Taken,
    Held(JobId),
}

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
                    refs: Refs::default(),
                    jobs: BTreeMap::new(),
                };
                self.bulks.insert(self.bulk_high, bulk);
                return Reply::Begun(BulkId(self.bulk_high));
            }
            BulkStep::Stage { bulk, .. } | BulkStep::Commit { bulk, .. } | BulkStep::Drop { bulk, .. } => {
                (*bulk, false)
            }
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
            BulkStep::Commit { .. } if let Some(full) = self.full_of_bulk(bulk) => full,
            BulkStep::Commit { batch, .. } => self.commit_bulk(bulk, batch, at),
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
        let linked = jobs.iter().any(|job| job.after.is_some());
        let standings = match if linked { self.check_staged(bulk, jobs) } else { Ok(Vec::new()) } {
            Ok(standings) => standings,
            Err(bad) => return Reply::BadLink(bad),
        };
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
                by_key: false,
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
        if linked {
            self.link_staged(bulk, first, jobs, &standings);
        }
        if jobs.is_empty() { Reply::Count(0) } else { Reply::Staged { first: JobId(first) } }
    }

    fn commit_bulk(&mut self, bulk: BulkId, into: &IntoBatch, at: UnixMicros) -> Reply {
        if let Err(bad) = self.resolve_staged(bulk) {
            return Reply::BadLink(bad);
        }
        let joined = match self.can_join(into) {
            Ok(joined) => joined,
            Err(refused) => return Reply::BadBatch(refused),
        };
        let mut jobs = Vec::new();
        if let Some(bulk) = self.bulks.get_mut(&bulk.0) {
            bulk.committed = true;
            jobs.extend(bulk.jobs.iter().map(|(&id, job)| (id, job.clone())));
        }
        for (id, job) in jobs {
            self.queue(&job.new.queue).totals.pushed_total += 1;
            self.put(id, job);
        }
        Reply::Committed(self.put_bulk(bulk, joined, into, at))
    }

    fn open_bulk(&mut self, bulk: BulkId, limit: u32) -> Reply {
        let mut opened = Opened::default();
        let staged = self.bulks.get(&bulk.0).into_iter().flat_map(|bulk| bulk.jobs.keys());
        let ids: Vec<i64> = staged.take(limit as usize).copied().collect();
        let mut added = Vec::new();
        for id in ids {
            match self.open_key(id) {
                Key::Held(holder) => {
                    opened.note(holder);
                    opened.duplicates.push((JobId(id), holder));
                }
                Key::Taken | Key::NotStaged => {
                    opened.note(JobId(id));
                    added.push(id);
                }
            }
        }
        self.place_opened(&added);
        opened.more = self.bulks.get(&bulk.0).is_some_and(|bulk| !bulk.jobs.is_empty());
        if !opened.more {
            self.bulks.remove(&bulk.0);
        }
        Reply::Opened(opened)
    }

    /// Opens a job that is not opened yet, if it is one.
    pub(super) fn open_one(&mut self, id: i64) {
        if matches!(self.open_key(id), Key::Taken) {
            self.place_opened(&[id]);
        }
    }

    /// The first part of that: the job takes its key, or is gone where another has it.
    fn open_key(&mut self, id: i64) -> Key {
        let Some(bulk) = self.bulks.values_mut().find(|bulk| bulk.committed && bulk.jobs.contains_key(&id)) else {
            return Key::NotStaged;
        };
        bulk.jobs.remove(&id);
        let Some(key) = self.jobs.get(&id).and_then(|job| job.new.unique.clone()) else { return Key::Taken };
        if let Some(&holder) = self.uniques.get(&*key) {
            self.take(id);
            self.unlink(id);
            self.adopt(id, holder);
            return Key::Held(JobId(holder));
        }
        self.uniques.insert(key.into(), id);
        Key::Taken
    }

    /// The second part: first those that come after no others.
    fn place_opened(&mut self, ids: &[i64]) {
        for wanted in [false, true] {
            for &id in ids {
                let is_linked = self.waits.failed(id);
                let Some(mut job) = self.jobs.get(&id).filter(|_| is_linked.is_some() == wanted).cloned() else {
                    continue;
                };
                self.take(id);
                job.place = match is_linked {
                    Some(_) => Place::Blocked,
                    None if job.due_at > job.pushed_at => Place::Scheduled,
                    None => Place::Ready,
                };
                job.lane = self.lane_of(&job.new.kind);
                job.by_key = self.waits_by_key(&job.new);
                self.put(id, job);
                if let Some(failed) = is_linked {
                    self.put_where_it_belongs(id, failed);
                }
            }
        }
    }

    fn drop_bulk(&mut self, id: BulkId, limit: u32) -> Reply {
        let Some(bulk) = self.bulks.get_mut(&id.0) else { return Reply::Missing };
        let found: Vec<i64> = bulk.jobs.keys().copied().take(limit as usize).collect();
        for job in &found {
            bulk.jobs.remove(job);
        }
        let is_over = bulk.jobs.is_empty();
        for job in &found {
            self.unlink(*job);
        }
        let Some(bulk) = self.bulks.get_mut(&id.0).filter(|_| !is_over) else {
            self.bulks.remove(&id.0);
            return Reply::Count((found.len() as u64).min(u64::from(limit).saturating_sub(1)));
        };
        bulk.dropped = true;
        Reply::Count(u64::from(limit))
    }
}
