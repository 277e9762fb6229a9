//! The two ways of a bulk push: through the master, by its connection, and into the store, where no master runs.
//!
//! Invariant: [`Broken`] says what is true of the jobs, not of the request.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::sink::{garbled, not_joined, unlinked};
use super::staged::Chunk;
use crate::cli::backend;
use crate::client::{Client, ClientError, NONE};
use crate::clock;
use crate::error::Error;
use crate::model::bulk::{BulkOwner, BulkStep, OpenBulk, Opened};
use crate::model::change::{Reply, Request};
use crate::model::{BulkId, JobId};
use crate::store::{Store, StoreError};
use crate::wire::bulk::{BulkAdded, BulkBegun, BulkDone, CommitBulk};
use crate::wire::control::PushBatch;

/// Jobs opened or removed in one transaction of a guest.
const STEP: u32 = 10_000;
/// How long what others have left is cleared away for, in microseconds.
const TIDY: i64 = 1_000_000;

/// Why a bulk push did not come to its end.
pub(super) enum Broken {
    /// The way is closed; nothing was added, and it may be begun again by another.
    Lost(Error),
    /// Nothing was added.
    Nothing(Error),
    /// All of the jobs were added, or none.
    Unknown(Error),
    /// A signal came; nothing was added.
    Interrupted,
}

/// A way.
pub(super) trait Stager {
    /// Begins.
    fn begin(&mut self) -> Result<BulkId, Broken>;
    /// Adds jobs; the first id, and how many.
    fn stage(&mut self, bulk: BulkId, chunk: Chunk) -> Result<(JobId, u64), Broken>;
    /// Ends it: all of the jobs are there.
    fn commit(&mut self, bulk: BulkId, ids: bool, batch: &PushBatch) -> Result<BulkDone, Broken>;
    /// Removes what was staged, as far as that goes; the rest goes by itself.
    fn discard(&mut self, bulk: BulkId);
}

/// Through the master.
pub(super) struct ThroughMaster<'a>(pub(super) &'a mut Client);

/// The params of `bulk.add`, with jobs that are JSON text already.
#[derive(Serialize)]
struct Add<'a> {
    bulk: BulkId,
    jobs: Vec<&'a RawValue>,
}

/// Before the commit whatever fails leaves nothing.
fn before(error: ClientError) -> Broken {
    match error {
        ClientError::Unheard | ClientError::Closed => Broken::Lost(error.into()),
        _ => Broken::Nothing(error.into()),
    }
}

impl Stager for ThroughMaster<'_> {
    fn begin(&mut self) -> Result<BulkId, Broken> {
        self.0.call::<BulkBegun>("bulk.begin", &NONE).map(|begun| begun.bulk).map_err(before)
    }

    fn stage(&mut self, bulk: BulkId, chunk: Chunk) -> Result<(JobId, u64), Broken> {
        let Chunk::Texts(texts) = chunk else { return Err(misfit()) };
        let jobs: Result<Vec<&RawValue>, _> = texts.iter().map(|text| serde_json::from_str(text)).collect();
        let jobs = jobs.map_err(|e| Broken::Nothing(garbled(e)))?;
        let added: BulkAdded = self.0.call("bulk.add", &Add { bulk, jobs }).map_err(before)?;
        Ok((added.first_id, added.count))
    }

    fn commit(&mut self, bulk: BulkId, ids: bool, batch: &PushBatch) -> Result<BulkDone, Broken> {
        self.0.call("bulk.commit", &CommitBulk { bulk, ids, batch: batch.clone() }).map_err(|error| match error {
            ClientError::Unheard => Broken::Lost(error.into()),
            // The error says which of the two.
            ClientError::Refused(ref refused) if refused.message.starts_with("nothing was") => {
                Broken::Nothing(error.into())
            }
            _ => Broken::Unknown(error.into()),
        })
    }

    /// The master drops it when the connection closes, unawaited: its disk may be full.
    fn discard(&mut self, _bulk: BulkId) {}
}

/// Into the store.
pub(super) struct IntoStore<'a> {
    store: &'a mut dyn Store,
}

fn misfit() -> Broken {
    Broken::Nothing(Error::Failed("the jobs were prepared for another way".to_owned()))
}

impl<'a> IntoStore<'a> {
    pub(super) fn new(store: &'a mut dyn Store) -> Self {
        Self { store }
    }

    fn step(&mut self, step: BulkStep, at: crate::model::UnixMicros) -> Result<Reply, StoreError> {
        let applied = self.store.apply(0, &[Request::Bulk(step).into()], at)?;
        Ok(applied.replies.into_iter().next().unwrap_or(Reply::Missing))
    }

