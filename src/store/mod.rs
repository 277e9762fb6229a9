//! Where jobs, runs and workers are recorded.
//!
//! [`Store`] is what the master's writer thread needs: one transaction per batch of [`Op`]s, each change of a
//! running job guarded by its run id. [`Records`] is what readers need. Both are implemented by SQLite and by
//! memory, and one conformance suite runs over both. [`open`] is the only way to a store; what is SQLite's stays in
//! `store::sqlite`.
//!
//! Invariants:
//! - A job is in exactly one place: blocked, ready, scheduled, running, ended (dead or cancelled), or in none of them,
//!   which means it succeeded.
//! - A batch is applied whole or not at all, and totals change in the same transaction.
//! - An `Op` about a run that is no longer the job's current one changes nothing: [`Reply::Stale`].
//! - Ids are never used twice.

mod boxed;
mod changes;
mod error;
pub mod exam;
mod filters;
mod history;
mod location;
mod members;
pub mod memory;
mod moving;
mod postgres;
mod records;
mod relational;
mod silence;
mod sqlite;
pub mod writer;

#[cfg(test)]
mod conformance;

pub use error::{StoreError, WENT_BACK};
pub use filters::{AuditFilter, AutoscaleFilter, BatchFilter, CallFilter, KeyFilter};
pub use history::{History, HistoryFilter};
pub use location::{Allow, Changes, Holder, Location, Lock, Opened, OrderDesk, open};
pub use members::{Duty, Master, Member, Membership, News, Recovered, Tenure};
pub use moving::{Move, Moved};
pub use records::{
    DeadGroup, ErrorFilter, FailureFilter, JobFilter, LastMaster, ProcessorRunFilter, Records, RunFilter, Slice,
    WorkerFilter,
};

use crate::model::bulk::OpenBulk;
use crate::model::change::{Op, Reply, Settled};
use crate::model::order::Orders;
use crate::model::processor::EndedRun;
use crate::model::{Generation, Mono, QueueName, QueueTotals, UnixMicros};

/// How many children one batch tells what became of their parents; few in tests, so that these have several steps.
const TOLD_AT_ONCE: u32 = if cfg!(test) { 3 } else { 1_000 };
/// How many expired jobs one claim clears away before it says "more".
const EXPIRED_PER_CLAIM: usize = 10_000;
/// How many jobs whose keys are paused one claim moves out of the way before it says "more".
const PARKED_PER_CLAIM: usize = 1_000;
/// Error of a run that had begun when the master died.
const LOST: &str = "the master died while this ran";
/// Error of a run without a worker on record: not sent yet, or so short that its start was not recorded.
const LOST_ON_ITS_WAY: &str = "the master died while this was on its way to a worker, or had just begun";

/// Text of a run that the recovery records.
fn lost(worker: Option<i64>) -> &'static str {
    if worker.is_none() { LOST_ON_ITS_WAY } else { LOST }
}

/// Result of a batch.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// `replies[i]` answers `ops[i]`.
    pub replies: Vec<Reply>,
    /// Queues that are on record no more; one that is in `changed` as well came back in the same batch.
    pub forgotten: Vec<QueueName>,
    /// The totals of queues that the batch has touched, after it. May be partial: what other processes change is never in it,
    /// and a store that several masters share may leave out more. [`Store::totals`] reads all.
    pub changed: Vec<QueueTotals>,
    /// Runs of processors that are over.
    pub ended_runs: Vec<EndedRun>,
    /// What became of jobs that waited for others.
    pub settled: Settled,
}

/// Puts on the disk all that was committed before the call, from any thread; the error says what could not be synced.
pub type DiskSync = Box<dyn FnMut() -> Result<(), String> + Send>;

/// The writing side: one owner, one batch at a time. Ids are the store's: those of jobs and runs are given in the replies,
/// those of workers from [`Membership::first_worker`] on.
pub trait Store: Send {
    /// Makes this master a member, with a generation of its own: a new one each time. With [`Tenure::Exclusive`] whoever
    /// joined before is refused everything from now on.
    fn join(&mut self, master: &Master, at: UnixMicros) -> Result<Membership, StoreError>;

    /// Says that this member is alive, several times in each [`Tenure::Lease`].
    fn renew(&mut self, now: Mono) -> Result<(), StoreError> {
        let _ = now;
        Ok(())
    }

