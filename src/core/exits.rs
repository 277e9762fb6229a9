//! Ends of workers: who was blamed for it, when the slot is filled again, and the sweep after which all is over.
//!
//! The exit frees the slot; the flights end only when nothing of the worker is left.

use std::time::Duration;

use super::backoff::{Ended, Next};
use super::slot::SlotState;
use super::worker::State;
use super::{Action, Core, End, Handle, Phase, Tag};
use crate::model::change::{Change, WorkerEnded};
use crate::model::death::{OUT_OF_MEMORY, Over, SlotProblem};
use crate::model::last_line::last_line;
use crate::model::worker::{EndReason, Exit};
use crate::model::{Notice, Now, PoolKind, ReadyWhen, WorkerId};

/// A worker that lived this long, or finished a job, ends a row of fast deaths.
pub(super) const HEALTHY_AFTER: Duration = Duration::from_mins(1);
/// A worker that need not say that it is ready has come up when it lived this long.
const UP_AFTER: Duration = Duration::from_secs(10);
/// The signal of which a process dies that the kernel kills.
const SIGKILL: i32 = 9;

impl Core {
    pub(super) fn exited(&mut self, id: WorkerId, end: End, now: Now, out: &mut Vec<Action>) {
        let End { exit, oom_kills, mut last, read } = end;
        let Some(worker) = self.workers.get(id) else { return };
        let (pid, why, ours) = match worker.state {
            State::Starting { pid, .. } | State::Ready { pid, .. } => (pid, EndReason::Exited, false),
            // The worker left as it was asked to, or died with jobs in hand before we did anything to it.
            State::Draining { pid, why, .. } => (pid, why, false),
            State::Ending { pid, why, .. } | State::Killed { pid, why, .. } => (pid, why, true),
            State::Spawning { .. } | State::Gone { .. } => return,
        };
        let unasked = match why {
            EndReason::Exited
            | EndReason::Retired
            | EndReason::ReadyTimeout
            | EndReason::MemoryMax
            | EndReason::Protocol => true,
            EndReason::MaxJobs
            | EndReason::MaxTime
            | EndReason::Memory
            | EndReason::Cpu
            | EndReason::Unhealthy
            | EndReason::JobTimeout
            | EndReason::JobCancelled
            | EndReason::Restarted
            | EndReason::Scaled
            | EndReason::Stopped
            | EndReason::MasterLost
            | EndReason::SpawnFailed => false,
        };
        let young = worker.is_young(now.mono);
        let fast = matches!(worker.state, State::Starting { .. })
            || why == EndReason::ReadyTimeout
            || worker.refused.is_some()
            || (unasked && young);
        let (name, jobs_done, peak_memory) = (worker.name.to_string(), worker.jobs_done, worker.peak);
        let given_up = worker.given_up.as_deref().map(str::to_owned);
        if exit == Some(Exit::Signal(SIGKILL)) && !ours && self.oom.explain(oom_kills) {
            last.stderr.push_str(if last.stderr.is_empty() { "" } else { "\n" });
            last.stderr.push_str(OUT_OF_MEMORY);
        }
        let words = last_line(&last.stderr);
        self.change(id, |worker, pool| {
            worker.state = State::Gone { why, ours, exit, at: now.mono, last: Box::new(last), read };
            pool.counts.ended[why as usize] += 1;
        });
        self.rollups.touch(now.mono);
        self.ended += 1;
        self.make_way();
        let problem = self.slot_problem(id, (why, exit, fast), words, now);
        let ended = if fast || (unasked && why.is_crash()) { Ended::Unasked { fast, exit } } else { Ended::Asked };
        let said = self.leave_slot(id, ended, why, exit, problem, now);
        let known = said.is_some();
        let ended = Notice::WorkerEnded { worker: name, pid, reason: why, exit, jobs_done, known, why: given_up };
        out.push(Action::Tell(ended));
        out.extend(said.map(Action::Tell));
        let ended = WorkerEnded { worker: id, reason: why, exit, jobs_done, peak_memory, at: now.wall };
        out.push(Action::Write(Change::WorkerEnded(Box::new(ended)), Tag::None));
    }

    /// Why there may be no worker in its place for a while.
    fn slot_problem(
        &self,
        id: WorkerId,
        (why, exit, fast): (EndReason, Option<Exit>, bool),
        last_words: Option<String>,
        now: Now,
    ) -> SlotProblem {
        let worker = &self.workers[id];
        if let Some(why) = &worker.refused {
            return SlotProblem::Refused(why.to_string());
        }
        let settings = &self.pools[&worker.pool].settings;
        let says_so = settings.ready == ReadyWhen::Message;
        let came_up = worker.was_ready && (says_so || now.mono.since(worker.since) >= UP_AFTER);
        let at_once = fast && !came_up;
        let ended_well = at_once && why == EndReason::Exited && exit == Some(Exit::Code(0));
        let is_plain = ended_well && !says_so && settings.kind == PoolKind::Protocol;
        SlotProblem::Ended { why, exit, at_once, is_plain, last_words }
    }

