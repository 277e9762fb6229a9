//! Lives of the master: it begins, stops in order, or dies; the next one recovers.

use std::sync::Arc;
use std::time::Duration;

use super::chance::Chance;
use super::world::{Happening, World};
use crate::config::default_limits;
use crate::core::{Core, Event, Phase};
use crate::model::autoscale::{Autoscale, Step};
use crate::model::change::KeepFor;
use crate::model::supervision::{Excess, Growth, RestartOn, RestartPolicy};
use crate::model::{
    Bytes, Hooks, MemoryLimit, PoolKind, PoolLimits, PoolName, PoolSettings, Prefetch, QueueName, QueueOrder,
    ReadyWhen, Supervision,
};

/// Longest that a process takes to die of KILL, to be reported and to be swept; and a commit to be heard of.
const SLACK: u64 = 8_000_000 + 2_000_000 + 60_000_000;
/// Longer than any life.
const FOR_EVER: Duration = Duration::from_hours(20_000);

impl World {
    pub(super) fn begin_generation(&mut self) {
        let next_worker = self.store.begin(self.now().wall);
        self.core = Core::new(next_worker, self.seed ^ self.step);
        self.core.keep_records_for(KeepFor { succeeded: FOR_EVER, dead: FOR_EVER, runs: FOR_EVER, audit: FOR_EVER });
        let (totals, next_due) = (self.store.totals(), self.store.next_due());
        self.hear(Event::Reread { totals, next_due, may_run: true });
        self.stopped_by = None;
        for _ in 0..self.chance.range(1, 3) {
            let settings = self.settings();
            assert!(self.core.add_pool(settings).is_ok());
        }
        self.later(1000, Happening::Operator);
    }

    /// The master dies, and with it every worker; what was not committed is lost.
    pub(super) fn lose_master(&mut self) {
        self.coming.clear();
        self.processes.clear();
        self.live.clear();
        self.pending.clear();
        self.batch.clear();
        self.replies.clear();
        self.committing = false;
        self.open.clear();
        self.begin_generation();
    }

    /// A stop was asked for: it must be complete in time.
    pub(super) fn expect_stop(&mut self, grace: Option<Duration>) {
        let own = || self.core.pools().map(|(_, p)| p.settings.limits.grace).max();
        let grace = grace.or_else(own).unwrap_or_default();
        let kill_after = self.core.pools().map(|(_, p)| p.settings.limits.kill_after).max().unwrap_or_default();
        let by = self.mono + (grace + kill_after).as_micros() as u64 + SLACK;
        self.stopped_by = Some(self.stopped_by.map_or(by, |at| at.min(by)));
    }

    pub(super) fn end_if_stopped(&mut self) {
        if self.core.phase() == Phase::Running {
            return;
        }
        if !self.core.stopped() {
            assert!(self.stopped_by.is_some_and(|at| self.mono <= at), "the master does not stop in time");
            return;
        }
        assert!(self.processes.values().all(|p| !p.alive), "a process outlives the master");
        if self.pending.is_empty() && !self.committing {
            assert_eq!(self.store.running(), 0, "a master that stopped in order left jobs running");
            assert!(self.open.is_empty(), "tickets were never answered: {:?}", self.open);
            if self.faults {
                self.lose_master();
            }
        }
    }

    pub(super) fn settings(&mut self) -> PoolSettings {
        let c = &mut self.chance;
        let queues: Vec<QueueName> = (0..3).filter(|_| c.often(600)).map(queue).collect();
        let queues = if queues.is_empty() { vec![queue(0)] } else { queues };
        let order = if c.often(500) {
            QueueOrder::Strict(queues)
        } else {
            QueueOrder::Weighted(queues.into_iter().map(|q| (q, c.range(1, 10) as u32)).collect())
        };
        self.next_pool += 1;
        let (name, workers) = (name(self.next_pool), c.range(0, 9) as u32);
        let kind = match (c.often(100), c.often(500)) {
            (true, true) => PoolKind::Opaque,
            (true, false) => PoolKind::Service,
            (false, true) => PoolKind::Exec,
            (false, false) => PoolKind::Protocol,
        };
        let ready = if c.often(500) { ReadyWhen::Message } else { ReadyWhen::Spawned };
        let limits = PoolLimits {
            workers,
            ready_timeout: Duration::from_secs(5),
            timeout: Duration::from_micros(c.micros(1000, 20_000_000)),
            max_attempts: c.range(1, 5) as u32,
            max_crashes: c.range(1, 4) as u32,
            memory: *c.pick(&[None, Some(MemoryLimit::Growth(50)), Some(MemoryLimit::Absolute(100))]),
            memory_max: *c.pick(&[None, None, Some(Bytes(190))]),
            max_jobs: *c.pick(&[None, None, Some(1), Some(7)]),
            max_time: *c.pick(&[None, None, Some(Duration::from_secs(20))]),
            grace: Duration::from_micros(*c.pick(&[0, 1_000_000, 30_000_000])),
            kill_after: Duration::from_micros(*c.pick(&[0, 500_000, 5_000_000])),
            prefetch: *c.pick(&[Prefetch::Auto, Prefetch::Fixed(1), Prefetch::Fixed(5)]),
            ..default_limits()
        };
        // Earlier ones, so that no circle comes of it.
        let earlier = [(); 2].map(|()| self::name(c.range(0, self.next_pool)));
        let needs = earlier.into_iter().filter(|other| *other != name && c.often(150)).collect();
        let sidecars = Vec::new();
        let supervision = Supervision { restart: restart(kind, c), needs, sidecars, ..Supervision::default() };
        let (takes, hooks) = (kind.takes(false), Hooks::default());
        let autoscale = (kind.serves_queues() && c.often(300)).then(|| Arc::new(autoscale(c)));
        PoolSettings { name, queues: order, kind, takes, ready, limits, autoscale, hooks, supervision }
    }
}

fn autoscale(c: &mut Chance) -> Autoscale {
    Autoscale {
        min: c.range(0, 3) as u32,
        max: c.range(3, 9) as u32,
        target_wait: Duration::from_micros(c.micros(1000, 5_000_000)),
        target_cpu: None,
        cpu_max: None,
        memory_budget: None,
        hold: Duration::from_micros(c.micros(1000, 20_000_000)),
        step_up: *c.pick(&[None, Some(Step::Workers(1))]),
        step_down: *c.pick(&[None, Some(Step::Share(0.25))]),
        schedule: Vec::new(),
    }
}

pub(super) fn queue(n: u64) -> QueueName {
    QueueName::new(&format!("q{n}")).unwrap_or_default()
}

pub(super) fn name(n: u64) -> PoolName {
    match PoolName::new(&format!("pool{n}")) {
        Ok(name) => name,
        Err(error) => panic!("BUG: {error}"),
    }
}

fn restart(kind: PoolKind, c: &mut Chance) -> RestartPolicy {
    let on = *c.pick(&[RestartOn::Always, RestartOn::Failure, RestartOn::Never]);
    RestartPolicy {
        on: if kind == PoolKind::Opaque { on } else { RestartOn::Always },
        max: *c.pick(&[None, None, Some(0), Some(2)]),
        window: Duration::from_secs(20),
        backoff: *c.pick(&[Growth::Exponential, Growth::Linear]),
        initial: Duration::from_millis(100),
        most: *c.pick(&[Duration::from_secs(5), Duration::from_secs(30)]),
        then: *c.pick(&[Excess::Slow, Excess::Stop]),
    }
}
