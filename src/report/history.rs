//! Numbers of periods, as `metrics --history` prints them and programs read them.
//!
//! Invariant: times are seconds, and a quantile is known to 2.2 % and never above the largest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::gauge::{Mark, PoolGauge, QueueGauge};
use crate::model::rollup::{Range, RunCounts};
use crate::model::sketch::Sketch;
use crate::model::{Outcome, PoolName, QueueName, UnixMicros};
use crate::store::{History, HistoryFilter};
use crate::wire::metrics::AskHistory;

/// Points of time with numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HistoryReport {
    pub since: UnixMicros,
    pub until: UnixMicros,
    /// Length of one point, in seconds.
    pub period_s: f64,
    /// Of the whole time.
    pub total: RunNumbers,
    /// Where no run ended there is none.
    pub points: Vec<Point<RunNumbers>>,
    pub queues: BTreeMap<QueueName, Vec<Point<QueueNumbers>>>,
    pub pools: BTreeMap<PoolName, Vec<Point<PoolNumbers>>>,
    pub marks: Vec<Mark>,
}

/// Numbers of one point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point<T> {
    /// When it begins.
    pub at: UnixMicros,
    #[serde(flatten)]
    pub numbers: T,
}

/// Runs that ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunNumbers {
    pub runs: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub crashed: u64,
    pub cancelled: u64,
    pub released: u64,
    /// Jobs that were dead with one of them.
    pub died: u64,
    pub run_s: Option<Times>,
    pub wait_s: Option<Times>,
    pub memory_max_bytes: Option<u64>,
}

/// How long things took, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Times {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

/// How a queue stood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueueNumbers {
    pub pushed: u64,
    pub ready: u64,
    pub ready_max: u64,
    pub scheduled: u64,
    pub running: u64,
    pub dead: u64,
    pub oldest_max_s: f64,
}

/// How a pool stood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolNumbers {
    pub wanted: u64,
    pub ready_min: u64,
    pub busy_s: f64,
    pub capacity_s: f64,
    pub cpu_s: f64,
    pub memory_max_bytes: u64,
    pub worker_memory_max_bytes: u64,
    pub started: u64,
    pub ended: u64,
    pub crashed: u64,
    pub recycled: u64,
    pub oom: u64,
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

impl Times {
    fn of(sketch: &Sketch, sum_us: u64, max_us: u64) -> Option<Self> {
        let quantile = |part| Some(sketch.quantile(part)?.min(max_us as f64) / 1e6);
        let (p50, p95, p99) = (quantile(0.5)?, quantile(0.95)?, quantile(0.99)?);
        Some(Self { mean: seconds(sum_us) / sketch.count() as f64, p50, p95, p99, max: seconds(max_us) })
    }
}

impl From<&RunCounts> for RunNumbers {
    fn from(counts: &RunCounts) -> Self {
        Self {
            runs: counts.runs(),
            succeeded: counts.of(Outcome::Succeeded),
            failed: counts.of(Outcome::Failed),
            timed_out: counts.of(Outcome::TimedOut),
            crashed: counts.of(Outcome::Crashed),
            cancelled: counts.of(Outcome::Cancelled),
            released: counts.of(Outcome::Released),
            died: counts.died,
            run_s: Times::of(&counts.run, counts.run_us, counts.run_max_us),
            wait_s: Times::of(&counts.wait, counts.wait_us, counts.wait_max_us),
            memory_max_bytes: counts.memory_max,
        }
    }
}

impl From<&QueueGauge> for QueueNumbers {
    fn from(gauge: &QueueGauge) -> Self {
        Self {
            pushed: gauge.pushed,
            ready: gauge.ready,
            ready_max: gauge.ready_max,
            scheduled: gauge.scheduled,
            running: gauge.running,
            dead: gauge.dead,
            oldest_max_s: seconds(gauge.oldest_us_max),
        }
    }
}

