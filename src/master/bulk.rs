//! Bulk pushes of clients: begun, filled and committed by one connection, opened by the master.
//!
//! Invariants: a bulk push belongs to the connection that began it, and is dropped when that ends before the commit; none of
//! its jobs is opened before the commit is on the disk; what a process that is gone has left is dropped or opened. All of it
//! goes in steps, so that a large one holds up nobody.

use std::collections::{BTreeMap, VecDeque};

use super::Master;
use super::clients::ClientId;
use super::methods::Handled;
use super::replies::{Answered, BulkAnswer, Origin};
use crate::core::Event;
use crate::model::bulk::{BulkOwner, BulkStep, OpenBulk, Opened};
use crate::model::change::{Reply, Request};
use crate::model::{BulkId, JobId, NewJob};
use crate::process::identity;
use crate::wire::bulk::{BulkAdded, BulkBegun, BulkDone, CommitBulk, OneBulk};
use crate::wire::rpc::RpcError;

/// Jobs opened or removed in one step: a few milliseconds.
const STEP: u32 = 2000;

/// The bulk pushes that are not over.
#[derive(Debug, Default)]
pub(super) struct Bulks {
    all: BTreeMap<BulkId, Bulk>,
    /// Committed in this batch: opened when it is on the disk.
    unsynced: VecDeque<(u64, BulkId)>,
}

/// Origin that waits for a commit, and whether the answer names the jobs that were there already.
type Asker = (Origin, bool);

/// One of them.
#[derive(Debug)]
enum Bulk {
    /// Its connection adds jobs.
    Staged { client: ClientId, count: u64 },
    /// The commit is on its way, or its jobs are being opened.
    Committed { asker: Option<Asker>, done: BulkDone, opening: bool },
    /// Its jobs are being removed.
    Dropped { asker: Option<Origin> },
}

impl Master {
    /// Takes over bulk pushes of processes that are gone: only the master writes to its store.
    pub(super) fn take_over(&mut self, left: Vec<OpenBulk>) {
        for OpenBulk { id, committed, .. } in left {
            if committed {
                self.open_bulk(id);
            } else {
                self.drop_bulk(id, None);
            }
        }
    }

    pub(super) fn bulk_begin(&mut self, origin: &Origin) -> Handled {
        client_of(origin)?;
        self.writable()?;
        let (pid, boot_id) = (self.fixed.pid, identity::boot_id().to_owned());
        let owner = BulkOwner { pid, pid_start: identity::start_time(pid).unwrap_or(0), boot_id };
        self.bulk_step(BulkStep::Begin(owner), origin, BulkAnswer::Begun, false);
        Ok(None)
    }

    pub(super) fn bulk_add(&mut self, origin: &Origin, bulk: BulkId, jobs: Vec<NewJob>) -> Handled {
        self.staged(origin, bulk)?;
        self.writable()?;
        if jobs.is_empty() {
            return Err(RpcError::params("there is no job to add"));
        }
        let count = jobs.len() as u64;
        self.bulk_step(BulkStep::Stage { bulk, jobs: jobs.into() }, origin, BulkAnswer::Added { bulk, count }, false);
        Ok(None)
    }

    pub(super) fn bulk_commit(&mut self, origin: &Origin, params: &CommitBulk) -> Handled {
        let bulk = params.bulk;
        let count = *self.staged(origin, bulk)?;
        self.writable()?;
        let done = BulkDone { count, ..BulkDone::default() };
        let asker = Some((origin.clone(), params.ids));
        self.waits.bulks.all.insert(bulk, Bulk::Committed { asker, done, opening: false });
        self.bulk_step(BulkStep::Commit(bulk), origin, BulkAnswer::Committed { bulk }, true);
        Ok(None)
    }

    pub(super) fn bulk_drop(&mut self, origin: &Origin, params: OneBulk) -> Handled {
        self.staged(origin, params.bulk)?;
        self.drop_bulk(params.bulk, Some(origin.clone()));
        Ok(None)
    }

