//! Queues that limits keep closed: when their jobs are asked for again.
//!
//! The store decides what may start; here is only what wakes a claim. Invariant: a queue that is closed is not asked for before
//! its time, the end of one of its jobs, or a change of its limits, whatever waits in it.

use super::{Core, PoolId};
use crate::model::{Mono, Now, QueueName, UnixMicros};

impl Core {
    /// When a queue opens that its limits keep closed until a time.
    #[must_use]
    pub fn opens_at(&self, queue: &QueueName) -> Option<UnixMicros> {
        self.closed.get(queue).copied().flatten()
    }

    /// Takes in what a claim of this pool was told.
    pub(super) fn close_queues(&mut self, pool: PoolId, closed: Vec<(QueueName, Option<UnixMicros>)>) {
        if let Some(pool) = self.pools.get(&pool).filter(|_| !self.closed.is_empty()) {
            for queue in pool.settings.queues.names() {
                self.closed.remove(queue);
            }
        }
        self.closed.extend(closed);
    }

    /// A job of this queue runs no more; whether more of it may start because of that. A claim that is on its way may find the
    /// queue closed that is open by then, so it is not enough to look at those that are closed.
    pub(super) fn may_open(&self, queue: &QueueName) -> bool {
        let limits = self.totals.of(queue).and_then(|totals| totals.limits.as_deref());
        limits.is_some_and(|record| record.in_force.holds_back())
    }

    /// Queues whose time has come.
    pub(super) fn open_queues(&mut self, now: Now) {
        if self.closed.is_empty() {
            return;
        }
        let is_open = |until: Option<UnixMicros>| until.is_some_and(|until| until <= now.wall);
        let open: Vec<QueueName> =
            self.closed.iter().filter(|(_, until)| is_open(**until)).map(|(queue, _)| queue.clone()).collect();
        for queue in &open {
            self.closed.remove(queue);
        }
        if !open.is_empty() {
            self.news(&open);
        }
    }

    /// Their times are not to be trusted any more.
    pub(super) fn open_all(&mut self) {
        if !std::mem::take(&mut self.closed).is_empty() {
            self.news(&[]);
        }
    }

    /// When the first of them opens by itself.
    pub(super) fn next_opening(&self, now: Now) -> Option<Mono> {
        let first = self.closed.values().flatten().min()?;
        Some(now.mono + first.since(now.wall))
    }
}
