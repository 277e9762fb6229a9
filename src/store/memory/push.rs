//! Adding jobs to the store in memory.
//!
//! Invariant: all of a push are added, or none.

use super::state::{Job, Place, State};
use crate::model::change::Reply;
use crate::model::{JobId, NewJob, ProcessorRunId, Pushed, UnixMicros};

impl State {
    pub(super) fn push_all(&mut self, jobs: &[NewJob], at: UnixMicros) -> Reply {
        let standings = match self.check_links(jobs, true) {
            Ok(standings) => standings,
            Err(bad) => return Reply::BadLink(bad),
        };
        let pushed: Vec<Pushed> = jobs.iter().map(|job| self.push(job, None, at)).collect();
        let refs =
            jobs.iter().zip(&pushed).filter_map(|(job, pushed)| Some((job.after.as_ref()?.name.clone()?, pushed.id.0)));
        let refs = refs.collect();
        for ((job, pushed), standings) in jobs.iter().zip(&pushed).zip(standings).filter(|((_, p), _)| !p.deduplicated)
        {
            if let Some(after) = job.after.as_ref().filter(|after| !after.parents.is_empty()) {
                self.link(pushed.id.0, after, &standings, &refs);
                self.put_where_it_belongs(pushed.id.0, after.failed);
            }
        }
        Reply::Pushed(pushed)
    }

    /// One with parents is blocked until these were looked at.
    pub(super) fn push(&mut self, new: &NewJob, run: Option<ProcessorRunId>, at: UnixMicros) -> Pushed {
        self.push_as(new, new.has_parents(), run, at)
    }

    pub(super) fn push_as(
        &mut self,
        new: &NewJob,
        blocked: bool,
        run: Option<ProcessorRunId>,
        at: UnixMicros,
    ) -> Pushed {
        if let Some(&id) = new.unique.as_deref().and_then(|key| self.uniques.get(key)) {
            return Pushed { id: JobId(id), deduplicated: true, batch: None };
        }
        self.job_high += 1;
        self.queue(&new.queue).totals.pushed_total += 1;
        let id = self.job_high;
        if let Some(key) = &new.unique {
            self.uniques.insert(key.to_string(), id);
        }
        let due_at = new.due_at.unwrap_or(at);
        let mut job = Job {
            new: new.clone(),
            pushed_at: at,
            due_at,
            wait: wait_of(new),
            place: if due_at > at { Place::Scheduled } else { Place::Ready },
            lane: self.lane_of(&new.kind),
            by_key: self.waits_by_key(new),
            past: None,
            max_attempts: new.max_attempts,
            progress: None,
            processor_run: run,
        };
        if blocked {
            job.place = Place::Blocked;
        }
        self.put(id, job);
        Pushed { id: JobId(id), deduplicated: false, batch: None }
    }
}

/// How long a job is to wait, if that was said as a length.
pub(super) fn wait_of(new: &NewJob) -> Option<i64> {
    new.wait.map(|wait| i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}
