//! The masters of a store: who they are, what they may rely on, and what they hear of each other.
//!
//! Knows nothing of how a store keeps them. Invariant: a generation is given once, and is refused everything after another
//! member has taken over from it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::gauge::{Mark, MarkKind};
use crate::model::serves::Serves;
use crate::model::{Generation, JobId, ProcessorName, QueueName, UnixMicros, WorkerId};

/// A master, as it introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Name of its machine, for people; kept where members run on several.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// Start time of the process, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub pid_start: u64,
    /// Identity of this boot of the machine.
    pub boot_id: String,
    /// Found in the environment of everything it starts.
    pub cookie: String,
    /// Version of the program.
    pub version: String,
}

impl Master {
    /// The mark of its start.
    pub(super) fn mark(&self, at: UnixMicros) -> Mark {
        Mark { at, kind: MarkKind::Start, text: format!("version {}, process {}", self.version, self.pid) }
    }
}

/// A master that has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub generation: Generation,
    pub master: Master,
}

/// A place among the members, of a master that has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub generation: Generation,
    /// The first worker id of its own; so are all that follow.
    pub first_worker: WorkerId,
    /// How long it may go on.
    pub tenure: Tenure,
    /// The random id of the store.
    pub store: String,
}

/// How long a member may go on without saying anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// Until it leaves: there is no other member.
    Exclusive,
    /// For so long after each [`super::Store::renew`]; then others may take over from it.
    Lease(Duration),
}

/// Work for one member at a time. Promotion is none: a job is made ready once, by whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// [`Change::Prune`](crate::model::change::Change::Prune); of one that does not lead it removes nothing.
    Prune,
}

/// Changes by others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Details are unknown: any queue may have changed, and any job may have ended.
    pub anything: bool,
    /// The totals are others: said within a second, and at once where more may run because of it.
    pub totals: bool,
    /// Queues that have new ready jobs or room for some, or were paused or resumed: their totals tell.
    pub queues: BTreeSet<QueueName>,
    /// Jobs that have ended, or were deleted, where this was asked for: [`Tell::HearsEnds`](crate::model::order::Tell::HearsEnds).
    pub ended: Vec<JobId>,
    /// Processors that were switched, have another last or next tick, or of which a run began or ended.
    pub processors: BTreeSet<ProcessorName>,
    /// What the pools of all others serve now, where that has changed.
    pub serves: Option<Serves>,
}

impl News {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what came later.
    pub fn add(&mut self, later: Self) {
        self.anything |= later.anything;
        self.totals |= later.totals;
        self.queues.extend(later.queues);
        self.ended.extend(later.ended);
        self.processors.extend(later.processors);
        self.serves = later.serves.or(self.serves.take());
    }
}

/// Result of [`super::Store::recover`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Jobs that were running or claimed and are ready again.
    pub released: u64,
}
