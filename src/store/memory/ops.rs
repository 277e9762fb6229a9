//! The operations on the store in memory.
//!
//! Invariant: an operation checks before it changes anything; none can fail half-way.

use crate::model::change::{Change, Finish, Next, Op, Reply, Request};
use crate::model::failure::Failure;
use crate::model::gauge::Mark;
use crate::model::job::Progress;
use crate::model::processor::ProcessorRunState;
use crate::model::run_end::RunEnd;
use crate::model::shift::FIXED_US;
use crate::model::{
    Cause, Counters, Fingerprint, Generation, JobAction, JobId, JobState, Outcome, QueueName, RunId, Setting, States,
    UnixMicros,
};
use crate::store::Duty;

use super::state::{Job, Place, Queue, Run, Running, State};

impl State {
    pub(super) fn apply(&mut self, op: &Op, generation: Generation, at: UnixMicros) -> Reply {
        match op {
            Op::Change(change) => self.apply_change(change, generation, at),
            Op::Request(request) => self.apply_request(request, generation, at),
        }
    }

    fn apply_change(&mut self, change: &Change, generation: Generation, at: UnixMicros) -> Reply {
        match change {
            Change::Claim(claim) => self.claim(claim, generation, at),
            Change::Finish(finish) => self.finish(finish, generation, at),
            Change::Unclaim { job, run } => self.unclaim(*job, *run, at),
            Change::Assign { job, run, worker } => self.change_running(*job, *run, |job, running| {
                job.place = Place::Running(Running { worker: Some(worker.0), ..running });
            }),
            Change::Promote { limit } => self.promote(*limit, at),
            Change::Shift(shift) => self.shift(shift, at),
            Change::NameTypes(types) => self.name_types(types),
            Change::Sort { limit } => self.sort(*limit),
            Change::FirstOther(queue) => Reply::FirstOther { queue: queue.clone(), kind: self.first_other(queue) },
            Change::Progress { job, run, progress } => self.progress(*job, *run, progress),
            Change::Cancel { job, only } => self.act(*job, *only, &JobAction::Cancel, generation, at),
            Change::WorkerStarted(worker) => self.worker_started(worker, generation),
            Change::WorkerEnded(worker) => self.worker_ended(worker),
            Change::Prune { .. } if !self.lead(Duty::Prune, generation) => Reply::Count(0),
            Change::Prune { keep, served, keep_runs } => self.prune(keep, served, keep_runs, at),
            Change::RollUp(rollup) => self.roll_up(rollup, generation),
            Change::LogAutoscale(change) => self.log_autoscale(change),
            Change::KeepRows(rows) => self.keep_rows(rows),
            Change::LogCalls(calls) => self.log_calls(calls),
            Change::PutOperation(operation) => self.put_operation(operation),
            Change::LogDeed(deed) => self.log_deed(deed),
            Change::EndDeed(deed) => self.end_deed(deed),
            Change::ArmProcessors(armed) => self.arm(armed),
            Change::Tick(tick) => self.tick(tick, at),
            Change::SetNextTick { processor, expected, next_at } => self.set_next_tick(processor, *expected, *next_at),
            Change::LoseRun(run) => self.lose_run(*run, at),
        }
    }

    fn apply_request(&mut self, request: &Request, ours: Generation, at: UnixMicros) -> Reply {
        match request {
            Request::Push(jobs) if let Some(full) = self.full_of(jobs, at) => full,
            Request::Push(jobs) => self.push_all(jobs, at),
            Request::PushInto { jobs, batch } => self.push_into(jobs, batch, at),
            Request::Bulk(step) => self.bulk(step, at),
            Request::Act { job, only, action } => self.act(*job, *only, action, ours, at),
            Request::Pause { queue, paused } => {
                let was = std::mem::replace(&mut self.queue(queue).totals.paused, *paused);
                if was != *paused {
                    self.add_mark(Mark::pause(queue, *paused, at));
                }
                self.news.queues.insert(queue.clone());
                Reply::Done
            }
            Request::PauseKey { queue, key, pause } => self.pause_key(queue, key, pause.as_ref()),
            Request::ConfigureQueues(limits) => self.configure_queues(limits),
            Request::SetLimits { queue, set } => self.set_limits(queue, set.as_deref()),
            Request::SwitchProcessors { processors, switch } => self.switch(processors, switch),
            Request::NoteFailure { fingerprint, said } => self.note_failure(*fingerprint, said),
            Request::BeginRun(begin) => self.begin_run(begin, at),
            Request::EndRun { run, state, note } => self.end_foreign(*run, *state, note.as_deref(), at),
            Request::Tell(tell) => self.tell_hosts(tell),
        }
    }

    pub(super) fn expire(&mut self, id: i64, at: UnixMicros) {
        self.cancel(id, Cause::Expired, Some("expired"), at);
    }

