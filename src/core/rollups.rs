//! Counts of what happens, on their way to the store: runs by queue and type, how queues and pools stand, and what was done.
//!
//! Counts go to the store every ten seconds while anything happens, those of runs at once while the master stops; one batch
//! at a time. The same counts since the start of the master are kept for those who collect them. Invariants: a run is counted
//! when its end is put into a batch, before the counts are, so that the two are committed in this order; it belongs to the
//! minute of its end on record, whatever the clock says by then; a run that ends in a queue and type that is known allocates
//! nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::flight::Flight;
use super::pool::Pool;
use super::{Action, Core, Phase, PoolId, Tag};
use crate::model::change::{Change, Finish};
use crate::model::gauge::{Mark, MarkKind, PoolCounts, PoolGauge, QueueGauge, Rollup};
use crate::model::rollup::{EndedRun, MOST_TYPES, Resolution, Tally};
use crate::model::worker::EndReason;
use crate::model::{Mono, Now, QueueName, QueueTotals};

/// How long counts may lie, and are lost for the charts of queues and pools if the master dies.
const EVERY: Duration = Duration::from_secs(10);

/// Counts that are not handed on yet.
#[derive(Debug, Default)]
pub(super) struct Rollups {
    /// Runs, by the number of their minute; as a rule one.
    minutes: Vec<(i64, Tally)>,
    /// Runs that were handed on; of the others the types, so that the first to come are those that are told apart.
    handed_on: Tally,
    queues: BTreeMap<QueueName, QueueGauge>,
    marks: Vec<Mark>,
    /// Since when there is something to hand on.
    since: Option<Mono>,
    /// Counts are on their way.
    asked: bool,
}

/// The part of a pool's counts that was handed on.
#[derive(Debug, Default)]
pub(super) struct Told {
    counts: PoolCounts,
    /// With the time that jobs which still run have taken.
    busy_us: u64,
    at: Mono,
}

impl Rollups {
    /// Something is to be handed on.
    pub(super) fn touch(&mut self, now: Mono) {
        self.since.get_or_insert(now);
    }

    /// A run has ended.
    pub(super) fn count(&mut self, finish: &Finish, now: Mono) {
        let minute = Resolution::Minute.period_of(finish.ended_at);
        let run = EndedRun::of(finish);
        let known = self.minutes.iter_mut().rev().find(|(of, _)| *of == minute);
        let is_new = if let Some((_, tally)) = known {
            tally.add(&run)
        } else {
            self.minutes.push((minute, Tally::default()));
            self.minutes.last_mut().is_some_and(|(_, tally)| tally.add(&run))
        };
        if is_new {
            self.handed_on.tell_apart(run.queue, run.kind);
        }
        self.touch(now);
    }

    /// A queue has changed.
    pub(super) fn see(&mut self, totals: &QueueTotals, now: Now) {
        let gauge = QueueGauge::of(totals, now.wall);
        if let Some(before) = self.queues.get_mut(&totals.name) {
            before.merge(&gauge);
        } else if self.queues.len() < MOST_TYPES {
            self.queues.insert(totals.name.clone(), gauge);
        }
        self.touch(now.mono);
    }

    fn mark(&mut self, kind: MarkKind, text: String, now: Now) {
        self.marks.push(Mark { at: now.wall, kind, text });
        self.touch(now.mono);
    }
}

impl Core {
    /// Draws an act into the charts.
    pub fn mark(&mut self, kind: MarkKind, text: String, now: Now) {
        self.rollups.mark(kind, text, now);
    }

    /// When counts are handed on, if there are any.
    pub(super) fn next_roll_up(&self) -> Option<Mono> {
        let Rollups { since, asked, ref minutes, ref marks, .. } = self.rollups;
        let runs = self.phase == Phase::Running;
        let wait = if runs { EVERY } else { Duration::ZERO };
        let is_anything = runs || !minutes.is_empty() || !marks.is_empty();
        since.filter(|_| !asked && is_anything && self.keeps_records()).map(|since| since + wait)
    }

