//! Bulk pushes of clients: begun, filled and committed by one connection, opened by the master.
//!
//! Invariants: a bulk push belongs to the connection that began it, and is dropped when that ends before the commit; none of
//! its jobs is opened before the commit is on the disk; what a process that is gone has left is dropped or opened. All of it
//! goes in steps, so that a large one holds up nobody.

use std::collections::{BTreeMap, VecDeque};

use super::begin::Begun;
use super::{Answer, Peer, Refused};
use crate::core::{Event, Ticket};
use crate::master::Master;
use crate::master::clients::ClientId;
use crate::master::store_events::Purpose;
use crate::model::batch::IntoBatch;
use crate::model::bulk::{BulkOwner, BulkStep, OpenBulk, Opened};
use crate::model::change::{Reply, Request};
use crate::model::{BulkId, JobId, NewJob};
use crate::process::identity;
use crate::wire::bulk::{BulkAdded, BulkBegun, BulkDone};

/// Jobs opened or removed in one step: a few milliseconds.
const STEP: u32 = 2000;

/// The bulk pushes that are not over.
#[derive(Debug, Default)]
pub(super) struct Bulks {
    all: BTreeMap<BulkId, Bulk>,
    /// Committed in this batch: opened when it is on the disk.
    unsynced: VecDeque<(u64, BulkId)>,
}

/// A bulk push under way.
#[derive(Debug)]
enum Bulk {
    /// Its connection adds jobs.
    Staged { client: ClientId, count: u64 },
    /// The commit is on its way, or its jobs are being opened.
    Committed { asked: Option<Asked>, done: BulkDone, opening: bool },
    /// Its jobs are being removed.
    Dropped { ticket: Option<Ticket> },
}

/// The request for a commit, while it waits.
#[derive(Clone, Copy, Debug)]
struct Asked {
    ticket: Ticket,
    /// The answer names the jobs that were there already.
    ids: bool,
}

/// Which step of a bulk push is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum BulkAnswer {
    Begun,
    Added { bulk: BulkId, count: u64 },
    Committed { bulk: BulkId },
}

impl Master {
    /// Takes over bulk pushes of processes that are gone: only the master writes to its store.
    pub(in crate::master) fn take_over(&mut self, left: Vec<OpenBulk>) {
        for OpenBulk { id, committed, .. } in left {
            if committed {
                self.open_bulk(id);
            } else {
                self.drop_bulk(id, None);
            }
        }
    }

    pub(super) fn bulk_begin(&mut self, ticket: Ticket) -> Begun {
        self.client_of(ticket)?;
        self.writable()?;
        let (pid, boot_id) = (self.fixed.pid, identity::boot_id().to_owned());
        let owner = BulkOwner { pid, pid_start: identity::start_time(pid).unwrap_or(0), boot_id };
        self.bulk_step(ticket, BulkStep::Begin(owner), BulkAnswer::Begun, false);
        Ok(None)
    }

    pub(super) fn bulk_add(&mut self, ticket: Ticket, bulk: BulkId, jobs: Vec<NewJob>) -> Begun {
        self.staged(ticket, bulk)?;
        self.writable()?;
        if jobs.is_empty() {
            return Err(Refused::Params(String::from("there is no job to add")));
        }
        let count = jobs.len() as u64;
        let step = BulkStep::Stage { bulk, jobs: jobs.into() };
        self.bulk_step(ticket, step, BulkAnswer::Added { bulk, count }, false);
        Ok(None)
    }

    pub(super) fn bulk_commit(&mut self, ticket: Ticket, bulk: BulkId, ids: bool, batch: IntoBatch) -> Begun {
        let count = self.staged(ticket, bulk)?;
        self.writable()?;
        let done = BulkDone { count, ..BulkDone::default() };
        let asked = Some(Asked { ticket, ids });
        self.requests.bulks.all.insert(bulk, Bulk::Committed { asked, done, opening: false });
        self.bulk_step(ticket, BulkStep::Commit { bulk, batch: batch.into() }, BulkAnswer::Committed { bulk }, true);
        Ok(None)
    }

    pub(super) fn bulk_drop(&mut self, ticket: Ticket, bulk: BulkId) -> Begun {
        self.staged(ticket, bulk)?;
        self.drop_bulk(bulk, Some(ticket));
        Ok(None)
    }

    /// How many jobs the bulk push of this connection has, if it takes more.
    fn staged(&self, ticket: Ticket, bulk: BulkId) -> Result<u64, Refused> {
        let asking = self.client_of(ticket)?;
        match self.requests.bulks.all.get(&bulk) {
            Some(Bulk::Staged { client, count }) if *client == asking => Ok(*count),
            _ => Err(Refused::Failed(4, format!("this connection has no bulk push {bulk} that could go on"))),
        }
    }

