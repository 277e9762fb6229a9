//! One pool: what is wanted, its slots, what is claimed for it, and how fast its jobs are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::autoscale::Scaler;
use super::order::{Gate, Parting};
use super::rollups::Told;
use super::single::Single;
use super::slot::{SlotEntry, SlotView};
use crate::model::death::SlotProblem;
use crate::model::gauge::PoolCounts;
use crate::model::service::CallLoad;
use crate::model::{Claimed, PoolName, PoolSettings, Prefetch, QueueName, QueueOrder, Slot, Takes, WorkerId};

/// Most jobs that are claimed beyond what the workers can take, however tiny they are.
const MOST_AHEAD: u128 = 2048;

/// For how long the work of a pool is claimed beyond what its workers can take: until the answer to the next claim is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookahead {
    /// How long a batch takes, biased to the long ones.
    commit: Duration,
}

impl Lookahead {
    const LEAST: Duration = Duration::from_millis(10);
    /// What is claimed by one master is done by no other.
    const MOST: Duration = Duration::from_millis(100);

    /// Takes in how long a batch took.
    pub(super) fn observe(&mut self, took: Duration) {
        self.commit = biased_to_long(Some(self.commit), took);
    }

    /// A claim may wait for two batches before its own is through.
    fn work(self) -> Duration {
        (self.commit * 3).clamp(Self::LEAST, Self::MOST)
    }
}

/// A mean that a longer one changes at once, and shorter ones slowly.
fn biased_to_long(old: Option<Duration>, took: Duration) -> Duration {
    match old {
        Some(old) if took < old => old.saturating_sub(old.saturating_sub(took) / 16),
        _ => took,
    }
}

/// A pool, for the life of this master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u32);

/// Workers of a pool that take the same jobs; there is one share, unless they name different types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShareId(pub u32);

/// Jobs on their way to the workers of one share.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) takes: Takes,
    /// Claimed jobs that no worker has yet.
    pub(super) ahead: VecDeque<Arc<Claimed>>,
    /// Jobs asked for and not yet answered.
    pub(super) asked: u32,
    /// The news known when a claim last came back short: without more there is nothing to claim.
    pub(super) dry_at: Option<u64>,
    /// Jobs wait in queues with limits, of which none are claimed ahead: asked for is what workers can begin at once.
    pub(super) at_once: bool,
}

impl Share {
    const fn new(takes: Takes) -> Self {
        Self { takes, ahead: VecDeque::new(), asked: 0, dry_at: None, at_once: false }
    }

    /// Nothing is claimed or asked for.
    pub(super) fn is_quiet(&self) -> bool {
        self.ahead.is_empty() && self.asked == 0
    }
}

/// A worker to be replaced by a new one, which comes up first.
#[derive(Clone, Debug)]
pub(super) struct Rolling {
    pub(super) worker: WorkerId,
    /// How long its jobs may go on then; `None`: until they are done.
    pub(super) grace: Option<Duration>,
}

/// Credits of queues that nothing was taken from yet.
pub(super) fn credits_of(queues: &QueueOrder) -> Vec<i64> {
    match queues {
        QueueOrder::Weighted(queues) => vec![0; queues.len()],
        QueueOrder::Strict(_) => Vec::new(),
    }
}

/// One pool.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the pool")]
pub struct Pool {
    /// How it is to be.
    pub settings: PoolSettings,
    pub wanted: u32,
    /// Present where the pool scales itself.
    pub(super) scaler: Option<Box<Scaler>>,
    /// Spawned while the master ran, or gone from the file: a stop is the end of the pool.
    pub(super) spawned: bool,
    pub removed: bool,
    /// The pool is removed and keeps its workers until it is their turn.
    pub(super) parting: Option<Parting>,
    /// Its only worker is that of a `work`.
    pub(super) single: Option<Single>,
    pub(super) slots: BTreeMap<Slot, SlotEntry>,
    /// Workers that left their slot and are on their way out.
    pub(super) leaving: BTreeSet<WorkerId>,
    /// Workers that reached a limit, in order.
    pub(super) recycles: VecDeque<WorkerId>,
    /// Workers to be replaced on request, in order.
    pub(super) rolling: VecDeque<Rolling>,
    pub(super) shares: BTreeMap<ShareId, Share>,
    /// The share of its new workers, until they name types: that of the last one that was ready.
    pub(super) share: ShareId,
    /// How often there was news of jobs.
    pub(super) news: u64,
    /// Workers that may take jobs, least loaded first.
    pub(super) load: BTreeSet<(u32, Slot, WorkerId)>,
    /// How long a job takes, biased to the long ones.
    pub(super) estimate: Option<Duration>,
    /// Credits of the queues, where they are weighted.
    pub(super) credits: Vec<i64>,
    /// The roster must be compared with what is wanted.
    pub(super) dirty: bool,
    /// Whether it may have workers.
    pub gate: Gate,
    /// A worker of it left without a word while it was sent jobs ahead: none are sent ahead any more, unless asked for.
    pub(super) leaves_silently: bool,
    /// Why its workers do not come up, as people were told last.
    pub(super) said: Option<SlotProblem>,
    /// People were told that the memory limit lies below the baseline.
    pub(super) baseline_told: bool,
    /// A worker of it has begun a job.
    pub(super) was_of_use: bool,
    /// The calls of a service, as its gateway said last.
    pub calls: CallLoad,
    /// Its work and its workers until now.
    pub counts: PoolCounts,
    /// The part of that which is in the charts.
    pub(super) told: Told,
}

