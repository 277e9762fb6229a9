//! Metrics of limits: what they are, what they hold back, whom they have refused, and the keys with the most jobs.
//!
//! Invariant: a queue without limits has none of these, and of keys there are at most ten.

use std::collections::BTreeMap;

use super::exposition::Family;
use super::metrics::{counter, gauge};
use crate::model::key_record::KeyRecord;
use crate::model::queue_limits::{QueueLimits, Rate};
use crate::model::{QueueName, QueueTotals};
use crate::store::{KeyFilter, Records, StoreError};

/// Keys that have numbers of their own.
const MOST_KEYS: u32 = 10;

/// Queues of which keys have numbers.
pub fn with_keys<'a>(all: impl Iterator<Item = &'a QueueTotals>) -> Vec<QueueName> {
    let has_keys = |of: &&QueueTotals| {
        of.limits.as_ref().is_some_and(|record| record.in_force.is_keyed() || !record.paused.is_empty())
    };
    all.filter(has_keys).map(|of| of.name.clone()).collect()
}

/// Of queues with limits. `refused`: jobs that were not taken for want of room, by queue; `None` without a master.
#[must_use]
pub fn of_queues(queues: &BTreeMap<QueueName, QueueTotals>, refused: Option<&BTreeMap<QueueName, u64>>) -> Vec<Family> {
    let mut limits = gauge("queue_work_queue_limit", "Limits of the queue in force; rates per second.");
    let mut held = gauge(
        "queue_work_queue_held_back_jobs",
        "Ready jobs that cannot start as the queue has as many running as may, or as their key is paused.",
    );
    let mut not_taken = counter("queue_work_jobs_refused_total", "Jobs that were not added as the queue was full.");
    for (name, of) in queues {
        let name = ("queue", name.as_str());
        if let Some(record) = &of.limits {
            for (limit, value) in numbers(&record.in_force) {
                limits.add(&[name, ("limit", limit)], value);
            }
            let is_full = record.in_force.concurrency.is_some_and(|most| of.running >= u64::from(most));
            held.add(&[name], if is_full { of.ready } else { of.parked } as f64);
        }
    }
    for (name, jobs) in refused.into_iter().flatten() {
        not_taken.add(&[("queue", name.as_str())], *jobs as f64);
    }
    let not_taken = refused.is_some().then_some(not_taken);
    [limits, held].into_iter().chain(not_taken).collect()
}

fn numbers(limits: &QueueLimits) -> impl Iterator<Item = (&'static str, f64)> {
    let of_key = limits.of_key();
    let all = [
        ("concurrency", limits.concurrency.map(f64::from)),
        ("rate", limits.rate.map(Rate::per_s)),
        ("concurrency_per_key", of_key.concurrency.map(f64::from)),
        ("rate_per_key", of_key.rate.map(Rate::per_s)),
        ("max_ready", limits.max_ready.map(|most| most as f64)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

/// Of the keys with the most jobs in these queues.
pub fn of_keys(records: &mut dyn Records, queues: &[QueueName]) -> Result<Vec<Family>, StoreError> {
    let mut found: Vec<KeyRecord> = Vec::new();
    for queue in queues {
        found.extend(records.keys(&KeyFilter { queue: queue.clone(), key: None, limit: Some(MOST_KEYS) })?);
    }
    KeyRecord::sort(&mut found);
    let mut jobs = gauge("queue_work_key_jobs", "Jobs of the keys with the most that are ready.");
    for found in found.iter().take(MOST_KEYS as usize) {
        let labels = [("queue", found.queue.as_str()), ("key", found.key.as_str())];
        for (state, count) in [("ready", found.waiting), ("running", found.running)] {
            jobs.add(&[labels[0], labels[1], ("state", state)], count as f64);
        }
    }
    Ok(vec![jobs])
}