    /// Ends the membership in order. Nothing may be running.
    fn leave(&mut self, at: UnixMicros) -> Result<(), StoreError>;

    /// The members that are gone without having left, oldest first: with [`Tenure::Exclusive`] all that joined before,
    /// else those that this one has not seen renew for a whole lease by its own clock, in which it renewed in time
    /// itself. The caller proves that all they have started on this machine is dead, then calls [`Store::recover`] for
    /// each.
    fn dead(&mut self, now: Mono) -> Result<Vec<Member>, StoreError>;

    /// Takes over from a member that [`Store::dead`] has named: each job it left running is ready again at its old
    /// place with its attempt refunded (`releases` + 1) and its run recorded as `released`, cause `master_lost`; its
    /// workers without an end get one (`master_lost`). From then on the member counts as ended, and if it lives all the
    /// same, it is refused everything. A member that has renewed meanwhile keeps all it has. Works in steps of bounded
    /// size.
    fn recover(&mut self, generation: Generation, at: UnixMicros) -> Result<Recovered, StoreError>;

    /// What a store of several members wants from time to time: takes over from those that are gone by now, and takes in what
    /// applications have pushed by themselves. What has changed by that.
    fn look_around(&mut self, now: Mono, at: UnixMicros) -> Result<News, StoreError> {
        let _ = (now, at);
        Ok(News::default())
    }

    /// What others ask this member to do, each once, and what became of what it has asked them; in a store of one master nobody
    /// does.
    fn orders(&mut self) -> Result<Orders, StoreError> {
        Ok(Orders::default())
    }

    /// Whether this member has a duty of one member at a time; it keeps the duty until it leaves or is taken over.
    fn lead(&mut self, duty: Duty) -> Result<bool, StoreError> {
        let _ = duty;
        Ok(true)
    }

    /// Applies all of `ops`, in order, in one transaction.
    ///
    /// `batch` is the number of this batch, growing by one per batch of a generation (0 for a writer that is no
    /// member, which is not checked). If a batch that failed is applied again under the same number after it was
    /// in fact committed, this returns `Err(StoreError::AlreadyApplied)`: a failed commit means "unknown".
    fn apply(&mut self, batch: u64, ops: &[Op], at: UnixMicros) -> Result<Applied, StoreError>;

    /// Upkeep after a batch, such as a checkpoint of the log, when it is due. Put off for a while if the sync of the
    /// last batch is `awaited`, which the upkeep would delay. An error changes nothing that is committed, and asks for
    /// a reopen.
    fn tend(&mut self, awaited: bool) -> Result<(), StoreError> {
        let _ = awaited;
        Ok(())
    }

    /// Results of a batch whose commit failed and that turned out to be [`StoreError::AlreadyApplied`], as computed
    /// before the commit. `None` if they are not known (any more).
    fn applied_by(&mut self, batch: u64) -> Option<Applied>;

    /// The bulk pushes that are not over. A writer that finds one whose client is gone drops it, or opens it if it is
    /// committed.
    fn bulks(&mut self) -> Result<Vec<OpenBulk>, StoreError>;

    /// The next time [`Change::Promote`](crate::model::change::Change::Promote) has something to do.
    fn next_due(&mut self) -> Result<Option<UnixMicros>, StoreError>;

    /// Totals of all queues, by name. Takes a time that grows with their number: not for every batch.
    fn totals(&mut self) -> Result<Vec<QueueTotals>, StoreError>;

    /// Changes by others since the last call, members and those that are none. An error also if the store is not where
    /// it was.
    fn news(&mut self) -> Result<News, StoreError>;

    /// Drops the connection and opens another, after an I/O error.
    fn reopen(&mut self) -> Result<(), StoreError>;

    /// Whether the batch with this number, or a later one, was committed: the truth after a commit that failed.
    fn is_applied(&mut self, batch: u64) -> Result<bool, StoreError>;

    /// The handle that puts commits on the disk; `None`: each is there when it is made.
    fn syncer(&self) -> Option<DiskSync> {
        None
    }

    /// Puts everything that is committed on the disk, after a sync that failed. A later sync that succeeds does not:
    /// the system takes what it failed to write for written.
    fn harden(&mut self) -> Result<(), StoreError>;
}