    /// Hands on what was counted, if it is time.
    pub(super) fn roll_up(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.next_roll_up().is_none_or(|at| at > now.mono) {
            return;
        }
        let since = self.rollups.since.take().unwrap_or(now.mono);
        let pools = self.pools.keys().copied().collect::<Vec<_>>();
        let pools = pools.into_iter().filter_map(|pool| self.gauge_pool(pool, since, now)).collect();
        let minutes = std::mem::take(&mut self.rollups.minutes);
        for (_, tally) in &minutes {
            self.rollups.handed_on.merge(tally);
        }
        let queues = std::mem::take(&mut self.rollups.queues).into_values().collect();
        let marks = std::mem::take(&mut self.rollups.marks);
        self.rollups.asked = true;
        let rollup = Rollup { minutes, at: now.wall, queues, pools, marks };
        out.push(Action::Write(Change::RollUp(Box::new(rollup)), Tag::RollUp));
    }

    /// Counts are on record. While jobs run there is more to come.
    pub(super) fn rolled_up(&mut self, now: Mono) {
        self.rollups.asked = false;
        if self.phase == Phase::Running && !self.holders.is_empty() {
            self.rollups.touch(now);
        }
    }

    /// Runs that ended since the master started.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut all = self.rollups.handed_on.clone();
        for (_, tally) in &self.rollups.minutes {
            all.merge(tally);
        }
        all
    }

    /// Time that the workers of a pool have spent on jobs, those that still run included.
    #[must_use]
    pub fn busy_us(&self, id: PoolId, now: Mono) -> u64 {
        let over = self.pools.get(&id).map_or(0, |pool| pool.counts.busy_us);
        let flights = self.workers.iter().filter(|(_, worker)| worker.pool == id).flat_map(|(_, w)| &w.flights);
        let running = flights.filter_map(Flight::started).map(|at| now.since(at).as_micros() as u64);
        over.saturating_add(running.sum())
    }

    /// How a pool stands, and what has changed since the last time; at the earliest since there was something to tell.
    fn gauge_pool(&mut self, id: PoolId, since: Mono, now: Now) -> Option<PoolGauge> {
        let busy_us = self.busy_us(id, now.mono);
        let (mut ready, mut capacity_us, mut memory_max, mut worker_memory_max) = (0, 0, 0_u64, 0);
        let pool = self.pools.get_mut(&id)?;
        let from = pool.told.at.max(since);
        for (_, worker) in self.workers.iter().filter(|(_, worker)| worker.pool == id) {
            let memory = worker.memory.unwrap_or(0);
            memory_max = memory_max.saturating_add(memory);
            worker_memory_max = worker_memory_max.max(memory);
            if worker.is_ready() {
                ready += 1;
                let there = now.mono.since(from.max(worker.since)).as_micros() as u64;
                capacity_us += there * u64::from(worker.concurrency);
            }
        }
        let Pool { counts, told, wanted, settings, .. } = pool;
        let ended = |is_it: fn(EndReason) -> bool| counts.ended_for(is_it) - told.counts.ended_for(is_it);
        let gauge = PoolGauge {
            pool: settings.name.clone(),
            wanted: u64::from(*wanted),
            ready_min: ready,
            busy_us: busy_us.saturating_sub(told.busy_us),
            capacity_us,
            cpu_us: counts.cpu_us - told.counts.cpu_us,
            memory_max,
            worker_memory_max,
            started: counts.started - told.counts.started,
            ended: ended(|_| true),
            crashed: ended(EndReason::is_crash),
            recycled: ended(EndReason::is_limit),
            oom: ended(|why| why == EndReason::MemoryMax),
        };
        *told = Told { counts: counts.clone(), busy_us: busy_us.max(told.busy_us), at: now.mono };
        Some(gauge)
    }
}