    /// A job that waits is cancelled.
    fn cancel(&mut self, id: i64, cause: Cause, note: Option<&str>, at: UnixMicros) {
        let Some(mut job) = self.take(id) else { return };
        self.let_go(id, &job, || RunEnd::waiting(ProcessorRunState::Cancelled, note, at));
        job.place = Place::Ended { state: JobState::Cancelled, cause, error: None, fingerprint: None, at };
        self.put(id, job);
        self.changes_fate(id);
    }

    pub(super) fn current(&self, job: JobId, run: RunId) -> Option<Running> {
        match self.jobs.get(&job.0)?.place {
            Place::Running(running) if running.run == run => Some(running),
            _ => None,
        }
    }

    pub(super) fn change_running(&mut self, id: JobId, run: RunId, change: impl FnOnce(&mut Job, Running)) -> Reply {
        let Some(running) = self.current(id, run) else { return Reply::Stale };
        let Some(mut job) = self.take(id.0) else { return Reply::Stale };
        change(&mut job, running);
        self.put(id.0, job);
        Reply::Done
    }

    fn progress(&mut self, id: JobId, run: RunId, progress: &Progress) -> Reply {
        self.change_running(id, run, |job, _| {
            let before = job.progress.take().and_then(|before| before.state);
            job.progress = Some(Progress { state: progress.state.clone().or(before), ..progress.clone() });
        })
    }

    fn finish(&mut self, f: &Finish, generation: Generation, at: UnixMicros) -> Reply {
        let (id, next) = (f.job.id.0, f.next);
        let failure = Failure::of(f).filter(|_| self.current(f.job.id, f.job.run).is_some());
        let filed = failure.map(|failure| self.count_failure(&f.job.queue, &failure, at));
        if self.current(f.job.id, f.job.run).is_some() {
            self.key_ends(id, Some(f.ended_at.since(f.started_at).as_micros() as i64), at);
        }
        let reply = self.change_running(f.job.id, f.job.run, |job, _| {
            if next != Next::Succeeded {
                job.past = Some(f.counters);
                job.max_attempts = job.new.max_attempts.or(Some(f.max_attempts));
                job.due_at = match next {
                    Next::RetryAt(at) => at,
                    Next::Behind => f.ended_at,
                    Next::Ready | Next::Succeeded | Next::Dead(_) | Next::Cancelled(_) => f.job.due_at,
                };
            }
            if let Next::RetryAt(at) = next {
                job.wait = Some(at.0.saturating_sub(f.ended_at.0));
            }
            job.place = match next {
                Next::Succeeded => Place::Succeeded,
                Next::Ready | Next::Behind => Place::Ready,
                Next::RetryAt(_) => Place::Scheduled,
                Next::Dead(cause) => over(JobState::Dead, cause, f, filed),
                Next::Cancelled(cause) => over(JobState::Cancelled, cause, f, None),
            };
        });
        if matches!(reply, Reply::Stale) {
            return reply;
        }
        if let (Next::Succeeded | Next::Dead(_) | Next::Cancelled(_), Some(job)) = (next, self.jobs.get(&id).cloned()) {
            self.changes_fate(id);
            self.let_go(id, &job, || RunEnd::of(f));
        } else if let Some(run) = f.job.holds.run {
            self.run_started(run, f.started_at);
        }
        let Queue { totals, runs, .. } = self.queue(&f.job.queue);
        *runs += 1;
        totals.succeeded_total += u64::from(next == Next::Succeeded);
        totals.failed_total += u64::from(matches!(f.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Crashed));
        self.runs.insert(f.job.run.0, run_of(f, generation));
        if self.limits_of(&f.job.queue).is_some_and(|record| record.in_force.holds_back()) {
            self.news.queues.insert(f.job.queue.clone());
        }
        Reply::Done
    }

    fn promote(&mut self, limit: u32, at: UnixMicros) -> Reply {
        let expired = self.lapsed(at, limit);
        for &id in &expired {
            self.expire(id, at);
        }
        self.settle();
        self.settle_on(limit);
        let mut queues = self.end_limits(at);
        for id in self.due(at, limit) {
            if let Some(mut job) = self.take(id) {
                job.place = Place::Ready;
                queues.push(job.new.queue.clone());
                self.put(id, job);
            }
        }
        queues.sort();
        queues.dedup();
        let expired = expired.into_iter().map(JobId).collect();
        Reply::Promoted { queues, expired }
    }

    fn was(&mut self, id: JobId) -> Option<(JobState, Reply)> {
        self.open_one(id.0);
        let job = self.jobs.get(&id.0)?;
        let was = job.state();
        Some((was, Reply::Changed { was, queue: job.new.queue.clone() }))
    }

