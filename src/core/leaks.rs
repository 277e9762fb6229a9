//! The leak ledger: how much memory the jobs of each type leave behind in their workers.
//!
//! A worker that does one job at a time is measured when it answers, at most every few milliseconds. Its growth since the
//! measurement before is that of the runs between, if all are of one type. Growth is kept in blocks of some runs each, so
//! that a large worker that frees what it took, or an allocator that grows in steps, does not look like a leak: a type
//! leaks if far more blocks have grown than chance explains (a sign test), in several workers or over many runs. The first
//! runs of a process fill caches and load code; they are left out.
//!
//! Invariant: the memory of the ledger is bounded, whatever types there are and however long it is kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::model::WorkerId;
use crate::model::leak::{TypeMemory, Verdict};

/// Types in the ledger; later ones are not entered.
const MOST_TYPES: usize = 200;
/// First runs of a process that are left out.
const WARM_UP: u64 = 10;
/// Runs of a block at first. When there are too many blocks, two become one.
const BLOCK_RUNS: u32 = 5;
const MOST_BLOCKS: usize = 64;
/// The smallest evidence: so many runs, of so many workers, or of many more runs.
const LEAST_RUNS: u64 = 30;
const LEAST_WORKERS: usize = 3;
const MANY_RUNS: u64 = 300;
/// Peaks that are kept, the newest.
const PEAKS: usize = 128;
/// The growth that a worker may have, where a number of jobs is proposed: that of the usual limit on memory.
const ROOM: u64 = 64 << 20;

/// Where a worker stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    /// Memory when it was last measured at an answer.
    before: Option<u64>,
    /// Memory that was just measured, at the answer that comes next.
    fresh: Option<u64>,
    /// Runs since `before`, and their type while it is one.
    runs: u32,
    kind: Option<Arc<str>>,
    is_mixed: bool,
    /// Runs of this process.
    life: u64,
}

/// Growth of a worker over some runs of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Growth {
    runs: u32,
    bytes: i64,
}

impl Mark {
    /// The worker was measured; its answer comes next.
    pub(super) const fn measured(&mut self, memory: u64) {
        self.fresh = Some(memory);
    }

    /// A run of this type has ended. The growth of the worker, if it is known to be due to this type.
    pub(super) fn ran(&mut self, kind: &Arc<str>) -> Option<Growth> {
        self.life += 1;
        self.runs += 1;
        match &self.kind {
            Some(before) => self.is_mixed |= before != kind,
            None => self.kind = Some(Arc::clone(kind)),
        }
        let memory = self.fresh.take()?;
        let before = self.before.replace(memory);
        self.kind = None;
        let (runs, is_mixed) = (std::mem::take(&mut self.runs), std::mem::take(&mut self.is_mixed));
        let is_warm = self.life - u64::from(runs) >= WARM_UP;
        let grown = |before: u64| i64::try_from(memory).unwrap_or(i64::MAX).saturating_sub_unsigned(before);
        before.filter(|_| is_warm && !is_mixed).map(|before| Growth { runs, bytes: grown(before) })
    }
}

/// All types.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<Arc<str>, Entry>);

#[derive(Debug)]
struct Entry {
    runs: u64,
    /// Workers that were measured, as many as are asked for.
    workers: BTreeSet<WorkerId>,
    blocks: Vec<Growth>,
    block: Growth,
    block_runs: u32,
    peaks: VecDeque<u64>,
}

impl Ledger {
    /// Enters the growth of a worker. `peak`: the most memory that the last of the runs needed.
    pub(super) fn enter(&mut self, kind: &Arc<str>, worker: WorkerId, growth: Growth, peak: Option<u64>) {
        if !self.0.contains_key(kind) && self.0.len() >= MOST_TYPES {
            return;
        }
        self.0.entry(Arc::clone(kind)).or_insert_with(Entry::new).enter(worker, growth, peak);
    }

    /// The facts about each type, those that keep most first.
    pub(super) fn by_kept(&self) -> Vec<TypeMemory> {
        let mut all: Vec<_> = self.0.iter().map(|(kind, entry)| entry.known(kind)).collect();
        all.sort_by_key(|one| (one.verdict != Verdict::Leaks, -one.kept_bytes_per_run));
        all
    }
}

impl Entry {
    fn new() -> Self {
        let (workers, blocks, peaks) = (BTreeSet::new(), Vec::new(), VecDeque::new());
        Self { runs: 0, workers, blocks, block: Growth::default(), block_runs: BLOCK_RUNS, peaks }
    }

    fn enter(&mut self, worker: WorkerId, growth: Growth, peak: Option<u64>) {
        self.runs += u64::from(growth.runs);
        if self.workers.len() < LEAST_WORKERS {
            self.workers.insert(worker);
        }
        if let Some(peak) = peak {
            self.peaks.truncate(PEAKS - 1);
            self.peaks.push_front(peak);
        }
        self.block = self.block.plus(growth);
        if self.block.runs < self.block_runs {
            return;
        }
        self.blocks.push(std::mem::take(&mut self.block));
        if self.blocks.len() == MOST_BLOCKS {
            self.blocks = self.blocks.chunks(2).map(|two| two[0].plus(two[1])).collect();
            self.block_runs = self.block_runs.saturating_mul(2);
        }
    }

