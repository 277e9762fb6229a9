//! Counts of the calls of a service.
//!
//! Invariant: at most [`MOST_METHODS`] methods are counted by name; the rest counts as `other`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::service::MethodStats;
use crate::model::sketch::Sketch;

const MOST_METHODS: usize = 200;
/// The name under which calls of whole messages count.
pub(super) const WHOLE_MESSAGE: &str = "(message)";
pub(super) const OTHER: &str = "other";

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

#[derive(Debug, Default)]
pub(super) struct Stats {
    methods: BTreeMap<String, Count>,
    pub(super) waits: Sketch,
    pub(super) refused: BTreeMap<i64, u64>,
}

#[derive(Debug, Default)]
struct Count {
    requests: u64,
    errors: u64,
    cache_hits: u64,
    answers: Sketch,
}

impl Stats {
    pub(super) fn ended(&mut self, method: &str, end: End) {
        let count = self.count(method);
        count.requests += 1;
        match end {
            End::Answered { is_error, after } => {
                count.errors += u64::from(is_error);
                count.answers.add(after.as_micros() as u64);
            }
            End::Shared { is_error } => {
                count.errors += u64::from(is_error);
                count.cache_hits += u64::from(!is_error);
            }
            End::Refused(code) => {
                count.errors += 1;
                *self.refused.entry(code).or_default() += 1;
            }
            End::Left => {}
        }
    }

    fn count(&mut self, method: &str) -> &mut Count {
        let is_counted = self.methods.contains_key(method) || self.methods.len() < MOST_METHODS;
        self.methods.entry(if is_counted { method } else { OTHER }.to_owned()).or_default()
    }

    pub(super) fn methods(&self) -> BTreeMap<String, MethodStats> {
        let shown = |count: &Count| MethodStats {
            requests: count.requests,
            errors: count.errors,
            cache_hits: count.cache_hits,
            p50_ms: millis(&count.answers, 0.5),
            p95_ms: millis(&count.answers, 0.95),
            p99_ms: millis(&count.answers, 0.99),
        };
        self.methods.iter().map(|(name, count)| (name.clone(), shown(count))).collect()
    }
}

/// A quantile in milliseconds.
pub(super) fn millis(sketch: &Sketch, part: f64) -> Option<f64> {
    sketch.quantile(part).map(|micros| micros / 1000.0)
}
