//! A push of so many jobs that they do not fit one transaction, and of which all or none are added.
//!
//! A push is begun, its jobs are staged in steps, then it is committed, which is one small change, and opened in steps again.
//! Before the commit nobody sees, counts or runs any of its jobs, and none holds a unique key; after it all of them are on
//! record and counted, and each can run from when it was opened.

use std::sync::Arc;

use super::batch::IntoBatch;
use super::{BulkId, JobId, NewJob};

/// The process that pushes: what was not committed when it ended is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkOwner {
    /// Its process id.
    pub pid: u32,
    /// Start time of the process, in clock ticks since boot.
    pub pid_start: u64,
    /// Identity of this boot of the machine; of a guest with `/` and its pid namespace.
    pub boot_id: String,
}

/// A bulk push that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBulk {
    /// Its number, never given again.
    pub id: BulkId,
    /// The process that began it.
    pub owner: BulkOwner,
    /// Whether its jobs are there; else they are yet to be dropped or committed.
    pub committed: bool,
}

/// A step of a bulk push. Of one that is over, or was never begun: [`Reply::Missing`](super::change::Reply::Missing).
#[derive(Clone, Debug)]
pub enum BulkStep {
    /// Begin. Reply: [`Reply::Begun`](super::change::Reply::Begun).
    Begin(BulkOwner),
    /// Add jobs, with ids in a row. Reply: [`Reply::Staged`](super::change::Reply::Staged), `BadLink` and none was added, or
    /// `Stale` after the commit or a drop.
    Stage { bulk: BulkId, jobs: Arc<[NewJob]> },
    /// From now on all of its jobs are there, in a batch. Reply: [`Reply::Committed`](super::change::Reply::Committed), `BadBatch`
    /// if they cannot join theirs, `BadLink` if one of them comes after a ref that none has, or after itself, or `Stale` if they
    /// were before, or if some were dropped.
    Commit { bulk: BulkId, batch: Arc<IntoBatch> },
    /// Move a bounded number of its jobs to where they wait, and decide on unique keys: who holds one keeps it. Reply:
    /// [`Reply::Opened`](super::change::Reply::Opened), or `Stale` before the commit.
    Open {
        bulk: BulkId,
        /// Bound on the work of one step.
        limit: u32,
    },
    /// Remove a bounded number of its jobs, and itself after the last. Reply: `Count`, less than the limit when nothing is
    /// left, or `Stale` after the commit.
    Drop {
        bulk: BulkId,
        /// Bound on the work of one step.
        limit: u32,
    },
}

/// Jobs that one step has opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The lowest id that stands for a job pushed: its own, or that of the one that was there already.
    pub first: Option<JobId>,
    pub last: Option<JobId>,
    /// Jobs that were not added, as another had their unique key, each with that one.
    pub duplicates: Vec<(JobId, JobId)>,
    /// Whether there is more to open.
    pub more: bool,
}

impl Opened {
    /// Takes in an id that stands for a job pushed.
    pub fn note(&mut self, id: JobId) {
        self.first = Some(self.first.map_or(id, |first| first.min(id)));
        self.last = self.last.max(Some(id));
    }
}
