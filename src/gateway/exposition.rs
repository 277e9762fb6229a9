//! The metrics of services, for collectors: what the gateway counts, and the series that workers count in.
//!
//! Invariants: a series of workers cannot have the name of another program's or of ours, as it begins with
//! [`CUSTOM`]; no two numbers of a family have the same labels; a family has one kind.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::metrics::Metrics;
use super::shell::Shell;
use crate::core::calls::ServiceView;
use crate::model::PoolName;
use crate::model::service::{CallLoad, HealthStatus, Metric, MetricValue, code};
use crate::report::exposition::{Family, Kind, Sample, Value};

/// Powers of two that bound calls and waits, in microseconds: 16 µs to 134 s.
const TIMES: RangeInclusive<u16> = 4..=27;
/// Begin of the names of series of workers.
const CUSTOM: &str = "queue_work_custom_";

type Labels = BTreeMap<Cow<'static, str>, String>;
/// Series of workers by name and labels.
type Custom = BTreeMap<String, (Kind, BTreeMap<Labels, Value>)>;

/// All of them.
pub(super) fn families(shell: &Shell) -> Vec<Family> {
    let (loads, pools) = (shell.loads(), shell.pools.borrow());
    let mut all = shell.with_calls(|calls| {
        let views: Vec<_> = calls.services().filter_map(|view| Some((view, loads.get(view.pool)?))).collect();
        let mut all = of_calls(&views);
        all.extend(of_loads(&views));
        all
    });
    let mut dropped = Family::new(
        Kind::Counter,
        "queue_work_service_metrics_dropped_total",
        "Values of workers that were not understood, or had no room.",
    );
    let mut series = Custom::new();
    for (name, pool) in pools.iter() {
        dropped.add(&[("service", name.as_str())], pool.metrics.dropped as f64);
        add_custom(&mut series, name, &pool.metrics);
    }
    all.push(dropped);
    all.extend(series.into_iter().map(custom));
    all
}

