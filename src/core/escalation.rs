//! Leaving: one escalation that only climbs. Drain (stdin closed when idle) → TERM → KILL, each with its deadline.
//!
//! A drain waits for the jobs of its worker as long as their own deadlines allow, unless a grace is given: by an operator,
//! or by the end of the master. A worker without a job has the grace of its pool to leave.

use std::time::Duration;

use super::deadlines::Timer;
use super::flight::Stage;
use super::worker::{Hold, Recycle, State};
use super::{Action, Core, Handle, Phase, Signal};
use crate::model::worker::EndReason;
use crate::model::{CancelReason, Mono, Notice, Now, PoolLimits, WorkerId};

/// After KILL this long without an exit, people are told.
pub(super) const UNKILLABLE_AFTER: Duration = Duration::from_secs(5);
/// From TERM to KILL when there is no grace at all.
const FORCED_KILL_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// Takes a worker out of its pool's service: it gets no more jobs, finishes those it holds, within `grace` where that is
    /// given, and ends. Said again, it can only shorten the grace.
    pub(super) fn leave(
        &mut self,
        id: WorkerId,
        why: EndReason,
        grace: Option<Duration>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let (phase, end) = (self.phase, grace.map(|grace| now.mono + grace));
        self.change(id, |worker, pool| {
            pool.leaving.insert(id);
            let limits = &pool.settings.limits;
            let patience = patience(phase, limits.kill_after);
            // One that is told by TERM gets the time to obey even without grace. Its work is not known, nor how long that may
            // take.
            let kill_at = now.mono + grace.unwrap_or(limits.grace).max(patience);
            match &mut worker.state {
                State::Spawning { leaves } => *leaves = Some(earlier(*leaves, why, end)),
                State::Starting { .. } | State::Ready { .. } if pool.settings.is_told_by_signals() => {
                    worker.end(id, why, kill_at, out);
                }
                State::Starting { pid, .. } | State::Ready { pid, .. } => {
                    worker.state = State::Draining { pid: *pid, why, deadline: end, closed: false };
                    if pool.settings.is_service() {
                        worker.has_calls = true;
                        out.push(Action::Drain { worker: id, why, grace: grace.unwrap_or(limits.grace) });
                    }
                }
                State::Draining { why: first, deadline, .. } => {
                    *deadline = sooner(*deadline, end);
                    // One that is stopped is not taken back.
                    if why == EndReason::Stopped && *first == EndReason::Scaled {
                        *first = why;
                    }
                }
                State::Ending { kill_at: before, .. } => *before = kill_at.min(*before),
                State::Killed { .. } | State::Gone { .. } => {}
            }
            worker.close_if_idle(id, now.mono, limits, out);
            if grace == Some(Duration::ZERO) {
                worker.end_grace(id, now.mono, patience, true, out);
            }
        });
    }

    /// The grace of a draining worker is over.
    fn grace_over(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let phase = self.phase;
        self.change(id, |worker, pool| {
            worker.end_grace(id, now.mono, patience(phase, pool.settings.limits.kill_after), false, out);
        });
    }

    /// Sends TERM; KILL follows.
    pub(super) fn end(&mut self, id: WorkerId, why: EndReason, now: Now, out: &mut Vec<Action>) {
        let phase = self.phase;
        self.change(id, |worker, pool| {
            worker.end(id, why, now.mono + patience(phase, pool.settings.limits.kill_after), out);
        });
    }

    /// Sends KILL.
    pub(super) fn kill(&mut self, id: WorkerId, why: EndReason, now: Now, out: &mut Vec<Action>) {
        match self.workers.get(id).map(|worker| &worker.state) {
            Some(
                &State::Starting { pid, .. }
                | &State::Ready { pid, .. }
                | &State::Draining { pid, .. }
                | &State::Ending { pid, .. },
            ) => {
                self.set_state(id, State::Killed { pid, why, since: now.mono, told: false });
                out.push(Action::Signal { worker: id, signal: Signal::Kill });
            }
            Some(State::Spawning { .. } | State::Killed { .. } | State::Gone { .. }) | None => {}
        }
    }

    /// Lets every timer ring that is due.
    pub(super) fn expire(&mut self, now: Now, out: &mut Vec<Action>) {
        while let Some(timer) = self.timers.ring(now.mono) {
            match timer {
                Timer::Worker(id) => {
                    self.disarm_worker(id);
                    self.worker_deadlines(id, now, out);
                    self.change(id, |_, _| ());
                }
                Timer::Slot(pool, slot) => self.end_backoff(pool, slot),
            }
        }
    }

    fn worker_deadlines(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        self.job_deadlines(id, now, out);
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now.mono);
        if self.workers.get(id).is_some_and(|worker| due(worker.paused_until())) {
            self.end_pause(id);
        }
        let Some(worker) = self.workers.get(id) else { return };
        match worker.state {
            State::Starting { ready_by, .. } if due(Some(ready_by)) => self.end(id, EndReason::ReadyTimeout, now, out),
            State::Ready { recycle: None, .. } if due(worker.expires) => self.recycle(id, EndReason::MaxTime, now),
            State::Ready { pid, recycle: Some(Recycle { why, hold: Hold::Until(at) }), paused_until }
                if due(Some(at)) =>
            {
                let recycle = Some(Recycle { why, hold: Hold::Over });
                self.set_state(id, State::Ready { pid, recycle, paused_until });
            }
            State::Draining { deadline, .. } if due(deadline) => self.grace_over(id, now, out),
            State::Ending { why, kill_at, .. } if due(Some(kill_at)) => self.kill(id, why, now, out),
            State::Killed { pid, why, since, told: false } if due(Some(since + UNKILLABLE_AFTER)) => {
                let text = format!("worker `{}` (pid {pid}) does not end, even by KILL", worker.name);
                out.push(Action::Tell(Notice::Problem { text }));
                self.set_state(id, State::Killed { pid, why, since, told: true });
            }
            State::Spawning { .. }
            | State::Starting { .. }
            | State::Ready { .. }
            | State::Draining { .. }
            | State::Ending { .. }
            | State::Killed { .. }
            | State::Gone { .. } => {}
        }
    }

    /// Asks jobs past their deadline to end; ends the worker where they were asked and did not.
    fn job_deadlines(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        if !self.workers.get(id).is_some_and(Handle::watches_jobs) {
            return;
        }
        let mut overdue = None;
        self.change(id, |worker, pool| {
            for flight in &mut worker.flights {
                match &flight.stage {
                    Stage::Running { deadline, .. } if *deadline <= now.mono => {
                        let (request, reason) = (flight.request, CancelReason::Timeout);
                        flight.tell(reason, now.mono + pool.settings.limits.kill_after);
                        out.push(Action::CancelRequest { worker: id, request, reason });
                    }
                    Stage::Ending { told, term_at, .. } if *term_at <= now.mono => overdue = Some(told.why),
                    Stage::Sent { .. } | Stage::Running { .. } | Stage::Ending { .. } => {}
                }
            }
        });
        match overdue {
            Some(CancelReason::Timeout) => self.end(id, EndReason::JobTimeout, now, out),
            Some(CancelReason::Cancelled) => self.end(id, EndReason::JobCancelled, now, out),
            Some(CancelReason::Shutdown) | None => {}
        }
    }

    /// The worker wants no more jobs, or can be given none.
    pub(super) fn retire(&mut self, id: WorkerId, why: EndReason, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else { return };
        if worker.state.leaves().is_none() {
            // A worker that retires before it did anything is a crash loop in disguise: its slot stays taken until
            // its exit, and the next worker waits.
            if !worker.is_young(now.mono) && self.may_add_busy_leaver(worker.pool) {
                self.vacate_for_successor(id, why);
            }
            self.leave(id, why, None, now, out);
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
        self.stopping = Some((grace, caller));
        self.stop_workers(grace, caller, now, out);
    }

    /// The workers leave for which no others are to be gone first.
    pub(super) fn stop_workers(
        &mut self,
        grace: Option<Duration>,
        caller: Option<WorkerId>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        for id in self.workers.ids(|_| true) {
            let pool = self.workers[id].pool;
            if !self.outlives_others(pool) {
                let own = self.pools[&pool].settings.limits.grace;
                self.leave(id, EndReason::Stopped, Some(grace_for(id, caller, grace, own)), now, out);
            }
        }
    }

    /// Everybody is told to end now.
    pub(super) fn force(&mut self, now: Now, out: &mut Vec<Action>) {
        self.stop_all(Some(Duration::ZERO), None, now, out);
        self.phase = Phase::Forced;
        for id in self.workers.ids(|_| true) {
            self.end(id, EndReason::Stopped, now, out);
        }
    }
}

