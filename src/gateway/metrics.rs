//! The series that workers of a pool count in.
//!
//! `{"name", "kind": "counter" | "gauge" | "histogram", "value", "labels"?: {"name": "value"}}`. Invariant: at most 100 names with
//! 1,000 sets of labels each; a value beyond, or one that is not understood, is dropped and counted.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::json_text;
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
    /// Takes in what a worker says, or says why it is dropped.
    pub(crate) fn take(&mut self, text: &str) -> Result<(), String> {
        let said = object::read::<Said>(text).map_err(|error| json_text::words(&error));
        let taken = said.and_then(|said| said.check().and_then(|()| self.add(said)));
        self.dropped += u64::from(taken.is_err());
        taken
    }

    /// The series by name, as many as one answer has room for.
    pub(crate) fn listed(&self) -> Vec<Metric> {
        let sets =
            self.series.iter().flat_map(|(name, sets)| sets.iter().map(move |(labels, value)| (name, labels, value)));
        let listed =
            sets.map(|(name, labels, value)| Metric { name: name.clone(), labels: labels.clone(), value: *value });
        listed.take(MOST_LISTED).collect()
    }

    fn add(&mut self, said: Said) -> Result<(), String> {
        let Said { name, kind, value, labels } = said;
        if self.series.len() >= MOST_NAMES && !self.series.contains_key(&name) {
            return Err(format!("`{name}` would be one name more than the {MOST_NAMES} that there may be"));
        }
        let sets = self.series.entry(name.clone()).or_default();
        if sets.len() >= MOST_SETS && !sets.contains_key(&labels) {
            return Err(format!("`{name}` has {MOST_SETS} sets of labels, and there may be no more"));
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
            (MetricValue::Counter { .. }, Kind::Counter) => {
                return Err(format!("`{name}` is a counter, and {value} is below 0"));
            }
            _ => return Err(format!("`{name}` was of another kind before")),
        }
        Ok(())
    }
}

impl Said {
    fn check(&self) -> Result<(), String> {
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        match self.name.len() + labels {
            _ if self.name.is_empty() => Err("its name is empty".to_owned()),
            bytes if bytes > MOST_NAME_BYTES => {
                Err(format!("its name and labels have {bytes} bytes; the limit is {MOST_NAME_BYTES}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_counted_and_what_does_not_fit_is_dropped() {
        let mut metrics = Metrics::default();
        for good in [
            r#"{"name":"hits","kind":"counter"}"#,
            r#"{"name":"hits","kind":"counter","value":2,"labels":{"to":"a"}}"#,
            r#"{"name":"hits","kind":"counter","value":3}"#,
            r#"{"name":"took","kind":"histogram","value":0.5}"#,
        ] {
            assert_eq!(metrics.take(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            (r#"{"name":"hits","kind":"gauge","value":3}"#, "`hits` was of another kind before"),
            (r#"{"name":"hits","kind":"counter","value":-1}"#, "`hits` is a counter, and -1 is below 0"),
            (r#"{"name":"","kind":"counter"}"#, "its name is empty"),
        ] {
            assert_eq!(metrics.take(bad), Err(why.to_owned()), "{bad}");
        }
        let text = r#"{"name":"hits","kind":"counter","value":"1"}"#;
        assert!(metrics.take(text).unwrap_err().contains("string \"1\", expected a number"));
        assert_eq!(metrics.dropped, 4);
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
            let text = format!(r#"{{"name":"many","kind":"gauge","value":1,"labels":{{"n":"{set}"}}}}"#);
            assert_eq!(metrics.take(&text).is_ok(), set < MOST_SETS);
        }
        assert_eq!((metrics.dropped, metrics.listed().len()), (5, MOST_LISTED));
    }
}
