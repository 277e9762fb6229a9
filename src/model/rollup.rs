//! Numbers of periods: of runs by queue and type, of queues, of pools.
//!
//! Knows nothing of when they are written or where. Invariants: the numbers of a period are the sum of those of its parts, in
//! whatever order and by whomever they were counted; of at most [`MOST_TYPES`] types in queues there are numbers at once, and
//! those of the rest are kept under [`OTHER`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::change::{Finish, Next};
use super::sketch::Sketch;
use super::{Outcome, QueueName, UnixMicros};

/// Types in queues that are counted apart in one period; of queues as many.
pub const MOST_TYPES: usize = 200;
/// The type, and the queue, of all that are too many.
pub const OTHER: &str = "other";
/// The queue of all that are too many.
#[must_use]
pub fn other_queue() -> QueueName {
    QueueName::new(OTHER).unwrap_or_default()
}

/// Points of a chart at most.
pub const MOST_POINTS: i64 = 200;

const MINUTE_US: i64 = 60_000_000;
const HOURS_OF_DAY: u64 = 24;

/// Length of periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    Minute,
    TenMinutes,
    Hour,
    Day,
}

impl Resolution {
    /// Every one, the finest first.
    pub const ALL: [Self; 4] = [Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// Its length, in microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        MINUTE_US
            * match self {
                Self::Minute => 1,
                Self::TenMinutes => 10,
                Self::Hour => 60,
                Self::Day => 1440,
            }
    }

    /// The number of the period with this time.
    #[must_use]
    pub const fn period_of(self, at: UnixMicros) -> i64 {
        at.0.div_euclid(self.micros())
    }

    /// When a period begins.
    #[must_use]
    pub const fn start_of(self, period: i64) -> UnixMicros {
        UnixMicros(period.saturating_mul(self.micros()))
    }

    /// How long periods of this length are kept.
    #[must_use]
    pub const fn kept_for(self) -> Duration {
        Duration::from_hours(match self {
            Self::Minute => 26,
            Self::TenMinutes => 8 * HOURS_OF_DAY,
            Self::Hour => 100 * HOURS_OF_DAY,
            Self::Day => 3 * 365 * HOURS_OF_DAY,
        })
    }

    /// The first period that is kept. In steps of some periods, so that there is nothing to remove most of the time.
    #[must_use]
    pub const fn first_kept(self, now: UnixMicros) -> i64 {
        const STEP: i64 = 30;
        let oldest = self.period_of(UnixMicros(now.0 - self.kept_for().as_micros() as i64));
        oldest.div_euclid(STEP) * STEP
    }
}

/// Periods of a chart: from a time to another, so many of them that there are no more points than [`MOST_POINTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub resolution: Resolution,
    /// The first and the last period.
    pub first: i64,
    pub last: i64,
    /// Periods of one point.
    pub per_point: i64,
}

impl Range {
    /// In periods as short as are kept for long enough.
    #[must_use]
    pub fn new(since: UnixMicros, until: UnixMicros, now: UnixMicros) -> Self {
        let fits = |resolution: &Resolution| {
            let periods = resolution.period_of(until) - resolution.period_of(since) + 1;
            periods <= MOST_POINTS && now.since(since) <= resolution.kept_for()
        };
        let resolution = Resolution::ALL.into_iter().find(fits).unwrap_or(Resolution::Day);
        let (first, last) = (resolution.period_of(since), resolution.period_of(until).max(resolution.period_of(since)));
        Self { resolution, first, last, per_point: (last - first) / MOST_POINTS + 1 }
    }

    /// When the point of a period begins.
    #[must_use]
    pub const fn point_of(&self, period: i64) -> UnixMicros {
        self.resolution.start_of(period - (period - self.first).rem_euclid(self.per_point))
    }
}

/// A run that has ended, as far as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct EndedRun<'a> {
    pub queue: &'a QueueName,
    pub kind: &'a Arc<str>,
    pub outcome: Outcome,
    /// Its job is dead.
    pub died: bool,
    pub at: UnixMicros,
    pub run_us: u64,
    pub wait_us: u64,
    /// Most memory seen, in bytes.
    pub memory: Option<u64>,
}