    /// The bulk push of this connection that takes more jobs: how many it has.
    fn staged(&mut self, origin: &Origin, bulk: BulkId) -> Result<&mut u64, RpcError> {
        let asking = client_of(origin)?;
        match self.waits.bulks.all.get_mut(&bulk) {
            Some(Bulk::Staged { client, count }) if *client == asking => Ok(count),
            _ => Err(RpcError::failed(4, format!("this connection has no bulk push {bulk} that could go on"))),
        }
    }

    fn bulk_step(&mut self, step: BulkStep, origin: &Origin, answer: BulkAnswer, sync: bool) {
        let answered = Answered::Bulk { origin: origin.clone(), answer };
        self.batches.add(Request::Bulk(step), answered, true, sync, self.clock.now());
    }

    /// A step that a client waits for is committed.
    pub(super) fn bulk_stepped(
        &mut self,
        batch: u64,
        durable: bool,
        origin: &Origin,
        answer: BulkAnswer,
        reply: &Reply,
    ) {
        match (answer, reply) {
            (BulkAnswer::Begun, Reply::Begun(bulk)) => match client_of(origin) {
                Ok(client) if self.clients.has(client) => {
                    self.waits.bulks.all.insert(*bulk, Bulk::Staged { client, count: 0 });
                    self.answer(origin, json(&BulkBegun { bulk: *bulk }));
                }
                _ => self.drop_bulk(*bulk, None),
            },
            (BulkAnswer::Added { bulk, count }, Reply::Staged { first }) => {
                // A client may ask for the commit before it has this answer.
                if let Some(
                    Bulk::Staged { count: so_far, .. } | Bulk::Committed { done: BulkDone { count: so_far, .. }, .. },
                ) = self.waits.bulks.all.get_mut(&bulk)
                {
                    *so_far += count;
                }
                self.answer(origin, json(&BulkAdded { count, first_id: *first }));
            }
            (BulkAnswer::Committed { bulk }, Reply::Done) if durable => self.open_bulk(bulk),
            (BulkAnswer::Committed { bulk }, Reply::Done) => self.waits.bulks.unsynced.push_back((batch, bulk)),
            (BulkAnswer::Committed { bulk } | BulkAnswer::Added { bulk, .. }, _) => {
                self.waits.bulks.all.remove(&bulk);
                let gone = RpcError::failed(1, format!("nothing was added: the bulk push {bulk} was dropped"));
                self.answer(origin, Err(gone));
            }
            (BulkAnswer::Begun, _) => {}
        }
    }

    /// A step will not be committed, or nobody knows: who pushes has been told.
    pub(super) fn bulk_failed(&mut self, answer: BulkAnswer, certain: bool) {
        match answer {
            // Dropped when the client goes, or opened if the commit turns out to be done.
            BulkAnswer::Committed { bulk } => self.drop_bulk(bulk, None),
            BulkAnswer::Added { bulk, .. } if !certain => self.drop_bulk(bulk, None),
            BulkAnswer::Begun | BulkAnswer::Added { .. } => {}
        }
    }

    /// Every batch up to this one is on the disk, or was given up to be synced: its bulk pushes can be opened.
    pub(super) fn open_synced(&mut self, batch: u64, error: Option<&RpcError>) {
        while let Some((_, bulk)) = self.waits.bulks.unsynced.pop_front_if(|(committed, _)| *committed <= batch) {
            if let (Some(error), Some(Bulk::Committed { asker, .. })) = (error, self.waits.bulks.all.get_mut(&bulk))
                && let Some((origin, _)) = asker.take()
            {
                self.answer(&origin, Err(error.clone()));
            }
            self.open_bulk(bulk);
        }
    }

