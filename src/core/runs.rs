//! Runs: what workers say about the jobs they hold, and how a run ends on record.

use std::collections::VecDeque;
use std::time::Duration;

use super::flight::Flight;
use super::not_begun::Lack;
use super::verdict::{Case, Verdict};
use super::worker::State;
use super::{Action, Core, Done, Handle, Tag};
use crate::model::answer::{NOT_BEGUN, PROGRAM_BUSY};
use crate::model::change::{Change, Finish, Next};
use crate::model::death::RunLost;
use crate::model::job::Progress;
use crate::model::last_line::last_line;
use crate::model::notice::RunFacts;
use crate::model::worker::{EndReason, Exit};
use crate::model::{
    Answer, Cause, Detail, JobState, LastLines, Mono, Notice, Now, Outcome, PoolKind, Prefetch, RunError, WorkerId,
};

impl Core {
    pub(super) fn answered(&mut self, id: WorkerId, request: u64, answer: Answer, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else { return };
        let (name, pool) = (worker.name.clone(), worker.pool);
        let at = worker.flights.iter().position(|f| f.request == request);
        let Some(flight) = at.and_then(|at| self.change(id, |worker, _| worker.flights.remove(at))).flatten() else {
            out.push(Action::Tell(Notice::StrayAnswer { worker: name.to_string(), request }));
            return;
        };
        if let Some((lack, error)) = never_begun(self.pools[&pool].settings.kind, &flight, &answer) {
            self.not_begun(id, flight, lack, error, now, out);
            return;
        }
        self.begun(id, &flight);
        self.begin_next(id, now, out);
        let answered = self.change(id, |worker, pool| {
            worker.jobs_done += 1;
            let growth = worker.mark.ran(&flight.job.kind).filter(|_| worker.concurrency == 1);
            if let Some(started) = flight.started() {
                pool.observe(now.mono.since(started));
            }
            (worker.jobs_done == 1, worker.state.leaves(), growth)
        });
        let (first, leaves, growth) = answered.unwrap_or_default();
        if let Some(growth) = growth {
            self.leaks.enter(&flight.job.kind, id, growth, answer.detail.peak_memory.or(flight.peak));
        }
        let case = Case { job: &flight.job, limits: &self.pools[&pool].settings.limits, now: now.wall };
        let verdict = match flight.told() {
            None => case.answered(&answer, &mut self.random),
            Some(told) => case.answered_late(&answer, told, give_back_cause(leaves), &mut self.random),
        };
        let own = self.pools[&pool].settings.kind == PoolKind::Exec;
        let detail = match answer.verdict {
            Ok(result) => Detail { result, ..answer.detail },
            Err(error) => failure(*error, own, answer.detail),
        };
        self.end_run(id, &name, flight, &verdict, detail, now.mono, now, out);
        if first {
            out.push(Action::Measure { worker: id });
        }
        self.after_job(id, now, out);
    }

    /// Ends a run on record, and tells who waits for it.
    #[expect(clippy::too_many_arguments, reason = "the one place where everything about a run comes together")]
    pub(super) fn end_run(
        &mut self,
        id: WorkerId,
        name: &str,
        mut flight: Flight,
        verdict: &Verdict,
        mut detail: Detail,
        ended: Mono,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.holders.remove(&flight.job.id);
        if let Some(pool) = self.workers.get(id).map(|worker| worker.pool).and_then(|pool| self.pools.get_mut(&pool)) {
            pool.was_of_use |= verdict.cause != Some(Cause::NotBegun);
            if let Some(scaler) = &mut pool.scaler {
                scaler.count(flight.started().map_or(Duration::ZERO, |started| ended.since(started)));
            }
        }
        detail.peak_memory = detail.peak_memory.or(flight.peak);
        detail.note = detail.note.or(flight.note.take()).filter(|_| flight.job.holds.run.is_some());
        // Jobs that never began are named as a problem, once for all.
        let is_bad = verdict.next != Next::Succeeded && verdict.cause != Some(Cause::NotBegun);
        let bad = is_bad.then(|| bad_end(name, &flight, verdict, detail.error.clone(), ended, now)).flatten();
        self.tell_end(id, &flight, verdict.outcome, bad.as_ref(), ended, out);
        out.extend(bad.map(Action::Tell));
        if verdict.outcome == Outcome::Released {
            self.released += 1;
            self.tickets.count_released(id);
        }
        self.count_releases(flight.job.id, verdict, now, out);
        for ticket in flight.told_mut().map(|told| std::mem::take(&mut told.tickets)).into_iter().flatten() {
            let reply = match verdict.next {
                Next::Succeeded => Err(super::Refusal::JobEnded(flight.job.id, JobState::Succeeded)),
                Next::Dead(_) => Err(super::Refusal::JobEnded(flight.job.id, JobState::Dead)),
                Next::Cancelled(_) | Next::Ready | Next::Behind | Next::RetryAt(_) => Ok(Done::Cancelled),
            };
            out.push(Action::Reply(ticket, reply));
        }
        let pool = self.workers.get(id).map(|worker| worker.pool);
        let of_pool = pool.map(|pool| self.pools[&pool].settings.limits.max_attempts);
        let (queue, started) = (flight.job.queue.clone(), flight.started());
        let finish = Finish {
            worker: id,
            outcome: verdict.outcome,
            cause: verdict.cause,
            detail,
            started_at: now.wall_at(started.unwrap_or(ended)),
            ended_at: now.wall_at(ended),
            next: verdict.next,
            counters: verdict.counters,
            max_attempts: flight.job.max_attempts.or(of_pool).unwrap_or(verdict.counters.attempts),
            job: flight.job,
        };
        self.rollups.count(&finish, now.mono);
        if let (Some(started), Some(pool)) = (started, pool.and_then(|pool| self.pools.get_mut(&pool))) {
            pool.counts.busy_us += ended.since(started).as_micros() as u64;
        }
        let tag = self.tag_of_end(pool, verdict.next);
        out.push(Action::Write(Change::Finish(Box::new(finish)), tag));
        if matches!(verdict.next, Next::Ready | Next::Behind) || self.may_open(&queue) {
            self.news(&[queue]);
        }
        if matches!(verdict.next, Next::Succeeded | Next::Dead(_) | Next::Cancelled(_)) {
            self.expect_freed();
        }
    }