impl<'a> EndedRun<'a> {
    /// As it is put on record.
    #[must_use]
    pub fn of(finish: &'a Finish) -> Self {
        let micros = |from: UnixMicros, to: UnixMicros| u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0);
        Self {
            queue: &finish.job.queue,
            kind: &finish.job.kind,
            outcome: finish.outcome,
            died: matches!(finish.next, Next::Dead(_)),
            at: finish.ended_at,
            run_us: micros(finish.started_at, finish.ended_at),
            wait_us: micros(finish.job.due_at, finish.started_at),
            memory: finish.detail.peak_memory,
        }
    }
}

/// Runs that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// By [`Outcome`], in the order of all of them.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Those with which their job was dead.
    pub died: u64,
    pub run_us: u64,
    pub run_max_us: u64,
    pub wait_us: u64,
    pub wait_max_us: u64,
    /// Most memory of one, in bytes.
    pub memory_max: Option<u64>,
    pub run: Sketch,
    pub wait: Sketch,
}

impl RunCounts {
    fn add(&mut self, run: &EndedRun<'_>) {
        self.outcomes[run.outcome as usize] += 1;
        self.died += u64::from(run.died);
        self.run_us = self.run_us.saturating_add(run.run_us);
        self.run_max_us = self.run_max_us.max(run.run_us);
        self.wait_us = self.wait_us.saturating_add(run.wait_us);
        self.wait_max_us = self.wait_max_us.max(run.wait_us);
        self.memory_max = self.memory_max.max(run.memory);
        self.run.add(run.run_us);
        self.wait.add(run.wait_us);
    }

    /// Takes in all of another.
    pub fn merge(&mut self, other: &Self) {
        for (sum, count) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum = sum.saturating_add(count);
        }
        self.died = self.died.saturating_add(other.died);
        self.run_us = self.run_us.saturating_add(other.run_us);
        self.run_max_us = self.run_max_us.max(other.run_max_us);
        self.wait_us = self.wait_us.saturating_add(other.wait_us);
        self.wait_max_us = self.wait_max_us.max(other.wait_max_us);
        self.memory_max = self.memory_max.max(other.memory_max);
        self.run.merge(&other.run);
        self.wait.merge(&other.wait);
    }

    /// How many there are of an outcome.
    #[must_use]
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// How many there are.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.outcomes.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Runs that ended, by queue and type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    queues: BTreeMap<QueueName, BTreeMap<Arc<str>, RunCounts>>,
    /// Types in queues that are counted apart.
    types: usize,
}

/// A sum of a tally: all runs, those of a queue, or those of a type in a queue; the names of all are empty.
pub type Series<'a> = (&'a str, &'a str);

impl Tally {
    /// Counts a run; whether its type has no counts of its own yet, or none at all.
    pub fn add(&mut self, run: &EndedRun<'_>) -> bool {
        // Nothing is made for a type that is known: this is done for every run.
        let Some(counts) = self.queues.get_mut(run.queue).and_then(|types| types.get_mut(run.kind)) else {
            self.of(run.queue, run.kind).add(run);
            return true;
        };
        counts.add(run);
        false
    }

    /// Keeps a place for a type whose runs are taken in later, if there is one left.
    pub fn tell_apart(&mut self, queue: &QueueName, kind: &Arc<str>) {
        self.of(queue, kind);
    }

    /// Takes in all of another.
    pub fn merge(&mut self, other: &Self) {
        for (queue, kind, counts) in other.iter() {
            self.of(queue, kind).merge(counts);
        }
    }

    /// The counts of each type in each queue.
    pub fn iter(&self) -> impl Iterator<Item = (&QueueName, &Arc<str>, &RunCounts)> {
        self.queues.iter().flat_map(|(queue, types)| types.iter().map(move |(kind, counts)| (queue, kind, counts)))
    }

    /// The counts of each type in each queue, of each queue, and of all.
    #[must_use]
    pub fn sums(&self) -> Vec<(Series<'_>, Cow<'_, RunCounts>)> {
        let (mut rows, mut all) = (Vec::new(), RunCounts::default());
        for (queue, types) in &self.queues {
            let mut sum = RunCounts::default();
            for (kind, counts) in types {
                sum.merge(counts);
                rows.push(((queue.as_str(), &**kind), Cow::Borrowed(counts)));
            }
            all.merge(&sum);
            rows.push(((queue.as_str(), ""), Cow::Owned(sum)));
        }
        rows.push((("", ""), Cow::Owned(all)));
        rows
    }

