//! When the faults end: every job ends, every pool is whole again, every ticket is answered, and a stop is complete.

use super::master::queue;
use super::operator::KEYS;
use super::world::World;
use crate::core::{Command, Gate, Phase, SlotView, Target};
use crate::model::{PoolKind, QueueName, QueueOrder, Supervision};

/// Turns within which all is well.
const LONGEST: u64 = 30_000;

impl World {
    pub(super) fn calm_down(&mut self) {
        self.faults = false;
        self.broken = false;
        // Or jobs that became due in the future wait for it.
        self.skew = self.most_skew;
        self.until("the master that was stopping has stopped", |w| {
            w.core.phase() == Phase::Running || (w.core.stopped() && w.pending.is_empty() && !w.committing)
        });
        if self.core.phase() != Phase::Running {
            self.lose_master();
        }
        for n in 0..3 {
            self.set_paused(queue(n), false);
            for key in KEYS {
                self.set_key_paused(queue(n), key, false);
            }
        }
        for kind in [PoolKind::Protocol, PoolKind::Exec] {
            let mut settings = self.settings();
            settings.queues = QueueOrder::Strict((0..3).map(queue).collect::<Vec<QueueName>>());
            (settings.kind, settings.takes) = (kind, kind.takes(false));
            (settings.limits.workers, settings.supervision) = (2, Supervision::default());
            self.command(Command::AddPool { settings: Box::new(settings), wait: true });
        }
        self.until("every job has ended", |w| w.store.unfinished() == 0 && w.core.is_quiet());
        self.until("every pool is whole, every ticket answered", |w| w.open.is_empty() && w.is_whole());
        if self.seed.is_multiple_of(2) {
            self.command(Command::Restart { target: Target::All, grace: None, wait: true });
            self.until("a rolling restart is done", |w| w.open.is_empty() && w.is_whole());
        }
        assert!(self.live.is_empty(), "something still runs: {:?}", self.live);
        self.stop_all();
        self.until("the stop is complete", |w| w.core.stopped() && w.pending.is_empty() && !w.committing);
        assert!(self.open.is_empty());
        self.store.check();
    }

    fn is_whole(&self) -> bool {
        self.pool_ids().into_iter().all(|id| {
            self.core.pool(id).is_none_or(|pool| {
                let ready =
                    |w: Option<_>| w.and_then(|w| self.core.worker(w)).is_some_and(super::super::Handle::is_ready);
                let is_full = |s: &SlotView<'_>| s.state.over().is_some() || ready(s.state.current());
                let full = pool.slots().filter(is_full).count() as u32 == pool.wanted;
                let is_whole = full || pool.gate != Gate::Open;
                is_whole && !pool.removed && pool.leaving().next().is_none()
            })
        })
    }

    fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let begun = self.step;
        while !so(self) {
            assert!(self.step - begun < LONGEST, "it does not come true that {what}");
            let before = (self.step, self.coming.len());
            self.turn();
            let stuck = self.coming.is_empty() && self.core.next_deadline(self.now()).is_none();
            let still = || (&self.open, self.core.pools().collect::<Vec<_>>());
            assert!(!stuck || so(self) || before.1 > 0, "everything stands still before {what}: {:#?}", still());
        }
    }
}
