//! Origins of requests, and the shapes of their answers.
//!
//! Invariant: every request that is owed an answer is in exactly one of: a line that is being read, a task, a ticket, a reply to it that waits for
//! the store, a change on its way, a question to the reader, a wait for a job, a wait for the disk, a wait for the end of the master.

use std::collections::{BTreeMap, VecDeque};

use serde_json::value::RawValue;

use super::bulk::Bulks;
use super::clients::ClientId;
use super::tasks::Tasks;
use crate::core::{Done, Refusal, Tag, Ticket};
use crate::model::{BulkId, JobId, Mono, QueueName, WorkerId};
use crate::report::refusals::JobAction;
use crate::wire::control::ChangedJobs;

/// Origin of a request, with the id it was given.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Client(ClientId, Box<RawValue>),
    Worker(WorkerId, Box<RawValue>),
}

/// Shape of a ticket's answer.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// As the core says it.
    Plain(Origin),
    /// One job of several to be cancelled.
    Part { group: u64, job: JobId },
}

/// Use of the reply to a change.
#[derive(Clone, Debug)]
pub(super) enum Answered {
    /// For the core.
    Core(Tag),
    /// A run has ended, and its job with it.
    Ended(JobId),
    /// The ids of pushed jobs, to one who asked for one, for several, or for several with all ids.
    Pushed { origin: Origin, how: PushAnswer },
    /// A step of a bulk push that a client waits for.
    Bulk { origin: Origin, answer: BulkAnswer },
    /// Jobs of a bulk push were opened.
    BulkOpened(BulkId),
    /// Jobs of a bulk push were removed.
    BulkDropped(BulkId),
    /// One queue of several was paused or resumed.
    Paused { group: u64 },
    /// One job of several was retried or deleted.
    Changed { group: u64, job: JobId, change: JobAction },
    /// Dead jobs were retried; again while there may be more.
    RetriedDead { group: u64, queue: Option<QueueName> },
    /// The client that pushed has been told that it failed.
    Nobody,
}

/// The form of the answer to a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PushAnswer {
    One,
    Worker,
    Many { ids: bool },
}

/// Which step of a bulk push is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BulkAnswer {
    Begun,
    Added { bulk: BulkId, count: u64 },
    Committed { bulk: BulkId },
}

/// A question to the reader, and what to do with what it finds.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// Answer with it.
    Answer(Origin),
    /// Answer if the job has ended; else wait.
    Wait(JobWaiter, JobId),
}

/// Waits for a job to end.
#[derive(Clone, Debug)]
pub(super) struct JobWaiter {
    pub(super) origin: Origin,
    /// Answer with the job as it is by then.
    pub(super) until: Option<Mono>,
    /// The worker whose job waits.
    pub(super) caller: Option<WorkerId>,
    /// How often the job may have ended, as far as was known when the records were asked last.
    pub(super) heard: u64,
}

/// Everybody who waits for one job.
///
/// A question to the reader may be answered with what was true before the job ended; so one that was asked before the
/// last end that was heard of is asked again, once.
#[derive(Debug, Default)]
pub(super) struct JobWait {
    /// Questions to the reader that are open.
    pub(super) asking: u32,
    /// How often the job may have ended since somebody waits for it.
    pub(super) ends: u64,
    pub(super) waiters: Vec<JobWaiter>,
}

/// A request about several jobs or queues, being gathered.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) origin: Origin,
    pub(super) left: usize,
    pub(super) so_far: Gathered,
}

/// Gathered so far.
#[derive(Debug)]
pub(super) enum Gathered {
    /// With the JSON of those that were refused, which may be many.
    Jobs(ChangedJobs, String),
    Queues {
        names: Vec<QueueName>,
        paused: bool,
    },
}

/// All open tickets and groups, and answers that wait for the disk.
#[derive(Debug, Default)]
pub(super) struct Waits {
    next: u64,
    tickets: BTreeMap<Ticket, Shape>,
    /// Work of requests that is left.
    pub(super) tasks: Tasks,
    groups: BTreeMap<u64, Group>,
    pub(super) bulks: Bulks,
    /// Replies of this turn.
    pub(super) replies: Vec<(Ticket, Result<Done, Refusal>)>,
    /// Replies by the batch that must be committed first: who asked must find on record what was done.
    uncommitted: VecDeque<(u64, Ticket, Result<Done, Refusal>)>,
    /// Answers by the batch that must be on the disk first.
    pub(super) unsynced: VecDeque<(u64, Origin, String)>,
}

impl Waits {
    pub(super) fn open(&mut self, shape: Shape) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.tickets.insert(ticket, shape);
        ticket
    }

    pub(super) fn close(&mut self, ticket: Ticket) -> Option<Shape> {
        self.tickets.remove(&ticket)
    }

    /// Origin of the request that a group belongs to.
    pub(super) fn origin_of(&self, group: u64) -> Option<Origin> {
        self.groups.get(&group).map(|group| group.origin.clone())
    }

    /// Opens a group of `left` parts.
    pub(super) fn gather(&mut self, origin: Origin, left: usize, so_far: Gathered) -> u64 {
        self.next += 1;
        self.groups.insert(self.next, Group { origin, left, so_far });
        self.next
    }

    /// Puts a part into its group; the group, if it is whole now.
    pub(super) fn part(&mut self, id: u64, put: impl FnOnce(&mut Gathered)) -> Option<Group> {
        let group = self.groups.get_mut(&id)?;
        put(&mut group.so_far);
        group.left = group.left.saturating_sub(1);
        if group.left == 0 { self.groups.remove(&id) } else { None }
    }

    /// One more part of a group is to come.
    pub(super) fn expect_another(&mut self, id: u64) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.left += 1;
        }
    }

    /// Lets a reply wait for a batch.
    pub(super) fn hold(&mut self, batch: u64, ticket: Ticket, reply: Result<Done, Refusal>) {
        self.uncommitted.push_back((batch, ticket, reply));
    }

    /// Replies that wait for a batch up to this one.
    pub(super) fn released(&mut self, batch: u64) -> Vec<(Ticket, Result<Done, Refusal>)> {
        let end = self.uncommitted.iter().position(|(b, _, _)| *b > batch).unwrap_or(self.uncommitted.len());
        self.uncommitted.drain(..end).map(|(_, ticket, reply)| (ticket, reply)).collect()
    }

    /// Answers that wait for a batch up to this one.
    pub(super) fn synced(&mut self, batch: u64) -> Vec<(Origin, String)> {
        let end = self.unsynced.iter().position(|(b, _, _)| *b > batch).unwrap_or(self.unsynced.len());
        self.unsynced.drain(..end).map(|(_, origin, answer)| (origin, answer)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_held_until_its_batch_or_a_later_one_is_committed() {
        let mut waits = Waits::default();
        for (batch, ticket) in [(3, 1), (4, 2), (4, 3), (6, 4)] {
            waits.hold(batch, Ticket(ticket), Ok(Done::Cancelled));
        }
        let mut up_to = |batch| waits.released(batch).into_iter().map(|(ticket, _)| ticket.0).collect::<Vec<_>>();
        assert_eq!(up_to(2), Vec::<u64>::new());
        assert_eq!(up_to(4), [1, 2, 3]);
        assert_eq!(up_to(u64::MAX), [4]);
    }
}
