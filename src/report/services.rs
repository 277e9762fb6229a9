//! Services: what the gateway says of them together with what the master says, as JSON and as tables.

use serde::{Deserialize, Serialize};

use super::status::PoolStatus;
use super::tables::{Align, Column, Room, render, render_within};
use super::words;
use crate::model::service::{CallLoad, HealthStatus, Method, MethodStats, Metric, MetricValue};
use crate::model::{PoolKind, PoolName};

/// A service as the gateway lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    pub pool: PoolName,
    pub name: Option<String>,
    pub version: Option<String>,
    pub load: Option<CallLoad>,
    pub methods: Vec<ListedMethod>,
    pub metrics: Vec<Metric>,
    pub metrics_dropped: u64,
}

/// A method as the gateway lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct ListedMethod {
    pub name: String,
    pub declared: Option<Method>,
    pub figures: Option<MethodStats>,
}

/// A service; what `services --json` prints an array of.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// As its workers say, else that of its pool.
    pub name: String,
    pub version: Option<String>,
    pub pool: String,
    /// `healthy`, `degraded` (not all workers are ready, or they say so), `unhealthy`, `starting`, or `stopped`.
    pub state: &'static str,
    /// Workers that are ready, of how many.
    pub workers: u32,
    pub wanted: u32,
    pub listen: Vec<String>,
    /// `gateway`, or `worker` where its workers listen themselves, and have no methods.
    pub listen_mode: Option<String>,
    /// `null`: nobody counts them, as its workers listen themselves.
    pub calls: Option<CallLoad>,
    pub methods: Vec<ServiceMethod>,
    /// Series that its workers count in by `metric`: the first 1,000 by name, since the gateway began.
    pub metrics: Vec<Metric>,
    /// Values of `metric` that were not understood, or had no room.
    pub metrics_dropped: u64,
}

/// A method of a service.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceMethod {
    pub name: String,
    pub description: String,
    /// Schemas; `null`: anything.
    pub params: serde_json::Value,
    pub result: serde_json::Value,
    #[serde(flatten)]
    pub figures: MethodStats,
}

impl Service {
    /// Puts together what both say of a pool; `listed` is missing where the gateway has not heard of it yet.
    #[must_use]
    pub fn new(pool: &PoolStatus, listed: Option<Listed>) -> Self {
        let told = listed.map(|Listed { name, version, load, methods, metrics, metrics_dropped, .. }| {
            let methods = methods.into_iter().map(ServiceMethod::from).collect();
            (name, version, load, methods, metrics, metrics_dropped)
        });
        let (name, version, load, methods, metrics, metrics_dropped) = told.unwrap_or_default();
        let calls = load.or_else(|| pool.calls.clone());
        Self {
            name: name.unwrap_or_else(|| pool.name.clone()),
            version,
            pool: pool.name.clone(),
            state: state(pool, calls.as_ref()),
            workers: pool.ready,
            wanted: pool.wanted,
            listen: pool.listen.clone(),
            listen_mode: pool.listen_mode.clone(),
            calls,
            methods,
            metrics,
            metrics_dropped,
        }
    }
}

impl From<ListedMethod> for ServiceMethod {
    fn from(listed: ListedMethod) -> Self {
        let Method { description, params, result, .. } = listed.declared.unwrap_or_default();
        Self { name: listed.name, description, params, result, figures: listed.figures.unwrap_or_default() }
    }
}

/// The state of a service, in a word.
#[must_use]
pub fn state(pool: &PoolStatus, calls: Option<&CallLoad>) -> &'static str {
    let health = calls.and_then(|calls| calls.health.as_ref());
    match (pool.wanted, pool.ready, health.map(|health| health.status)) {
        _ if pool.state == "stopped" => "stopped",
        _ if calls.is_some_and(|calls| calls.circuit_open_s.is_some()) => "unhealthy",
        // Workers come when calls do.
        (0, _, _) => "healthy",
        (_, 0, _) if pool.problem.is_some() => "unhealthy",
        (_, 0, _) => "starting",
        (_, _, Some(HealthStatus::Unhealthy)) => "unhealthy",
        (wanted, ready, Some(HealthStatus::Healthy) | None) if ready >= wanted => "healthy",
        _ => "degraded",
    }
}