    /// A worker pushes by its own request; what it had begun and not ended could not be told from what
    /// its next job begins.
    fn client_of(&self, ticket: Ticket) -> Result<ClientId, Refused> {
        match self.requests.table.peer(ticket) {
            Some(Peer::Client(client)) => Ok(client),
            Some(Peer::Worker(_) | Peer::Order(_)) | None => {
                Err(Refused::Params(String::from("a bulk push needs a connection to the control socket")))
            }
        }
    }

    fn bulk_step(&mut self, ticket: Ticket, step: BulkStep, answer: BulkAnswer, sync: bool) {
        let purpose = Purpose::Bulk { ticket, answer };
        self.batches.add(Request::Bulk(step), purpose, true, sync, self.time.now());
    }

    /// A step that a client waits for is committed.
    pub(in crate::master) fn bulk_stepped(
        &mut self,
        batch: u64,
        durable: bool,
        ticket: Ticket,
        answer: BulkAnswer,
        reply: &Reply,
    ) {
        match (answer, reply) {
            (BulkAnswer::Begun, Reply::Begun(bulk)) => match self.client_of(ticket) {
                Ok(client) => {
                    self.requests.bulks.all.insert(*bulk, Bulk::Staged { client, count: 0 });
                    self.answer(ticket, Ok(Answer::BulkBegun(BulkBegun { bulk: *bulk })));
                }
                // Its connection has gone.
                Err(_) => self.drop_bulk(*bulk, None),
            },
            (BulkAnswer::Added { bulk, count }, Reply::Staged { first }) => {
                // A client may ask for the commit before it has this answer.
                if let Some(
                    Bulk::Staged { count: so_far, .. } | Bulk::Committed { done: BulkDone { count: so_far, .. }, .. },
                ) = self.requests.bulks.all.get_mut(&bulk)
                {
                    *so_far += count;
                }
                self.answer(ticket, Ok(Answer::BulkAdded(BulkAdded { count, first_id: *first })));
            }
            (BulkAnswer::Committed { bulk }, Reply::Committed(made)) => {
                if let Some(Bulk::Committed { done, .. }) = self.requests.bulks.all.get_mut(&bulk) {
                    done.batch = Some(*made);
                }
                if durable {
                    self.open_bulk(bulk);
                } else {
                    self.requests.bulks.unsynced.push_back((batch, bulk));
                }
            }
            (BulkAnswer::Added { .. }, Reply::Full(full)) => {
                self.answer(ticket, Err(Refused::Failed(1, full.to_string())));
            }
            (BulkAnswer::Committed { bulk }, Reply::Full(full)) => {
                self.answer(ticket, Err(Refused::Failed(1, full.to_string())));
                self.drop_bulk(bulk, None);
            }
            // The connection may still add the jobs without that one.
            (BulkAnswer::Added { .. }, Reply::BadLink(bad)) => {
                self.answer(ticket, Err(Refused::Failed(bad.why.exit_code(), bad.to_string())));
            }
            (BulkAnswer::Committed { bulk }, Reply::BadBatch(refused)) => {
                self.drop_bulk(bulk, None);
                let text = format!("nothing was added: {refused}");
                self.answer(ticket, Err(Refused::Failed(refused.exit_code(), text)));
            }
            (BulkAnswer::Committed { bulk }, Reply::BadLink(bad)) => {
                self.drop_bulk(bulk, None);
                let text = format!("nothing was added: {bad}");
                self.answer(ticket, Err(Refused::Failed(bad.why.exit_code(), text)));
            }
            (BulkAnswer::Committed { bulk } | BulkAnswer::Added { bulk, .. }, _) => {
                self.requests.bulks.all.remove(&bulk);
                let gone = format!("nothing was added: the bulk push {bulk} was dropped");
                self.answer(ticket, Err(Refused::Failed(1, gone)));
            }
            (BulkAnswer::Begun, _) => {}
        }
    }

    /// A step will not be committed, or nobody knows: who pushes has been told.
    pub(in crate::master) fn bulk_failed(&mut self, answer: BulkAnswer, certain: bool) {
        match answer {
            // Dropped when the client goes, or opened if the commit turns out to be done.
            BulkAnswer::Committed { bulk } => self.drop_bulk(bulk, None),
            BulkAnswer::Added { bulk, .. } if !certain => self.drop_bulk(bulk, None),
            BulkAnswer::Begun | BulkAnswer::Added { .. } => {}
        }
    }