    /// Ends the flights of a worker that is gone and swept.
    pub(super) fn end_flights(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else { return };
        let State::Gone { why, ours, exit, at, ref last, read } = worker.state else { return };
        let (last, name, pool) = (last.clone(), worker.name.clone(), worker.pool);
        let flights = self.change(id, |worker, _| std::mem::take(&mut worker.flights)).unwrap_or_default();
        // A worker that leaves of its own accord may have what was sent ahead in a buffer, unlooked at. One that did not
        // announce it is believed where sending ahead can be stopped: the next time, a job in hand is one it began.
        let silent = why == EndReason::Exited;
        let auto = self.pools.get(&pool).is_some_and(|p| p.settings.limits.prefetch == Prefetch::Auto);
        let believed = exit == Some(Exit::Code(0)) && !ours && (!silent || auto);
        if believed
            && silent
            && flights.iter().any(|f| f.ahead)
            && let Some(pool) = self.pools.get_mut(&pool)
        {
            pool.leaves_silently = true;
        }
        for flight in flights {
            let seen = flight.started().is_some() && flight.request <= read && !(believed && flight.ahead);
            if !seen && flight.goes_on() {
                self.unclaim(&flight, out);
                continue;
            }
            let Some(pool) = self.pools.get(&pool) else { return };
            let case = Case { job: &flight.job, limits: &pool.settings.limits, now: now.wall };
            let told = flight.told();
            let verdict = match told {
                Some(told) => case.ended(told, give_back_cause(Some(why)), &mut self.random),
                None if ours && why != EndReason::MemoryMax => case.released(give_back_cause(Some(why))),
                None => case.crashed(why, exit),
            };
            let at_once = flight.told_in_haste();
            let mut error = RunLost { told, at_once, why, ours, exit }.to_string();
            if verdict.outcome == Outcome::Crashed
                && let Some(line) = last_line(&last.stderr).or_else(|| last_print(&last.stdout))
            {
                error.extend([": ", &line]);
            }
            let LastLines { stderr: stderr_tail, stdout: stdout_tail } = (*last).clone();
            let detail = Detail { error: Some(error), stderr_tail, stdout_tail, ..exit_detail(exit) };
            self.end_run(id, &name, flight, &verdict, detail, at, now, out);
        }
    }

    /// The worker has closed its input: it is of no more use, and what it has not read is for others. What it has read
    /// it may still answer.
    pub(super) fn input_closed(&mut self, id: WorkerId, read: u64, now: Now, out: &mut Vec<Action>) {
        // One that is told by signals need not read.
        let reads = |worker: &Handle| worker.is_alive() && !self.pools[&worker.pool].settings.is_told_by_signals();
        if !self.workers.get(id).is_some_and(reads) {
            return;
        }
        let unread = |flight: &Flight| flight.request > read && flight.goes_on();
        let split = self.change(id, |worker, _| {
            let (unread, held) = std::mem::take(&mut worker.flights).into_iter().partition(unread);
            worker.flights = held;
            (unread, worker.flights.is_empty())
        });
        let (unread, idle): (VecDeque<Flight>, bool) = split.unwrap_or_default();
        for flight in &unread {
            self.unclaim(flight, out);
        }
        if idle {
            self.end(id, EndReason::Protocol, now, out);
        } else {
            self.retire(id, EndReason::Protocol, now, out);
        }
    }

