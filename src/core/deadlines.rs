//! Deadlines: one armed time per worker and per slot in backoff, re-armed when it rings.
//!
//! A job that is answered long before its deadline leaves no timer behind: a worker's timer is set again only for
//! an earlier time, and a worker that rings too early says so by having nothing due.

use std::collections::BTreeSet;

use super::PoolId;
use crate::model::{Mono, Slot, WorkerId};

/// Owner of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Look at this worker's deadlines.
    Worker(WorkerId),
    /// A slot whose backoff is over.
    Slot(PoolId, Slot),
}

/// All armed timers, in order.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Mono, Timer)>);

impl Timers {
    /// Arms a timer for `at` instead of `before`.
    pub(super) fn replace(&mut self, before: Option<Mono>, at: Option<Mono>, timer: Timer) {
        if let Some(before) = before {
            self.0.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.0.insert((at, timer));
        }
    }

    /// The first timer that is due, taken out.
    pub(super) fn ring(&mut self, now: Mono) -> Option<Timer> {
        let &(at, timer) = self.0.first()?;
        if at > now {
            return None;
        }
        self.0.remove(&(at, timer));
        Some(timer)
    }

    pub(super) fn next(&self) -> Option<Mono> {
        self.0.first().map(|&(at, _)| at)
    }
}
