//! Commands that the machine has nothing left to start with: no process, no memory, no file.
//!
//! What never began is no attempt: the job goes back to the front, with no run on record, and its worker is given none
//! for a while. A job that cannot be begun again and again goes behind the others, with one run that says so: somebody may
//! be writing to its program for hours. When a command could be started after all, nobody pauses any longer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::verdict::Case;
use super::worker::Flight;
use super::{Action, Core, Note, backoff};
use crate::model::job::BEHIND_AFTER;
use crate::model::{Cause, Detail, JobId, Mono, Now, WorkerId};
use crate::store::Next;

/// After the last pause this long without another, it is over.
const QUIET: Duration = Duration::from_secs(1);

/// What could not be begun lately.
#[derive(Debug, Default)]
pub(super) struct NotBegun {
    /// How often in a row each of these jobs could not be.
    jobs: BTreeMap<JobId, u32>,
    /// How often any could not be, since the trouble began.
    given_back: u64,
    /// The last time, and when it is over if there is no other.
    trouble: Option<(Mono, Mono)>,
}

impl Core {
    /// The command of this flight was not started.
    pub(super) fn not_begun(&mut self, id: WorkerId, flight: Flight, error: String, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(pool) = self.pools.get(&worker.pool) else { return };
        worker.start_flights(now.mono, pool.settings.kill_after, super::dispatch::assign(id, pool, out));
        // What it had been sent ahead fails with the first.
        let until = *worker.paused_until.get_or_insert_with(|| {
            worker.pauses += 1;
            now.mono + backoff::pause(worker.pauses, &mut self.random)
        });
        let name = worker.name.clone();
        let over = self.not_begun.trouble.map_or(until, |(_, over)| over.max(until)).max(until) + QUIET;
        self.not_begun.trouble = Some((now.mono, over));
        self.not_begun.given_back += 1;
        out.push(Action::Note(Note::NotBegun { error: error.clone(), given_back: self.not_begun.given_back }));
        let times = self.not_begun.jobs.entry(flight.job.id).or_default();
        *times += 1;
        if *times < BEHIND_AFTER {
            self.unclaim(&flight, out);
        } else {
            self.not_begun.jobs.remove(&flight.job.id);
            let case = Case { job: &flight.job, settings: &pool.settings, now: now.wall };
            let verdict = super::verdict::Verdict { next: Next::Behind, ..case.released(Cause::NotBegun) };
            let detail = Detail { error: Some(error), ..Detail::default() };
            self.end_run(id, &name, flight, &verdict, detail, now.mono, now, out);
        }
        self.reload(id);
        self.close_if_idle(id, out);
        self.arm(id);
    }

    /// A run was answered that had begun.
    pub(super) fn begun(&mut self, id: WorkerId, flight: &Flight) {
        let Some((last, _)) = self.not_begun.trouble else { return };
        self.not_begun.jobs.remove(&flight.job.id);
        if let Some(worker) = self.workers.get_mut(&id).filter(|w| self.pools[&w.pool].settings.built_in) {
            worker.pauses = 0;
            if flight.started.is_some_and(|at| at > last) {
                self.end_pauses();
            }
        }
    }

    fn end_pauses(&mut self) {
        self.not_begun.trouble = None;
        let paused: Vec<WorkerId> =
            self.workers.iter().filter(|(_, w)| w.paused_until.is_some()).map(|(&id, _)| id).collect();
        for id in paused {
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.paused_until = None;
            }
            self.reload(id);
        }
    }

    /// The pause of a worker is over, if it is.
    pub(super) fn end_pause(&mut self, id: WorkerId, now: Now) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if worker.paused_until.take_if(|at| *at <= now.mono).is_some() {
            self.reload(id);
        }
    }

    /// Forgets the trouble when it is over.
    pub(super) fn end_not_begun(&mut self, now: Mono) {
        if self.not_begun.trouble.is_some_and(|(_, over)| over <= now) {
            self.not_begun.trouble = None;
        }
        if self.not_begun.trouble.is_none() && self.not_begun.given_back > 0 {
            self.not_begun = NotBegun::default();
        }
    }

    /// Whether commands cannot be started now.
    #[must_use]
    pub fn has_not_begun(&self) -> bool {
        self.not_begun.trouble.is_some()
    }
}