    /// Gives back a job that its worker never saw, or never began.
    pub(super) fn unclaim(&mut self, flight: &Flight, out: &mut Vec<Action>) {
        self.holders.remove(&flight.job.id);
        out.push(Action::Write(Change::Unclaim { job: flight.job.id, run: flight.job.run }, Tag::None));
        self.news(std::slice::from_ref(&flight.job.queue));
    }

    pub(super) fn progress(&mut self, id: WorkerId, request: u64, progress: Progress, out: &mut Vec<Action>) {
        let known = self.change(id, |worker, _| {
            let flight = worker.flight(request)?;
            let shown = progress.shown(flight.progress.take());
            flight.progress = Some(shown.clone());
            Some((flight.job.id, flight.job.run, shown))
        });
        let Some((job, run, shown)) = known.flatten() else { return };
        let progress = Progress { state: progress.state, ..shown };
        out.push(Action::Write(Change::Progress { job, run, progress }, Tag::None));
    }

    /// Of other jobs nothing is kept.
    pub(super) fn note(&mut self, id: WorkerId, request: u64, text: Box<str>) {
        self.change(id, |worker, _| {
            if let Some(flight) = worker.flight(request).filter(|flight| flight.job.holds.run.is_some()) {
                flight.note = Some(text);
            }
        });
    }

    pub(super) fn extend(&mut self, id: WorkerId, request: u64, by: Duration, now: Now) {
        self.change(id, |worker, _| worker.flight(request).map(|flight| flight.extend(now.mono, by)));
    }
}

/// The notice of a run that did not succeed.
fn bad_end(
    worker: &str,
    flight: &Flight,
    verdict: &Verdict,
    error: Option<String>,
    ended: Mono,
    now: Now,
) -> Option<Notice> {
    let (job, kind, of) = (flight.job.id, flight.job.kind.to_string(), RunFacts::from(&*flight.job));
    let took_s = flight.took(ended).as_secs_f64();
    let retry_in_s = match verdict.next {
        Next::Dead(cause) => return Some(Notice::JobDead { job, kind, cause, error, took_s, of }),
        Next::RetryAt(at) => at.since(now.wall).as_secs_f64(),
        Next::Ready | Next::Behind => 0.0,
        Next::Succeeded | Next::Cancelled(_) => return None,
    };
    let (outcome, cause) = (verdict.outcome, verdict.cause.unwrap_or(Cause::Error));
    let worker = worker.to_owned();
    Some(Notice::JobFailed { job, kind, worker, outcome, cause, error, retry_in_s, took_s, of })
}

/// The last line on stdout, unless that is a message that was cut short.
fn last_print(stdout: &str) -> Option<String> {
    last_line(stdout).filter(|line| !line.starts_with('{'))
}

/// The facts of a run that its worker answered with an error. `own`: the built-in worker words its errors itself.
fn failure(error: RunError, own: bool, detail: Detail) -> Detail {
    let text = if own { error.message.clone() } else { error.text() };
    let (error_type, backtrace) = (error.kind.map(Into::into), error.backtrace.map(Into::into));
    Detail { error: Some(text), error_type, error_code: error.code, backtrace, ..detail }
}

/// Error of a built-in worker whose command could not be started for now, unless the job was to end anyway.
fn never_begun(kind: PoolKind, flight: &Flight, answer: &Answer) -> Option<(Lack, String)> {
    let error = answer.verdict.as_ref().err()?;
    let lack = match error.kind.as_deref() {
        Some(NOT_BEGUN) => Lack::Means,
        Some(PROGRAM_BUSY) => Lack::Program,
        _ => return None,
    };
    (kind == PoolKind::Exec && flight.goes_on()).then(|| (lack, error.message.clone()))
}

/// Why a run was given back when its worker left for this reason.
fn give_back_cause(why: Option<EndReason>) -> Cause {
    match why {
        Some(EndReason::Restarted) => Cause::Restart,
        Some(EndReason::Scaled) => Cause::Scale,
        Some(EndReason::MaxJobs | EndReason::MaxTime | EndReason::Memory | EndReason::Cpu | EndReason::Retired) => {
            Cause::Recycle
        }
        Some(EndReason::JobTimeout | EndReason::JobCancelled | EndReason::Unhealthy) => Cause::WorkerExited,
        Some(EndReason::MemoryMax) => Cause::Memory,
        Some(EndReason::Protocol) => Cause::Protocol,
        Some(EndReason::MasterLost) => Cause::MasterLost,
        Some(EndReason::Exited | EndReason::Stopped | EndReason::ReadyTimeout | EndReason::SpawnFailed) | None => {
            Cause::Stop
        }
    }
}

fn exit_detail(exit: Option<Exit>) -> Detail {
    match exit {
        Some(Exit::Code(code)) => Detail { exit_code: Some(code), ..Detail::default() },
        Some(Exit::Signal(n)) => Detail { signal: Some(crate::model::worker::signal_name(n)), ..Detail::default() },
        None => Detail::default(),
    }
}
