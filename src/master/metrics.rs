//! Collects what is counted for `metrics`: copies numbers, and makes no text of them.
//!
//! Invariant: the time that it takes grows with queues and workers, each of which is looked at once, and with what is told
//! apart, which is bounded; the names of 20,000 queues are not copied.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Master;
use super::meters::Times;
use super::snapshot;
use crate::core::{Flight, PoolId};
use crate::model::problem::Topic;
use crate::model::{Now, PoolName};
use crate::report::limit_metrics;
use crate::report::metrics::{Collected, CollectedPool, OfStore};

impl Master {
    pub(super) fn collect(&mut self) -> Collected {
        let now = self.time.now();
        let pools = self.collect_pools(now);
        let config = &self.in_force.config;
        let Times { turn, commit, sync } = self.meters.times.clone();
        let ended_runs = self.core.ended_runs().map(|(name, ended)| (name.clone(), *ended)).collect();
        Collected {
            now: now.wall,
            started_at: self.fixed.started_at,
            generation: self.fixed.generation,
            problems: self.core.problems().filter(|(topic, _)| *topic != Topic::Traces).count(),
            events_dropped: self.console.dropped() + self.clients.lines_dropped(),
            turn,
            commit,
            sync,
            queues: self.core.totals().with_others(),
            refused: self.meters.refused.clone(),
            tally: self.core.tally(),
            pools,
            workers: config.metrics_per_worker.then(|| self.collect_workers()),
            traces: self.traces.status(),
            store: OfStore {
                url: config.database.clone(),
                with_keys: limit_metrics::with_keys(self.core.totals().all()),
                processors: config.processors.iter().cloned().map(Arc::new).collect(),
                ended_runs: Some(ended_runs),
            },
        }
    }

    fn collect_pools(&mut self, now: Now) -> BTreeMap<PoolName, CollectedPool> {
        let mut pools: BTreeMap<PoolId, CollectedPool> = BTreeMap::new();
        for (id, pool) in self.core.pools() {
            let of = pools.entry(id).or_default();
            (of.wanted, of.counts) = (pool.wanted, pool.counts.clone());
            for state in pool.slots().filter_map(|slot| snapshot::word_of_empty(&slot)) {
                of.states[state as usize] += 1;
            }
        }
        for (_, worker) in self.core.workers() {
            let (Some(of), Some(pool)) = (pools.get_mut(&worker.pool), self.core.pool(worker.pool)) else { continue };
            let running = worker.flights.iter().filter_map(Flight::started);
            of.counts.busy_us += running.map(|at| now.mono.since(at).as_micros() as u64).sum::<u64>();
            if worker.is_alive() {
                of.states[snapshot::state_of(pool, worker) as usize] += 1;
                of.memory_bytes += worker.memory.unwrap_or(0);
            }
        }
        // A run that ends may turn out to have ended before the last look.
        for (id, of) in &mut pools {
            of.counts.busy_us = of.counts.busy_us.max(self.meters.busy_us.get(id).copied().unwrap_or(0));
        }
        self.meters.busy_us = pools.iter().map(|(id, of)| (*id, of.counts.busy_us)).collect();
        // A pool that goes may still have workers when another has its name: the counts are those of the new one.
        let mut named: BTreeMap<PoolName, CollectedPool> = BTreeMap::new();
        for (id, of) in pools {
            let Some(pool) = self.core.pool(id) else { continue };
            let sum = named.entry(pool.settings.name.clone()).or_default();
            sum.wanted += of.wanted;
            sum.memory_bytes += of.memory_bytes;
            for (sum, count) in sum.states.iter_mut().zip(of.states) {
                *sum += count;
            }
            sum.counts = of.counts;
        }
        named
    }

    /// While a worker is replaced, two have its name.
    fn collect_workers(&self) -> BTreeMap<(PoolName, Arc<str>), u64> {
        let mut memory = BTreeMap::new();
        for (_, worker) in self.core.workers().filter(|(_, worker)| worker.is_alive()) {
            if let (Some(pool), Some(bytes)) = (self.core.pool(worker.pool), worker.memory) {
                *memory.entry((pool.settings.name.clone(), Arc::clone(&worker.name))).or_default() += bytes;
            }
        }
        memory
    }
}