impl Handle {
    /// Closes the stdin of a draining worker that holds nothing: it has the grace of its pool to exit.
    pub(super) fn close_if_idle(&mut self, id: WorkerId, now: Mono, limits: &PoolLimits, out: &mut Vec<Action>) {
        if let State::Draining { closed: closed @ false, deadline, .. } = &mut self.state
            && self.flights.is_empty()
            && !self.has_calls
        {
            *closed = true;
            deadline.get_or_insert(now + limits.grace.max(limits.kill_after));
            out.push(Action::CloseStdin { worker: id });
        }
    }

    /// Its jobs are asked to end, and it is told to. `at_once`: they had no grace.
    pub(super) fn end_grace(
        &mut self,
        id: WorkerId,
        now: Mono,
        patience: Duration,
        at_once: bool,
        out: &mut Vec<Action>,
    ) {
        let State::Draining { why, .. } = self.state else { return };
        for flight in &mut self.flights {
            let is_first = flight.tell(CancelReason::Shutdown, now);
            if is_first && let Some(told) = flight.told_mut() {
                told.at_once = at_once;
            }
            if is_first && flight.started().is_some() {
                let (request, reason) = (flight.request, CancelReason::Shutdown);
                out.push(Action::CancelRequest { worker: id, request, reason });
            }
        }
        self.end(id, why, now + patience, out);
    }

