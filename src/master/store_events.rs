//! Messages of the writer: changes that are committed, on the disk, failing or refused, and who is told.
//!
//! Invariant: nobody is told that something was done before it is committed, nor that it is durable before it is on the
//! disk; and nobody who pushes waits for a store that fails.

use super::requests::{Answer, BulkAnswer, PushForm, Refused, pushed, unavailable};
use super::{Master, wall};
use crate::core::{Event, JobChange, PoolId, Tag, Ticket};
use crate::model::change::Reply;
use crate::model::problem::Topic;
use crate::model::processor::BeginRun;
use crate::model::{BulkId, Fingerprint, JobAction, JobId, Occasion, ProcessorRunId, States, WAITING};
use crate::store::StoreError;
use crate::store::writer::Written;
use crate::wire::processors::SwitchedProcessor;

/// The purpose of a change: decides what is done with the reply to it.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Core(Tag),
    /// A run has ended, and its job with it, or until its next attempt.
    EndRun(JobId),
    /// The same, and the hook of this pool is told that the job is dead.
    Died(JobId, PoolId),
    /// Others tell of the jobs that they end from now on, or no more.
    HearEnds,
    /// A client or a job pushes.
    Push {
        ticket: Ticket,
        form: PushForm,
    },
    /// A step of a bulk push that a client waits for.
    Bulk {
        ticket: Ticket,
        answer: BulkAnswer,
    },
    OpenBulk(BulkId),
    DropBulk(BulkId),
    /// Pause or resume of one queue of several.
    Pause(Ticket),
    PauseKey(Ticket),
    SetQueue(Ticket),
    NoteFailure(Ticket, Fingerprint),
    SwitchProcessors {
        ticket: Ticket,
        answer: Vec<SwitchedProcessor>,
    },
    BeginRun {
        ticket: Ticket,
        begin: Box<BeginRun>,
    },
    /// A client ends a run outside.
    EndForeign {
        ticket: Ticket,
        run: ProcessorRunId,
    },
    /// Something is done with one job of several.
    ChangeJob {
        ticket: Ticket,
        job: JobId,
        only: States,
        action: JobAction,
    },
    /// The client that pushed has been told that it failed.
    Void,
}

impl Master {
    pub(super) fn on_store_event(&mut self, written: Written) {
        match written {
            Written::Committed {
                batch,
                replies,
                forgotten,
                changed,
                ended_runs,
                settled,
                next_due,
                durable,
                took,
                spent: _,
            } => {
                self.meters.times.commit.add(took);
                self.feed(Event::Committed { forgotten, changed, freed: settled.freed, next_due, took });
                for (purpose, reply) in self.batches.committed(batch, replies) {
                    self.committed(batch, durable, purpose, reply);
                }
                self.cancelled_by_store(settled.ended);
                if !ended_runs.is_empty() {
                    self.feed(Event::RunsEnded(ended_runs));
                }
                self.release_replies(batch);
                self.problem_over(Topic::Store);
                if durable {
                    self.problem_over(Topic::Sync);
                }
            }
            Written::Durable { batch, took } => {
                failpoint!("push.durable");
                self.meters.times.sync.add(took);
                self.synced(batch, None);
                self.problem_over(Topic::Sync);
            }
            Written::Mended { batch, error } => {
                self.synced(batch, None);
                self.problem_over(Topic::Store);
                self.problem(Topic::Sync, format!("{error}; it was written anew, nothing is lost"));
            }
            Written::SyncFailed { batch, error } => {
                self.synced(batch, Some(&unsynced(&error)));
                self.fails(error);
            }
            Written::Failing { batch: _, error } => self.fails(error.to_string()),
            Written::Withdrawn { batch, error, certain } => self.withdrawn(batch, &error, certain),
            Written::Lost(error) => self.lose(error),
            Written::Rejected { batch, error } => self.rejected(batch, error),
            Written::Ordered(orders) => self.hear_orders(orders),
            Written::Changed { news, totals, next_due } => {
                let may_run = news.anything || !news.queues.is_empty();
                self.feed(Event::Reread { totals, next_due, may_run });
                self.hear_news(news);
            }
        }
    }