    /// A missing bulk push was dropped by a master that has started meanwhile.
    fn before(&mut self, step: BulkStep, at: crate::model::UnixMicros) -> Result<Reply, Broken> {
        match self.step(step, at) {
            Ok(Reply::Missing | Reply::Stale) => {
                Err(Broken::Lost(Error::Failed("another process has dropped what was begun".to_owned())))
            }
            Ok(Reply::Full(full)) => Err(Broken::Nothing(Error::Failed(full.to_string()))),
            Ok(Reply::BadBatch(refused)) => Err(Broken::Nothing(not_joined(&refused))),
            Ok(Reply::BadLink(bad)) => Err(Broken::Nothing(unlinked(&bad.why, bad.to_string()))),
            Ok(reply) => Ok(reply),
            // A master has started, and drops what is not committed.
            Err(error @ StoreError::Held { .. }) => Err(Broken::Lost(error.into())),
            Err(error) => Err(Broken::Nothing(error.into())),
        }
    }

    /// Opens all jobs of a bulk push that is committed. What is left over is opened by whoever writes next; false: some were
    /// opened by another.
    fn open(&mut self, bulk: BulkId, mut each: impl FnMut(Opened)) -> Result<bool, StoreError> {
        while let Reply::Opened(opened) = self.step(BulkStep::Open { bulk, limit: STEP }, clock::wall())? {
            let more = opened.more;
            each(opened);
            if !more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the batch was committed: the truth after a commit that failed. One that is gone may have been opened by a master, or
    /// dropped by it.
    fn is_committed(&mut self, bulk: BulkId) -> Option<bool> {
        self.store.reopen().ok()?;
        let bulks = self.store.bulks().ok()?;
        bulks.iter().find(|open| open.id == bulk).map(|open| open.committed)
    }

    /// Drops what processes that are gone have begun, and opens what they have committed, for a while.
    pub(super) fn tidy(&mut self) {
        let Ok(left) = self.store.bulks() else { return };
        let until = clock::wall().0 + TIDY;
        for OpenBulk { id, owner, committed } in left {
            if backend::may_live(&owner) {
                continue;
            }
            if committed {
                let _ = self.open(id, |_| ());
            } else {
                let step = || BulkStep::Drop { bulk: id, limit: STEP };
                while matches!(self.step(step(), clock::wall()), Ok(Reply::Count(n)) if n >= u64::from(STEP))
                    && clock::wall().0 < until
                {}
            }
        }
    }
}

impl Stager for IntoStore<'_> {
    fn begin(&mut self) -> Result<BulkId, Broken> {
        let owner: BulkOwner = backend::this_process();
        match self.before(BulkStep::Begin(owner), clock::wall())? {
            Reply::Begun(bulk) => Ok(bulk),
            _ => Err(misfit()),
        }
    }

    fn stage(&mut self, bulk: BulkId, chunk: Chunk) -> Result<(JobId, u64), Broken> {
        let Chunk::Jobs(prepared) = chunk else { return Err(misfit()) };
        let (count, at, jobs) = (prepared.jobs.len() as u64, prepared.now, Arc::from(prepared.jobs));
        match self.before(BulkStep::Stage { bulk, jobs }, at)? {
            Reply::Staged { first } => Ok((first, count)),
            _ => Err(misfit()),
        }
    }

    fn commit(&mut self, bulk: BulkId, ids: bool, batch: &PushBatch) -> Result<BulkDone, Broken> {
        let now = clock::wall();
        let into = batch.to_model(now).map_err(|why| Broken::Nothing(Error::Usage(why)))?;
        let mut done = BulkDone::default();
        match self.before(BulkStep::Commit { bulk, batch: into.into() }, now) {
            Ok(Reply::Committed(batch)) => done.batch = Some(batch),
            Ok(_) => {}
            Err(Broken::Nothing(Error::Store(error @ StoreError::Io(_)))) => match self.is_committed(bulk) {
                Some(true) => {}
                Some(false) => return Err(Broken::Nothing(error.into())),
                None => return Err(Broken::Unknown(error.into())),
            },
            Err(other) => return Err(other),
        }
        let opened = self.open(bulk, |opened| {
            done.deduplicated += opened.duplicates.len() as u64;
            done.first_id = done.first_id.into_iter().chain(opened.first).min();
            done.last_id = done.last_id.max(opened.last);
            if ids {
                done.duplicates.extend(opened.duplicates.into_iter().map(|(id, holder)| [id, holder]));
            }
        });
        if !matches!(opened, Ok(true)) {
            // Another process has opened a part, and knows its account.
            (done.first_id, done.last_id) = (None, None);
        }
        // A master that has started opens them.
        done.pending = opened.is_err_and(|error| !matches!(error, StoreError::Held { .. }));
        Ok(done)
    }

    fn discard(&mut self, bulk: BulkId) {
        while matches!(
            self.step(BulkStep::Drop { bulk, limit: STEP }, clock::wall()),
            Ok(Reply::Count(n)) if n >= u64::from(STEP)
        ) {}
    }
}