    /// Every batch up to this one is on the disk, or was given up to be synced: its bulk pushes can be opened.
    pub(in crate::master) fn open_synced(&mut self, batch: u64, error: Option<&Refused>) {
        while let Some((_, bulk)) = self.requests.bulks.unsynced.pop_front_if(|(committed, _)| *committed <= batch) {
            if let (Some(error), Some(Bulk::Committed { asked, .. })) = (error, self.requests.bulks.all.get_mut(&bulk))
                && let Some(asked) = asked.take()
            {
                self.answer(asked.ticket, Err(error.clone()));
            }
            self.open_bulk(bulk);
        }
    }

    /// While nothing can be written nobody waits for what is added to be opened, which goes on by itself.
    pub(in crate::master) fn answer_committed(&mut self) {
        let mut answers = Vec::new();
        for bulk in self.requests.bulks.all.values_mut() {
            if let Bulk::Committed { asked, done, opening: true } = bulk
                && let Some(asked) = asked.take()
            {
                answers.push((asked.ticket, BulkDone { pending: true, ..done.clone() }));
            }
        }
        for (ticket, done) in answers {
            self.answer(ticket, Ok(Answer::BulkDone(done)));
        }
    }

    fn open_bulk(&mut self, bulk: BulkId) {
        failpoint!("bulk.opening");
        let new = || Bulk::Committed { asked: None, done: BulkDone::default(), opening: true };
        if let Bulk::Committed { opening, .. } = self.requests.bulks.all.entry(bulk).or_insert_with(new) {
            *opening = true;
        }
        let step = Request::Bulk(BulkStep::Open { bulk, limit: STEP });
        self.batches.add(step, Purpose::OpenBulk(bulk), true, false, self.time.now());
    }

    pub(in crate::master) fn bulk_opened(&mut self, bulk: BulkId, reply: Reply) {
        let opened = if let Reply::Opened(opened) = reply { opened } else { Opened::default() };
        // News for the pools of all of its queues.
        self.feed(Event::News { queues: Vec::new() });
        let more = opened.more;
        if let Some(Bulk::Committed { asked: Some(asked), done, .. }) = self.requests.bulks.all.get_mut(&bulk) {
            add(done, opened, asked.ids);
        }
        if more && !self.is_stopping() {
            self.open_bulk(bulk);
            return;
        }
        // While it stops, the next master opens the rest.
        if let Some(Bulk::Committed { done, .. }) = self.requests.bulks.all.get_mut(&bulk) {
            done.pending |= more;
        }
        if let Some(Bulk::Committed { asked: Some(asked), done, .. }) = self.requests.bulks.all.remove(&bulk) {
            self.answer(asked.ticket, Ok(Answer::BulkDone(done)));
        }
    }

    fn drop_bulk(&mut self, bulk: BulkId, ticket: Option<Ticket>) {
        self.requests.bulks.all.insert(bulk, Bulk::Dropped { ticket });
        self.drop_some(bulk);
    }

    fn drop_some(&mut self, bulk: BulkId) {
        let step = Request::Bulk(BulkStep::Drop { bulk, limit: STEP });
        self.batches.add(step, Purpose::DropBulk(bulk), false, false, self.time.now());
    }

    pub(in crate::master) fn bulk_dropped(&mut self, bulk: BulkId, reply: &Reply) {
        match reply {
            Reply::Count(n) if *n >= u64::from(STEP) => {
                // The next master goes on with it.
                if !self.is_stopping() {
                    self.drop_some(bulk);
                }
            }
            // Committed after all, when no answer was expected any more.
            Reply::Stale => {
                self.requests.bulks.all.remove(&bulk);
                self.open_bulk(bulk);
            }
            _ => {
                if let Some(Bulk::Dropped { ticket: Some(ticket) }) = self.requests.bulks.all.remove(&bulk) {
                    self.answer(ticket, Ok(Answer::Yes));
                }
            }
        }
    }

    /// Drops the bulk pushes of clients that are gone.
    pub(super) fn drop_bulks_of_the_gone(&mut self) {
        let gone = |bulk: &Bulk| matches!(bulk, Bulk::Staged { client, .. } if !self.clients.has(*client));
        let gone: Vec<BulkId> =
            self.requests.bulks.all.iter().filter(|(_, bulk)| gone(bulk)).map(|(&id, _)| id).collect();
        for bulk in gone {
            self.drop_bulk(bulk, None);
        }
    }
}

fn add(done: &mut BulkDone, opened: Opened, ids: bool) {
    done.deduplicated += opened.duplicates.len() as u64;
    done.first_id = done.first_id.into_iter().chain(opened.first).min();
    done.last_id = done.last_id.max(opened.last);
    if ids {
        done.duplicates.extend(opened.duplicates.into_iter().map(|(id, holder): (JobId, JobId)| [id, holder]));
    }
}
