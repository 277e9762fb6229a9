//! Handing out jobs in memory.
//!
//! Invariant: the same jobs in the same order as in SQLite.

use super::state::{Place, Running, State};
use crate::model::change::{Claim, HeldBack, Reply};
use crate::model::{Claimed, Generation, Holds, JobId, QueueName, RunId, UnixMicros};
use crate::store::{EXPIRED_PER_CLAIM, PARKED_PER_CLAIM};

/// Jobs that a claim has taken so far.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) jobs: Vec<Claimed>,
    pub(super) bytes: usize,
    pub(super) expired: Vec<JobId>,
    /// Moved to the lanes of their keys, which are paused.
    pub(super) parked: usize,
    pub(super) more: bool,
}

impl State {
    pub(super) fn claim(&mut self, claim: &Claim, generation: Generation, at: UnixMicros) -> Reply {
        let (mut taken, mut held) = (Taken::default(), HeldBack::default());
        for (queue, most) in &claim.takes {
            if taken.more || taken.jobs.len() >= claim.total as usize {
                break;
            }
            if self.queues.get(queue).is_none_or(|q| q.totals.paused) {
                continue;
            }
            let before = taken.jobs.len();
            let opening = self.opening(queue, claim.at_once.saturating_sub(before as u32), at);
            let goal = (claim.total as usize).min(before + (*most).min(opening.starts()) as usize);
            if self.is_keyed(queue) {
                self.claim_keyed(queue, goal, claim, (generation, at), &mut taken);
            } else {
                self.claim_lanes(queue, goal, claim, (generation, at), &mut taken);
            }
            let starts = (taken.jobs.len() - before) as u32;
            let is_short = taken.jobs.len() < goal && !taken.more;
            self.close(queue, &opening, (starts, is_short), at, &mut held);
        }
        let Taken { jobs, expired, more, .. } = taken;
        Reply::Claimed { jobs, expired, more, held }
    }

    fn claim_lanes(
        &mut self,
        queue: &QueueName,
        goal: usize,
        claim: &Claim,
        (generation, at): (Generation, UnixMicros),
        taken: &mut Taken,
    ) {
        while taken.jobs.len() < goal && !taken.more {
            let Some(id) = self.front(queue, &claim.lanes).filter(|id| self.has_room(*id, claim.max_bytes, at, taken))
            else {
                break;
            };
            if self.jobs.get(&id).is_some_and(|job| self.is_paused(&job.new)) {
                self.park(id, at, taken);
            } else {
                self.begin(id, claim, (generation, at), taken);
            }
        }
    }

    /// Whether a job has room in the bytes that are left, of which it takes its own.
    pub(super) fn has_room(&self, id: i64, max_bytes: usize, at: UnixMicros, taken: &mut Taken) -> bool {
        let bytes = taken.bytes.saturating_add(self.bytes(id, at));
        taken.more |= bytes > max_bytes && taken.bytes > 0 && bytes > taken.bytes;
        if !taken.more {
            taken.bytes = bytes;
        }
        !taken.more
    }

    /// Of one that has expired nothing is sent.
    fn bytes(&self, id: i64, at: UnixMicros) -> usize {
        self.jobs.get(&id).filter(|job| !job.has_lapsed(at)).map_or(0, |job| job.new.args.len())
    }

    /// Starts a job; false: it has expired.
    pub(super) fn begin(
        &mut self,
        id: i64,
        claim: &Claim,
        (generation, at): (Generation, UnixMicros),
        taken: &mut Taken,
    ) -> bool {
        if self.jobs.get(&id).is_some_and(|job| job.has_lapsed(at)) {
            self.expire(id, at);
            taken.expired.push(JobId(id));
            taken.more |= taken.expired.len() >= EXPIRED_PER_CLAIM;
            return false;
        }
        let worker = claim.workers.get(taken.jobs.len()).map(|worker| worker.0);
        taken.jobs.extend(self.start(id, worker, generation, at));
        true
    }

    fn park(&mut self, id: i64, at: UnixMicros, taken: &mut Taken) {
        taken.bytes -= self.bytes(id, at);
        if let Some(mut job) = self.take(id) {
            job.by_key = true;
            self.put(id, job);
        }
        taken.parked += 1;
        taken.more |= taken.parked >= PARKED_PER_CLAIM;
    }

    fn start(&mut self, id: i64, worker: Option<i64>, generation: Generation, at: UnixMicros) -> Option<Claimed> {
        let mut job = self.take(id)?;
        self.run_high += 1;
        let counters = job.past.unwrap_or_default();
        let claimed = Claimed {
            id: JobId(id),
            run: RunId(self.run_high),
            queue: job.new.queue.clone(),
            kind: job.new.kind.clone(),
            args: job.new.args.clone(),
            counters,
            pushed_at: job.pushed_at,
            due_at: job.due_at,
            timeout: job.new.timeout,
            max_attempts: job.new.max_attempts,
            holds: Holds { unique: job.new.unique.is_some(), run: job.processor_run },
            is_new: job.past.is_none(),
            state: job.past.and(job.progress.as_ref()).and_then(|progress| progress.state.clone()),
            parents: self.results_for(id),
            pushed_in: job.new.pushed_in.clone(),
            trace: None,
        };
        let attempt = claimed.attempt();
        job.place =
            Place::Running(Running { run: claimed.run, worker, attempt, started_at: at, generation: generation.0 });
        self.put(id, job);
        Some(claimed)
    }
}
