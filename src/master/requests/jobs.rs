//! Cancelling, retrying and deleting jobs, many in one request: a step at a time, in turns with everything else.
//!
//! Invariants: a turn spends [`LONGEST`] on them at most, and one slice more; they add to the next batch only while that
//! is small, and little while jobs run, so that no commit is long because of them; what was begun is done to its end, whether its asker listens or
//! not, as long as the store can be written.

use std::time::Duration;
use std::vec;

use super::Answer;
use super::begin::{Begun, busy};
use crate::core::{Command, Event, Ticket};
use crate::master::Master;
use crate::master::codec::control;
use crate::master::reader;
use crate::master::store_events::Purpose;
use crate::model::change::{Reply, Request};
use crate::model::{JobAction, JobId, JobState, Now, States, UnixMicros, WorkerId};
use crate::report::refusals::Became;
use crate::store::News;
use crate::wire::control::{ChangedJobs, Jobs};

/// Changes in the next batch from which on no task adds to it.
const ENOUGH: usize = 128;
/// The most that tasks add to one batch while jobs are at workers, which come first.
const ENOUGH_BESIDE: usize = 12;
/// Jobs of one task before the next has its turn.
const SLICE: usize = 32;
/// How long a turn works on tasks.
const LONGEST: Duration = Duration::from_millis(2);

/// Work of a request that is left.
#[derive(Debug)]
pub(super) struct Task {
    /// The request in which its answer is gathered.
    pub(super) ticket: Ticket,
    pub(super) action: JobAction,
    /// Jobs in other states are left as they are.
    pub(super) only: States,
    /// See [`Answer::Jobs`].
    pub(super) passes_over: bool,
    /// A job that runs is waited for when it is cancelled.
    pub(super) wait: bool,
    /// The worker that it was called from, which is not kept waiting for itself.
    pub(super) caller: Option<WorkerId>,
    pub(super) spread: Option<Spread>,
    pub(super) jobs: vec::IntoIter<JobId>,
}

/// Jobs that are retried one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) from: UnixMicros,
    pub(super) until: UnixMicros,
    /// How many there are, known when they are found.
    pub(super) jobs: usize,
}

impl Spread {
    /// When a job is due behind which there are so many.
    fn due_at(self, left: usize) -> UnixMicros {
        let length = self.until.0.saturating_sub(self.from.0).max(0);
        let before = self.jobs.saturating_sub(left + 1) as f64 / self.jobs.max(1) as f64;
        UnixMicros(self.from.0 + (length as f64 * before) as i64)
    }
}

impl Master {
    pub(super) fn change_jobs(&mut self, ticket: Ticket, action: JobAction, params: Jobs) -> Begun {
        if params.background {
            return self.begin_operation(ticket, action, params);
        }
        self.writable()?;
        let (caller, wait, jobs) = (self.caller(ticket), !params.no_wait, params.ids.into_iter());
        let passes_over = params.filter.is_some() || params.only != States::ALL;
        let mut task = Task { ticket, action, only: params.only, passes_over, wait, caller, spread: None, jobs };
        let Some(filter) = params.filter else {
            self.begin_task(task);
            return Ok(None);
        };
        // A job in another state by the time that its turn comes is not meant any more.
        task.only = task.only.and(filter.states);
        if !self.requests.reader.ask(reader::Origin::Request(ticket), reader::Question::Ids(filter)) {
            return Err(busy());
        }
        self.requests.selecting.insert(ticket, task);
        Ok(None)
    }

    /// The reader has found the jobs that a filter means, or not; true if they were asked for.
    pub(super) fn selected(&mut self, ticket: Ticket, found: &mut reader::Found) -> bool {
        let Some(mut task) = self.requests.selecting.remove(&ticket) else { return false };
        let ids = found.ids.take();
        let count = ids.as_ref().map_or_else(|| found.text.as_ref().map(|_| 0), |ids| Ok(ids.len() as u64));
        let is_operation = self.operation_found(ticket, count);
        let Some(ids) = ids else { return is_operation };
        if let Some(spread) = &mut task.spread {
            spread.jobs = ids.len();
        }
        task.jobs = ids.into_iter();
        match task.jobs.len() {
            0 if is_operation => {}
            0 => self.answer(ticket, Ok(nothing_yet(true))),
            _ => self.begin_task(task),
        }
        true
    }

    fn begin_task(&mut self, task: Task) {
        self.requests.table.gather(task.ticket, task.jobs.len(), nothing_yet(task.passes_over));
        self.requests.tasks.push_back(task);
    }

