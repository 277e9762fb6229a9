//! Pools as a file says that was read again: new ones, gone ones, other limits, other workers.
//!
//! Limits hold at once. Workers that are to be started differently are renewed as by a restart; those that are not ready
//! yet are ended, as they were started for what was said before. A pool whose workers take other jobs begins anew under the
//! old name, beside the workers that still finish. Invariant: no worker is sent a job that was meant for its successors.

use std::collections::BTreeSet;

use super::commands::{Asker, Wait};
use super::pool::{Pool, PoolId, credits_of};
use super::slot::SlotState;
use super::worker::State;
use super::{Action, Core, Done, Handle, Refusal, Target};
use crate::model::done::Reloaded;
use crate::model::gauge::MarkKind;
use crate::model::worker::EndReason;
use crate::model::{Now, PoolName, PoolSettings, QueueName, Wanted, WorkerId};

/// Pools that are different.
#[derive(Clone, Debug, Default)]
pub struct PoolChanges {
    pub added: Vec<PoolSettings>,
    /// How each is to be, and whether its workers are to be started anew.
    pub changed: Vec<(PoolSettings, bool)>,
    pub gone: Vec<PoolName>,
}

impl Core {
    /// All of it or nothing; `done` is the answer, as far as it is known.
    pub(super) fn reload(
        &mut self,
        changes: PoolChanges,
        done: Box<Reloaded>,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) -> Result<Wait, Refusal> {
        if let Some(taken) = changes.added.iter().find(|pool| self.pool_named(&pool.name).is_some()) {
            return Err(Refusal::PoolExists(taken.name.clone()));
        }
        self.mark(MarkKind::Reload, String::from("configuration"), now);
        let mut parts = Vec::new();
        let gone: BTreeSet<PoolId> = changes.gone.iter().filter_map(|name| self.pool_named(name)).collect();
        let before: Vec<_> = gone.iter().map(|&id| (id, self.removed_before(id, &gone))).collect();
        for (id, before) in before {
            parts.push(self.forget_pool(id, before, asker, now, out)?);
        }
        for (settings, anew) in changes.changed {
            if let Some(id) = self.pool_named(&settings.name) {
                self.change_pool(id, settings, anew, asker, &mut parts, now, out)?;
            }
        }
        for settings in changes.added {
            let id = self.add_pool(settings)?;
            parts.push(Wait::Scaled { pools: vec![(id, 0)], workers: BTreeSet::new(), released: 0 });
        }
        Ok(Wait::Reloaded { parts, done })
    }

    /// A pool that goes for good when its workers are done, and those of the pools `before` it.
    fn forget_pool(
        &mut self,
        id: PoolId,
        before: Vec<PoolId>,
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) -> Result<Wait, Refusal> {
        let Some(pool) = self.pools.get_mut(&id) else { return Err(Refusal::NoSuchPool(String::new())) };
        pool.spawned = true;
        if !before.is_empty() {
            return Ok(self.part_after(id, before, asker, now, out));
        }
        let target = Target::Pool(pool.settings.name.clone());
        self.stop_some(&target, asker, now, out)
    }

    #[expect(clippy::too_many_arguments, reason = "the pool, what is to be done, and where to put what follows")]
    fn change_pool(
        &mut self,
        id: PoolId,
        settings: PoolSettings,
        anew: bool,
        asker: Asker,
        parts: &mut Vec<Wait>,
        now: Now,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let Pool { settings: old, wanted, .. } = &self.pools[&id];
        let scaled = settings.limits.workers != old.limits.workers || old.autoscale.is_some();
        // An operator's number stays, unless the file has another one than before; a pool that scales itself has its own.
        let wanted = if scaled && settings.autoscale.is_none() { settings.limits.workers } else { *wanted };
        let takes_others =
            settings.kind != old.kind || settings.takes != old.takes || (anew && settings.queues != old.queues);
        if takes_others {
            parts.push(self.forget_pool(id, Vec::new(), asker, now, out)?);
            let id = self.add_pool(settings)?;
            if let Some(pool) = self.pools.get_mut(&id) {
                pool.wanted = wanted;
            }
            self.serve_anew();
            parts.push(Wait::Scaled { pools: vec![(id, 0)], workers: BTreeSet::new(), released: 0 });
            return Ok(());
        }
        let target = Target::Pool(settings.name.clone());
        self.set_settings(id, settings, out);
        if self.pools[&id].wanted != wanted {
            parts.push(self.scale(&target, Wanted::Exactly(wanted), None, asker, now, out)?);
        }
        if anew {
            let workers = self.drop_unready(id, now, out);
            parts.push(Wait::Stopped { workers, pools: Vec::new(), released: 0 });
            parts.push(self.restart(&target, asker, now, out)?);
        }
        Ok(())
    }

    /// Everything that holds at once, also for workers that are there.
    fn set_settings(&mut self, id: PoolId, settings: PoolSettings, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let limits = settings.limits.clone();
        let old = std::mem::replace(&mut pool.settings, settings);
        if old.limits.memory != limits.memory {
            pool.baseline_told = false;
        }
        if old.queues != pool.settings.queues {
            pool.credits = credits_of(&pool.settings.queues);
            pool.news += 1;
            let served: BTreeSet<QueueName> = pool.settings.queues.names().cloned().collect();
            self.hold_back(id, |job| !served.contains(&job.queue), out);
            self.serve_anew();
        }
        for worker in self.workers.ids(|w| w.pool == id) {
            let jitter = self.random.factor(0.1);
            self.change(worker, |worker, _| {
                if old.limits.max_jobs != limits.max_jobs {
                    worker.max_jobs = limits.own_max_jobs(jitter);
                }
                if old.limits.max_time != limits.max_time {
                    worker.expires = limits.max_time.map(|d| worker.since + d.mul_f64(jitter));
                }
            });
        }
        self.revive(id);
        self.watch_idleness(id);
        self.heed_autoscale(id);
    }

    /// Ends the workers that were started by the old settings and are not ready yet.
    fn drop_unready(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) -> BTreeSet<WorkerId> {
        let unready = |w: &Handle| matches!(w.state, State::Spawning { leaves: None } | State::Starting { .. });
        let starting: Vec<WorkerId> = self.workers.ids(|w| w.pool == id && unready(w));
        for &worker in &starting {
            let slot = self.workers[worker].slot;
            let state = self.entry(id, slot).and_then(|entry| entry.state.without(worker));
            self.set_slot(id, slot, state.unwrap_or(SlotState::Empty));
            self.leave(worker, EndReason::Restarted, None, now, out);
        }
        starting.into_iter().collect()
    }
}

impl Reloaded {
    /// Adds what came of a part.
    pub(super) fn add(&mut self, part: Done) {
        let (released, left) = match part {
            Done::Scaled(scaled) => (scaled.released, scaled.left),
            Done::Restarted(restarted) => {
                self.workers.extend(restarted.workers);
                (restarted.released, restarted.left)
            }
            Done::Stopped(stopped) => (stopped.released, stopped.left),
            Done::Reloaded(_) | Done::Cancelled | Done::Ran(_) | Done::Worked(_) | Done::AtOnce(_) => (0, Vec::new()),
        };
        self.released += released;
        self.left.extend(left);
    }
}