impl From<&PoolGauge> for PoolNumbers {
    fn from(gauge: &PoolGauge) -> Self {
        Self {
            wanted: gauge.wanted,
            ready_min: gauge.ready_min,
            busy_s: seconds(gauge.busy_us),
            capacity_s: seconds(gauge.capacity_us),
            cpu_s: seconds(gauge.cpu_us),
            memory_max_bytes: gauge.memory_max,
            worker_memory_max_bytes: gauge.worker_memory_max,
            started: gauge.started,
            ended: gauge.ended,
            crashed: gauge.crashed,
            recycled: gauge.recycled,
            oom: gauge.oom,
        }
    }
}

/// The question to the store.
#[must_use]
pub fn filter(asked: &AskHistory, now: UnixMicros) -> HistoryFilter {
    let range = Range::new(asked.since, asked.until.unwrap_or(now), now);
    HistoryFilter { queue: asked.queue.clone(), kind: asked.kind.clone(), range }
}

fn points<'a, A, B: From<&'a A>>(points: &'a BTreeMap<UnixMicros, A>) -> Vec<Point<B>> {
    points.iter().map(|(&at, numbers)| Point { at, numbers: numbers.into() }).collect()
}

impl HistoryReport {
    /// Words the answer of the store.
    #[must_use]
    pub fn new(range: Range, history: &History) -> Self {
        let mut total = RunCounts::default();
        history.runs.values().for_each(|counts| total.merge(counts));
        Self {
            since: range.resolution.start_of(range.first),
            until: range.resolution.start_of(range.last + 1),
            period_s: seconds(range.resolution.micros() as u64 * range.per_point as u64),
            total: (&total).into(),
            points: points(&history.runs),
            queues: history.queues.iter().map(|(name, gauges)| (name.clone(), points(gauges))).collect(),
            pools: history.pools.iter().map(|(name, gauges)| (name.clone(), points(gauges))).collect(),
            marks: history.marks.clone(),
        }
    }

    /// A line for each point in which runs ended, with what was done in between, and one for all.
    #[must_use]
    pub fn table(&self, now: UnixMicros, width: Option<usize>) -> String {
        let columns = [
            Column("from", Align::Left),
            Column("runs", Align::Right),
            Column("failed", Align::Right),
            Column("run p50", Align::Right),
            Column("p95", Align::Right),
            Column("p99", Align::Right),
            Column("wait p95", Align::Right),
            Column("done", Align::Left),
        ];
        let mut marks = self.marks.iter().peekable();
        let mut done_before = |end: Option<UnixMicros>| {
            let mut done = Vec::new();
            while let Some(mark) = marks.next_if(|mark| end.is_none_or(|end| mark.at < end)) {
                done.push(format!("{} {}", mark.kind.as_str(), mark.text));
            }
            words::one_line(&done.join("; "), 200)
        };
        let mut rows = Vec::new();
        for (n, point) in self.points.iter().enumerate() {
            let done = done_before(self.points.get(n + 1).map(|next| next.at));
            rows.push(row(words::ago(now, point.at), &point.numbers, done));
        }
        rows.push(row(String::from("all"), &self.total, done_before(None)));
        let nothing_done = rows.iter().all(|row| row.last().is_none_or(String::is_empty));
        let without: &[&str] = if nothing_done { &["done"] } else { &[] };
        let room = Room { width, without, cut: &[("done", 16)], leave_out: &["done", "p99"] };
        render_within(room, &columns, rows)
    }
}

fn row(from: String, numbers: &RunNumbers, done: String) -> Vec<String> {
    let time = |times: &Option<Times>, which: fn(&Times) -> f64| {
        times.as_ref().map_or_else(|| String::from("-"), |times| words::seconds(which(times)))
    };
    vec![
        from,
        numbers.runs.to_string(),
        (numbers.failed + numbers.timed_out + numbers.crashed).to_string(),
        time(&numbers.run_s, |times| times.p50),
        time(&numbers.run_s, |times| times.p95),
        time(&numbers.run_s, |times| times.p99),
        time(&numbers.wait_s, |times| times.p95),
        done,
    ]
}
