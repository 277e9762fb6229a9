//! Answers to who asked, as the parts of them come in.

use super::Master;
use super::methods::busy;
use super::reader::{Found, Question};
use super::replies::{Answered, Asked, Gathered, Group, JobWaiter, Origin};
use crate::core::Event;
use crate::model::change::{DeadJob, Reply, Request};
use crate::model::{JobId, JobState, Now, QueueName};
use crate::report::refusals::{self, JobAction};
use crate::wire::control::{PausedQueue, PausedQueues, RefusedJob};
use crate::wire::rpc::{self, RpcError};

/// Dead jobs retried in one step.
const RETRY_STEP: u32 = 200;

impl Master {
    /// Answers with JSON text, or with an error.
    pub(super) fn answer(&mut self, origin: &Origin, result: Result<String, RpcError>) {
        let (Origin::Client(_, under) | Origin::Worker(_, under)) = origin;
        let line = match result {
            Ok(json) => rpc::answer_raw(under, &json),
            Err(error) => rpc::answer(under, &Err::<(), _>(error)).unwrap_or_default(),
        };
        match origin {
            Origin::Client(id, _) => self.clients.answer(*id, &line),
            Origin::Worker(id, _) => {
                if let Some(pipes) = self.workers.get_mut(id) {
                    pipes.answer(&line);
                    self.to_flush.insert(*id);
                }
            }
        }
    }

    /// The reader has found something.
    pub(super) fn found(&mut self, asked: Asked, found: Found) {
        match asked {
            Asked::Answer(origin) => self.answer(&origin, found.json),
            Asked::Wait(waiter, id) => self.found_awaited(waiter, id, found),
        }
    }

    /// The reader has found a job that somebody waits for.
    fn found_awaited(&mut self, waiter: JobWaiter, id: JobId, found: Found) {
        let wait = self.job_waiters.entry(id).or_default();
        wait.asking = wait.asking.saturating_sub(1);
        let outdated = waiter.heard != wait.ends;
        let running = found.job.as_ref().is_some_and(|job| !job.state.is_final());
        let over = waiter.until.is_some_and(|at| at <= self.clock.now().mono);
        if running && outdated {
            self.look_up(waiter, id);
        } else if running && !over {
            let vain = found.job.as_ref().map_or(Ok(()), |job| self.refuse_vain_wait(waiter.caller, job));
            match vain {
                Ok(()) => self.job_waiters.entry(id).or_default().waiters.push(waiter),
                Err(error) => self.answer(&waiter.origin, Err(error)),
            }
        } else {
            self.answer(&waiter.origin, found.json);
        }
        self.job_waiters.retain(|_, wait| wait.asking > 0 || !wait.waiters.is_empty());
    }

    /// A job may have ended: who waits for it asks the records again.
    pub(super) fn job_may_have_ended(&mut self, job: JobId) {
        self.core.forget_releases(job);
        let Some(wait) = self.job_waiters.get_mut(&job) else { return };
        wait.ends += 1;
        for waiter in std::mem::take(&mut wait.waiters) {
            self.look_up(waiter, job);
        }
    }

    /// Asks the reader for a job that somebody waits for.
    pub(super) fn look_up(&mut self, waiter: JobWaiter, job: JobId) {
        let wait = self.job_waiters.entry(job).or_default();
        let waiter = JobWaiter { heard: wait.ends, ..waiter };
        match self.reader.ask(Asked::Wait(waiter, job), Question::Job(job)) {
            Ok(()) => wait.asking += 1,
            Err(Asked::Wait(waiter, _)) => self.answer(&waiter.origin, Err(busy())),
            Err(Asked::Answer(_)) => {}
        }
    }

    /// Waits whose time is over get the job as it is.
    pub(super) fn expire_waiters(&mut self, now: Now) {
        if self.job_waiters.is_empty() {
            return;
        }
        let mut over = Vec::new();
        for (&job, wait) in &mut self.job_waiters {
            over.extend(wait.waiters.extract_if(.., |w| w.until.is_some_and(|at| at <= now.mono)).map(|w| (w, job)));
        }
        for (waiter, job) in over {
            self.look_up(waiter, job);
        }
    }

