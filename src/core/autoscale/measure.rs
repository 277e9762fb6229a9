//! The facts that a decision rests on: the workers are looked through once for all pools, the rest is known already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::drain;
use super::super::worker::State;
use super::super::{Core, Handle};
use super::AFTER_SCARCITY;
use super::want::Inputs;
use crate::core::pool::{Pool, PoolId};
use crate::model::service::CallLoad;
use crate::model::{Now, QueueTotals, Takes};

/// The peak that this share of the workers does not exceed counts as what a worker needs.
const PEAK: f64 = 0.95;

/// The workers of all pools, summed up.
#[derive(Debug, Default)]
pub(super) struct Found {
    pools: BTreeMap<PoolId, OfPool>,
    /// Workers on their way out, of any pool.
    pub(super) leaving: u32,
}

#[derive(Debug, Default)]
struct OfPool {
    running: u32,
    running_for: Duration,
    /// Jobs that were sent ahead.
    sent: u64,
    busy: u32,
    ready: u32,
    concurrency: u32,
    memory: u64,
    peaks: Vec<u64>,
}

impl Found {
    /// Whether no job runs there.
    pub(super) fn is_idle(&self, pool: PoolId) -> bool {
        self.pools.get(&pool).is_none_or(|of| of.running == 0 && of.sent == 0)
    }

    fn add(&mut self, worker: &Handle, now: Now) {
        let of = self.pools.entry(worker.pool).or_default();
        for flight in &worker.flights {
            match flight.started() {
                Some(at) => {
                    of.running += 1;
                    of.running_for += now.mono.since(at);
                }
                None => of.sent += 1,
            }
        }
        of.memory += worker.memory.unwrap_or(0);
        of.peaks.extend(worker.peak);
        if worker.state.leaves().is_some() {
            self.leaving += u32::from(worker.is_alive());
            return;
        }
        of.busy += u32::from(!worker.flights.is_empty());
        if matches!(worker.state, State::Ready { .. }) {
            of.ready += 1;
            of.concurrency += worker.concurrency;
        }
    }
}

impl OfPool {
    fn memory(&mut self) -> Option<(u64, u64)> {
        let at = ((self.peaks.len() as f64 * PEAK).ceil() as usize).checked_sub(1)?;
        let (_, peak, _) = self.peaks.select_nth_unstable(at);
        Some((self.memory, *peak))
    }
}

impl Core {
    pub(super) fn measure_pools(&self, now: Now) -> Found {
        let mut found = Found::default();
        for (_, worker) in self.workers.iter().filter(|(_, worker)| worker.is_alive()) {
            found.add(worker, now);
        }
        found
    }

    /// Everything about one pool; what was counted since the decision before is taken out.
    pub(super) fn inputs(&mut self, id: PoolId, found: &mut Found, now: Now) -> Option<Inputs> {
        let of = found.pools.entry(id).or_default();
        let pool = self.pools.get(&id)?;
        let bounds = pool.settings.autoscale.as_ref()?.bounds(now.wall);
        let work = if pool.settings.is_service() { Work::of_calls(pool) } else { self.jobs(pool, of, now) };
        let spawns_fail = self.autoscaling.scarce_at.is_some_and(|at| now.mono.since(at) < AFTER_SCARCITY)
            || pool.slots.values().any(|entry| entry.backoff.until.is_some());
        let concurrency = if of.ready == 0 { 1.0 } else { f64::from(of.concurrency) / f64::from(of.ready) };
        let (machine, workers) = (self.autoscaling.machine, pool.wanted);
        let (memory, is_service) = (of.memory(), pool.settings.is_service());
        let Work { present, ready, oldest, running, running_for, busy } = work;
        let scaler = self.pools.get_mut(&id)?.scaler.as_deref_mut()?;
        let (ended, took) = (std::mem::take(&mut scaler.ended), std::mem::take(&mut scaler.took));
        let arrived = if is_service {
            std::mem::take(&mut scaler.arrived)
        } else {
            // Work that was there before the first decision has not come now.
            scaler.present.map_or(0, |before| (present + ended).saturating_sub(before))
        };
        scaler.present = Some(present);
        Some(Inputs {
            arrived,
            ended,
            took,
            running,
            running_for,
            ready,
            oldest_ready: oldest,
            workers,
            idle: workers.saturating_sub(busy),
            concurrency,
            start: scaler.start,
            spawns_fail,
            bounds,
            machine,
            memory,
        })
    }

    /// Jobs in its queues, on their way, and at its workers.
    fn jobs(&self, pool: &Pool, of: &OfPool, now: Now) -> Work {
        let takes: BTreeSet<Takes> = pool.takes().cloned().collect();
        let queues = || pool.settings.queues.names().filter_map(|name| self.totals.of(name));
        let ready = |totals: &QueueTotals| drain::ready(totals, &takes);
        let all: u64 = queues().map(ready).sum();
        let open = || queues().filter(|totals| !totals.paused && totals.startable(ready(totals)) > 0);
        let ahead = pool.ahead().count() as u64 + of.sent;
        let oldest = open().filter_map(|totals| totals.oldest_ready_at).min();
        Work {
            present: all + ahead + u64::from(of.running),
            ready: open().map(|totals| totals.startable(ready(totals))).sum::<u64>() + ahead,
            oldest: oldest.map(|at| now.wall.since(at)),
            running: of.running,
            running_for: of.running_for,
            busy: of.busy,
        }
    }
}

/// The work of a pool: jobs, or calls of a service.
struct Work {
    /// All that is there, paused queues included.
    present: u64,
    ready: u64,
    oldest: Option<Duration>,
    running: u32,
    running_for: Duration,
    busy: u32,
}

impl Work {
    /// As the gateway said last, at most a second ago.
    fn of_calls(pool: &Pool) -> Self {
        let CallLoad { waiting, oldest_s, running, running_for_s, busy, .. } = pool.calls;
        Self {
            present: waiting + u64::from(running),
            ready: waiting,
            oldest: oldest_s.map(Duration::from_secs_f64),
            running,
            running_for: Duration::from_secs_f64(running_for_s),
            busy,
        }
    }
}
