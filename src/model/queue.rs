//! Queues: their totals, and the order in which a pool serves several of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limit_record::LimitRecord;
use super::rollup::other_queue;
use super::{Lane, QueueName, UnixMicros};

/// How a pool chooses between its queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueOrder {
    /// The first queue that has a ready job, always.
    Strict(Vec<QueueName>),
    /// In proportion to the weights (1 to 1000); an empty queue gives its share to the others.
    Weighted(Vec<(QueueName, u32)>),
}

impl QueueOrder {
    /// The queues, in the order written.
    pub fn names(&self) -> impl Iterator<Item = &QueueName> {
        let (strict, weighted): (&[QueueName], &[(QueueName, u32)]) = match self {
            Self::Strict(names) => (names, &[]),
            Self::Weighted(names) => (&[], names),
        };
        strict.iter().chain(weighted.iter().map(|(name, _)| name))
    }
}

/// Numbers of jobs in a queue, kept by difference with every change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueTotals {
    pub name: QueueName,
    /// Hands out no jobs.
    pub paused: bool,
    /// Waiting for a worker.
    pub ready: u64,
    /// Of `ready`, those that are commands.
    pub commands: u64,
    /// Of `ready`, those in lanes of their types; without those that are pushed in bulk and not opened yet.
    pub typed: BTreeMap<Arc<str>, u64>,
    /// Due later, retries included.
    pub scheduled: u64,
    /// Of `scheduled`, those that wait for a retry.
    pub retrying: u64,
    /// Of `retrying`, those that are commands.
    pub retrying_commands: u64,
    /// Waiting for other jobs.
    pub blocked: u64,
    pub running: u64,
    /// Given up and kept.
    pub dead: u64,
    /// Jobs that ended well since the queue is on record.
    pub succeeded_total: u64,
    /// Runs that failed, timed out or crashed since then.
    pub failed_total: u64,
    /// Jobs that were pushed since then.
    pub pushed_total: u64,
    /// Due time of the first ready job of a lane; the earliest of them.
    pub oldest_ready_at: Option<UnixMicros>,
    /// Limits, if it has some.
    pub limits: Option<Arc<LimitRecord>>,
    /// Of `ready`, those that a claim leaves as their keys are paused.
    pub parked: u64,
}

/// Speed of a queue over the last minute, or since the master began to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueRate {
    /// Jobs that succeeded or died, per second.
    pub done_per_s: f64,
    /// Jobs that were pushed or retried, per second.
    pub pushed_per_s: f64,
    /// When no job is ready any more, if the queue becomes shorter.
    pub empty_in_s: Option<f64>,
}

impl QueueTotals {
    /// Totals of the queues that are told apart, and of all others together as the queue `other`: without their pushes, the
    /// sum of which falls when one of them goes, and with the first ready job of those that are not paused.
    pub fn with_others<'a>(
        all: impl Iterator<Item = &'a Self>,
        mut is_apart: impl FnMut(&QueueName) -> bool,
    ) -> BTreeMap<QueueName, Self> {
        let (mut sums, mut others) = (BTreeMap::<QueueName, Self>::new(), None::<Self>);
        for totals in all {
            if is_apart(&totals.name) {
                sums.insert(totals.name.clone(), totals.clone());
            } else {
                others.get_or_insert_default().add_jobs(totals);
            }
        }
        if let Some(others) = others {
            sums.entry(other_queue()).or_default().add_jobs(&others);
        }
        sums
    }

    /// Ready jobs that can start now or soon, were there workers for them.
    #[must_use]
    pub fn startable(&self, ready: u64) -> u64 {
        let startable =
            |record: &Arc<LimitRecord>| record.in_force.startable(ready.saturating_sub(self.parked), self.running);
        self.limits.as_ref().map_or(ready, startable)
    }

    fn add_jobs(&mut self, of: &Self) {
        self.ready += of.ready;
        self.scheduled += of.scheduled;
        self.blocked += of.blocked;
        self.running += of.running;
        self.dead += of.dead;
        let oldest = of.oldest_ready_at.filter(|_| !of.paused);
        self.oldest_ready_at = [self.oldest_ready_at, oldest].into_iter().flatten().min();
    }

    /// The lanes that have ready jobs, and how many.
    pub fn lanes(&self) -> impl Iterator<Item = (Lane, u64)> {
        let apart = self.commands + self.typed.values().sum::<u64>();
        let others = self.ready.saturating_sub(apart);
        let types = self.typed.iter().map(|(kind, ready)| (Lane::Type(kind.clone()), *ready));
        [(Lane::Commands, self.commands), (Lane::Others, others)]
            .into_iter()
            .chain(types)
            .filter(|(_, ready)| *ready > 0)
    }
}