    /// Whether a task can go on now.
    pub(in crate::master) fn has_task(&self) -> bool {
        !self.requests.tasks.is_empty() && self.room_for_tasks() > 0
    }

    /// How many jobs tasks may change in the next batch yet.
    fn room_for_tasks(&self) -> usize {
        let waiting = self.batches.waiting();
        let (batch, changed) = self.requests.changed_in;
        // Where nothing waits, what was changed has gone, or was none of the store's.
        let changed = if waiting > 0 && batch == self.batches.next_number() { changed } else { 0 };
        let most = if self.core.is_quiet() { ENOUGH } else { ENOUGH_BESIDE };
        ENOUGH.saturating_sub(waiting).min(most.saturating_sub(changed))
    }

    fn count_changed(&mut self, jobs: usize) {
        let batch = self.batches.next_number();
        let (last, changed) = &mut self.requests.changed_in;
        *changed = if *last == batch { *changed + jobs } else { jobs };
        *last = batch;
    }

    /// Goes on with what is left, for a while.
    pub(in crate::master) fn go_on_with_tasks(&mut self, now: Now) {
        if self.is_stopping() {
            self.lay_down_operations();
        }
        while self.has_task()
            && let Some(mut task) = self.requests.tasks.pop_front()
        {
            let slice = SLICE.min(self.room_for_tasks()).min(task.jobs.len());
            for _ in 0..slice {
                let Some(job) = task.jobs.next() else { break };
                self.change_one(&task, job, now);
            }
            self.count_changed(slice);
            self.carry_out();
            if task.jobs.len() > 0 {
                self.requests.tasks.push_back(task);
            }
            if self.time.mono().since(now.mono) > LONGEST {
                return;
            }
        }
    }

    fn change_one(&mut self, task: &Task, job: JobId, now: Now) {
        let Task { ticket, only, caller, .. } = *task;
        if task.action == JobAction::Cancel && only.has(JobState::Running) {
            let command = Command::Cancel { job, only, wait: task.wait };
            return self.feed(Event::Command { ticket, caller, command });
        }
        let due_at = task.spread.map(|spread| spread.due_at(task.jobs.len()));
        let action = due_at.map_or_else(|| task.action.clone(), JobAction::RetryAt);
        let op = Request::Act { job, only, action: action.clone() };
        self.batches.add(op, Purpose::ChangeJob { ticket, job, only, action }, true, false, now);
    }

    /// The store has done something with a job, or not.
    pub(in crate::master) fn job_changed(
        &mut self,
        ticket: Ticket,
        (job, only, action): (JobId, States, JobAction),
        reply: &Reply,
    ) {
        let became = Became::of(&action, job, only, reply);
        if matches!(became, Became::Changed) {
            if let (JobAction::Retry | JobAction::RetryAt(_) | JobAction::Set(_), Reply::Changed { queue, .. }) =
                (&action, reply)
            {
                self.feed(Event::News { queues: vec![queue.clone()] });
            }
            self.job_may_have_ended(job);
        }
        if let Some(answer) = self.job_part(ticket, &became) {
            self.answer(ticket, Ok(answer));
        }
    }

    /// Takes one job of several off a request; the answer, if that was the last one.
    pub(super) fn job_part(&mut self, ticket: Ticket, became: &Became) -> Option<Answer> {
        if self.operation_part(ticket, became) {
            return None;
        }
        self.requests.table.part(ticket, |so_far| {
            if let Answer::Jobs { changed, refused, passes_over } = so_far {
                match became {
                    Became::Changed => changed.count += 1,
                    Became::Left(_) if *passes_over => changed.passed_over += 1,
                    Became::Left(job) | Became::Refused(job) => control::add_refused(refused, job),
                }
            }
        })
    }

    /// Others have ended jobs that are waited for here.
    pub(in crate::master) fn hear_news(&mut self, news: News) {
        if let Some(serves) = news.serves {
            self.checks.elsewhere = serves.clone();
            self.feed(Event::ServedElsewhere(serves));
        }
        if news.anything {
            self.any_job_may_have_ended();
        }
        for job in news.ended {
            self.job_may_have_ended(job);
        }
    }

    /// Looks at all jobs that are waited for, as others may have ended any of them.
    pub(in crate::master) fn any_job_may_have_ended(&mut self) {
        for job in self.requests.table.awaited_jobs() {
            self.job_may_have_ended(job);
        }
    }
}

/// The answer, before anything is done.
fn nothing_yet(passes_over: bool) -> Answer {
    Answer::Jobs { changed: ChangedJobs::default(), refused: String::new(), passes_over }
}
