//! What is true after every batch.

use super::*;
use JobState::{Blocked, Dead, Ready, Running, Scheduled};

impl Kit {
    /// What a batch tells of the queues that it touched, on top of what was there, is all there is.
    pub(super) fn check_changes(
        &mut self,
        mut all: BTreeMap<QueueName, QueueTotals>,
        forgotten: &[QueueName],
        changed: Vec<QueueTotals>,
    ) {
        all.retain(|name, _| !forgotten.contains(name));
        all.extend(changed.into_iter().map(|totals| (totals.name.clone(), totals)));
        assert_eq!(all.into_values().collect::<Vec<_>>(), self.store.totals().unwrap());
    }

    pub(super) fn check_totals(&mut self) {
        let totals = self.records.queue_totals().unwrap();
        assert_eq!(self.store.totals().unwrap(), totals);
        let jobs = self.records.jobs(&JobFilter::default()).unwrap();
        for t in totals {
            let count = |state| jobs.iter().filter(|j| j.queue == t.name && j.state == state).count() as u64;
            let counted = [Blocked, Ready, Scheduled, Running, Dead].map(count);
            assert_eq!([t.blocked, t.ready, t.scheduled, t.running, t.dead], counted, "{t:?}");
            assert!(t.retrying <= t.scheduled && t.retrying_commands <= t.retrying, "{t:?}");
            let commands = jobs.iter().filter(|j| j.queue == t.name && j.state == JobState::Ready && j.kind == EXEC);
            assert_eq!(t.commands, commands.count() as u64, "{t:?}");
            assert!(t.commands + t.typed.values().sum::<u64>() <= t.ready, "{t:?}");
            assert!(self.has_unopened() || t.oldest_ready_at.is_some() == (t.ready > 0), "{t:?}");
        }
    }

    pub(super) fn has_unopened(&mut self) -> bool {
        self.store.bulks().unwrap().iter().any(|bulk| bulk.committed)
    }
}