    fn act(&mut self, id: JobId, only: States, action: &JobAction, ours: Generation, at: UnixMicros) -> Reply {
        let Some((was, reply)) = self.was(id) else { return Reply::Missing };
        if *action == JobAction::Cancel
            && only.has(JobState::Running)
            && let Some(reply) = self.cancel_elsewhere((id, only), ours)
        {
            return reply;
        }
        if !only.and(action.is_for()).has(was) {
            return reply;
        }
        match action {
            JobAction::Retry | JobAction::RetryAt(_) => {
                let due_at = if let JobAction::RetryAt(due_at) = action { (*due_at).max(at) } else { at };
                if let Some(refused) = self.retry(id, due_at, at) {
                    return refused;
                }
            }
            JobAction::Cancel => self.cancel(id.0, Cause::Cancelled, None, at),
            JobAction::Delete => {
                self.forget(id.0, at);
                self.news.ended.push(id);
                self.runs.retain(|_, run| run.job != id.0);
            }
            JobAction::Set(setting) => {
                let expires_at = |job: &Job| job.new.expires_at.filter(|_| job.past.is_none()).map(|at| at.0);
                if setting.lapses(self.jobs.get(&id.0).and_then(expires_at)) {
                    return Reply::Lapses;
                }
                let queue = self.set(id, setting, at).unwrap_or_default();
                return Reply::Changed { was, queue };
            }
        }
        reply
    }

    /// The reason why it is not.
    fn retry(&mut self, id: JobId, due_at: UnixMicros, at: UnixMicros) -> Option<Reply> {
        let is_held = match self.is_held(id.0) {
            Ok(is_held) => is_held,
            Err((parent, is_gone)) => return Some(Reply::ParentFailed { parent, is_gone }),
        };
        if let Some(key) = self.jobs.get(&id.0).and_then(|job| job.new.unique.as_deref()).map(str::to_owned) {
            if let Some(&by) = self.uniques.get(&key).filter(|&&by| by != id.0) {
                return Some(Reply::Held { by: JobId(by) });
            }
            self.uniques.insert(key, id.0);
        }
        if let Some(mut job) = self.take(id.0) {
            job.past = Some(Counters::default());
            job.max_attempts = job.new.max_attempts;
            job.due_at = due_at;
            let is_over = matches!(job.place, Place::Ended { .. });
            job.place = match is_held {
                true => Place::Blocked,
                false if due_at > at => Place::Scheduled,
                false => Place::Ready,
            };
            self.put(id.0, job);
            if is_over {
                self.reopens(id.0);
                self.changes_fate(id.0);
            }
        }
        None
    }

    /// The queue it is in then.
    fn set(&mut self, id: JobId, setting: &Setting, at: UnixMicros) -> Option<QueueName> {
        let mut job = self.take(id.0)?;
        job.lane = self.lane_of(&job.new.kind);
        job.new.priority = setting.priority.unwrap_or(job.new.priority);
        if let Some(queue) = &setting.queue {
            job.new.queue = queue.clone();
        }
        if let Some((due_at, wait)) = setting.due {
            job.due_at = due_at;
            let length = wait.map(|wait| i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
            job.wait = length.or_else(|| job.past.is_some().then_some(FIXED_US));
        }
        job.place = match job.place {
            Place::Blocked => Place::Blocked,
            _ if job.due_at > at => Place::Scheduled,
            _ => Place::Ready,
        };
        let queue = job.new.queue.clone();
        job.by_key = self.waits_by_key(&job.new);
        self.put(id.0, job);
        Some(queue)
    }

    pub(super) fn forget(&mut self, id: i64, at: UnixMicros) {
        if let Some(job) = self.take(id) {
            self.let_go(id, &job, || RunEnd::waiting(ProcessorRunState::Cancelled, Some("deleted"), at));
            self.unlink(id);
            self.changes_fate(id);
        }
    }

    /// Ended jobs in one state, oldest first.
    pub(super) fn ended(&self, wanted: JobState, before: UnixMicros) -> Vec<i64> {
        let mut found: Vec<(UnixMicros, i64)> = self
            .jobs
            .iter()
            .filter_map(|(&id, job)| match job.place {
                Place::Ended { state, at, .. } if state == wanted && at < before => Some((at, id)),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }
}

fn over(state: JobState, cause: Cause, f: &Finish, fingerprint: Option<Fingerprint>) -> Place {
    Place::Ended { state, cause, error: f.detail.error.clone(), fingerprint, at: f.ended_at }
}

fn run_of(f: &Finish, generation: Generation) -> Run {
    Run {
        job: f.job.id.0,
        kind: f.job.kind.to_string(),
        queue: f.job.queue.clone(),
        worker: Some(f.worker.0),
        generation: generation.0,
        attempt: f.job.attempt(),
        outcome: f.outcome,
        cause: f.cause,
        detail: f.detail.clone(),
        span: f.job.span(),
        started_at: f.started_at,
        ended_at: f.ended_at,
        waited_us: f.started_at.since(f.job.due_at).as_micros() as i64,
    }
}