    /// Takes a worker that has exited out of its slot; what is to be said where it did not come up.
    fn leave_slot(
        &mut self,
        id: WorkerId,
        ended: Ended,
        why: EndReason,
        exit: Option<Exit>,
        problem: SlotProblem,
        now: Now,
    ) -> Option<Notice> {
        let next = self.vacate(id, ended, now);
        let &Handle { pool, slot, ref flights, .. } = self.workers.get(id)?;
        let has_crashed = why.is_crash() && !(exit == Some(Exit::Code(0)) && flights.is_empty());
        let entry = self.entry(pool, slot)?;
        let Some(next) = next else {
            // Its slot has moved on; it only completes what was noted when it left.
            if entry.history.last_exit == Some((why, None)) {
                entry.history.last_exit = Some((why, exit));
            }
            return None;
        };
        entry.history.last_exit = Some((why, exit));
        entry.history.crashes += u64::from(has_crashed);
        self.note_end(id, ended, next, problem, now)
    }

    /// Keeps why the slot of a process that is no more is not filled at once; what is to be said of that.
    pub(super) fn note_end(
        &mut self,
        id: WorkerId,
        ended: Ended,
        next: Next,
        problem: SlotProblem,
        now: Now,
    ) -> Option<Notice> {
        let &Handle { ref name, pool, slot, .. } = self.workers.get(id)?;
        let worker = name.to_string();
        let came_up = matches!(problem, SlotProblem::Ended { at_once: false, .. });
        let pool = self.pools.get_mut(&pool)?;
        let entry = pool.slots.get_mut(&slot)?;
        let name = pool.settings.name.clone();
        let problem = match next {
            Next::End(_) if entry.state.over().is_none() => return None,
            Next::End(Over::Finished(exit)) => {
                let over = Over::Finished(exit);
                entry.backoff.problem = (!over.is_well()).then(|| SlotProblem::Over(over, problem.last_words()));
                return Some(Notice::WorkerFinished {
                    pool: name,
                    worker,
                    why: over.to_string(),
                    well: over.is_well(),
                });
            }
            Next::End(over @ Over::GivenUp(_)) => {
                let problem = SlotProblem::Over(over, Some(problem.to_string()));
                let why = problem.to_string();
                entry.backoff.problem = Some(problem);
                return Some(Notice::WorkerGivenUp { pool: name, worker, why });
            }
            Next::SpawnAfter(_) => problem,
            Next::SpawnSlowly(_, often) => SlotProblem::TooOften(often, Box::new(problem)),
        };
        // The first is tried again at once.
        let until = entry.backoff.until;
        if until.is_some() || ended == Ended::NotStarted {
            entry.backoff.problem = Some(problem.clone());
        }
        if until.is_none() && !ended.is_fast() {
            return None;
        }
        let (why, known) = (problem.to_string(), pool.knows(&problem));
        let next_in_s = until.map_or(0.0, |at| at.since(now.mono).as_secs_f64());
        Some(Notice::Backoff { pool: name, worker, why, next_in_s, known, came_up })
    }

    /// Takes a process that is no more out of its slot, and sets when the slot is filled again, if it is; `None` if it was in
    /// none. Where another process is in the slot, it stays there.
    pub(super) fn vacate(&mut self, id: WorkerId, ended: Ended, now: Now) -> Option<Next> {
        let &Handle { pool, slot, .. } = self.workers.get(id)?;
        let of = self.pools.get_mut(&pool)?;
        let entry = of.slots.get_mut(&slot)?;
        let mut state = entry.state.without(id)?;
        entry.history.restarts += u64::from(entry.state.current() == Some(id));
        let next = entry.backoff.ended(ended, &of.settings.supervision.restart, now.mono, &mut self.random);
        let wait = match next {
            Next::SpawnAfter(wait) | Next::SpawnSlowly(wait, _) => wait,
            Next::End(over) => {
                state = if state == SlotState::Empty { SlotState::Over(over) } else { state };
                Duration::ZERO
            }
        };
        let waits = self.phase == Phase::Running && !wait.is_zero();
        self.set_backoff(pool, slot, waits.then(|| now.mono + wait));
        self.set_slot(pool, slot, state);
        Some(next)
    }

    /// Nothing of it is left: its flights end, and it is forgotten.
    pub(super) fn swept(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        if self.workers.get(id).is_none_or(Handle::is_alive) {
            return;
        }
        self.end_flights(id, now, out);
        let Some(worker) = self.remove_worker(id) else { return };
        // Its number may be given to a slot again.
        if let Some(pool) = self.pools.get_mut(&worker.pool) {
            pool.dirty = true;
        }
    }
}
