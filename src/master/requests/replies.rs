//! When answers go whose deeds are to be committed first, or on the disk; the words of the core's refusals.

use super::{Answer, Refused};
use crate::core::{Done, Refusal, Ticket};
use crate::master::Master;
use crate::model::change::Reply;
use crate::model::death::SlotProblem;
use crate::model::problem::Topic;
use crate::model::{Fingerprint, JobAction, MOST_WORKERS, PoolName, QueueName, States};
use crate::report::refusals::{self, Became};
use crate::report::words;
use crate::wire::control::{ChangedJobs, RefusedJob};

impl Master {
    /// Replies to who asked, once what was done for it is committed: the next thing they do may be to look it up.
    /// A refusal has nothing to wait for, and a store that fails keeps nobody.
    pub(in crate::master) fn send_replies(&mut self) {
        for (ticket, reply) in std::mem::take(&mut self.requests.replies) {
            let reply = reply.map(|done| match done {
                Done::AtOnce(done) => {
                    self.note_at_once(ticket);
                    *done
                }
                done => done,
            });
            match reply.map_err(worded) {
                Ok(Done::Worked(worked)) => self.answer_worked(ticket, *worked),
                Ok(Done::Cancelled) => self.cancelled_one(ticket, &Became::Changed),
                Err(Worded::Job(became)) => self.cancelled_one(ticket, &became),
                Ok(done) => self.answer_when_committed(ticket, Answer::Done(done)),
                Err(Worded::All(refused)) => self.answer(ticket, Err(refused)),
            }
        }
    }

    /// Replies for one job of several that was cancelled, or not.
    fn cancelled_one(&mut self, ticket: Ticket, became: &Became) {
        match self.job_part(ticket, became) {
            Some(answer @ Answer::Jobs { changed: ChangedJobs { count: 0, .. }, .. }) => {
                self.answer(ticket, Ok(answer));
            }
            Some(answer) => self.answer_when_committed(ticket, answer),
            None => {}
        }
    }

    pub(super) fn answer_when_committed(&mut self, ticket: Ticket, answer: Answer) {
        self.conclude(ticket, Ok(&answer));
        let fails = self.core.problem_of(Topic::Store).is_some();
        match self.batches.horizon().filter(|_| !fails) {
            Some(batch) => self.requests.table.wait_for_commit(ticket, batch, answer),
            None => self.answer(ticket, Ok(answer)),
        }
    }

    /// Everything up to this batch is committed, or nobody waits for it any more.
    pub(in crate::master) fn release_replies(&mut self, batch: u64) {
        while let Some((ticket, answer)) = self.requests.table.next_committed(batch) {
            self.answer(ticket, Ok(answer));
        }
    }

    /// Answers now, or when the batch is on the disk.
    pub(in crate::master) fn answer_when_safe(&mut self, batch: u64, durable: bool, ticket: Ticket, answer: Answer) {
        if durable {
            self.answer(ticket, Ok(answer));
        } else {
            self.requests.table.wait_for_sync(ticket, batch, answer);
        }
    }

    /// Everything up to this batch is on the disk, or will not be, as far as is known.
    pub(in crate::master) fn synced(&mut self, batch: u64, error: Option<&Refused>) {
        while let Some((ticket, answer)) = self.requests.table.next_synced(batch) {
            self.answer(ticket, error.map_or(Ok(answer), |error| Err(error.clone())));
        }
        self.open_synced(batch, error);
    }

    /// Replies for one queue of several that was paused or resumed.
    pub(in crate::master) fn paused_one(&mut self, batch: u64, durable: bool, ticket: Ticket) {
        if let Some(answer) = self.requests.table.part(ticket, |_| ()) {
            self.answer_when_safe(batch, durable, ticket, answer);
        }
    }

    pub(in crate::master) fn failure_noted(
        &mut self,
        batch: u64,
        durable: bool,
        ticket: Ticket,
        error: Fingerprint,
        reply: &Reply,
    ) {
        match reply {
            Reply::Missing => self.answer(ticket, Err(Refused::Failed(4, refusals::no_error(error)))),
            _ => self.answer_when_safe(batch, durable, ticket, Answer::Yes),
        }
    }

    /// The master has ended its work.
    pub(in crate::master) fn answer_last(&mut self, stopped: &Done) {
        for ticket in self.requests.table.waiting_for_end() {
            self.answer(ticket, Ok(Answer::Done(stopped.clone())));
        }
        let unknown = String::from("the master ended before the change was known to be on the disk");
        while let Some((ticket, _)) = self.requests.table.next_synced(u64::MAX) {
            self.answer(ticket, Err(Refused::Failed(1, unknown.clone())));
        }
    }
}

/// A refusal in words: of one job of several, or of the request.
enum Worded {
    Job(Became),
    All(Refused),
}