    fn known(&self, kind: &Arc<str>) -> TypeMemory {
        let mut rates: Vec<i64> = self.blocks.iter().map(|block| block.bytes / i64::from(block.runs.max(1))).collect();
        rates.sort_unstable();
        let kept = rates.get(rates.len() / 2).copied().unwrap_or(0);
        let mut peaks: Vec<u64> = self.peaks.iter().copied().collect();
        peaks.sort_unstable();
        let verdict = self.verdict();
        TypeMemory {
            kind: kind.to_string(),
            runs: self.runs,
            kept_bytes_per_run: kept,
            peak_p95_bytes: peaks.get((peaks.len() * 95 / 100).min(peaks.len().saturating_sub(1))).copied(),
            verdict,
            max_jobs: (verdict == Verdict::Leaks).then(|| (ROOM / kept.unsigned_abs().max(1)).max(1)),
        }
    }

    fn verdict(&self) -> Verdict {
        let is_enough = self.runs >= MANY_RUNS || (self.runs >= LEAST_RUNS && self.workers.len() >= LEAST_WORKERS);
        let (grown, all) = (self.blocks.iter().filter(|block| block.bytes > 0).count(), self.blocks.len());
        // Three standard deviations above one half, and what is just as far cannot be told from chance.
        let is_beyond_chance = |grown: usize| (2.0 * grown as f64 - all as f64) >= 3.0 * (all as f64).sqrt();
        if !is_enough || !is_beyond_chance(all) {
            Verdict::TooFew
        } else if is_beyond_chance(grown) {
            Verdict::Leaks
        } else {
            Verdict::Steady
        }
    }
}

impl Growth {
    const fn plus(self, other: Self) -> Self {
        Self { runs: self.runs.saturating_add(other.runs), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Runs of a type in three workers in turn; `memory`: that of a worker after its run of that number.
    fn ledger(runs: u64, memory: impl Fn(u64) -> u64) -> TypeMemory {
        let kind: Arc<str> = "t".into();
        let (mut ledger, mut marks) = (Ledger::default(), [const { None }; 3].map(|_: Option<Mark>| Mark::default()));
        for run in 0..runs {
            let at = (run % 3) as usize;
            marks[at].measured(memory(run / 3));
            if let Some(growth) = marks[at].ran(&kind) {
                ledger.enter(&kind, WorkerId(run as i64 % 3), growth, Some(memory(run / 3)));
            }
        }
        ledger.by_kept().pop().expect("it was measured")
    }

    #[test]
    fn a_type_that_keeps_something_is_named_within_a_hundred_runs() {
        let known = ledger(100, |run| 20 * MIB + run * 50 * 1024);
        assert_eq!((known.verdict, known.kept_bytes_per_run), (Verdict::Leaks, 50 * 1024));
        assert_eq!(known.max_jobs, Some(64 * MIB / (50 * 1024)));
        assert_eq!(ledger(60, |run| 20 * MIB + run * 50 * 1024).verdict, Verdict::TooFew);
    }

    #[test]
    fn little_that_is_kept_is_found_though_the_allocator_grows_in_steps() {
        // A KiB a run, in steps of 132 KiB.
        let known = ledger(30_000, |run| 20 * MIB + run * 1024 / (132 * 1024) * 132 * 1024);
        assert_eq!(known.verdict, Verdict::Leaks);
        assert!((900..1400).contains(&known.kept_bytes_per_run), "{known:?}");
    }

    #[test]
    fn large_workers_that_free_what_they_took_and_caches_that_fill_once_are_steady() {
        let steady = |memory: &dyn Fn(u64) -> u64| {
            let known = ledger(3000, memory);
            assert_eq!((known.verdict, known.max_jobs), (Verdict::Steady, None), "{known:?}");
        };
        steady(&|run| 20 * MIB + run % 2 * 80 * MIB);
        steady(&|run| 20 * MIB + run.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (80 * MIB));
        steady(&|run| 20 * MIB + run.min(9) * 10 * MIB);
        steady(&|_| 20 * MIB);
        assert!(ledger(3000, |_| 20 * MIB).peak_p95_bytes == Some(20 * MIB));
    }

    #[test]
    fn runs_of_several_types_between_two_looks_and_the_first_of_a_process_are_nobodys() {
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let mut mark = Mark::default();
        let mut run = |kind: &Arc<str>, memory: Option<u64>| {
            if let Some(memory) = memory {
                mark.measured(memory);
            }
            mark.ran(kind)
        };
        for n in 0..WARM_UP {
            assert_eq!(run(&one, Some(MIB * n)), None, "the process is young");
        }
        assert_eq!(run(&one, Some(MIB * 20)), Some(Growth { runs: 1, bytes: 11 << 20 }));
        assert_eq!([run(&one, None), run(&other, None), run(&one, Some(MIB * 30))], [None; 3]);
        assert_eq!(
            [run(&other, None), run(&other, Some(MIB * 29))],
            [None, Some(Growth { runs: 2, bytes: -(1 << 20) })]
        );
    }

    #[test]
    fn the_ledger_stays_small() {
        let mut ledger = Ledger::default();
        for kind in 0..1000 {
            let growth = Growth { runs: 7, bytes: 1 };
            (0..1000).for_each(|n| ledger.enter(&format!("{kind}").into(), WorkerId(n), growth, Some(1)));
        }
        assert_eq!(ledger.by_kept().len(), MOST_TYPES);
        assert!(ledger.0.values().all(|entry| entry.blocks.len() < MOST_BLOCKS && entry.peaks.len() == PEAKS));
    }
}
