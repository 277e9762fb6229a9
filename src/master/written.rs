//! Messages of the writer: changes that are committed, on the disk, failing or refused, and who is told.
//!
//! Invariant: nobody is told that something was done before it is committed, nor that it is durable before it is on the
//! disk; and nobody who pushes waits for a store that fails.

use super::Master;
use super::methods::unavailable;
use super::replies::Answered;
use crate::core::{Event, JobChange, Tag, Ticket};
use crate::model::JobState;
use crate::model::change::Reply;
use crate::store::StoreError;
use crate::store::writer::Written;
use crate::wire::rpc::{self, RpcError};

impl Master {
    pub(super) fn written(&mut self, written: Written) {
        match written {
            Written::Committed { batch, replies, forgotten, changed, next_due, durable, spent: _ } => {
                self.totals.update(&forgotten, changed);
                self.feed(Event::Due(next_due));
                for (answered, reply) in self.batches.committed(batch, replies) {
                    self.committed(batch, durable, answered, reply);
                }
                self.release_replies(batch);
                self.problem_over("store");
                if durable {
                    self.problem_over("sync");
                }
            }
            Written::Durable { batch } => {
                failpoint!("push.durable");
                self.on_the_disk(batch);
                self.problem_over("sync");
            }
            Written::Mended { batch, error } => {
                self.on_the_disk(batch);
                self.problem_over("store");
                self.problem("sync", format!("{error}; it was written anew, nothing is lost"));
            }
            Written::SyncFailed { batch, error } => {
                for (origin, _) in self.waits.synced(batch) {
                    self.answer(&origin, Err(unsynced(&error)));
                }
                self.open_synced(batch, Some(&unsynced(&error)));
                self.fails(error);
            }
            Written::Failing { batch: _, error } => self.fails(error.to_string()),
            Written::Withdrawn { batch, error, certain } => self.withdrawn(batch, &error, certain),
            Written::Lost(error) => self.lose(error),
            Written::Rejected { batch, error } => self.rejected(batch, error),
            Written::Changed { totals, next_due } => {
                self.totals = totals.into();
                self.feed(Event::Due(next_due));
                self.feed(Event::News { queues: Vec::new() });
            }
        }
    }

    /// Nothing can be written now: nobody is to wait for it.
    fn fails(&mut self, text: String) {
        let unsent = self.batches.withdraw_unsent(is_push);
        self.refuse_pushers(unsent, &text, true);
        self.answer_committed();
        self.problem("store", text);
        self.release_replies(u64::MAX);
    }

    /// A batch will never be written: its askers are told; without the store there is no going on.
    fn rejected(&mut self, batch: u64, error: StoreError) {
        let text = error.to_string();
        self.release_replies(batch);
        let pushers = self.batches.take(batch);
        self.refuse_pushers(pushers, &text, false);
        match error {
            error if error.is_loss() || matches!(error, StoreError::Superseded(_)) => self.lose(error),
            _ => self.problem("store", text),
        }
    }

    /// The store is not ours any more, or not where it was: nothing can be recorded, so nothing may run.
    fn lose(&mut self, error: StoreError) {
        if self.lost.is_none() {
            self.problem("store", error.to_string());
            self.lost = Some(error);
        }
    }

    /// Everything up to this batch is on the disk.
    fn on_the_disk(&mut self, batch: u64) {
        for (origin, answer) in self.waits.synced(batch) {
            self.answer(&origin, Ok(answer));
        }
        self.open_synced(batch, None);
    }

    /// Clients that pushed in a batch that fails are not kept waiting.
    fn withdrawn(&mut self, batch: u64, error: &str, certain: bool) {
        let waiting = self.batches.tags_of(batch).iter_mut();
        let pushers = waiting.filter(|tag| is_push(tag));
        let pushers: Vec<Answered> = pushers.map(|tag| std::mem::replace(tag, Answered::Nobody)).collect();
        self.refuse_pushers(pushers, error, certain);
    }