/// A row for each.
#[must_use]
pub fn table(services: &[Service], width: Option<usize>) -> String {
    let columns = [
        Column("service", Align::Left),
        Column("version", Align::Left),
        Column("state", Align::Left),
        Column("workers", Align::Right),
        Column("listens at", Align::Left),
        Column("methods", Align::Right),
        Column("calls", Align::Right),
        Column("calls/s", Align::Right),
        Column("errors", Align::Right),
    ];
    let row = |service: &Service| {
        let calls = |shown: &dyn Fn(&CallLoad) -> String| service.calls.as_ref().map_or_else(|| "-".to_owned(), shown);
        let per_s = service.methods.iter().map(|method| method.figures.per_s).sum::<f64>();
        vec![
            words::one_line(&service.pool, 64),
            words::one_line(service.version.as_deref().unwrap_or("-"), 24),
            service.state.to_owned(),
            format!("{}/{}", service.workers, service.wanted),
            if service.listen.is_empty() { "-".to_owned() } else { service.listen.join(", ") },
            service.methods.len().to_string(),
            calls(&|calls| calls.calls.to_string()),
            calls(&|_| words::rate(per_s)),
            calls(&|calls| calls.errors.to_string()),
        ]
    };
    let cut = [("listens at", 16), ("service", 12)];
    // Of the gateway nothing was heard.
    let is_bare = services.iter().all(|service| service.methods.is_empty() && service.version.is_none());
    let without: &[_] = if is_bare { &["version", "methods", "calls/s"] } else { &[] };
    let room = Room { width, without, cut: &cut, leave_out: &["methods", "version", "calls/s", "errors"] };
    render_within(room, &columns, services.iter().map(row).collect())
}

/// A service with its methods.
#[must_use]
pub fn page(service: &Service) -> String {
    let columns = [
        Column("method", Align::Left),
        Column("calls", Align::Right),
        Column("calls/s", Align::Right),
        Column("errors", Align::Right),
        Column("p50 ms", Align::Right),
        Column("p95 ms", Align::Right),
        Column("p99 ms", Align::Right),
        Column("takes", Align::Left),
    ];
    let ms = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
    let row = |method: &ServiceMethod| {
        let figures = &method.figures;
        vec![
            words::one_line(&method.name, 64),
            figures.requests.to_string(),
            words::rate(figures.per_s),
            figures.errors.to_string(),
            ms(figures.p50_ms),
            ms(figures.p95_ms),
            ms(figures.p99_ms),
            if method.params.is_null() { "-".to_owned() } else { words::one_line(&method.params.to_string(), 100) },
        ]
    };
    let Service { pool, state, workers, wanted, calls, .. } = service;
    let version = service.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let head = format!("service {}{version}: {state}, {workers} of {wanted} workers ready", words::escape(pool));
    let calls = match calls.as_ref().and_then(calls_now) {
        Some(words) => format!("{}\n", words::one_line(&words, 500)),
        None => String::new(),
    };
    let listen = service.listen.iter().fold(String::new(), |all, address| all + "listens at " + address + "\n");
    let methods = if service.listen_mode.as_deref() == PoolKind::Server.listen_mode() {
        "its workers listen themselves: there are no methods to call\n".to_owned()
    } else if service.methods.is_empty() {
        "its workers name no methods\n".to_owned()
    } else {
        render(&columns, &service.methods.iter().map(row).collect::<Vec<_>>())
    };
    format!("{}\n{calls}{listen}{methods}{}", words::escape(&head), series(&service.metrics))
}

/// Calls and problems of a service in words; `None` where there is nothing to say.
#[must_use]
pub fn calls_now(calls: &CallLoad) -> Option<String> {
    let CallLoad { waiting, oldest_s, running, circuit_open_s, health, .. } = calls;
    let running = (*running > 0).then(|| format!("{} running", words::count((*running).into(), "call")));
    let waiting = (*waiting > 0).then(|| {
        let oldest = oldest_s.map(|age| format!(", the first for {}", words::seconds(age))).unwrap_or_default();
        format!("{waiting} waiting{oldest}")
    });
    let open = circuit_open_s.map(|left| {
        format!(
            "the circuit is open, as workers died or did not answer: calls are refused for {}",
            words::seconds(left)
        )
    });
    let ill = health.as_ref().filter(|health| health.status != HealthStatus::Healthy).map(|health| {
        let message = if health.message.is_empty() { String::new() } else { format!(": {}", health.message) };
        format!("a worker says that it is {}{message}", health.status.as_str())
    });
    let all: Vec<String> = [running, waiting, open, ill].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The series of its workers, if there are any.
fn series(metrics: &[Metric]) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let columns = [Column("metric", Align::Left), Column("value", Align::Right), Column("values", Align::Right)];
    let row = |metric: &Metric| {
        let labels: Vec<String> = metric.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name =
            if labels.is_empty() { metric.name.clone() } else { format!("{} {}", metric.name, labels.join(" ")) };
        let (value, values) = match metric.value {
            MetricValue::Counter { sum: value } | MetricValue::Gauge { last: value } => (value, "-".to_owned()),
            MetricValue::Histogram { count, sum } => (sum, count.to_string()),
        };
        vec![words::one_line(&name, 64), value.to_string(), values]
    };
    format!("\n{}", render(&columns, &metrics.iter().map(row).collect::<Vec<_>>()))
}
