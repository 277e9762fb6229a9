//! Ends of workers: who was blamed for it, when the slot is filled again, and the sweep after which all is over.
//!
//! The exit frees the slot; the flights end only when nothing of the worker is left.

use super::backoff;
use super::deadlines::Timer;
use super::worker::{Handle, State};
use super::{Action, Core, Note, Phase, Tag};
use crate::model::change::{Change, WorkerEnded};
use crate::model::death::SlotProblem;
use crate::model::worker::{EndReason, Exit};
use crate::model::{LastLines, Now, WorkerId};

/// A worker that lived this long, or finished a job, ends a row of fast deaths.
pub(super) const HEALTHY_AFTER: std::time::Duration = std::time::Duration::from_mins(1);
/// Characters of a worker's last line that are kept with what is wrong.
const LAST_WORDS: usize = 200;

impl Core {
    pub(super) fn exited(
        &mut self,
        id: WorkerId,
        exit: Exit,
        last: Box<LastLines>,
        read: u64,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let (why, ours) = match worker.state {
            State::Starting { .. } | State::Ready => (EndReason::Exited, false),
            // The worker left as it was asked to, or died with jobs in hand before we did anything to it.
            State::Draining { why, .. } => (why, false),
            State::Ending { why, .. } | State::Killed { why, .. } => (why, true),
            State::Gone { .. } => return,
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
            | EndReason::JobTimeout
            | EndReason::JobCancelled
            | EndReason::Restarted
            | EndReason::Scaled
            | EndReason::Stopped
            | EndReason::MasterLost
            | EndReason::SpawnFailed => false,
        };
        let young = worker.is_young(now.mono);
        let fast =
            matches!(worker.state, State::Starting { .. }) || why == EndReason::ReadyTimeout || (unasked && young);
        worker.state = State::Gone { why, ours, exit, at: now.mono, last, read };
        let worker = worker.clone();
        self.ended += 1;
        self.reload(id);
        self.arm(id);
        let in_slot = self.vacate(id, &worker, fast, now);
        self.note_exit(&worker, in_slot, why, exit, now, out);
        let ended = WorkerEnded {
            worker: id,
            reason: why,
            exit: Some(exit),
            jobs_done: worker.jobs_done,
            peak_memory: worker.peak,
            at: now.wall,
        };
        out.push(Action::Write(Change::WorkerEnded(Box::new(ended)), Tag::None));
    }

    fn note_exit(
        &mut self,
        worker: &Handle,
        in_slot: bool,
        why: EndReason,
        exit: Exit,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let name = worker.name.to_string();
        let pid = worker.pid.unwrap_or(0);
        out.push(Action::Note(Note::WorkerEnded {
            worker: name.clone(),
            pid,
            reason: why,
            exit,
            jobs_done: worker.jobs_done,
        }));
        let Some(entry) = self.entry(worker.pool, worker.slot) else { return };
        if !in_slot {
            // Its slot has moved on; it only completes what was noted when it left.
            if entry.last_exit == Some((why, None)) {
                entry.last_exit = Some((why, Some(exit)));
            }
            return;
        }
        entry.last_exit = Some((why, Some(exit)));
        let wait = entry.not_before.map(|at| at.since(now.mono)).filter(|d| !d.is_zero());
        if let Some(next_in) = wait {
            let deaths = entry.deaths;
            let problem = SlotProblem::Ended { why, exit, last_words: last_words(worker) };
            entry.problem = Some(problem.clone());
            out.push(Action::Note(Note::Backoff { worker: name, problem, deaths, next_in }));
        }
    }

    /// Takes a worker that is no more out of its slot, and sets when the slot is filled again.
    /// False if it was in none.
    pub(super) fn vacate(&mut self, id: WorkerId, worker: &Handle, fast: bool, now: Now) -> bool {
        let (pool, slot, running) = (worker.pool, worker.slot, self.phase == Phase::Running);
        let random = &mut self.random;
        let Some(entry) = self.pools.get_mut(&pool).and_then(|p| p.slots.get_mut(&slot)) else { return false };
        if entry.current != Some(id) && entry.successor != Some(id) {
            return false;
        }
        entry.deaths = if fast { entry.deaths + 1 } else { 0 };
        if let Some(old) = entry.not_before.take() {
            self.timers.disarm(old, Timer::Slot(pool, slot));
        }
        let wait = backoff::respawn(entry.deaths, random);
        if running && !wait.is_zero() {
            entry.not_before = Some(now.mono + wait);
            self.timers.arm(now.mono + wait, Timer::Slot(pool, slot));
        }
        if entry.successor == Some(id) {
            entry.successor = None;
        } else {
            entry.current = entry.successor.take();
            entry.restarts += 1;
        }
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.dirty = true;
        }
        true
    }

    /// Nothing of it is left: its flights end, and it is forgotten.
    pub(super) fn swept(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        if self.workers.get(&id).is_none_or(Handle::is_alive) {
            return;
        }
        self.end_flights(id, now, out);
        let Some(worker) = self.workers.remove(&id) else { return };
        if let Some(at) = worker.armed {
            self.timers.disarm(at, Timer::Worker(id));
        }
        if let Some(pool) = self.pools.get_mut(&worker.pool) {
            pool.leaving.remove(&id);
            pool.dirty = true;
        }
    }
}

/// The last line on stderr of a worker that is gone, without control characters: it is shown on terminals.
fn last_words(worker: &Handle) -> Option<String> {
    let State::Gone { last, .. } = &worker.state else { return None };
    let line = last.stderr.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(LAST_WORDS).collect())
}
