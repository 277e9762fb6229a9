//! The totals of the queues, as the store last told them: which are paused, and what is left to do.
//!
//! Read whole at the start and after a change by another process; in between each batch tells only of the queues that it
//! touched. Invariants: the cost of a batch does not depend on how many queues there are; a queue is paused from the
//! commit that says so, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};

use super::rates::Rates;
use super::{Action, Core};
use crate::model::queue::QueueRate;
use crate::model::rollup::{MOST_TYPES, other_queue};
use crate::model::{Mono, Now, QueueName, QueueTotals, UnixMicros};

/// The totals of all queues on record.
#[derive(Debug, Default)]
pub struct Totals {
    queues: BTreeMap<QueueName, QueueTotals>,
    paused: BTreeSet<QueueName>,
    /// In which jobs wait for others.
    blocked: BTreeSet<QueueName>,
    rates: Rates,
    /// The first queues that came, which are told apart where all would be too many.
    apart: BTreeSet<QueueName>,
    /// Jobs that were pushed to others since the master started.
    pushed_to_others: u64,
}

impl Totals {
    /// Totals of one queue, if it is on record.
    #[must_use]
    pub fn of(&self, name: &QueueName) -> Option<&QueueTotals> {
        self.queues.get(name)
    }

    /// Totals of all queues, by name.
    pub fn all(&self) -> impl Iterator<Item = &QueueTotals> {
        self.queues.values()
    }

    /// The speed of a queue with these totals, once there is something to compare them with.
    #[must_use]
    pub fn rate_of(&self, totals: &QueueTotals, now: Mono) -> Option<QueueRate> {
        self.rates.of(totals, now)
    }

    /// Totals of at most [`MOST_TYPES`] queues, always the same while they are on record, and of the rest as one.
    #[must_use]
    pub fn with_others(&self) -> BTreeMap<QueueName, QueueTotals> {
        // Both are in order: nothing is looked up.
        let mut apart = self.apart.iter().peekable();
        let mut all = QueueTotals::with_others(self.all(), |name| apart.next_if_eq(&name).is_some());
        if self.pushed_to_others > 0 {
            all.entry(other_queue()).or_default().pushed_total += self.pushed_to_others;
        }
        all
    }

    fn forget(&mut self, name: &QueueName) {
        self.queues.remove(name);
        self.apart.remove(name);
        self.blocked.remove(name);
        self.paused.remove(name);
    }

    /// Takes in the totals of a queue; true if it was paused, or is no longer, or has other limits.
    fn put(&mut self, totals: QueueTotals, now: Mono) -> bool {
        let name = totals.name.clone();
        let before = self.queues.get(&name);
        let has_other_limits = before.is_some_and(|before| before.limits != totals.limits);
        self.rates.count(before, &totals, now);
        if before.is_none() && self.apart.len() < MOST_TYPES {
            self.apart.insert(name.clone());
        } else if self.rates.have_begun() && !self.apart.contains(&name) {
            self.pushed_to_others += totals.pushed_total.saturating_sub(before.map_or(0, |before| before.pushed_total));
        }
        if totals.blocked == 0 {
            self.blocked.remove(&name);
        } else if !self.blocked.contains(&name) {
            self.blocked.insert(name.clone());
        }
        let turned = if totals.paused { self.paused.insert(name.clone()) } else { self.paused.remove(&name) };
        self.queues.insert(name, totals);
        turned || has_other_limits
    }
}

impl Core {
    /// The totals of the queues.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// A batch is committed.
    pub(super) fn committed(
        &mut self,
        forgotten: &[QueueName],
        changed: Vec<QueueTotals>,
        next_due: Option<UnixMicros>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        for name in forgotten {
            self.totals.forget(name);
            self.served.touch(name);
        }
        // Afterwards: a queue may have come back in the batch that forgot it.
        let mut turned = Vec::new();
        for totals in changed {
            let name = totals.name.clone();
            self.served.touch(&name);
            self.rollups.see(&totals, now);
            if self.totals.put(totals, now.mono) {
                turned.push(name.clone());
            }
            self.note_work(&name);
            self.heed_work(&name);
        }
        self.set_due(next_due);
        if !turned.is_empty() {
            self.hold_back_paused(out);
            self.news(&turned);
        }
    }