    /// Nothing can be written now: nobody is to wait for it.
    fn fails(&mut self, text: String) {
        let unsent = self.batches.withdraw_unsent(is_push);
        self.refuse_pushers(unsent, &text, true);
        self.answer_committed();
        self.problem(Topic::Store, text);
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
            _ => self.problem(Topic::Store, text),
        }
    }

    /// The store is not ours any more, or not where it was: nothing can be recorded, so nothing may run.
    fn lose(&mut self, error: StoreError) {
        if !self.hold.is_lost() {
            self.problem(Topic::Store, error.to_string());
            self.hold.lose(error);
        }
    }

    /// Clients that pushed in a batch that fails are not kept waiting.
    fn withdrawn(&mut self, batch: u64, error: &str, certain: bool) {
        let waiting = self.batches.tags_of(batch).iter_mut();
        let pushers = waiting.filter(|tag| is_push(tag));
        let pushers: Vec<Purpose> = pushers.map(|tag| std::mem::replace(tag, Purpose::Void)).collect();
        self.refuse_pushers(pushers, error, certain);
    }

    fn refuse_pushers(&mut self, pushers: Vec<Purpose>, error: &str, certain: bool) {
        for pusher in pushers {
            match pusher {
                Purpose::Push { ticket, .. } => self.answer(ticket, Err(unavailable(error, certain))),
                Purpose::Bulk { ticket, answer } => {
                    self.answer(ticket, Err(unavailable(error, certain)));
                    self.bulk_failed(answer, certain);
                }
                _ => {}
            }
        }
    }

    fn committed(&mut self, batch: u64, durable: bool, purpose: Purpose, reply: Reply) {
        if let Reply::Full(full) = &reply {
            self.meters.note_refused(full);
        }
        match purpose {
            Purpose::Core(tag) => self.committed_for_core(tag, reply),
            Purpose::EndRun(job) => self.job_may_have_ended(job),
            Purpose::HearEnds => self.any_job_may_have_ended(),
            Purpose::Died(job, pool) => {
                self.job_may_have_ended(job);
                if matches!(reply, Reply::Done) {
                    self.call_hook(pool, Occasion::Dead(job));
                }
            }
            Purpose::Push { ticket, form } => {
                failpoint!("push.committed");
                match pushed(&reply, form) {
                    Ok(answer) => self.answer_when_safe(batch, durable, ticket, answer),
                    Err(refused) => self.answer(ticket, Err(refused)),
                }
            }
            Purpose::Bulk { ticket, answer } => self.bulk_stepped(batch, durable, ticket, answer, &reply),
            Purpose::OpenBulk(bulk) => self.bulk_opened(bulk, reply),
            Purpose::DropBulk(bulk) => self.bulk_dropped(bulk, &reply),
            Purpose::Pause(ticket) => self.paused_one(batch, durable, ticket),
            Purpose::PauseKey(ticket) => {
                self.committed_for_core(Tag::Sort, reply);
                self.paused_one(batch, durable, ticket);
            }
            Purpose::SetQueue(ticket) => {
                self.committed_for_core(Tag::Sort, reply);
                self.answer_when_safe(batch, durable, ticket, Answer::Yes);
            }
            Purpose::NoteFailure(ticket, error) => self.failure_noted(batch, durable, ticket, error, &reply),
            Purpose::SwitchProcessors { ticket, answer } => self.switched(batch, durable, ticket, answer, reply),
            Purpose::BeginRun { ticket, begin } => self.run_begun(batch, durable, ticket, *begin, reply),
            Purpose::EndForeign { ticket, run } => self.foreign_ended(batch, durable, ticket, run, reply),
            Purpose::ChangeJob { ticket, job, only, action } => {
                self.job_changed(ticket, (job, only, action), &reply);
            }
            Purpose::Void => {}
        }
    }

    fn committed_for_core(&mut self, tag: Tag, reply: Reply) {
        let (tag, reply) = match Event::of_processor(tag, reply) {
            Ok(event) => return self.feed(event),
            Err(other) => other,
        };
        let event = match (tag, reply) {
            (Tag::Claim { pool, share, asked, news }, Reply::Claimed { mut jobs, expired, more, held }) => {
                failpoint!("claim.committed");
                self.tell_claimed(pool, asked, jobs.len());
                self.traces.begin(&mut jobs, wall());
                self.cancelled_by_store(expired);
                Event::Claimed { pool, share, asked, news, jobs, more, held }
            }
            (Tag::Promote, Reply::Promoted { queues, expired, .. }) => {
                self.cancelled_by_store(expired);
                Event::Promoted { queues }
            }
            (Tag::Shift, Reply::Shifted { next }) => Event::Shifted { next },
            (Tag::Sort, Reply::Sorted { queues, more }) => Event::Sorted { queues, more },
            (Tag::FirstOther, Reply::FirstOther { queue, kind }) => Event::FirstOther { queue, kind },
            (Tag::Prune, reply) => Event::Pruned { found: matches!(reply, Reply::Count(n) if n > 0) },
            (Tag::RollUp, _) => Event::RolledUp,
            (Tag::Cancel { job, only, ticket, wait }, Reply::Elsewhere(host, order)) => {
                return self.cancelled_elsewhere((ticket, wait), (job, only), (order, &host));
            }
            (Tag::Cancel { job, only, ticket, .. }, reply) => self.cancelled(ticket, (job, only), &reply),
            (Tag::None, Reply::Stale) => {
                log::debug!("a change about a run that is over was ignored");
                return;
            }
            (
                Tag::None
                | Tag::Died(_)
                | Tag::Claim { .. }
                | Tag::Promote
                | Tag::Shift
                | Tag::Sort
                | Tag::FirstOther
                | Tag::ArmProcessors
                | Tag::Tick(_)
                | Tag::Run { .. },
                _,
            ) => return,
        };
        self.feed(event);
    }

    /// Jobs were cancelled because they had not started in time, or because one that they come after has failed.
    fn cancelled_by_store(&mut self, jobs: Vec<JobId>) {
        self.meters.count_cancelled(jobs.len());
        for job in jobs {
            self.job_may_have_ended(job);
        }
    }

    fn cancelled(&mut self, ticket: Ticket, (job, only): (JobId, States), reply: &Reply) -> Event {
        let change = match reply {
            Reply::Changed { was, .. } => {
                if only.and(WAITING).has(*was) {
                    self.meters.count_cancelled(1);
                    self.job_may_have_ended(job);
                }
                JobChange::Was(*was)
            }
            _ => JobChange::Missing,
        };
        Event::JobChanged { ticket, job, only, change }
    }
}

/// Whether somebody who pushes waits for it.
const fn is_push(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Push { .. } | Purpose::Bulk { .. })
}

fn unsynced(error: &str) -> Refused {
    let text = format!("the change was written, but it is unknown whether it would survive a power cut: {error}");
    Refused::Unavailable(text)
}
