//! Carrying out what the core decided.

use super::replies::{Answered, Origin, Shape};
use super::{Master, sampler};
use crate::core::{Action, Done, Note, Refusal, Signal, Tag, Ticket};
use crate::model::change::{Change, Next};
use crate::model::{JobState, Now, WorkerId};
use crate::report::refusals;
use crate::wire::rpc::{self, RpcError};
use crate::wire::worker::{JobTerms, write_cancel};

/// So many changes in the next batch mean that the store is slow or fails.
const MANY_WAITING: usize = 4096;

impl Master {
    /// Carries out actions until there are none: some have events of their own (a spawn), which lead to more.
    pub(super) fn carry_out(&mut self) {
        let mut actions = Vec::new();
        while !self.actions.is_empty() {
            std::mem::swap(&mut self.actions, &mut actions);
            let now = self.clock.now();
            // Notes wake the thread that prints them, and can wait; a process may be waited for.
            let mut notes = Vec::new();
            for action in actions.drain(..) {
                self.carry_out_one(action, now, &mut notes);
            }
            for note in notes {
                self.tell(note);
            }
        }
        // The room is kept for the next time.
        self.actions = actions;
    }

    fn carry_out_one(&mut self, action: Action, now: Now, notes: &mut Vec<Note>) {
        match action {
            Action::Spawn { worker, pool, slot } => self.start_worker(worker, pool, slot),
            Action::Send { worker, request, job, max_attempts, timeout } => {
                let deadline = now.wall.plus(timeout);
                if let Some(pipes) = self.workers.get_mut(&worker) {
                    let terms = JobTerms { request, max_attempts, timeout, deadline };
                    self.job_lines.write(pipes.begin_request(request), &job, &terms);
                    self.to_flush.insert(worker);
                }
            }
            Action::CancelRequest { worker, request, reason } => {
                if let Some(pipes) = self.workers.get_mut(&worker) {
                    write_cancel(pipes.outgoing(), request, reason);
                    self.to_flush.insert(worker);
                }
            }
            Action::CloseStdin { worker } => {
                if let Some(pipes) = self.workers.get_mut(&worker) {
                    pipes.close_stdin();
                    self.to_flush.insert(worker);
                }
            }
            Action::Signal { worker, signal } => self.signal_worker(worker, signal),
            Action::Measure { worker } => self.tell_sampler(sampler::Command::Now(worker)),
            Action::Write(op, tag) => self.write_for_core(op, tag, now),
            Action::Reply(ticket, reply) => self.waits.replies.push((ticket, reply)),
            Action::Note(note) => notes.push(note),
        }
    }

    fn signal_worker(&mut self, worker: WorkerId, signal: Signal) {
        let Some(pipes) = self.workers.get(&worker) else { return };
        failpoint!("signal.before");
        let result = match signal {
            Signal::Term => pipes.child.terminate(),
            Signal::Kill => pipes.child.kill(),
        };
        if let Err(error) = result {
            let name = pipes.name.clone();
            self.say(crate::report::Event::Problem { text: format!("cannot signal worker `{name}`: {error}") });
        }
    }

    fn write_for_core(&mut self, change: Change, tag: Tag, now: Now) {
        let urgent = match &change {
            // An idle worker, or a client, waits for it.
            Change::Claim(claim) => !claim.workers.is_empty(),
            Change::Cancel(_) | Change::Promote { .. } => true,
            Change::Shift(shift) => shift.by != 0,
            _ => false,
        };
        let mut answered = Answered::Core(tag);
        if let Change::Finish(finish) = &change {
            self.count_run(finish.outcome, finish.next);
            if !matches!(finish.next, Next::Ready | Next::Behind | Next::RetryAt(_)) {
                answered = Answered::Ended(finish.job.id);
            }
        }
        if matches!(change, Change::Progress { .. }) && self.batches.waiting() > MANY_WAITING {
            // The store is behind: `status` has it from memory, and the last word counts.
            return;
        }
        self.batches.add(change, answered, urgent, false, now);
    }