    /// Forgets the waits of clients that are gone.
    pub(super) fn forget_the_gone(&mut self) {
        if !self.clients.take_dropped() {
            return;
        }
        let clients = &self.clients;
        let listens = |origin: &Origin| !matches!(origin, Origin::Client(id, _) if !clients.has(*id));
        self.job_waiters.retain(|_, wait| {
            wait.waiters.retain(|waiter| listens(&waiter.origin));
            wait.asking > 0 || !wait.waiters.is_empty()
        });
        self.stop_waiters.retain(listens);
        self.drop_bulks_of_the_gone();
    }

    /// One job of several is done with.
    pub(super) fn job_part(&mut self, group: u64, refused: Option<RefusedJob>) {
        let whole = self.waits.part(group, |so_far| {
            if let Gathered::Jobs(jobs, all_refused) = so_far {
                match refused.map(|refused| serde_json::to_string(&refused).unwrap_or_default()) {
                    None => jobs.count += 1,
                    Some(refused) if all_refused.is_empty() => *all_refused = refused,
                    Some(refused) => all_refused.extend([",", &refused]),
                }
            }
        });
        self.answer_group(whole);
    }

    fn answer_group(&mut self, group: Option<Group>) {
        if let Some(Group { origin, so_far: Gathered::Jobs(jobs, refused), .. }) = group {
            let json = serde_json::to_string(&jobs).map_err(|e| RpcError::failed(1, e.to_string()));
            self.answer(
                &origin,
                json.map(|json| json.replacen("\"refused\":[]", &format!("\"refused\":[{refused}]"), 1)),
            );
        }
    }

    /// All queues of a request are paused or resumed.
    pub(super) fn paused(&mut self, batch: u64, durable: bool, group: Group) {
        let Gathered::Queues { names, paused } = group.so_far else { return };
        let queues = names.into_iter().map(|name| PausedQueue { name, paused }).collect();
        let json = serde_json::to_string(&PausedQueues { queues }).unwrap_or_default();
        self.answer_when_safe(batch, durable, group.origin, json);
    }

    pub(super) fn job_changed(&mut self, group: u64, job: JobId, change: JobAction, reply: &Reply) {
        let refused = match reply {
            Reply::Held { by } => Some(refusals::held(job, *by)),
            Reply::Changed { was, queue } => {
                let refused = refusals::refused(change, job, *was);
                if refused.is_none() && change == JobAction::Retry && *was != JobState::Ready {
                    self.feed(Event::News { queues: vec![queue.clone()] });
                }
                refused
            }
            _ => Some(refusals::missing(job)),
        };
        if refused.is_none() {
            self.job_may_have_ended(job);
        }
        self.job_part(group, refused);
    }

    /// Asks for dead jobs to be made ready, a step at a time.
    pub(super) fn retry_dead(&mut self, group: u64, queue: Option<QueueName>, after: Option<DeadJob>) {
        let now = self.clock.now();
        let op = Request::RetryDead { queue: queue.clone(), after, limit: RETRY_STEP };
        self.batches.add(op, Answered::RetriedDead { group, queue }, true, false, now);
    }

    pub(super) fn retried_dead(&mut self, group: u64, queue: Option<QueueName>, reply: &Reply) {
        let Reply::Retried { count, held, next } = *reply else { return };
        self.feed(Event::News { queues: queue.iter().cloned().collect() });
        if next.is_some() {
            self.waits.expect_another(group);
            self.retry_dead(group, queue, next);
        }
        let whole = self.waits.part(group, |so_far| {
            if let Gathered::Jobs(jobs, _) = so_far {
                jobs.count += count;
                jobs.passed_over += held;
            }
        });
        self.answer_group(whole);
    }
}
