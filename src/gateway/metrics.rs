//! The series that workers of a pool count in.
//!
//! `{"name", "kind": "counter" | "gauge" | "histogram", "value", "labels"?: {"name": "value"}}`. Invariant: at most 100 names with
//! 1,000 sets of labels each; a value beyond, or one that is not understood, is dropped and counted.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::service::{Metric, MetricValue};
use crate::wire::object;

const MOST_NAMES: usize = 100;
const MOST_SETS: usize = 1000;
/// The longest name of a series, with its labels and their values, in bytes.
const MOST_NAME_BYTES: usize = 1000;
/// Series in the list of a service.
const MOST_LISTED: usize = 1000;

type Labels = BTreeMap<String, String>;

/// All series of a pool.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    series: BTreeMap<String, BTreeMap<Labels, MetricValue>>,
    pub(crate) dropped: u64,
}

#[derive(Deserialize)]
struct Said {
    name: String,
    kind: Kind,
    #[serde(default = "one")]
    value: f64,
    #[serde(default)]
    labels: Labels,
}

const fn one() -> f64 {
    1.0
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metrics {
    /// Takes in what a worker says.
    pub(crate) fn take(&mut self, text: &str) {
        let said = object::read::<Said>(text).ok().filter(Said::fits);
        if said.and_then(|said| self.add(said)).is_none() {
            self.dropped += 1;
        }
    }

    /// The series by name, as many as one answer has room for.
    pub(crate) fn listed(&self) -> Vec<Metric> {
        let sets =
            self.series.iter().flat_map(|(name, sets)| sets.iter().map(move |(labels, value)| (name, labels, value)));
        let listed =
            sets.map(|(name, labels, value)| Metric { name: name.clone(), labels: labels.clone(), value: *value });
        listed.take(MOST_LISTED).collect()
    }

    fn add(&mut self, said: Said) -> Option<()> {
        let Said { name, kind, value, labels } = said;
        if self.series.len() >= MOST_NAMES && !self.series.contains_key(&name) {
            return None;
        }
        let sets = self.series.entry(name).or_default();
        if sets.len() >= MOST_SETS && !sets.contains_key(&labels) {
            return None;
        }
        let held = sets.entry(labels).or_insert_with(|| match kind {
            Kind::Counter => MetricValue::Counter { sum: 0.0 },
            Kind::Gauge => MetricValue::Gauge { last: 0.0 },
            Kind::Histogram => MetricValue::Histogram { count: 0, sum: 0.0 },
        });
        match (held, kind) {
            (MetricValue::Counter { sum }, Kind::Counter) if value >= 0.0 => *sum += value,
            (MetricValue::Gauge { last }, Kind::Gauge) => *last = value,
            (MetricValue::Histogram { count, sum }, Kind::Histogram) => {
                *count += 1;
                *sum += value;
            }
            _ => return None,
        }
        Some(())
    }
}

impl Said {
    fn fits(&self) -> bool {
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.value.is_finite() && !self.name.is_empty() && self.name.len() + labels <= MOST_NAME_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_counted_and_what_does_not_fit_is_dropped() {
        let mut metrics = Metrics::default();
        metrics.take(r#"{"name":"hits","kind":"counter"}"#);
        metrics.take(r#"{"name":"hits","kind":"counter","value":2,"labels":{"to":"a"}}"#);
        metrics.take(r#"{"name":"hits","kind":"counter","value":3}"#);
        metrics.take(r#"{"name":"hits","kind":"gauge","value":3}"#);
        metrics.take(r#"{"name":"hits","kind":"counter","value":-1}"#);
        metrics.take(r#"{"name":"took","kind":"histogram","value":0.5}"#);
        metrics.take("nonsense");
        assert_eq!(metrics.dropped, 3);
        let values: Vec<_> = metrics.listed().into_iter().map(|metric| metric.value).collect();
        assert_eq!(
            values,
            [
                MetricValue::Counter { sum: 4.0 },
                MetricValue::Counter { sum: 2.0 },
                MetricValue::Histogram { count: 1, sum: 0.5 }
            ]
        );
        for set in 0..=MOST_SETS {
            metrics.take(&format!(r#"{{"name":"many","kind":"gauge","value":1,"labels":{{"n":"{set}"}}}}"#));
        }
        assert_eq!((metrics.dropped, metrics.listed().len()), (4, MOST_LISTED));
    }
}
