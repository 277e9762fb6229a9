//! Queues that a batch has touched, and those that are forgotten.
//!
//! Invariant: the same queues go in the same step as in SQLite.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::state::{Queue, State};
use crate::model::change::Keep;
use crate::model::{QueueName, QueueTotals, UnixMicros};

impl State {
    /// At the end of a batch: the totals of the queues that it touched. `master`: it may have given ids to runs.
    pub(super) fn close_batch(&mut self, master: bool, at: UnixMicros) -> Vec<QueueTotals> {
        let high = if master { self.run_high } else { 0 };
        let before = std::mem::take(&mut self.before);
        for (name, before) in &before {
            if let Some(queue) = self.queues.get_mut(name)
                && before.as_ref() != Some(&*queue)
            {
                queue.changed_at = queue.changed_at.max(at);
                queue.run_high = queue.run_high.max(high);
            }
        }
        before.keys().filter_map(|name| self.totals_of(name)).collect()
    }

    /// Walks on through the queues; how many were forgotten.
    pub(super) fn prune_queues(&mut self, keep: &Keep, served: &BTreeSet<QueueName>) -> usize {
        let oldest = self.runs.keys().next().copied().unwrap_or(i64::MAX);
        let from = self.queues_seen.take().map_or(Bound::Unbounded, Bound::Excluded);
        let walk = self.queues.range((from, Bound::Unbounded)).take(keep.limit as usize);
        let walk: Vec<(QueueName, Queue)> = walk.map(|(name, queue)| (name.clone(), queue.clone())).collect();
        self.queues_seen = walk.last().filter(|_| walk.len() == keep.limit as usize).map(|(name, _)| name.clone());
        let unused = |(name, queue): &(QueueName, Queue)| {
            let changes = self.before.get(name).is_some_and(|before| before.as_ref() != Some(queue));
            let idle = !changes && queue.changed_at < keep.runs_since && queue.run_high < oldest;
            idle && is_empty(queue) && !served.contains(name) && !self.has_staged(name) && !self.has_failures(name)
        };
        let unused: Vec<QueueName> = walk.iter().filter(|found| unused(found)).map(|(name, _)| name.clone()).collect();
        self.queues.retain(|name, _| !unused.contains(name));
        let count = unused.len();
        self.forgotten.extend(unused);
        count
    }

    fn has_failures(&self, name: &QueueName) -> bool {
        self.failures.values().any(|row| row.queue == *name)
    }

    fn has_staged(&self, name: &QueueName) -> bool {
        let staged = self.bulks.values().filter(|bulk| !bulk.committed);
        staged.flat_map(|bulk| &bulk.staged_in).any(|queue| queue == name)
    }
}

fn is_empty(Queue { totals, cancelled, .. }: &Queue) -> bool {
    let QueueTotals { paused, blocked, ready, scheduled, running, dead, .. } = totals;
    !paused && [blocked, ready, scheduled, running, dead, cancelled].into_iter().all(|count| *count == 0)
}
