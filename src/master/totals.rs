//! The totals of the queues, as the store last told them.
//!
//! Read whole at the start and after a change by another process; in between each batch tells only of the queues that it
//! touched. Invariant: the cost of a batch does not depend on how many queues there are.

use std::collections::BTreeMap;

use crate::model::{QueueName, QueueTotals};

/// The totals of all queues on record.
#[derive(Debug, Default)]
pub(super) struct Totals {
    queues: BTreeMap<QueueName, QueueTotals>,
}

impl From<Vec<QueueTotals>> for Totals {
    fn from(all: Vec<QueueTotals>) -> Self {
        Self { queues: all.into_iter().map(|totals| (totals.name.clone(), totals)).collect() }
    }
}

impl Totals {
    /// Takes in what a batch has done.
    pub(super) fn update(&mut self, forgotten: &[QueueName], changed: Vec<QueueTotals>) {
        for name in forgotten {
            self.queues.remove(name);
        }
        // Afterwards: a queue may have come back in the batch that forgot it.
        for totals in changed {
            self.queues.insert(totals.name.clone(), totals);
        }
    }

    /// Totals of one queue, if it is on record.
    pub(super) fn of(&self, name: &QueueName) -> Option<&QueueTotals> {
        self.queues.get(name)
    }

    /// Totals of all queues, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = &QueueTotals> {
        self.queues.values()
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
        let mut all = Totals::from(vec![totals("b", 1), totals("a", 2), totals("c", 3)]);
        let forgotten = [totals("a", 0).name, totals("c", 0).name];
        all.update(&forgotten, vec![totals("c", 7), totals("d", 1)]);
        let found: Vec<(&str, u64)> = all.all().map(|t| (t.name.as_str(), t.ready)).collect();
        assert_eq!(found, [("b", 1), ("c", 7), ("d", 1)]);
        assert_eq!(all.of(&totals("a", 0).name), None);
    }
}