/// A refusal, worded, with the exit code of the command line.
fn worded(refusal: Refusal) -> Worded {
    let (exit_code, text) = match refusal {
        Refusal::NoSuchJob(id) => return Worded::Job(Became::Left(refusals::missing(id))),
        Refusal::Elsewhere(id, reason, exit_code) => {
            return Worded::Job(Became::Refused(RefusedJob { id, reason, exit_code }));
        }
        Refusal::JobLeft(id, state) => return Worded::Job(Became::Left(refusals::left(id, state))),
        Refusal::JobEnded(id, was) => {
            let reply = Reply::Changed { was, queue: QueueName::default() };
            return Worded::Job(Became::of(&JobAction::Cancel, id, States::ALL, &reply));
        }
        Refusal::NoSuchPool(name) => (4, format!("there is no pool `{name}`; see `queue-work status`")),
        Refusal::NoSuchQueue(name) => (4, format!("no pool serves the queue `{name}`; see `queue-work status`")),
        Refusal::NoSuchWorker(name) => (4, format!("there is no worker `{name}`; see `queue-work status`")),
        Refusal::WhichPool(names) => {
            let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
            (2, format!("there are several pools: {}; say which with --pool or --queue", names.join(", ")))
        }
        Refusal::PoolExists(name) => (5, format!("there is a pool `{name}` already; scale it, or choose another name")),
        Refusal::NoSuchProcessor(name) => (
            4,
            format!(
                "there is no processor `{name}`; see `queue-work processors`, or add `[processors.{name}]` to the file"
            ),
        ),
        Refusal::ProcessorGone => {
            (4, String::from("a reload has just taken the processor away; see `queue-work processors`"))
        }
        Refusal::NothingToRun(name) => (
            5,
            format!(
                "the processor `{name}` has no `command` and no `queue` in the file: it is run with `queue-work processors wrap {name} -- CMD`"
            ),
        ),
        Refusal::Disabled(name) => (
            5,
            format!(
                "the processor `{name}` is disabled; `queue-work processors enable {name}`, or run it with --force"
            ),
        ),
        Refusal::RunOpen(name) => (
            5,
            format!(
                "a run of `{name}` is not over, and `overlap` does not allow another; see `queue-work processors runs {name}`"
            ),
        ),
        Refusal::ScalesItself { pool, min, max } => (5, refusals::scales_itself(&pool, min, max)),
        Refusal::ScaledByHand(pool) => (5, refusals::scaled_by_hand(&pool)),
        Refusal::SingleWorker(name) => {
            let text = format!("pool `{name}` is lent to a `queue-work work`, which has a single worker");
            (5, text + "; scale another pool, or add one with `queue-work spawn`")
        }
        Refusal::Stopping => (5, String::from("the master is stopping")),
        Refusal::BeyondCap { cap, after } => {
            let text = format!("there would be {after} workers in all pools, and `max_processes` is {cap}");
            (5, text + "; raise it in the configuration and `queue-work reload`, or scale another pool down first")
        }
        Refusal::BeyondMost { pool, most, wanted } => {
            let text = format!("pool `{pool}` would have {wanted} workers, and its `max_workers` is {most}");
            (5, text + "; raise it in the configuration and `queue-work reload`")
        }
        Refusal::OutOfRange { pool, was, asked } => {
            let workers = words::count(u64::from(was), "worker");
            let text = format!("pool `{pool}` has {workers}, so `{asked}` is not possible");
            (5, format!("{text}; the least is 0, the most {MOST_WORKERS}"))
        }
        Refusal::ReplacementFailed { worker, why, tried, spawned } => {
            (1, not_up(&worker, why.as_ref(), tried, spawned.as_ref()))
        }
    };
    Worded::All(Refused::Failed(exit_code, text))
}

/// New workers of a slot do not come up.
fn not_up(worker: &str, why: Option<&SlotProblem>, tried: u64, spawned: Option<&PoolName>) -> String {
    let before = if tried == 0 { String::new() } else { format!("{} tried again: ", words::count(tried, "worker")) };
    let next = match why {
        // A worker that was never started has printed nothing.
        Some(SlotProblem::NotStarted(_) | SlotProblem::Refused(_)) => String::from("queue-work status"),
        Some(SlotProblem::Ended { .. } | SlotProblem::TooOften(..) | SlotProblem::Over(..)) | None => {
            format!("queue-work logs {worker}")
        }
    };
    let again = if matches!(why, Some(SlotProblem::Over(..))) { "" } else { "it is tried again; " };
    let end = spawned.map(|pool| format!(", or end it with `queue-work stop --pool {pool}`")).unwrap_or_default();
    let came_up = matches!(why, Some(SlotProblem::Ended { at_once: false, .. }));
    let does = if came_up { "comes up, then" } else { "does not come up:" };
    let why = why.map_or_else(|| String::from("it ends before it is ready"), ToString::to_string);
    format!("{before}worker `{worker}` {does} {why}; {again}see `{next}`{end}")
}