    /// Where a type in a queue is counted.
    fn of(&mut self, queue: &QueueName, kind: &Arc<str>) -> &mut RunCounts {
        let is_known = self.queues.get(queue).is_some_and(|types| types.contains_key(kind));
        let is_queue_apart = self.queues.contains_key(queue) || self.queues.len() < MOST_TYPES;
        let (queue, kind) = if is_known || self.types < MOST_TYPES {
            self.types += usize::from(!is_known);
            (queue.clone(), kind.clone())
        } else if is_queue_apart {
            (queue.clone(), OTHER.into())
        } else {
            (other_queue(), OTHER.into())
        };
        self.queues.entry(queue).or_default().entry(kind).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(queue: &str, kind: &str, outcome: Outcome, run_us: u64) -> Tally {
        let (queue, kind) = (QueueName::new(queue).expect("a name"), kind.into());
        let mut tally = Tally::default();
        let (at, memory) = (UnixMicros(0), Some(run_us));
        tally.add(&EndedRun { queue: &queue, kind: &kind, outcome, died: false, at, run_us, wait_us: 1, memory });
        tally
    }

    #[test]
    fn sums_are_of_types_of_queues_and_of_all() {
        let mut tally = run("a", "x", Outcome::Succeeded, 5);
        for other in [run("a", "y", Outcome::Failed, 7), run("b", "x", Outcome::Succeeded, 1), tally.clone()] {
            tally.merge(&other);
        }
        let found: Vec<_> =
            tally.sums().iter().map(|(of, sum)| (*of, sum.runs(), sum.run_us, sum.run_max_us)).collect();
        let expected = [
            (("a", "x"), 2, 10, 5),
            (("a", "y"), 1, 7, 7),
            (("a", ""), 3, 17, 7),
            (("b", "x"), 1, 1, 1),
            (("b", ""), 1, 1, 1),
            (("", ""), 4, 18, 7),
        ];
        assert_eq!(found, expected);
        let all = tally.sums().pop().expect("the last is of all").1.into_owned();
        assert_eq!((all.of(Outcome::Succeeded), all.of(Outcome::Failed), all.memory_max), (3, 1, Some(7)));
    }

    #[test]
    fn types_and_queues_beyond_the_first_two_hundred_are_counted_together() {
        let mut tally = Tally::default();
        for n in 0..1000 {
            tally.merge(&run(&format!("q{}", n % 500), &format!("t{n}"), Outcome::Succeeded, 1));
        }
        assert_eq!(tally.iter().count(), MOST_TYPES + MOST_TYPES + 1, "types, the rest of each queue, the rest of all");
        assert_eq!(tally.sums().pop().map(|(_, all)| all.runs()), Some(1000));
        let rest: u64 = tally.iter().filter(|(_, kind, _)| &***kind == OTHER).map(|(.., counts)| counts.runs()).sum();
        assert_eq!(rest, 800);
    }

    #[test]
    fn a_chart_has_as_short_periods_as_are_kept_and_at_most_two_hundred_points() {
        const HOUR: i64 = 3_600_000_000;
        let now = UnixMicros(1_700_000_000_000_000);
        let hours = |hours: i64| Range::new(UnixMicros(now.0 - hours * HOUR), now, now);
        for (range, resolution, points) in [
            (1, Resolution::Minute, 61),
            (24, Resolution::TenMinutes, 145),
            (24 * 7, Resolution::Hour, 169),
            (24 * 90, Resolution::Day, 91),
            (24 * 365, Resolution::Day, 183),
            (24 * 365 * 30, Resolution::Day, 200),
        ] {
            let range = hours(range);
            assert_eq!(range.resolution, resolution);
            let mut found: Vec<_> = (range.first..=range.last).map(|period| range.point_of(period)).collect();
            found.dedup();
            assert!(
                found.len() as i64 <= MOST_POINTS && found.len() as i64 >= points.min(199),
                "{} {points}",
                found.len()
            );
        }
        let then = UnixMicros(now.0 - 48 * HOUR);
        let range = Range::new(then, UnixMicros(then.0 + HOUR), now);
        assert_eq!(range.resolution, Resolution::TenMinutes, "minutes are not kept for so long");
    }
}