impl Pool {
    pub(super) fn new(settings: PoolSettings) -> Self {
        Self {
            wanted: settings.autoscale.as_ref().map_or(settings.limits.workers, |autoscale| autoscale.min),
            scaler: None,
            spawned: false,
            removed: false,
            parting: None,
            single: None,
            slots: BTreeMap::new(),
            leaving: BTreeSet::new(),
            recycles: VecDeque::new(),
            rolling: VecDeque::new(),
            shares: BTreeMap::from([(ShareId(0), Share::new(settings.takes.clone()))]),
            share: ShareId(0),
            news: 1,
            load: BTreeSet::new(),
            estimate: None,
            credits: credits_of(&settings.queues),
            dirty: true,
            gate: Gate::Needs,
            leaves_silently: false,
            said: None,
            baseline_told: false,
            was_of_use: false,
            calls: CallLoad::default(),
            counts: PoolCounts::default(),
            told: Told::default(),
            settings,
        }
    }

    /// Its name, if a stop is the end of it.
    pub(super) fn if_spawned(&self) -> Option<PoolName> {
        self.spawned.then(|| self.settings.name.clone())
    }

    /// It scales itself, and may have no workers because there are no jobs.
    #[must_use]
    pub fn waits_for_jobs(&self) -> bool {
        self.scaler.as_ref().is_some_and(|scaler| !scaler.is_stopped())
    }

    /// Each of its workers was tried to be started several times, in vain, or is given up.
    pub(super) fn is_of_no_use(&self) -> bool {
        let is_over = |entry: &SlotEntry| entry.state.over().is_some();
        let mut slots = self.slots.values();
        !self.slots.is_empty() && slots.all(|entry| is_over(entry) || (!self.was_of_use && entry.is_failing()))
    }

    /// Whether the pool serves this queue.
    #[must_use]
    pub fn serves(&self, queue: &QueueName) -> bool {
        self.settings.queues.names().any(|name| name == queue)
    }

    /// The slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = SlotView<'_>> {
        self.slots.iter().map(|(&slot, entry)| entry.view(slot))
    }

    /// Workers on their way out.
    pub fn leaving(&self) -> impl Iterator<Item = WorkerId> + '_ {
        self.leaving.iter().copied()
    }

    /// The memory limit lies below what a worker uses anyway, and is not applied.
    #[must_use]
    pub fn memory_limit_is_void(&self) -> bool {
        self.baseline_told
    }

    /// Takes in why a worker does not come up; whether that was said already.
    pub(super) fn knows(&mut self, problem: &SlotProblem) -> bool {
        let known = self.said.as_ref().is_some_and(|said| said.is_alike(problem));
        self.said = Some(problem.clone());
        known
    }

    /// Nothing is claimed or asked for.
    pub(super) fn is_quiet(&self) -> bool {
        self.shares.values().all(Share::is_quiet)
    }

    /// Claimed jobs that no worker has yet.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &Arc<Claimed>> {
        self.shares.values().flat_map(|share| &share.ahead)
    }

    /// The jobs that its workers take.
    pub fn takes(&self) -> impl Iterator<Item = &Takes> {
        self.shares.values().map(|share| &share.takes)
    }

    /// The share of those who take these jobs.
    pub(super) fn share_of(&mut self, takes: Takes) -> ShareId {
        if let Some((&id, _)) = self.shares.iter().find(|(_, share)| share.takes == takes) {
            return id;
        }
        let id = ShareId(self.shares.last_key_value().map_or(0, |(last, _)| last.0 + 1));
        self.shares.insert(id, Share::new(takes));
        id
    }

    /// How many workers may be missing or doubled at a time, because they are being replaced.
    pub(super) fn replace_cap(&self) -> usize {
        (self.wanted as usize / 4).max(1)
    }

    /// Takes in how long a job took: at once for a long one, slowly for short ones, so that one long job among
    /// short ones stops prefetching.
    pub(super) fn observe(&mut self, took: Duration) {
        self.estimate = Some(biased_to_long(self.estimate, took));
    }

    /// Jobs that may be on their way to one worker that does one at a time.
    pub(super) fn window(&self) -> u32 {
        match (self.settings.limits.prefetch, self.estimate) {
            (Prefetch::Fixed(n), _) => n.max(1),
            (Prefetch::Auto, _) if self.leaves_silently => 1,
            (Prefetch::Auto, None) => 1,
            (Prefetch::Auto, Some(took)) => (1000 / took.as_micros().max(1)).clamp(1, 64) as u32,
        }
    }

    /// Jobs to claim beyond what the workers can take now, so that none waits for a commit and commits are few.
    pub(super) fn ahead_of(&self, workers: u32, lookahead: Lookahead) -> u32 {
        let Some(took) = self.estimate else { return 0 };
        let jobs = u128::from(workers) * lookahead.work().as_micros() / took.as_micros().max(1);
        jobs.min(MOST_AHEAD) as u32
    }

    /// Workers that may have room for a job in a window of this size, the least loaded first. One that does `c` jobs at a
    /// time has room for `c - 1 + window`, which is at most `c * window`.
    pub(super) fn not_full(&self, window: u32) -> impl Iterator<Item = WorkerId> + '_ {
        self.load.iter().take_while(move |&&(load, _, _)| load < window.saturating_mul(100)).map(|&(_, _, id)| id)
    }
}