fn of_calls(views: &[(ServiceView<'_>, &CallLoad)]) -> Vec<Family> {
    let counter = |name, help| Family::new(Kind::Counter, name, help);
    let histogram = |name, help| Family::new(Kind::Histogram, name, help);
    let mut calls = counter("queue_work_service_calls_total", "Calls that have ended.");
    let mut errors = counter("queue_work_service_call_errors_total", "Calls that have failed, for whatever reason.");
    let mut hits = counter("queue_work_service_cache_hits_total", "Calls that were answered without a worker.");
    let mut refused = counter(
        "queue_work_service_calls_refused_total",
        "Calls that failed for another reason than an error of a worker.",
    );
    let mut took = histogram("queue_work_service_call_duration_seconds", "Time from a call to its answer by a worker.");
    let mut waited = histogram("queue_work_service_wait_duration_seconds", "Time that calls waited for a worker.");
    for (view, _) in views {
        let service = ("service", view.pool.as_str());
        for (name, count) in &view.stats.methods {
            let labels = [service, ("method", name.as_str())];
            calls.add(&labels, count.requests as f64);
            errors.add(&labels, count.errors as f64);
            hits.add(&labels, count.cache_hits as f64);
            took.add_times(&labels, &count.answers.sketch, count.answers.sum_us, TIMES);
        }
        for (code, count) in &view.stats.refused {
            let reason = code::word(*code).unwrap_or("other");
            refused.add(&[service, ("reason", reason)], *count as f64);
        }
        waited.add_times(&[service], &view.stats.waits.sketch, view.stats.waits.sum_us, TIMES);
    }
    vec![calls, errors, hits, refused, took, waited]
}

fn of_loads(views: &[(ServiceView<'_>, &CallLoad)]) -> Vec<Family> {
    let gauge = |name, help| Family::new(Kind::Gauge, name, help);
    let mut waiting = gauge("queue_work_service_calls_waiting", "Calls that wait for a worker.");
    let mut running = gauge("queue_work_service_calls_running", "Calls that workers have.");
    let mut open = gauge("queue_work_service_circuit_open", "Whether calls are refused as workers died or hung.");
    let mut health = gauge("queue_work_service_health", "Whether this is the worst health that a worker has said.");
    for (view, load) in views {
        let service = ("service", view.pool.as_str());
        waiting.add(&[service], load.waiting as f64);
        running.add(&[service], f64::from(load.running));
        open.add(&[service], f64::from(load.circuit_open_s.is_some()));
        for status in HealthStatus::ALL {
            if let Some(said) = &load.health {
                health.add(&[service, ("status", status.as_str())], f64::from(said.status == status));
            }
        }
    }
    vec![waiting, running, open, health]
}

/// Takes in the series of a pool. The first kind of a name is that of all; of series whose labels differ only in what labels
/// cannot have, the last counts.
fn add_custom(families: &mut Custom, pool: &PoolName, metrics: &Metrics) {
    for Metric { name, labels, value } in metrics.listed() {
        let (kind, ending) = match value {
            MetricValue::Counter { .. } => (Kind::Counter, "_total"),
            MetricValue::Gauge { .. } => (Kind::Gauge, ""),
            MetricValue::Histogram { .. } => (Kind::Histogram, ""),
        };
        let name = format!("{CUSTOM}{}{ending}", word(name.strip_suffix(ending).unwrap_or(&name)));
        let (first, samples) = families.entry(name).or_insert_with(|| (kind, BTreeMap::new()));
        if *first == kind {
            let labels = labels.into_iter().map(|(name, value)| (Cow::Owned(label(&name)), value));
            let value = match value {
                MetricValue::Counter { sum: value } | MetricValue::Gauge { last: value } => Value::Value(value),
                MetricValue::Histogram { count, sum } => Value::Histogram { buckets: Vec::new(), count, sum },
            };
            samples.insert(labels.chain([("service".into(), pool.to_string())]).collect(), value);
        }
    }
}

fn custom((name, (kind, samples)): (String, (Kind, BTreeMap<Labels, Value>))) -> Family {
    let samples = samples.into_iter().map(|(labels, value)| Sample { labels, value }).collect();
    Family { name: name.into(), help: "Counted by workers of services.".into(), kind, samples }
}

/// Letters, digits and `_`, as names have them.
fn word(text: &str) -> String {
    text.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '_' }).collect()
}

/// The name of a label, other than those that have a meaning.
fn label(name: &str) -> String {
    let word = word(name);
    let is_taken = matches!(word.as_str(), "service" | "le" | "quantile") || word.starts_with("__");
    if is_taken || !word.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_') {
        format!("label_{word}")
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::exposition::{Format, text};

    #[test]
    fn series_of_workers_have_names_that_no_other_program_has_and_labels_that_are_some() {
        let pool = PoolName::new("calc").expect("a name");
        let mut metrics = Metrics::default();
        for said in [
            r#"{"name":"http.hits","kind":"counter","value":2,"labels":{"le":"1","9":"x","a-b":"\"c\"\n"}}"#,
            r#"{"name":"http_hits_total","kind":"counter","value":3}"#,
            r#"{"name":"took","kind":"histogram","value":0.5}"#,
            r#"{"name":"took.","kind":"gauge","value":1}"#,
            r#"{"name":"took!","kind":"gauge","value":2}"#,
        ] {
            metrics.take(said).unwrap();
        }
        assert_eq!(metrics.dropped, 0);
        let mut all = Custom::new();
        add_custom(&mut all, &pool, &metrics);
        let families: Vec<Family> = all.into_iter().map(custom).collect();
        let text = text(&families, Format::Prometheus);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            r#"queue_work_custom_http_hits_total{a_b="\"c\"\n",label_9="x",label_le="1",service="calc"} 2"#,
            r#"queue_work_custom_http_hits_total{service="calc"} 3"#,
            r#"queue_work_custom_took_bucket{service="calc",le="+Inf"} 1"#,
            r#"queue_work_custom_took_sum{service="calc"} 0.5"#,
            r#"queue_work_custom_took_count{service="calc"} 1"#,
            r#"queue_work_custom_took_{service="calc"} 1"#,
        ];
        assert_eq!(lines, expected);
    }
}
