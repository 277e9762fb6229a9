//! Cancelling, retrying and deleting jobs, many in one request: a step at a time, in turns with everything else.
//!
//! Invariants: a turn spends [`LONGEST`] on them at most, and one slice more; they add to the next batch only while that
//! is small, so that no commit is long because of them; what was begun is done to its end, whether its asker listens or
//! not, as long as the store can be written.

use std::collections::BTreeSet;
use std::time::Duration;
use std::vec;

use super::begin::Begun;
use super::{Answer, Refused};
use crate::core::{Command, Event, Ticket};
use crate::master::Master;
use crate::master::codec::control;
use crate::master::store_events::Purpose;
use crate::model::change::{DeadJob, Reply, Request};
use crate::model::{JobId, JobState, Now, QueueName, WorkerId};
use crate::report::refusals::{self, JobAction};
use crate::store::News;
use crate::wire::control::{ChangedJobs, Jobs, RefusedJob};

/// Changes in the next batch from which on no task adds to it.
const ENOUGH: usize = 128;
/// Jobs of one task before the next has its turn.
const SLICE: usize = 32;
/// How long a turn works on tasks.
const LONGEST: Duration = Duration::from_millis(2);
/// Dead jobs retried in one step.
const RETRY_STEP: u32 = 200;

/// Work of a request that is left.
#[derive(Debug)]
pub(super) struct Task {
    /// The request in which its answer is gathered.
    ticket: Ticket,
    action: JobAction,
    /// A job that runs is waited for when it is cancelled.
    wait: bool,
    /// The worker that it was called from, which is not kept waiting for itself.
    caller: Option<WorkerId>,
    jobs: vec::IntoIter<JobId>,
}

impl Master {
    pub(super) fn change_jobs(&mut self, ticket: Ticket, action: JobAction, params: Jobs) -> Begun {
        self.writable()?;
        let so_far = Answer::Jobs { changed: ChangedJobs::default(), refused: String::new() };
        if params.all && action == JobAction::Retry {
            let queue = params.queue.map(|q| QueueName::new(&q)).transpose();
            let queue = queue.map_err(|e| Refused::Params(e.to_string()))?;
            self.requests.table.gather(ticket, 1, so_far);
            self.retry_dead(ticket, queue, None);
            return Ok(None);
        }
        if params.ids.is_empty() {
            return Err(Refused::Params(String::from("say which jobs, by their ids")));
        }
        self.requests.table.gather(ticket, params.ids.len(), so_far);
        let (caller, wait) = (self.caller(ticket), !params.no_wait);
        self.requests.tasks.push_back(Task { ticket, action, wait, caller, jobs: params.ids.into_iter() });
        Ok(None)
    }

    /// Whether a task can go on now.
    pub(in crate::master) fn has_task(&self) -> bool {
        !self.requests.tasks.is_empty() && self.batches.waiting() < ENOUGH
    }

    /// Goes on with what is left, for a while.
    pub(in crate::master) fn go_on_with_tasks(&mut self, now: Now) {
        while self.has_task()
            && let Some(mut task) = self.requests.tasks.pop_front()
        {
            for _ in 0..SLICE {
                let Some(job) = task.jobs.next() else { break };
                self.change_one(&task, job, now);
            }
            self.carry_out();
            if task.jobs.len() > 0 {
                self.requests.tasks.push_back(task);
            }
            if self.time.now().mono.since(now.mono) > LONGEST {
                return;
            }
        }
    }

    fn change_one(&mut self, task: &Task, job: JobId, now: Now) {
        let (ticket, action, caller) = (task.ticket, task.action, task.caller);
        let op = match action {
            JobAction::Cancel => {
                let command = Command::Cancel { job, wait: task.wait };
                return self.feed(Event::Command { ticket, caller, command });
            }
            JobAction::Retry => Request::Retry(job),
            JobAction::Delete => Request::Delete(job),
        };
        self.batches.add(op, Purpose::ChangeJob { ticket, job, action }, true, false, now);
    }

    /// The store has retried or deleted a job, or not.
    pub(in crate::master) fn job_changed(&mut self, ticket: Ticket, job: JobId, action: JobAction, reply: &Reply) {
        let refused = match reply {
            Reply::Held { by } => Some(refusals::held(job, *by)),
            Reply::Changed { was, queue } => {
                let refused = refusals::refused(action, job, *was);
                if refused.is_none() && action == JobAction::Retry && *was != JobState::Ready {
                    self.feed(Event::News { queues: vec![queue.clone()] });
                }
                refused
            }
            _ => Some(refusals::missing(job)),
        };
        if refused.is_none() {
            self.job_may_have_ended(job);
        }
        if let Some(answer) = self.job_part(ticket, refused.as_ref()) {
            self.answer(ticket, Ok(answer));
        }
    }

    /// Takes one job of several off a request; the answer, if that was the last one.
    pub(super) fn job_part(&mut self, ticket: Ticket, refused_job: Option<&RefusedJob>) -> Option<Answer> {
        self.requests.table.part(ticket, |so_far| {
            if let Answer::Jobs { changed, refused } = so_far {
                match refused_job {
                    None => changed.count += 1,
                    Some(job) => control::add_refused(refused, job),
                }
            }
        })
    }

    /// Others want jobs cancelled that run here, and have ended some that are waited for here.
    pub(in crate::master) fn hear_news(&mut self, news: News) {
        for job in news.cancel {
            let (ticket, command) = (self.requests.table.unasked(), Command::Cancel { job, wait: false });
            self.feed(Event::Command { ticket, caller: None, command });
        }
        let awaited = if news.anything { self.requests.table.awaited_jobs() } else { BTreeSet::new() };
        for job in awaited.into_iter().chain(news.ended) {
            self.job_may_have_ended(job);
        }
    }

    /// Asks for dead jobs to be made ready, a step at a time.
    fn retry_dead(&mut self, ticket: Ticket, queue: Option<QueueName>, after: Option<DeadJob>) {
        let now = self.time.now();
        let op = Request::RetryDead { queue: queue.clone(), after, limit: RETRY_STEP };
        self.batches.add(op, Purpose::RetryDead { ticket, queue }, true, false, now);
    }

    pub(in crate::master) fn retried_dead(&mut self, ticket: Ticket, queue: Option<QueueName>, reply: &Reply) {
        let Reply::Retried { count, held, next } = *reply else { return };
        self.feed(Event::News { queues: queue.iter().cloned().collect() });
        if next.is_some() {
            self.requests.table.expect_another(ticket);
            self.retry_dead(ticket, queue, next);
        }
        let whole = self.requests.table.part(ticket, |so_far| {
            if let Answer::Jobs { changed, .. } = so_far {
                changed.count += count;
                changed.passed_over += held;
            }
        });
        if let Some(answer) = whole {
            self.answer(ticket, Ok(answer));
        }
    }
}
