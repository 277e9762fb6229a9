//! Leaving: one escalation that only climbs. Drain (stdin closed when idle) → TERM → KILL, each with its deadline.

use std::time::Duration;

use super::deadlines::Timer;
use super::worker::{Ending, State};
use super::{Action, Core, Note, Phase, Signal};
use crate::model::worker::EndReason;
use crate::model::{CancelReason, Mono, Now, WorkerId};

/// After KILL this long without an exit, people are told.
pub(super) const UNKILLABLE_AFTER: Duration = Duration::from_secs(5);
/// From TERM to KILL when there is no grace at all.
const FORCED_KILL_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// Takes a worker out of its pool's service: it gets no more jobs, finishes within `grace`, and ends.
    pub(super) fn leave(&mut self, id: WorkerId, why: EndReason, grace: Duration, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(pool) = self.pools.get_mut(&worker.pool) else { return };
        pool.leaving.insert(id);
        let opaque = pool.settings.is_opaque();
        // An opaque worker is told by TERM, and even without grace it gets the time to obey.
        let kill_at = now.mono + grace.max(patience(self.phase, pool.settings.limits.kill_after));
        match worker.state {
            State::Starting { .. } | State::Ready => {
                let deadline = now.mono + grace;
                if opaque {
                    worker.state = State::Ending { why, kill_at };
                    out.push(Action::Signal { worker: id, signal: Signal::Term });
                } else {
                    worker.state = State::Draining { why, deadline, closed: false };
                }
            }
            State::Draining { why, deadline, closed } => {
                worker.state = State::Draining { why, deadline: deadline.min(now.mono + grace), closed };
            }
            State::Ending { why, kill_at: before } => {
                worker.state = State::Ending { why, kill_at: before.min(kill_at) };
            }
            State::Killed { .. } | State::Gone { .. } => {}
        }
        self.reload(id);
        self.close_if_idle(id, out);
        if grace.is_zero() {
            self.grace_over(id, now, out);
        }
        self.arm(id);
    }

    /// Closes the stdin of a draining worker that holds nothing.
    pub(super) fn close_if_idle(&mut self, id: WorkerId, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if let State::Draining { closed, .. } = &mut worker.state
            && !*closed
            && worker.flights.is_empty()
        {
            *closed = true;
            out.push(Action::CloseStdin { worker: id });
        }
    }

    /// The grace of a draining worker is over: its jobs are asked to end, and it is told to.
    fn grace_over(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let State::Draining { why, .. } = worker.state else { return };
        for flight in worker.flights.iter_mut().filter(|f| f.ending.is_none()) {
            flight.ending = Some(Ending { why: CancelReason::Shutdown, term_at: now.mono, tickets: Vec::new() });
            if flight.started.is_some() {
                let request = flight.request;
                out.push(Action::CancelRequest { worker: id, request, reason: CancelReason::Shutdown });
            }
        }
        self.end(id, why, now, out);
    }

    /// Sends TERM; KILL follows.
    pub(super) fn end(&mut self, id: WorkerId, why: EndReason, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(pool) = self.pools.get(&worker.pool) else { return };
        let patience = patience(self.phase, pool.settings.limits.kill_after);
        match worker.state {
            State::Starting { .. } | State::Ready | State::Draining { .. } => {
                worker.state = State::Ending { why, kill_at: now.mono + patience };
                out.push(Action::Signal { worker: id, signal: Signal::Term });
            }
            State::Ending { why, kill_at } => {
                worker.state = State::Ending { why, kill_at: kill_at.min(now.mono + patience) };
            }
            State::Killed { .. } | State::Gone { .. } => {}
        }
        self.reload(id);
        self.arm(id);
    }

    /// Sends KILL.
    pub(super) fn kill(&mut self, id: WorkerId, why: EndReason, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if matches!(worker.state, State::Killed { .. } | State::Gone { .. }) {
            return;
        }
        worker.state = State::Killed { why, since: now.mono, told: false };
        out.push(Action::Signal { worker: id, signal: Signal::Kill });
        self.reload(id);
        self.arm(id);
    }

    /// Lets every timer ring that is due.
    pub(super) fn expire(&mut self, now: Now, out: &mut Vec<Action>) {
        while let Some(timer) = self.timers.ring(now.mono) {
            match timer {
                Timer::Worker(id) => {
                    if let Some(worker) = self.workers.get_mut(&id) {
                        worker.armed = None;
                    }
                    self.worker_deadlines(id, now, out);
                    self.arm(id);
                }
                Timer::Slot(pool, slot) => {
                    if let Some(entry) = self.entry(pool, slot) {
                        entry.not_before = None;
                    }
                    if let Some(pool) = self.pools.get_mut(&pool) {
                        pool.dirty = true;
                    }
                }
            }
        }
    }

    fn worker_deadlines(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        self.job_deadlines(id, now, out);
        self.end_pause(id, now);
        let Some(worker) = self.workers.get_mut(&id) else { return };
        match worker.state {
            State::Starting { ready_by } if ready_by <= now.mono => self.end(id, EndReason::ReadyTimeout, now, out),
            State::Ready if worker.recycle.is_none() && worker.expires.is_some_and(|at| at <= now.mono) => {
                self.recycle(id, EndReason::MaxTime, now);
            }
            State::Ready if worker.held_until.is_some_and(|at| at <= now.mono) => worker.held_until = None,
            State::Draining { deadline, .. } if deadline <= now.mono => self.grace_over(id, now, out),
            State::Ending { why, kill_at } if kill_at <= now.mono => self.kill(id, why, now, out),
            State::Killed { why, since, told: false } if since + UNKILLABLE_AFTER <= now.mono => {
                worker.state = State::Killed { why, since, told: true };
                let (worker, pid) = (worker.name.to_string(), worker.pid.unwrap_or(0));
                out.push(Action::Note(Note::Unkillable { worker, pid, since }));
            }
            State::Starting { .. }
            | State::Ready
            | State::Draining { .. }
            | State::Ending { .. }
            | State::Killed { .. }
            | State::Gone { .. } => {}
        }
    }

    /// Asks jobs past their deadline to end; ends the worker where they were asked and did not.
    fn job_deadlines(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if !matches!(worker.state, State::Ready | State::Draining { .. } | State::Starting { .. }) {
            return;
        }
        let Some(pool) = self.pools.get(&worker.pool) else { return };
        let patience = pool.settings.limits.kill_after;
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now.mono);
        let mut overdue = None;
        for flight in worker.flights.iter_mut().filter(|f| f.started.is_some()) {
            match &flight.ending {
                None if due(flight.deadline) => {
                    let (why, term_at) = (CancelReason::Timeout, now.mono + patience);
                    flight.ending = Some(Ending { why, term_at, tickets: Vec::new() });
                    out.push(Action::CancelRequest { worker: id, request: flight.request, reason: why });
                }
                Some(ending) if ending.term_at <= now.mono => overdue = Some(ending.why),
                None | Some(_) => {}
            }
        }
        match overdue {
            Some(CancelReason::Timeout) => self.end(id, EndReason::JobTimeout, now, out),
            Some(CancelReason::Cancelled) => self.end(id, EndReason::JobCancelled, now, out),
            Some(CancelReason::Shutdown) | None => {}
        }
    }

    /// The worker wants no more jobs, or can be given none.
    pub(super) fn retire(&mut self, id: WorkerId, why: EndReason, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(&id) else { return };
        if matches!(worker.state, State::Ready | State::Starting { .. }) {
            let grace = self.pools[&worker.pool].settings.limits.grace;
            // One that retires before it did anything is a crash loop in disguise: it keeps its slot until it has
            // exited, and the next one waits.
            if !worker.is_young(now.mono) && self.may_add_leaver(worker.pool) {
                self.vacate_for_successor(id);
            }
            self.leave(id, why, grace, now, out);
        }
    }

    /// No more jobs; every worker leaves. Said again, it can only shorten the grace.
    pub(super) fn stop_all(
        &mut self,
        grace: Option<Duration>,
        caller: Option<WorkerId>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if self.phase == Phase::Running {
            self.phase = Phase::Stopping;
            self.released = 0;
            self.ended = 0;
        }
        self.refuse_tickets(out);
        let pools: Vec<_> = self.pools.keys().copied().collect();
        for pool in pools {
            self.hold_back(pool, |_| true, out);
            if let Some(pool) = self.pools.get_mut(&pool) {
                pool.rolling.clear();
                pool.recycles.clear();
            }
        }
        let workers: Vec<_> = self.workers.keys().copied().collect();
        for id in workers {
            let own = self.pools[&self.workers[&id].pool].settings.limits.grace;
            self.leave(id, EndReason::Stopped, grace_for(id, caller, grace, own), now, out);
        }
    }

    /// Everybody is told to end now.
    pub(super) fn force(&mut self, now: Now, out: &mut Vec<Action>) {
        self.stop_all(Some(Duration::ZERO), None, now, out);
        self.phase = Phase::Forced;
        let workers: Vec<_> = self.workers.keys().copied().collect();
        for id in workers {
            self.end(id, EndReason::Stopped, now, out);
        }
    }
}

/// How long a worker may take to leave: as long as was said, or as its pool says; one whose job asked for it has the
/// longer of both, or that job would be ended by its own request, and ask again when it is tried again.
pub(super) fn grace_for(id: WorkerId, caller: Option<WorkerId>, said: Option<Duration>, own: Duration) -> Duration {
    match said {
        Some(said) if caller == Some(id) => said.max(own),
        said => said.unwrap_or(own),
    }
}

/// From TERM to KILL.
fn patience(phase: Phase, kill_after: Duration) -> Duration {
    match phase {
        Phase::Forced => FORCED_KILL_AFTER.min(kill_after),
        Phase::Running | Phase::Stopping => kill_after,
    }
}
