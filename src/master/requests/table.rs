//! The table of requests that are owed an answer.
//!
//! Knows nothing of what is asked. Invariants: a request is in the table from its question until it is answered or its
//! asker has gone, so it is answered once at most; `by_job` and `until` hold just those that wait for the end of a job,
//! and rest until a time.

use std::collections::{BTreeSet, VecDeque};

use foldhash::HashMap;

use super::audit::OpenDeed;
use super::{Answer, Asker, Peer};
use crate::core::Ticket;
use crate::model::{JobId, Mono, WorkerId};

/// Table for which memory is kept.
const USUAL: usize = 1024;

/// A request that is owed an answer.
#[derive(Debug)]
struct Request {
    asker: Asker,
    /// The deed that it is, until what came of that is on record.
    deed: Option<Box<OpenDeed>>,
    waits: Waits,
}

/// The thing that a request waits for.
#[derive(Debug)]
enum Waits {
    /// A reply: of the core, of the store to its change, or of the reader.
    Reply,
    /// So many replies more; each puts its part into the answer.
    Parts { left: usize, so_far: Answer },
    /// The batch under which it is listed; the answer is known.
    Batch(Answer),
    /// The end of a job.
    JobEnd(JobEnd),
    /// The end of the master.
    End,
}

/// A wait for the end of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobEnd {
    pub(super) job: JobId,
    /// Answered with the job as it is by then.
    pub(super) until: Option<Mono>,
    /// The worker whose job waits.
    pub(super) caller: Option<WorkerId>,
    /// The asker has heard of the last attempt that failed.
    pub(super) told: bool,
    look: Look,
}

/// Whether the reader is asked for the job. What it finds may be what was true before the job ended: after an end that was
/// heard of meanwhile it is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Rests,
    Pending,
    Outdated,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Table {
    last: u64,
    /// Hashed, as a push goes in and out of it in a fraction of a microsecond.
    open: HashMap<Ticket, Request>,
    /// By the batch that must be committed first.
    uncommitted: VecDeque<(u64, Ticket)>,
    /// By the batch that must be on the disk first.
    unsynced: VecDeque<(u64, Ticket)>,
    by_job: BTreeSet<(JobId, Ticket)>,
    until: BTreeSet<(Mono, Ticket)>,
}

impl Table {
    /// Takes in a request, which waits for a reply unless something else is said.
    pub(super) fn open(&mut self, asker: Asker, deed: Option<Box<OpenDeed>>) -> Ticket {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.open.insert(ticket, Request { asker, deed, waits: Waits::Reply });
        ticket
    }

    /// The deed of a request, while it is open.
    pub(super) fn deed(&mut self, ticket: Ticket) -> Option<&mut OpenDeed> {
        self.open.get_mut(&ticket)?.deed.as_deref_mut()
    }

    pub(super) fn take_deed(&mut self, ticket: Ticket) -> Option<Box<OpenDeed>> {
        self.open.get_mut(&ticket)?.deed.take()
    }

    /// For what is asked of the core by nobody here, as by one whose asker has gone.
    pub(super) fn unasked(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }

    /// Takes a request out, to be answered; `None` if it was, or its asker has gone.
    pub(super) fn close(&mut self, ticket: Ticket) -> Option<Asker> {
        let request = self.open.remove(&ticket)?;
        if self.open.is_empty() {
            self.open.shrink_to(USUAL);
        }
        if let Waits::JobEnd(wait) = request.waits {
            self.by_job.remove(&(wait.job, ticket));
            if let Some(until) = wait.until {
                self.until.remove(&(until, ticket));
            }
        }
        Some(request.asker)
    }

    /// The peer that asked, if it still waits.
    pub(super) fn peer(&self, ticket: Ticket) -> Option<Peer> {
        self.open.get(&ticket).map(|request| request.asker.peer)
    }

    /// Drops the requests of peers that have gone.
    pub(super) fn drop_gone(&mut self, gone: impl Fn(Peer) -> bool) {
        let gone = self.open.iter().filter(|(_, request)| gone(request.asker.peer));
        for ticket in gone.map(|(&ticket, _)| ticket).collect::<Vec<_>>() {
            self.close(ticket);
        }
    }

    /// Several replies are to come.
    pub(super) fn gather(&mut self, ticket: Ticket, left: usize, so_far: Answer) {
        if let Some(request) = self.open.get_mut(&ticket) {
            request.waits = Waits::Parts { left, so_far };
        }
    }

    /// A reply came; the answer, if that was the last one.
    pub(super) fn part(&mut self, ticket: Ticket, put: impl FnOnce(&mut Answer)) -> Option<Answer> {
        let request = self.open.get_mut(&ticket)?;
        let Waits::Parts { left, so_far } = &mut request.waits else { return None };
        put(so_far);
        *left = left.saturating_sub(1);
        if *left > 0 {
            return None;
        }
        match std::mem::replace(&mut request.waits, Waits::Reply) {
            Waits::Parts { so_far, .. } => Some(so_far),
            _ => None,
        }
    }

    /// The answer is known, and goes when this batch is committed.
    pub(super) fn wait_for_commit(&mut self, ticket: Ticket, batch: u64, answer: Answer) {
        if let Some(request) = self.open.get_mut(&ticket) {
            request.waits = Waits::Batch(answer);
            self.uncommitted.push_back((batch, ticket));
        }
    }

    /// The answer is known, and goes when this batch is on the disk.
    pub(super) fn wait_for_sync(&mut self, ticket: Ticket, batch: u64, answer: Answer) {
        if let Some(request) = self.open.get_mut(&ticket) {
            request.waits = Waits::Batch(answer);
            self.unsynced.push_back((batch, ticket));
        }
    }

