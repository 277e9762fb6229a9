//! Numbers of periods in the store in memory.
//!
//! Invariant: what is counted when is the same as in SQLite; only that everything past its time goes in one step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::{Place, State};
use crate::model::change::Reply;
use crate::model::gauge::{Mark, PoolGauge, QueueGauge, Rollup};
use crate::model::rollup::{EndedRun, Resolution, RunCounts, Tally};
use crate::model::{Generation, JobState, PoolName, QueueName, UnixMicros};
use crate::store::history::{History, HistoryFilter, MOST_MARKS};

/// Numbers by the length and the number of their period.
#[derive(Debug, Default)]
pub(super) struct Periods {
    /// Empty names: all queues, all types of a queue.
    runs: BTreeMap<(Resolution, i64, String, String), RunCounts>,
    queues: BTreeMap<(Resolution, i64, QueueName), QueueGauge>,
    pools: BTreeMap<(Resolution, i64, PoolName), PoolGauge>,
    pub(super) marks: BTreeMap<UnixMicros, Mark>,
    /// Of each generation the highest run when it counted last, and those that had not ended then.
    pub(super) counted: BTreeMap<i64, (i64, BTreeSet<i64>)>,
    /// Jobs pushed to each queue that are in `queues`.
    pushed: BTreeMap<QueueName, u64>,
}

impl State {
    pub(super) fn roll_up(&mut self, rollup: &Rollup, generation: Generation) -> Reply {
        for (minute, tally) in &rollup.minutes {
            self.add_tally(Resolution::Minute.start_of(*minute), tally);
        }
        for gauge in &rollup.queues {
            let total = self.queues.get(&gauge.queue).map_or(0, |queue| queue.totals.pushed_total);
            let before = self.periods.pushed.insert(gauge.queue.clone(), total).unwrap_or(0);
            let gauge = QueueGauge { pushed: total.saturating_sub(before), ..gauge.clone() };
            for resolution in Resolution::ALL {
                let key = (resolution, resolution.period_of(rollup.at), gauge.queue.clone());
                self.periods.queues.entry(key).and_modify(|sum| sum.merge(&gauge)).or_insert_with(|| gauge.clone());
            }
        }
        for gauge in &rollup.pools {
            for resolution in Resolution::ALL {
                let key = (resolution, resolution.period_of(rollup.at), gauge.pool.clone());
                self.periods.pools.entry(key).and_modify(|sum| sum.merge(gauge)).or_insert_with(|| gauge.clone());
            }
        }
        for mark in &rollup.marks {
            self.add_mark(mark.clone());
        }
        let open = self.running.iter().filter(|(job, _)| self.generation_of(**job) == Some(generation.0));
        let counted = (self.run_high, open.map(|(_, run)| *run).collect());
        self.periods.counted.insert(generation.0, counted);
        Reply::Done
    }

    fn generation_of(&self, job: i64) -> Option<i64> {
        let Place::Running(running) = self.jobs.get(&job)?.place else { return None };
        Some(running.generation)
    }

    fn add_tally(&mut self, at: UnixMicros, tally: &Tally) {
        for ((queue, kind), counts) in tally.sums() {
            for resolution in Resolution::ALL {
                let key = (resolution, resolution.period_of(at), queue.to_owned(), kind.to_owned());
                self.periods.runs.entry(key).or_default().merge(&counts);
            }
        }
    }

    pub(super) fn add_mark(&mut self, mut mark: Mark) {
        while self.periods.marks.contains_key(&mark.at) {
            mark.at.0 += 1;
        }
        self.periods.marks.insert(mark.at, mark);
    }

    /// Counts the runs of generations that are over which are not counted yet.
    pub(super) fn count_left(&mut self, generations: &std::ops::RangeInclusive<Generation>) {
        let over: Vec<i64> =
            self.periods.counted.keys().copied().filter(|number| generations.contains(&Generation(*number))).collect();
        for generation in over {
            let (high, open) = self.periods.counted.remove(&generation).unwrap_or_default();
            let mut minutes: BTreeMap<i64, Tally> = BTreeMap::new();
            let runs =
                self.runs.iter().filter(|(id, run)| run.generation == generation && (**id > high || open.contains(id)));
            for (_, run) in runs {
                let has_died = |place: &Place| matches!(place, Place::Ended { state: JobState::Dead, at, .. } if *at == run.ended_at);
                let kind: Arc<str> = run.kind.as_str().into();
                let run = EndedRun {
                    queue: &run.queue,
                    kind: &kind,
                    outcome: run.outcome,
                    died: self.jobs.get(&run.job).is_some_and(|job| has_died(&job.place)),
                    at: run.ended_at,
                    run_us: run.ended_at.since(run.started_at).as_micros() as u64,
                    wait_us: u64::try_from(run.waited_us).unwrap_or(0),
                    memory: run.detail.peak_memory,
                };
                minutes.entry(Resolution::Minute.period_of(run.at)).or_default().add(&run);
            }
            for (minute, tally) in minutes {
                self.add_tally(Resolution::Minute.start_of(minute), &tally);
            }
        }
    }

    pub(super) fn prune_history(&mut self, at: UnixMicros) -> usize {
        let Periods { runs, queues, pools, .. } = &mut self.periods;
        let before = runs.len() + queues.len() + pools.len();
        let is_kept = |resolution: Resolution, period: i64| period >= resolution.first_kept(at);
        runs.retain(|(resolution, period, ..), _| is_kept(*resolution, *period));
        queues.retain(|(resolution, period, _), _| is_kept(*resolution, *period));
        pools.retain(|(resolution, period, _), _| is_kept(*resolution, *period));
        before - runs.len() - queues.len() - pools.len()
    }

    pub(super) fn history(&self, HistoryFilter { queue, kind, range }: &HistoryFilter) -> History {
        let is_in = |(resolution, period): (Resolution, i64)| {
            resolution == range.resolution && (range.first..=range.last).contains(&period)
        };
        let mut history = History::default();
        let is_series = |of: &str, type_: &str| match (queue, kind) {
            (None, Some(kind)) => !of.is_empty() && type_ == kind,
            _ => of == queue.as_ref().map_or("", |name| name.as_str()) && type_ == kind.as_deref().unwrap_or(""),
        };
        for ((resolution, period, of, type_), counts) in &self.periods.runs {
            if is_in((*resolution, *period)) && is_series(of, type_) {
                history.runs.entry(range.point_of(*period)).or_default().merge(counts);
            }
        }
        for ((resolution, period, name), gauge) in &self.periods.queues {
            if is_in((*resolution, *period)) && kind.is_none() && queue.as_ref().is_none_or(|only| only == name) {
                let points = history.queues.entry(name.clone()).or_default();
                points
                    .entry(range.point_of(*period))
                    .and_modify(|sum| sum.merge(gauge))
                    .or_insert_with(|| gauge.clone());
            }
        }
        for ((resolution, period, name), gauge) in &self.periods.pools {
            if is_in((*resolution, *period)) && kind.is_none() && queue.is_none() {
                let points = history.pools.entry(name.clone()).or_default();
                points
                    .entry(range.point_of(*period))
                    .and_modify(|sum| sum.merge(gauge))
                    .or_insert_with(|| gauge.clone());
            }
        }
        let (since, until) = (range.resolution.start_of(range.first), range.resolution.start_of(range.last + 1));
        let newest = self.periods.marks.range(since..=until).rev().take(MOST_MARKS as usize);
        history.marks = newest.map(|(_, mark)| mark.clone()).collect();
        history.marks.reverse();
        history
    }
}