    /// Replies to who asked, once what was done for it is committed: the next thing they do may be to look it up.
    /// A refusal has nothing to wait for, and a store that fails keeps nobody.
    pub(super) fn send_replies(&mut self) {
        for (ticket, reply) in std::mem::take(&mut self.waits.replies) {
            let waits = reply.is_ok() && !self.problems.contains_key("store");
            match self.batches.horizon().filter(|_| waits) {
                Some(batch) => self.waits.hold(batch, ticket, reply),
                None => self.reply(ticket, reply),
            }
        }
    }

    /// Replies that waited for this batch, or for one before it.
    pub(super) fn release_replies(&mut self, batch: u64) {
        for (ticket, reply) in self.waits.released(batch) {
            self.reply(ticket, reply);
        }
    }

    fn reply(&mut self, ticket: Ticket, reply: Result<Done, Refusal>) {
        let Some(shape) = self.waits.close(ticket) else { return };
        match shape {
            Shape::Plain(origin) => {
                self.note_if_early(&origin, &reply);
                let result = reply.map(result_of).map_err(|refusal| rpc_error(&refusal));
                self.answer(&origin, result);
            }
            Shape::Part { group, job } => {
                if let Some(origin) = self.waits.origin_of(group) {
                    self.note_if_early(&origin, &reply);
                }
                let refused = match &reply {
                    Ok(_) => None,
                    Err(Refusal::NoSuchJob(_)) => Some(refusals::missing(job)),
                    Err(refusal) => {
                        let error = rpc_error(refusal);
                        let exit_code = error.exit_code();
                        Some(crate::wire::control::RefusedJob { id: job, reason: error.message, exit_code })
                    }
                };
                self.job_part(group, refused);
            }
        }
    }
}

impl Master {
    fn note_if_early(&mut self, origin: &Origin, reply: &Result<Done, Refusal>) {
        if matches!(reply, Ok(Done::AtOnce(_))) {
            let caller = self.caller(origin);
            self.note_at_once(origin, caller);
        }
    }
}

/// The JSON result of what was done.
pub(super) fn result_of(done: Done) -> String {
    use crate::wire::control::{Restarted, Scaled, ScaledPool, Stopped};
    let json = match done {
        Done::Scaled(pools) => {
            let pools = pools.into_iter().map(|p| ScaledPool {
                pool: p.pool.to_string(),
                was: p.was,
                wanted: p.wanted,
                ready: p.ready,
            });
            serde_json::to_string(&Scaled { pools: pools.collect() })
        }
        Done::Restarted { workers, released } => serde_json::to_string(&Restarted { workers, released }),
        Done::Stopped { workers, released } => serde_json::to_string(&Stopped { workers, released }),
        Done::Cancelled => Ok(String::from("true")),
        Done::AtOnce(done) => return result_of(*done),
    };
    json.unwrap_or_else(|_| String::from("null"))
}

/// A refusal, worded, with the exit code of the command line.
pub(super) fn rpc_error(refusal: &Refusal) -> RpcError {
    let (exit_code, message) = match refusal {
        Refusal::NoSuchPool(name) => (4, format!("there is no pool `{name}`; see `queue-work status`")),
        Refusal::NoSuchQueue(name) => (4, format!("no pool serves the queue `{name}`; see `queue-work status`")),
        Refusal::NoSuchWorker(name) => (4, format!("there is no worker `{name}`; see `queue-work status`")),
        Refusal::NoSuchJob(id) => (4, format!("there is no job {id}")),
        Refusal::WhichPool(names) => {
            let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
            (2, format!("there are several pools: {}; say which with --pool or --queue", names.join(", ")))
        }
        Refusal::PoolExists(name) => (5, format!("there is a pool `{name}` already; scale it, or choose another name")),
        Refusal::Stopping => (5, String::from("the master is stopping")),
        Refusal::JobEnded(id, JobState::Succeeded) => (5, format!("job {id} has succeeded")),
        Refusal::JobEnded(id, JobState::Running) => (5, format!("job {id} is running and could not be ended")),
        Refusal::JobEnded(id, state) => (5, format!("job {id} is {} already", state.as_str())),
        Refusal::ReplacementFailed { worker, why } => {
            let why = why.as_ref().map_or_else(|| String::from("it ends before it is ready"), ToString::to_string);
            (1, format!("worker `{worker}` does not come up: {why}; it is tried again; see `queue-work logs {worker}`"))
        }
    };
    RpcError { code: rpc::FAILED, message, data: Some(rpc::ErrorData { exit_code }) }
}
