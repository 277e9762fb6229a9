//! Commands that cannot be started now. What never began is no attempt.
//!
//! Where the machine has no process, memory or file left, the job goes back to the front, with no run on record, and its
//! worker is given none for a while. A job that cannot be begun again and again goes behind the others, with one run that
//! says so. When a command could be started after all, nobody pauses any longer.
//!
//! Where somebody writes to the program, that may last for hours and concerns no other job: the job alone is put off,
//! longer each time, with a run that says so. A worker that meets nothing else makes a short pause, so that a queue full of
//! them does not fill the records.

use std::collections::BTreeMap;
use std::time::Duration;

use super::flight::Flight;
use super::verdict::{Case, Verdict};
use super::worker::{Handle, State};
use super::{Action, Core, backoff};
use crate::model::change::Next;
use crate::model::job::BEHIND_AFTER;
use crate::model::problem::{self, Topic};
use crate::model::{Cause, Detail, JobId, Mono, Now, PoolKind, WorkerId};

/// After the last pause this long without another, it is over.
const QUIET: Duration = Duration::from_secs(1);

/// Programs that were busy in a row before a worker pauses for it, and for how long at most.
const BUSY_BEFORE_PAUSE: u32 = 5;
const LONGEST_BUSY_PAUSE: Duration = Duration::from_secs(1);

/// So many jobs that were put off are remembered.
const MOST_PUT_OFF: usize = 1000;

/// Why a command could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// The machine has nothing left for any command.
    Means,
    /// The program is being written (`ETXTBSY`).
    Program,
}

/// Jobs that could not be begun lately.
#[derive(Debug, Default)]
pub(super) struct NotBegun {
    /// How often in a row each of these jobs could not be.
    jobs: BTreeMap<JobId, u32>,
    /// How often any could not be, since the trouble began.
    given_back: u64,
    /// The last time, and when it is over if there is no other.
    trouble: Option<(Mono, Mono)>,
    /// Jobs whose programs were busy, and when they must have been tried again.
    put_off: BTreeMap<JobId, Mono>,
}

impl Core {
    /// The command of this flight was not started.
    pub(super) fn not_begun(
        &mut self,
        id: WorkerId,
        flight: Flight,
        lack: Lack,
        error: String,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.begin_next(id, now, out);
        self.not_begun.given_back += 1;
        let text = problem::not_begun(&error, self.not_begun.given_back);
        self.raise(Topic::Commands, text, now, out);
        match lack {
            Lack::Means => self.give_back_and_pause(id, flight, error, now, out),
            Lack::Program => self.put_off(id, flight, error, now, out),
        }
        self.job_over(id, now, out);
    }

    fn give_back_and_pause(&mut self, id: WorkerId, flight: Flight, error: String, now: Now, out: &mut Vec<Action>) {
        // Jobs that it had been sent ahead fail with the first.
        let worker = &self.workers[id];
        // A worker that leaves does not pause: none of its jobs counts as another pause.
        let (paused_until, pauses, is_ready) = (worker.paused_until(), worker.pauses.max(1), worker.is_ready());
        let until = paused_until.unwrap_or_else(|| {
            let pauses = if is_ready { self.count_pause(id) } else { pauses };
            now.mono + backoff::pause(pauses, &mut self.random)
        });
        self.pause(id, until);
        let over = self.not_begun.trouble.map_or(until, |(_, over)| over.max(until)).max(until) + QUIET;
        self.not_begun.trouble = Some((now.mono, over));
        let times = self.not_begun.jobs.entry(flight.job.id).or_default();
        *times += 1;
        if *times < BEHIND_AFTER {
            self.unclaim(&flight, out);
        } else {
            self.not_begun.jobs.remove(&flight.job.id);
            let verdict = Verdict { next: Next::Behind, ..self.released_as_not_begun(id, &flight, now) };
            self.end_not_begun_run(id, flight, &verdict, error, now, out);
        }
    }

    fn put_off(&mut self, id: WorkerId, flight: Flight, error: String, now: Now, out: &mut Vec<Action>) {
        let released = self.released_as_not_begun(id, &flight, now);
        let wait = backoff::pause(released.counters.releases_in_a_row, &mut self.random);
        let verdict = Verdict { next: Next::RetryAt(now.wall.plus(wait)), ..released };
        let pauses = self.count_pause(id);
        if pauses > BUSY_BEFORE_PAUSE {
            let pause = backoff::pause(pauses - BUSY_BEFORE_PAUSE, &mut self.random).min(LONGEST_BUSY_PAUSE);
            self.pause(id, now.mono + pause);
        }
        if self.not_begun.put_off.len() < MOST_PUT_OFF {
            self.not_begun.put_off.insert(flight.job.id, now.mono + wait + QUIET);
        }
        self.end_not_begun_run(id, flight, &verdict, error, now, out);
    }

    fn released_as_not_begun(&self, id: WorkerId, flight: &Flight, now: Now) -> Verdict {
        let limits = &self.pools[&self.workers[id].pool].settings.limits;
        Case { job: &flight.job, limits, now: now.wall }.released(Cause::NotBegun)
    }

    fn end_not_begun_run(
        &mut self,
        id: WorkerId,
        flight: Flight,
        verdict: &Verdict,
        error: String,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let name = self.workers[id].name.clone();
        let detail = Detail { error: Some(error), ..Detail::default() };
        self.end_run(id, &name, flight, verdict, detail, now.mono, now, out);
    }

    /// How many pauses in a row this is.
    fn count_pause(&mut self, id: WorkerId) -> u32 {
        let count = |worker: &mut Handle| {
            worker.pauses += 1;
            worker.pauses
        };
        self.change(id, |worker, _| count(worker)).unwrap_or(1)
    }

    /// The worker is given no job until then, unless it pauses already.
    fn pause(&mut self, id: WorkerId, until: Mono) {
        self.change(id, |worker, _| {
            if let State::Ready { paused_until, .. } = &mut worker.state {
                paused_until.get_or_insert(until);
            }
        });
    }

    /// A run was answered that had begun.
    pub(super) fn begun(&mut self, id: WorkerId, flight: &Flight) {
        self.not_begun.jobs.remove(&flight.job.id);
        self.not_begun.put_off.remove(&flight.job.id);
        if self.workers.get(id).is_some_and(|w| self.pools[&w.pool].settings.kind == PoolKind::Exec) {
            self.change(id, |worker, _| worker.pauses = 0);
            let last = self.not_begun.trouble.map(|(last, _)| last);
            if last.is_some_and(|last| flight.started().is_some_and(|at| at > last)) {
                self.not_begun.trouble = None;
                for id in self.workers.ids(|worker| worker.paused_until().is_some()) {
                    self.end_pause(id);
                }
            }
        }
    }

    /// The worker is given jobs again.
    pub(super) fn end_pause(&mut self, id: WorkerId) {
        self.change(id, |worker, _| {
            if let State::Ready { paused_until, .. } = &mut worker.state {
                *paused_until = None;
            }
        });
    }

    /// Forgets the trouble when it is over.
    pub(super) fn end_not_begun(&mut self, now: Mono) {
        if self.not_begun.trouble.is_some_and(|(_, over)| over <= now) {
            self.not_begun.trouble = None;
        }
        self.not_begun.put_off.retain(|_, over| *over > now);
        if !self.has_not_begun() && self.not_begun.given_back > 0 {
            self.not_begun = NotBegun::default();
        }
    }

    /// Whether commands cannot be started now.
    #[must_use]
    pub fn has_not_begun(&self) -> bool {
        self.not_begun.trouble.is_some() || !self.not_begun.put_off.is_empty()
    }
}
