//! Counts of the calls of a service.
//!
//! Invariants: at most [`MOST_METHODS`] methods are counted by name, the rest counts as `other`; the past that times are shown
//! of is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::Mono;
use crate::model::service::MethodStats;
use crate::model::sketch::{Durations, Sketch};

const MOST_METHODS: usize = 200;
/// The name under which calls of whole messages count.
pub(super) const WHOLE_MESSAGE: &str = "(message)";
pub(super) const OTHER: &str = "other";
/// Length of a slice of the past, and slices that are kept beside the one that is not over.
const SLICE: Duration = Duration::from_mins(1);
const SLICES: u64 = 5;

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Answered {
        is_error: bool,
        after: Duration,
    },
    /// From the cache, or with another call.
    Shared {
        is_error: bool,
    },
    /// Failed for another reason than an error of a worker, with this code.
    Refused(i64),
    /// The caller is gone.
    Left,
}

/// All counts of a service, since the gateway began.
#[derive(Debug, Default)]
pub struct Stats {
    /// By name; methods without a name of their own count as `other`.
    pub methods: BTreeMap<String, Count>,
    /// How long calls waited before a worker had them.
    pub waits: Durations,
    /// Calls that failed for another reason than an error of a worker, by their code.
    pub refused: BTreeMap<i64, u64>,
    /// Calls that needed a worker.
    pub(super) arrived: u64,
    /// Requests that workers are done with, and how long they had them.
    pub(super) ended: u64,
    pub(super) took: Duration,
}

/// Counts of a method.
#[derive(Debug, Default)]
pub struct Count {
    pub requests: u64,
    pub errors: u64,
    pub cache_hits: u64,
    /// From calls to their answers by workers.
    pub answers: Durations,
    /// When the first one ended.
    since: Option<Mono>,
    recent: VecDeque<Slice>,
}

/// A minute of the past.
#[derive(Debug)]
struct Slice {
    /// In slices since the clock began.
    number: u64,
    requests: u64,
    answers: Sketch,
}

const fn slice_at(now: Mono) -> u64 {
    now.0 / SLICE.as_micros() as u64
}

impl Stats {
    pub(super) fn call_ended(&mut self, method: &str, end: End, now: Mono) {
        if let End::Refused(code) = end {
            *self.refused.entry(code).or_default() += 1;
        }
        let is_counted = self.methods.contains_key(method) || self.methods.len() < MOST_METHODS;
        self.methods.entry(if is_counted { method } else { OTHER }.to_owned()).or_default().add(end, now);
    }

    /// A worker is done with a request after so long.
    pub(super) fn request_ended(&mut self, took: Duration) {
        self.ended += 1;
        self.took += took;
    }
}

impl Count {
    fn add(&mut self, end: End, now: Mono) {
        self.requests += 1;
        self.since.get_or_insert(now);
        let slice = self.slice(now);
        slice.requests += 1;
        match end {
            End::Answered { is_error, after } => {
                slice.answers.add(after.as_micros() as u64);
                self.errors += u64::from(is_error);
                self.answers.add(after);
            }
            End::Shared { is_error } => {
                self.errors += u64::from(is_error);
                self.cache_hits += u64::from(!is_error);
            }
            End::Refused(_) => self.errors += 1,
            End::Left => {}
        }
    }

    /// The slice that is not over; those that are too old are dropped.
    fn slice(&mut self, now: Mono) -> &mut Slice {
        let number = slice_at(now);
        if self.recent.back().is_none_or(|slice| slice.number < number) {
            self.recent.push_back(Slice { number, requests: 0, answers: Sketch::default() });
        }
        while self.recent.front().is_some_and(|slice| slice.number + SLICES < number) {
            self.recent.pop_front();
        }
        self.recent.back_mut().expect("BUG: one was put there")
    }

    /// As it is shown.
    #[must_use]
    pub fn shown(&self, now: Mono) -> MethodStats {
        let number = slice_at(now);
        let mut answers = Sketch::default();
        for slice in self.recent.iter().filter(|slice| slice.number + SLICES >= number) {
            answers.merge(&slice.answers);
        }
        let lately = self.recent.iter().filter(|slice| slice.number + 1 >= number);
        let slices = SLICE + Duration::from_micros(now.0 % SLICE.as_micros() as u64);
        let seconds = self.since.map_or(slices, |since| slices.min(now.since(since))).as_secs_f64().max(1.0);
        MethodStats {
            requests: self.requests,
            errors: self.errors,
            cache_hits: self.cache_hits,
            per_s: lately.map(|slice| slice.requests).sum::<u64>() as f64 / seconds,
            p50_ms: millis(&answers, 0.5),
            p95_ms: millis(&answers, 0.95),
            p99_ms: millis(&answers, 0.99),
        }
    }
}

/// A quantile in milliseconds.
fn millis(sketch: &Sketch, part: f64) -> Option<f64> {
    sketch.quantile(part).map(|micros| micros / 1000.0)
}
