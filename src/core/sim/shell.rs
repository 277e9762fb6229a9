//! The simulated shell: carries out what the core asks for, writes batches, tells the replies.

use std::time::Duration;

use super::world::{Happening, World};
use crate::core::{Action, Event, JobChange, Phase, Refusal, Tag};
use crate::model::change::{Op, Reply, Request};
use crate::model::{CancelReason, JobState, Now};

impl World {
    pub(super) fn hear(&mut self, event: Event) {
        if let Event::Exited { worker, .. } = &event
            && let Some(process) = self.processes.get_mut(worker)
        {
            process.reaped = true;
        }
        let (now, mut out): (Now, _) = (self.now(), Vec::new());
        self.core.handle(event, now, &mut out);
        self.carry_out(out);
    }

    pub(super) fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.tell(&action);
            match action {
                Action::Spawn { worker, .. } => self.start_process(worker),
                Action::Send { worker, request, job, .. } => {
                    assert_eq!(self.store.run_of(job.id), Some(job.run), "job {} is sent without a claim", job.id);
                    assert_eq!(self.live.get(&job.id), None, "job {} is sent while it still runs", job.id);
                    assert_eq!(self.core.phase(), Phase::Running, "job {} is sent by a master that stops", job.id);
                    self.write_job(worker, request, job);
                }
                Action::CancelRequest { worker, request, reason } => {
                    let waits = self.is_patient() && self.core.phase() == Phase::Running;
                    assert!(!waits || reason != CancelReason::Shutdown, "a job on worker {worker} is not waited for");
                    self.write_cancel(worker, request);
                }
                Action::Drain { worker, .. } => self.drain_calls(worker),
                Action::CloseStdin { worker } => self.close_stdin(worker),
                Action::Signal { worker, signal } => self.signal(worker, signal),
                Action::Measure { worker } => {
                    let memory = self.chance.range(10, 200);
                    self.later(1000, Happening::Deliver(Box::new(Event::Sampled { worker, memory, cpu: 0.0 })));
                }
                Action::Write(change, tag) => self.pending.push((change.into(), tag)),
                Action::Reply(ticket, reply) => {
                    let gives_up = matches!(reply, Err(Refusal::JobEnded(_, JobState::Running)));
                    assert!(!gives_up, "a running job is not cancelled");
                    assert!(self.open.remove(&ticket.0), "ticket {} is answered twice, or not asked", ticket.0);
                }
                Action::Waits(ticket, _) => assert!(self.open.contains(&ticket.0), "nobody waits for an answer"),
                Action::Tell(_) | Action::TellClient(..) | Action::TellFollowers(_) | Action::TellIdle(_) => {}
            }
        }
    }

    /// Hands what is pending to the writer, unless it is at work.
    pub(super) fn write_batch(&mut self) {
        if self.committing {
            return;
        }
        let mut out = Vec::new();
        self.core.claim(&mut out);
        self.carry_out(out);
        if self.pending.is_empty() {
            return;
        }
        self.batch = std::mem::take(&mut self.pending);
        self.committing = true;
        let wait = self.commit_time();
        self.later(wait, Happening::Commit);
    }

    fn commit_time(&mut self) -> u64 {
        if self.faults && self.chance.often(20) { self.chance.micros(1000, 5_000_000) } else { 200 }
    }

    pub(super) fn commit(&mut self) {
        if self.faults && self.chance.often(50) {
            let wait = self.commit_time();
            self.later(wait, Happening::Commit);
            return;
        }
        let wall = self.now().wall;
        let short = || self.faults && self.chance.often(50);
        (self.replies, self.settled) = self.store.apply(self.batch.iter().map(|(op, _)| op), wall, short);
        let wait = self.commit_time();
        self.later(wait, Happening::Replies);
    }

    pub(super) fn hear_replies(&mut self) {
        self.committing = false;
        let (changed, next_due) = (self.store.totals(), self.store.next_due());
        let freed = std::mem::take(&mut self.settled).freed;
        self.hear(Event::Committed { forgotten: Vec::new(), changed, freed, next_due, took: Duration::ZERO });
        let replies = std::mem::take(&mut self.replies);
        for ((op, tag), reply) in std::mem::take(&mut self.batch).into_iter().zip(replies) {
            if let Op::Request(Request::Push(jobs)) = &op {
                let queues = jobs.iter().map(|job| job.queue.clone()).collect();
                self.hear(Event::News { queues });
            }
            match (tag, reply) {
                (Tag::None | Tag::Died(_), _) => {}
                (Tag::Claim { pool, share, asked, news }, Reply::Claimed { jobs, more, held, .. }) => {
                    self.hear(Event::Claimed { pool, share, asked, news, jobs, more, held });
                }
                (Tag::Prune, Reply::Count(n)) => self.hear(Event::Pruned { found: n > 0 }),
                (Tag::RollUp, Reply::Done) => self.hear(Event::RolledUp),
                (Tag::Shift, Reply::Shifted { next }) => self.hear(Event::Shifted { next }),
                (Tag::Sort, Reply::Sorted { queues, more }) => self.hear(Event::Sorted { queues, more }),
                (Tag::FirstOther, Reply::FirstOther { queue, kind }) => self.hear(Event::FirstOther { queue, kind }),
                (Tag::Promote, Reply::Promoted { queues, .. }) => self.hear(Event::Promoted { queues }),
                (Tag::Cancel { job, only, ticket, .. }, Reply::Changed { was, .. }) => {
                    self.hear(Event::JobChanged { ticket, job, only, change: JobChange::Was(was) });
                }
                (Tag::Cancel { job, only, ticket, .. }, Reply::Missing) => {
                    self.hear(Event::JobChanged { ticket, job, only, change: JobChange::Missing });
                }
                (tag, reply) => panic!("{reply:?} is no answer to {tag:?}"),
            }
        }
    }
}
