//! A place for a worker in a pool: who holds it, and how long it waits after fast deaths.
//!
//! Invariants: a slot changes hands in `set_slot` only, which sees to it that an empty one is filled; its timer is that of
//! its backoff. One that is over has no worker and no timer.

use super::backoff::Backoff;
use super::deadlines::Timer;
use super::pool::PoolId;
use super::{Core, Handle};
use crate::model::death::{Over, SlotProblem};
use crate::model::worker::{EndReason, Exit};
use crate::model::{Mono, Slot, WorkerId};

/// Holder of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotState {
    #[default]
    Empty,
    Held(WorkerId),
    /// `new` takes the place of `old` when it is ready.
    Replacing {
        old: WorkerId,
        new: WorkerId,
    },
    /// Not to be filled any more, until an operator wants it to be.
    Over(Over),
}

impl SlotState {
    /// Its worker.
    #[must_use]
    pub const fn current(self) -> Option<WorkerId> {
        match self {
            Self::Empty | Self::Over(_) => None,
            Self::Held(worker) | Self::Replacing { old: worker, .. } => Some(worker),
        }
    }

    /// The worker that is to follow, while the current one still works.
    #[must_use]
    pub const fn successor(self) -> Option<WorkerId> {
        match self {
            Self::Replacing { new, .. } => Some(new),
            Self::Empty | Self::Held(_) | Self::Over(_) => None,
        }
    }

    /// Why it is not filled any more.
    #[must_use]
    pub const fn over(self) -> Option<Over> {
        match self {
            Self::Over(over) => Some(over),
            Self::Empty | Self::Held(_) | Self::Replacing { .. } => None,
        }
    }

    /// The last worker has ended, and is not to be followed by another.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Over(Over::Finished(_)))
    }

    /// Both.
    pub fn workers(self) -> impl Iterator<Item = WorkerId> {
        [self.current(), self.successor()].into_iter().flatten()
    }

    /// The state without this worker; `None` if it is not in this slot.
    pub(super) fn without(self, worker: WorkerId) -> Option<Self> {
        match self {
            Self::Held(held) if held == worker => Some(Self::Empty),
            Self::Replacing { old, new } if old == worker => Some(Self::Held(new)),
            Self::Replacing { old, new } if new == worker => Some(Self::Held(old)),
            Self::Empty | Self::Held(_) | Self::Replacing { .. } | Self::Over(_) => None,
        }
    }

    /// The state with this worker, too.
    pub(super) const fn with(self, worker: WorkerId) -> Self {
        match self {
            Self::Empty | Self::Over(_) => Self::Held(worker),
            Self::Held(old) | Self::Replacing { old, .. } => Self::Replacing { old, new: worker },
        }
    }
}

/// The past of a slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotHistory {
    /// Processes replaced so far, whatever for.
    pub restarts: u64,
    /// Processes that ended unasked, or did not come up.
    pub crashes: u64,
    /// How the process before the present one ended.
    pub last_exit: Option<(EndReason, Option<Exit>)>,
}

/// A place for a worker.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotEntry {
    pub(super) state: SlotState,
    pub(super) backoff: Backoff,
    pub(super) history: SlotHistory,
}

impl SlotEntry {
    pub(super) fn view(&self, slot: Slot) -> SlotView<'_> {
        let &Self { state, history, ref backoff } = self;
        SlotView { slot, state, history, problem: backoff.problem.as_ref(), not_before: backoff.until }
    }

    /// Whether a process may be asked for now.
    pub(super) fn may_spawn(&self, now: Mono) -> bool {
        self.backoff.until.is_none_or(|at| at <= now)
    }
}

/// A slot, for `status`.
#[derive(Clone, Debug)]
pub struct SlotView<'a> {
    pub slot: Slot,
    /// Its worker, and the one that is to follow.
    pub state: SlotState,
    pub history: SlotHistory,
    /// Why no worker comes up.
    pub problem: Option<&'a SlotProblem>,
    /// When the next spawn is due.
    pub not_before: Option<Mono>,
}

impl Core {
    pub(super) fn entry(&mut self, pool: PoolId, slot: Slot) -> Option<&mut SlotEntry> {
        self.pools.get_mut(&pool).and_then(|p| p.slots.get_mut(&slot))
    }

    /// The slot of a worker, unless it has left it.
    pub(super) fn slot_of(&mut self, id: WorkerId) -> Option<&mut SlotEntry> {
        let &Handle { pool, slot, .. } = self.workers.get(id)?;
        self.entry(pool, slot).filter(|entry| entry.state.workers().any(|w| w == id))
    }

    /// Changes who holds a slot.
    pub(super) fn set_slot(&mut self, pool: PoolId, slot: Slot, state: SlotState) {
        let Some(pool) = self.pools.get_mut(&pool) else { return };
        let Some(entry) = pool.slots.get_mut(&slot) else { return };
        entry.state = state;
        pool.dirty |= state == SlotState::Empty;
    }

    /// Removes a slot; its workers are the caller's business.
    pub(super) fn remove_slot(&mut self, id: PoolId, slot: Slot) -> Option<SlotEntry> {
        self.set_backoff(id, slot, None);
        self.pools.get_mut(&id)?.slots.remove(&slot)
    }

    /// No spawn in this slot before then.
    pub(super) fn set_backoff(&mut self, id: PoolId, slot: Slot, until: Option<Mono>) {
        let Some(entry) = self.pools.get_mut(&id).and_then(|pool| pool.slots.get_mut(&slot)) else { return };
        let before = std::mem::replace(&mut entry.backoff.until, until);
        self.timers.replace(before, until, Timer::Slot(id, slot));
    }

    /// The backoff of a slot is over.
    pub(super) fn end_backoff(&mut self, id: PoolId, slot: Slot) {
        self.set_backoff(id, slot, None);
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.dirty = true;
        }
    }
}