    fn refuse_pushers(&mut self, pushers: Vec<Answered>, error: &str, certain: bool) {
        for pusher in pushers {
            match pusher {
                Answered::Pushed { origin, .. } => self.answer(&origin, Err(unavailable(error, certain))),
                Answered::Bulk { origin, answer } => {
                    self.answer(&origin, Err(unavailable(error, certain)));
                    self.bulk_failed(answer, certain);
                }
                _ => {}
            }
        }
    }

    fn committed(&mut self, batch: u64, durable: bool, answered: Answered, reply: Reply) {
        match answered {
            Answered::Core(tag) => self.committed_for_core(tag, reply),
            Answered::Ended(job) => self.job_may_have_ended(job),
            Answered::Pushed { origin, how } => {
                failpoint!("push.committed");
                let answer = super::pushes::pushed(&reply, how);
                self.answer_when_safe(batch, durable, origin, answer);
            }
            Answered::Bulk { origin, answer } => self.bulk_stepped(batch, durable, &origin, answer, &reply),
            Answered::BulkOpened(bulk) => self.bulk_opened(bulk, reply),
            Answered::BulkDropped(bulk) => self.bulk_dropped(bulk, &reply),
            Answered::Paused { group } => {
                if let Some(group) = self.waits.part(group, |_| ()) {
                    self.paused(batch, durable, group);
                }
            }
            Answered::Changed { group, job, change } => self.job_changed(group, job, change, &reply),
            Answered::RetriedDead { group, queue } => self.retried_dead(group, queue, &reply),
            Answered::Nobody => {}
        }
    }

    fn committed_for_core(&mut self, tag: Tag, reply: Reply) {
        let event = match (tag, reply) {
            (Tag::Claim { pool, asked, news }, Reply::Claimed { jobs, expired, more }) => {
                failpoint!("claim.committed");
                self.expired(expired);
                Event::Claimed { pool, asked, news, jobs, more }
            }
            (Tag::Promote, Reply::Promoted { queues, expired, more }) => {
                self.expired(expired);
                Event::Promoted { queues, more }
            }
            (Tag::Shift, Reply::Shifted { next }) => Event::Shifted { next },
            (Tag::Prune, reply) => Event::Pruned { found: matches!(reply, Reply::Count(n) if n > 0) },
            (Tag::Cancel { job, ticket }, reply) => self.cancelled(ticket, job, &reply),
            (Tag::None, Reply::Stale) => {
                log::debug!("a change about a run that is over was ignored");
                return;
            }
            (Tag::None | Tag::Claim { .. } | Tag::Promote | Tag::Shift, _) => return,
        };
        self.feed(event);
    }

    /// Jobs were cancelled because they had not started in time.
    fn expired(&mut self, jobs: Vec<crate::model::JobId>) {
        self.summary.cancelled += jobs.len() as u64;
        for job in jobs {
            self.job_may_have_ended(job);
        }
    }

    fn cancelled(&mut self, ticket: Ticket, job: crate::model::JobId, reply: &Reply) -> Event {
        let change = match reply {
            Reply::Changed { was, .. } => {
                if matches!(was, JobState::Ready | JobState::Scheduled) {
                    self.summary.cancelled += 1;
                    self.job_may_have_ended(job);
                }
                JobChange::Was(*was)
            }
            _ => JobChange::Missing,
        };
        Event::JobChanged { ticket, job, change }
    }
}

/// Whether somebody who pushes waits for it.
const fn is_push(tag: &Answered) -> bool {
    matches!(tag, Answered::Pushed { .. } | Answered::Bulk { .. })
}

fn unsynced(error: &str) -> RpcError {
    let text = format!("the change was written, but it is unknown whether it would survive a power cut: {error}");
    RpcError { code: rpc::UNAVAILABLE, ..RpcError::failed(1, text) }
}
