//! Counts and measurements: the runs that have ended, their rate, and the sampler of memory and CPU time.

use std::collections::{BTreeMap, VecDeque};

use super::sampler::{Command, Sampler};
use crate::core::PoolId;
use crate::model::change::Next;
use crate::model::queue_limits::Full;
use crate::model::sketch::Durations;
use crate::model::{Mono, Outcome, QueueName};
use crate::report::summary::Summary;

/// Seconds over which the rate is taken.
const RATE_SECONDS: u64 = 10;

/// How long the work of a turn, commits and syncs have taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) turn: Durations,
    pub(super) commit: Durations,
    pub(super) sync: Durations,
}

/// Counts, and the thread that measures.
#[derive(Debug)]
pub(super) struct Meters {
    sampler: Sampler,
    /// Whether the sampler was told last that there is work.
    busy: bool,
    summary: Summary,
    /// Ended runs per second of the last ten, and of this one.
    rate: VecDeque<(u64, u64)>,
    pub(super) times: Times,
    /// Time that jobs took of the workers of each pool, as it was told last.
    pub(super) busy_us: BTreeMap<PoolId, u64>,
    /// Jobs that were not added for want of room, by queue.
    pub(super) refused: BTreeMap<QueueName, u64>,
}

impl Meters {
    pub(super) fn new(sampler: Sampler) -> Self {
        Self {
            sampler,
            busy: false,
            summary: Summary::default(),
            rate: VecDeque::new(),
            times: Times::default(),
            busy_us: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(super) fn note_refused(&mut self, full: &Full) {
        *self.refused.entry(full.queue.clone()).or_default() += full.pushed;
    }

    pub(super) fn tell_sampler(&self, command: Command) {
        if !self.sampler.tell(command) {
            log::debug!("the sampler is behind: {command:?} was not taken");
        }
    }

    /// Tells the sampler whether anybody works.
    pub(super) fn pace(&mut self, busy: bool) {
        if busy != self.busy && self.sampler.tell(Command::Busy(busy)) {
            self.busy = busy;
        }
    }

    /// Counts a run for the summary and the rate.
    pub(super) fn count_run(&mut self, outcome: Outcome, next: Next, now: Mono) {
        self.summary.count_run(outcome);
        match next {
            Next::Succeeded => self.summary.succeeded += 1,
            Next::Dead(_) => self.summary.dead += 1,
            Next::Cancelled(_) => self.summary.cancelled += 1,
            Next::Ready | Next::Behind | Next::RetryAt(_) => {}
        }
        let second = now.0 / 1_000_000;
        match self.rate.back_mut() {
            Some((last, runs)) if *last == second => *runs += 1,
            Some(_) | None => self.rate.push_back((second, 1)),
        }
        while self.rate.len() > RATE_SECONDS as usize + 1 {
            self.rate.pop_front();
        }
    }

    /// Jobs were cancelled that did not run.
    pub(super) const fn count_cancelled(&mut self, jobs: usize) {
        self.summary.cancelled += jobs as u64;
    }

    /// Runs that ended per second, of late.
    pub(super) fn jobs_per_s(&self, now: Mono) -> f64 {
        let second = now.0 / 1_000_000;
        let from = second.saturating_sub(RATE_SECONDS);
        let runs: u64 = self.rate.iter().filter(|(s, _)| (from..second).contains(s)).map(|(_, n)| n).sum();
        let seconds = second.min(RATE_SECONDS);
        if seconds == 0 { 0.0 } else { runs as f64 / seconds as f64 }
    }

    /// Jobs that ended.
    pub(super) fn jobs(&self) -> u64 {
        self.summary.jobs()
    }

    /// Jobs that died until now.
    pub(super) const fn dead(&self) -> u64 {
        self.summary.dead
    }

    /// The life of the master until now.
    pub(super) fn summary(&self, now: Mono) -> Summary {
        Summary { seconds: now.0 as f64 / 1e6, ..self.summary.clone() }
    }
}