    /// The next request that waited for a commit up to this batch.
    pub(super) fn next_committed(&mut self, batch: u64) -> Option<(Ticket, Answer)> {
        next_up_to(batch, &mut self.uncommitted, &mut self.open)
    }

    /// The next request that waited for a sync up to this batch.
    pub(super) fn next_synced(&mut self, batch: u64) -> Option<(Ticket, Answer)> {
        next_up_to(batch, &mut self.unsynced, &mut self.open)
    }

    /// The request waits for the end of the master.
    pub(super) fn wait_for_end(&mut self, ticket: Ticket) {
        if let Some(request) = self.open.get_mut(&ticket) {
            request.waits = Waits::End;
        }
    }

    /// Table that wait for the end of the master.
    pub(super) fn waiting_for_end(&self) -> Vec<Ticket> {
        let waits = self.open.iter().filter(|(_, request)| matches!(request.waits, Waits::End));
        waits.map(|(&ticket, _)| ticket).collect()
    }

    /// The request waits for the end of a job; the reader is to be asked first.
    pub(super) fn wait_for_job(&mut self, ticket: Ticket, job: JobId, until: Option<Mono>, caller: Option<WorkerId>) {
        if let Some(request) = self.open.get_mut(&ticket) {
            request.waits = Waits::JobEnd(JobEnd { job, until, caller, told: false, look: Look::Pending });
            self.by_job.insert((job, ticket));
        }
    }

    /// The wait of a request for the end of a job, and whether that may have ended since the reader was asked.
    pub(super) fn job_end(&self, ticket: Ticket) -> Option<(JobEnd, bool)> {
        match self.open.get(&ticket)?.waits {
            Waits::JobEnd(wait) => Some((wait, wait.look == Look::Outdated)),
            _ => None,
        }
    }

    /// The reader is asked for the job.
    pub(super) fn asks(&mut self, ticket: Ticket) {
        self.set_look(ticket, Look::Pending);
    }

    /// The job goes on, and so does the wait.
    pub(super) fn rests(&mut self, ticket: Ticket) {
        self.set_look(ticket, Look::Rests);
    }

    fn set_look(&mut self, ticket: Ticket, look: Look) {
        let Some(Request { waits: Waits::JobEnd(wait), .. }) = self.open.get_mut(&ticket) else { return };
        wait.look = look;
        match wait.until {
            Some(until) if look == Look::Rests => drop(self.until.insert((until, ticket))),
            Some(until) => drop(self.until.remove(&(until, ticket))),
            None => {}
        }
    }

    /// Whether the end of a job is waited for.
    pub(super) fn awaits_jobs(&self) -> bool {
        !self.by_job.is_empty()
    }

    /// Jobs whose end is waited for.
    pub(super) fn awaited_jobs(&self) -> BTreeSet<JobId> {
        self.by_job.iter().map(|&(job, _)| job).collect()
    }

    /// A request is told of the last attempt.
    pub(super) fn told(&mut self, ticket: Ticket) {
        if let Some(Request { waits: Waits::JobEnd(wait), .. }) = self.open.get_mut(&ticket) {
            wait.told = true;
        }
    }

    /// The peers that wait for the end of a job, to be told of an attempt.
    pub(super) fn tell(&mut self, job: JobId) -> Vec<Peer> {
        let mut peers = Vec::new();
        for &(_, ticket) in self.by_job.range((job, Ticket(0))..=(job, Ticket(u64::MAX))) {
            if let Some(Request { asker, waits: Waits::JobEnd(wait), .. }) = self.open.get_mut(&ticket) {
                wait.told = true;
                peers.push(asker.peer);
            }
        }
        peers
    }

    /// A job may have ended: those that rest and have to ask for it now.
    pub(super) fn job_may_have_ended(&mut self, job: JobId) -> Vec<Ticket> {
        let mut resting = Vec::new();
        for &(_, ticket) in self.by_job.range((job, Ticket(0))..=(job, Ticket(u64::MAX))) {
            match self.open.get_mut(&ticket).map(|request| &mut request.waits) {
                Some(Waits::JobEnd(JobEnd { look: Look::Rests, .. })) => resting.push(ticket),
                Some(Waits::JobEnd(wait)) => wait.look = Look::Outdated,
                _ => {}
            }
        }
        resting
    }

    /// Table whose time to rest is over.
    pub(super) fn expired(&self, now: Mono) -> Vec<Ticket> {
        self.until.range(..=(now, Ticket(u64::MAX))).map(|&(_, ticket)| ticket).collect()
    }

    /// When somebody's time to rest is over.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.until.first().map(|&(until, _)| until)
    }

    /// The workers whose jobs rest until another ends, each as often as it has such.
    pub(super) fn resting_callers(&self) -> impl Iterator<Item = WorkerId> {
        self.by_job.iter().filter_map(|(_, ticket)| match self.open.get(ticket)?.waits {
            Waits::JobEnd(JobEnd { caller, look: Look::Rests, .. }) => caller,
            _ => None,
        })
    }
}

/// Takes the first of a list whose batch is this one or an earlier one, and who still waits.
fn next_up_to(
    batch: u64,
    list: &mut VecDeque<(u64, Ticket)>,
    open: &mut HashMap<Ticket, Request>,
) -> Option<(Ticket, Answer)> {
    while let Some((_, ticket)) = list.pop_front_if(|(listed, _)| *listed <= batch) {
        let Some(request) = open.get_mut(&ticket) else { continue };
        if let Waits::Batch(answer) = std::mem::replace(&mut request.waits, Waits::Reply) {
            return Some((ticket, answer));
        }
    }
    None
}

#[cfg(test)]
mod tests;
