//! One pool: what is wanted, its slots, what is claimed for it, and how fast its jobs are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::slot::{SlotEntry, SlotView};
use crate::model::{Claimed, PoolSettings, Prefetch, QueueName, QueueOrder, Slot, WorkerId};

/// Most jobs that are claimed beyond what the workers can take, however tiny they are.
const MOST_AHEAD: u128 = 2048;

/// A pool, for the life of this master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u32);

/// A worker to be replaced by a new one, which comes up first.
#[derive(Clone, Debug)]
pub(super) struct Rolling {
    pub(super) worker: WorkerId,
    pub(super) at_once: bool,
}

/// One pool.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the pool")]
pub struct Pool {
    /// How it is to be.
    pub settings: PoolSettings,
    pub wanted: u32,
    pub removed: bool,
    pub(super) slots: BTreeMap<Slot, SlotEntry>,
    /// Workers that left their slot and are on their way out.
    pub(super) leaving: BTreeSet<WorkerId>,
    /// Workers that reached a limit, in order.
    pub(super) recycles: VecDeque<WorkerId>,
    /// Workers to be replaced on request, in order.
    pub(super) rolling: VecDeque<Rolling>,
    /// Claimed jobs that no worker has yet.
    pub(super) ahead: VecDeque<Arc<Claimed>>,
    /// Jobs asked for and not yet answered.
    pub(super) asked: u32,
    /// How often there was news of jobs.
    pub(super) news: u64,
    /// The news known when a claim last came back short: without more there is nothing to claim.
    pub(super) dry_at: Option<u64>,
    /// Workers that may take jobs, least loaded first.
    pub(super) load: BTreeSet<(u32, Slot, WorkerId)>,
    /// How long a job takes, biased to the long ones.
    pub(super) estimate: Option<Duration>,
    /// Credits of the queues, where they are weighted.
    pub(super) credits: Vec<i64>,
    /// The roster must be compared with what is wanted.
    pub(super) dirty: bool,
    /// A worker of it left without a word while it was sent jobs ahead: none are sent ahead any more, unless asked for.
    pub(super) leaves_silently: bool,
    /// People were told that the memory limit lies below the baseline.
    pub(super) baseline_told: bool,
}

impl Pool {
    pub(super) fn new(settings: PoolSettings) -> Self {
        let weighted = match &settings.queues {
            QueueOrder::Weighted(queues) => queues.len(),
            QueueOrder::Strict(_) => 0,
        };
        Self {
            wanted: settings.limits.workers,
            removed: false,
            slots: BTreeMap::new(),
            leaving: BTreeSet::new(),
            recycles: VecDeque::new(),
            rolling: VecDeque::new(),
            ahead: VecDeque::new(),
            asked: 0,
            news: 1,
            dry_at: None,
            load: BTreeSet::new(),
            estimate: None,
            credits: vec![0; weighted],
            dirty: true,
            leaves_silently: false,
            baseline_told: false,
            settings,
        }
    }

    /// Whether it serves this queue.
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

    /// Its queues were empty when they were last asked, and there was no news since.
    pub(super) fn is_dry(&self) -> bool {
        self.dry_at == Some(self.news)
    }

    /// Nothing is claimed or asked for.
    pub(super) fn is_quiet(&self) -> bool {
        self.ahead.is_empty() && self.asked == 0
    }

    /// How many workers may be missing or doubled at a time, because they are being replaced.
    pub(super) fn replace_cap(&self) -> usize {
        (self.wanted as usize / 4).max(1)
    }

    /// Takes in how long a job took: at once for a long one, slowly for short ones, so that one long job among
    /// short ones stops prefetching.
    pub(super) fn observe(&mut self, took: Duration) {
        self.estimate = Some(match self.estimate {
            Some(old) if took < old => old.saturating_sub(old.saturating_sub(took) / 16),
            _ => took,
        });
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

    /// Jobs to claim beyond what the workers can take now: about 10 ms of work, so that none waits for a commit and
    /// commits are few.
    pub(super) fn lookahead(&self, workers: u32) -> u32 {
        let Some(took) = self.estimate else { return 0 };
        let jobs = u128::from(workers) * 10_000 / took.as_micros().max(1);
        jobs.min(MOST_AHEAD) as u32
    }

    /// Workers that may have room for a job in a window of this size, the least loaded first. One that does `c` jobs at a
    /// time has room for `c - 1 + window`, which is at most `c * window`.
    pub(super) fn not_full(&self, window: u32) -> impl Iterator<Item = WorkerId> + '_ {
        self.load.iter().take_while(move |&&(load, _, _)| load < window.saturating_mul(100)).map(|&(_, _, id)| id)
    }
}