    fn end(&mut self, id: WorkerId, why: EndReason, kill_at: Mono, out: &mut Vec<Action>) {
        match &mut self.state {
            State::Spawning { leaves } => *leaves = Some(earlier(*leaves, why, Some(kill_at))),
            &mut (State::Starting { pid, .. } | State::Ready { pid, .. } | State::Draining { pid, .. }) => {
                self.state = State::Ending { pid, why, kill_at };
                out.push(Action::Signal { worker: id, signal: Signal::Term });
            }
            State::Ending { kill_at: before, .. } => *before = kill_at.min(*before),
            State::Killed { .. } | State::Gone { .. } => {}
        }
    }
}

/// How long the jobs of a worker may go on when the master stops: as long as was said, or as its pool says; of one whose job
/// asked for it the longer of both, or that job would be ended by its own request, and ask again when it is tried again.
fn grace_for(id: WorkerId, caller: Option<WorkerId>, said: Option<Duration>, own: Duration) -> Duration {
    match said {
        Some(said) if caller == Some(id) => said.max(own),
        said => said.unwrap_or(own),
    }
}

/// The earlier of two ends of a worker that has no process yet; the first reason counts.
fn earlier(before: Option<(EndReason, Option<Mono>)>, why: EndReason, at: Option<Mono>) -> (EndReason, Option<Mono>) {
    before.map_or((why, at), |(first, before)| (first, sooner(before, at)))
}

/// The earlier of two times, where `None` is never. A match, because it is asked after every event of a worker and a chain of
/// iterators costs a tenth of what the core does for a job.
pub(super) fn sooner(one: Option<Mono>, other: Option<Mono>) -> Option<Mono> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// From TERM to KILL.
pub(super) fn patience(phase: Phase, kill_after: Duration) -> Duration {
    match phase {
        Phase::Forced => FORCED_KILL_AFTER.min(kill_after),
        Phase::Running | Phase::Stopping => kill_after,
    }
}