    /// A job ends: others may be ready with it, and the claim that follows in the same batch sees them.
    pub(super) fn expect_freed(&mut self) {
        if !self.totals.blocked.is_empty() {
            let queues: Vec<QueueName> = self.totals.blocked.iter().cloned().collect();
            self.news(&queues);
        }
    }

    /// Everything was read anew; `may_run`: there may be jobs to claim where there were none.
    pub(super) fn reread(
        &mut self,
        all: Vec<QueueTotals>,
        next_due: Option<UnixMicros>,
        may_run: bool,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.served.touch_all();
        let there: BTreeSet<&QueueName> = all.iter().map(|totals| &totals.name).collect();
        let gone: Vec<_> = self.totals.queues.keys().filter(|name| !there.contains(name)).cloned().collect();
        self.committed(&gone, all, next_due, now, out);
        self.totals.rates.begin(now.mono);
        if may_run {
            self.news(&[]);
        }
    }

    /// Gives back what is claimed of queues that are paused.
    fn hold_back_paused(&mut self, out: &mut Vec<Action>) {
        let pools: Vec<_> = self.pools.keys().copied().collect();
        for pool in pools {
            self.hold_back_if_paused(pool, out);
        }
    }

    /// Gives back what a pool has claimed of queues that are paused.
    pub(super) fn hold_back_if_paused(&mut self, pool: super::PoolId, out: &mut Vec<Action>) {
        if !self.totals.paused.is_empty() {
            let paused = std::mem::take(&mut self.totals.paused);
            self.hold_back(pool, |job| paused.contains(&job.queue), out);
            self.totals.paused = paused;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(name: &str, ready: u64) -> QueueTotals {
        QueueTotals { name: QueueName::new(name).unwrap(), ready, ..QueueTotals::default() }
    }

    #[test]
    fn a_batch_changes_only_what_it_tells_of_and_a_queue_that_came_back_stays() {
        let mut core = Core::new(crate::model::WorkerId(1), 1);
        core.reread(vec![totals("b", 1), totals("a", 2), totals("c", 3)], None, true, Now::default(), &mut Vec::new());
        let forgotten = [totals("a", 0).name, totals("c", 0).name];
        core.committed(&forgotten, vec![totals("c", 7), totals("d", 1)], None, Now::default(), &mut Vec::new());
        let found: Vec<(&str, u64)> = core.totals().all().map(|t| (t.name.as_str(), t.ready)).collect();
        assert_eq!(found, [("b", 1), ("c", 7), ("d", 1)]);
        assert_eq!(core.totals().of(&totals("a", 0).name), None);
    }

    #[test]
    fn queues_beyond_the_first_are_one_whose_pushes_are_counted_from_the_start_and_never_fall() {
        let mut core = Core::new(crate::model::WorkerId(1), 1);
        let pushed = |name: &str, pushed_total| QueueTotals { pushed_total, ..totals(name, 1) };
        let many = |from: usize, to: usize| (from..to).map(|n| pushed(&format!("q{n:03}"), 5)).collect::<Vec<_>>();
        let commit = |core: &mut Core, forgotten: &[&str], changed| {
            let forgotten: Vec<_> = forgotten.iter().map(|name| totals(name, 0).name).collect();
            core.committed(&forgotten, changed, None, Now::default(), &mut Vec::new());
        };
        let other =
            |core: &Core| core.totals().with_others().remove(&other_queue()).map(|sum| (sum.ready, sum.pushed_total));
        core.reread(many(0, MOST_TYPES + 3), None, true, Now::default(), &mut Vec::new());
        assert_eq!((core.totals().with_others().len(), other(&core)), (MOST_TYPES + 1, Some((3, 0))));
        commit(&mut core, &[], vec![pushed("q200", 7), pushed("q000", 9), pushed("new", 4)]);
        assert_eq!(other(&core), Some((4, 2 + 4)));
        commit(&mut core, &["q200", "q201", "q202", "new", "q007"], Vec::new());
        assert_eq!(other(&core), Some((0, 6)), "the queues are gone, what was pushed to them is not");
        commit(&mut core, &[], vec![pushed("newer", 1), pushed("newest", 8)]);
        assert!(core.totals().with_others().contains_key(&totals("newer", 0).name), "in the place of one that is gone");
        assert_eq!(other(&core), Some((1, 6 + 8)));
    }
}
