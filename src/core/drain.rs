//! A drain: when it is complete, when it is given up, and what it has not done.
//!
//! Invariant: it ends by itself only when all is written and no job is at a worker or on its way to one.

use std::collections::BTreeSet;

use super::{Action, Core, Phase, Pool};
use crate::model::death::SlotProblem;
use crate::model::{Lane, Now, PoolName, QueueName, QueueTotals, Takes};

/// The state of a drain.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// The master stops when nothing is left to do.
    wanted: bool,
    /// The drain has ended by itself, not by a stop.
    is_over: bool,
    /// Why the drain was given up: workers of this pool cannot be started.
    vain: Option<(PoolName, SlotProblem)>,
}

/// Jobs that a drain has not done, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undrained {
    /// The pool whose workers cannot be started, and why, where the drain was given up because of that.
    pub vain: Option<(PoolName, SlotProblem)>,
    /// Jobs that a pool takes.
    pub left: u64,
    /// Ready jobs that no pool takes, in queues of our pools.
    pub unserved: u64,
    /// The first of our queues that is paused with ready jobs, or the first paused key of a queue in which nothing else is
    /// ready, and how many there are in all of these.
    pub paused: Option<(QueueName, Option<String>, u64)>,
}

impl Drain {
    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }
}

impl Core {
    /// From now on the master stops when nothing is left to do.
    pub fn stop_when_drained(&mut self) {
        self.drain.wanted = true;
    }

    /// Jobs that a pool takes which are ready or waiting for a retry, and those of its queues that are running.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.served.queues().filter_map(|(name, takes)| Some(self.left_in(self.totals.of(name)?, takes))).sum()
    }

    /// Stops if the drain is complete, or if no worker can be started for what is left. `is_written`: no change waits to be
    /// committed, so the totals tell the truth.
    pub fn end_drain(&mut self, is_written: bool, now: Now, out: &mut Vec<Action>) {
        if !self.drain.wanted || !is_written || self.phase != Phase::Running || !self.is_quiet() {
            return;
        }
        // First what is due now, or free because its parents are done.
        if self.next_promotion(now).is_some_and(|at| at <= now.mono) {
            return;
        }
        if self.left() > 0 {
            self.drain.vain = self.in_vain(self.pools.values());
        }
        if self.left() == 0 || self.drain.vain.is_some() {
            self.drain.is_over = true;
            self.stop_all(None, None, now, out);
        }
    }

    /// Jobs that the drain has not done, and why. Everything is zero where it is complete.
    #[must_use]
    pub fn undrained(&self) -> Undrained {
        if self.is_done() {
            return Undrained::default();
        }
        let undrained = self.undrained_of(&|queue| self.pools.values().any(|pool| pool.serves(queue)));
        Undrained { vain: self.drain.vain.clone(), left: self.left(), ..undrained }
    }

    /// Ready jobs of these queues that no pool takes, or that are held by a pause.
    pub(super) fn undrained_of(&self, is_ours: &impl Fn(&QueueName) -> bool) -> Undrained {
        let held = |totals: &&QueueTotals| totals.ready > 0 && is_ours(&totals.name) && self.is_paused(totals);
        let mut paused = self.totals.all().filter(held).peekable();
        let first = paused.peek().map(|totals| (totals.name.clone(), paused_key(totals)));
        let unserved = self.unserved().filter(|found| is_ours(&found.queue));
        Undrained {
            unserved: unserved.map(|found| found.jobs).sum(),
            paused: first.map(|(queue, key)| {
                (queue, key, paused.map(|totals| if totals.paused { totals.ready } else { totals.parked }).sum())
            }),
            ..Undrained::default()
        }
    }

    /// Whether a drain has come to its end by itself, and was not given up.
    #[must_use]
    pub const fn has_drained(&self) -> bool {
        self.drain.is_over && self.drain.vain.is_none()
    }

    /// Jobs that one pool takes which are ready or waiting for a retry, and those of its queues that are running.
    pub(super) fn left_for(&self, pool: &Pool) -> u64 {
        let takes: BTreeSet<Takes> = pool.takes().cloned().collect();
        pool.settings
            .queues
            .names()
            .filter_map(|name| self.totals.of(name))
            .map(|totals| self.left_in(totals, &takes))
            .sum()
    }

    fn left_in(&self, totals: &QueueTotals, takes: &BTreeSet<Takes>) -> u64 {
        unfinished(totals, takes) - if self.is_paused(totals) { ready(totals, takes) } else { 0 }
    }

    /// Whether all that is ready waits until somebody resumes it: the queue is paused, or keys of it are, and nothing else was
    /// found by those who take its jobs, nor will be at some time or when a job has ended.
    fn is_paused(&self, totals: &QueueTotals) -> bool {
        let has_found_all = |pool: &Pool| pool.shares.values().all(|share| share.dry_at == Some(pool.news));
        totals.paused
            || totals.parked > 0
                && totals.running == 0
                && self.opens_at(&totals.name).is_none()
                && self.pools.values().filter(|pool| pool.serves(&totals.name)).all(has_found_all)
    }

    /// Whether each of these pools that takes jobs that are left has tried to start each of its workers several times, and none was of
    /// any use; or waits for a pool of which that is true.
    pub(super) fn in_vain<'p>(&'p self, pools: impl IntoIterator<Item = &'p Pool>) -> Option<(PoolName, SlotProblem)> {
        let has_left = |pool: &&Pool| pool.wanted > 0 && self.left_for(pool) > 0;
        let causes =
            pools.into_iter().filter(has_left).map(|pool| self.useless(pool)).collect::<Option<Vec<&Pool>>>()?;
        causes.into_iter().find_map(|pool| {
            let problem = pool.slots().find_map(|slot| slot.problem.cloned())?;
            Some((pool.settings.name.clone(), problem))
        })
    }

    /// The pool because of which this one does nothing, which is itself or one that it waits for; `None`: it may yet do something.
    fn useless<'c>(&'c self, pool: &'c Pool) -> Option<&'c Pool> {
        if pool.is_of_no_use() {
            return Some(pool);
        }
        let needed = self.waits_for(pool).into_iter().filter_map(|name| self.pool_named(name));
        needed.map(|id| &self.pools[&id]).find_map(|needed| self.useless(needed))
    }
}

/// The first key that is paused.
fn paused_key(totals: &QueueTotals) -> Option<String> {
    let record = totals.limits.as_deref().filter(|_| !totals.paused)?;
    record.paused.keys().next().cloned()
}

pub(super) fn ready(totals: &QueueTotals, takes: &BTreeSet<Takes>) -> u64 {
    totals.lanes().filter(|(lane, _)| takes.iter().any(|takes| takes.serves(lane))).map(|(_, jobs)| jobs).sum()
}

/// Jobs that somebody who takes these has to do, or had if the queue were not paused.
pub(super) fn unfinished(totals: &QueueTotals, takes: &BTreeSet<Takes>) -> u64 {
    let commands = takes.iter().any(|takes| takes.serves(&Lane::Commands));
    let others = takes.iter().any(|takes| *takes != Takes::Commands);
    let retrying = if commands { totals.retrying_commands } else { 0 }
        + if others { totals.retrying.saturating_sub(totals.retrying_commands) } else { 0 };
    totals.running + retrying + ready(totals, takes)
}