    /// While nothing can be written nobody waits for what is added to be opened, which goes on by itself.
    pub(super) fn answer_committed(&mut self) {
        let mut answers = Vec::new();
        for bulk in self.waits.bulks.all.values_mut() {
            if let Bulk::Committed { asker, done, opening: true } = bulk
                && let Some((origin, _)) = asker.take()
            {
                answers.push((origin, BulkDone { pending: true, ..done.clone() }));
            }
        }
        for (origin, done) in answers {
            self.answer(&origin, json(&done));
        }
    }

    fn open_bulk(&mut self, bulk: BulkId) {
        failpoint!("bulk.opening");
        let new = || Bulk::Committed { asker: None, done: BulkDone::default(), opening: true };
        if let Bulk::Committed { opening, .. } = self.waits.bulks.all.entry(bulk).or_insert_with(new) {
            *opening = true;
        }
        let step = Request::Bulk(BulkStep::Open { bulk, limit: STEP });
        self.batches.add(step, Answered::BulkOpened(bulk), true, false, self.clock.now());
    }

    pub(super) fn bulk_opened(&mut self, bulk: BulkId, reply: Reply) {
        let opened = if let Reply::Opened(opened) = reply { opened } else { Opened::default() };
        // News for the pools of all of its queues.
        self.feed(Event::News { queues: Vec::new() });
        let more = opened.more;
        if let Some(Bulk::Committed { asker: Some((_, ids)), done, .. }) = self.waits.bulks.all.get_mut(&bulk) {
            add(done, opened, *ids);
        }
        if more && !self.is_stopping() {
            self.open_bulk(bulk);
            return;
        }
        // While it stops, the next master opens the rest.
        if let Some(Bulk::Committed { done, .. }) = self.waits.bulks.all.get_mut(&bulk) {
            done.pending |= more;
        }
        if let Some(Bulk::Committed { asker: Some((origin, _)), done, .. }) = self.waits.bulks.all.remove(&bulk) {
            self.answer(&origin, json(&done));
        }
    }

    fn drop_bulk(&mut self, bulk: BulkId, asker: Option<Origin>) {
        self.waits.bulks.all.insert(bulk, Bulk::Dropped { asker });
        self.drop_some(bulk);
    }

    fn drop_some(&mut self, bulk: BulkId) {
        let step = Request::Bulk(BulkStep::Drop { bulk, limit: STEP });
        self.batches.add(step, Answered::BulkDropped(bulk), false, false, self.clock.now());
    }

    pub(super) fn bulk_dropped(&mut self, bulk: BulkId, reply: &Reply) {
        match reply {
            Reply::Count(n) if *n >= u64::from(STEP) => {
                // The next master goes on with it.
                if !self.is_stopping() {
                    self.drop_some(bulk);
                }
            }
            // Committed after all, when no answer was expected any more.
            Reply::Stale => {
                self.waits.bulks.all.remove(&bulk);
                self.open_bulk(bulk);
            }
            _ => {
                if let Some(Bulk::Dropped { asker: Some(origin) }) = self.waits.bulks.all.remove(&bulk) {
                    self.answer(&origin, Ok(String::from("true")));
                }
            }
        }
    }

    /// Drops the bulk pushes of clients that are gone.
    pub(super) fn drop_bulks_of_the_gone(&mut self) {
        let gone = |bulk: &Bulk| matches!(bulk, Bulk::Staged { client, .. } if !self.clients.has(*client));
        let gone: Vec<BulkId> = self.waits.bulks.all.iter().filter(|(_, bulk)| gone(bulk)).map(|(&id, _)| id).collect();
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

/// A worker pushes by its own request; what it begun and not ended could not be told from its next job's.
fn client_of(origin: &Origin) -> Result<ClientId, RpcError> {
    match origin {
        Origin::Client(client, _) => Ok(*client),
        Origin::Worker(..) => Err(RpcError::params("a bulk push needs a connection to the control socket")),
    }
}

fn json(answer: &impl serde::Serialize) -> Result<String, RpcError> {
    serde_json::to_string(answer).map_err(|e| RpcError::failed(1, format!("cannot write the answer: {e}")))
}
