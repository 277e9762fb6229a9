//! Numbers of a time, all from what is summed up already: how fast, how often wrong, how long, by queue, type and pool; where run
//! times lay, what was at the same time before, and which jobs leave memory behind.
//!
//! Invariant: no run is looked at, and of queues and types [`MOST`] at most.

use std::collections::BTreeMap;
use std::time::Duration;

use maud::{Markup, html};

use super::overview::{RANGES, charts, found, ranges, spread};
use super::services;
use crate::cli::metrics as cli_metrics;
use crate::error::Error;
use crate::model::QueueName;
use crate::model::leak::{TypeMemory, Verdict};
use crate::model::rollup::Range;
use crate::report::exposition::Value;
use crate::report::history::{HistoryReport, PoolNumbers, RunNumbers, Times};
use crate::report::leaks;
use crate::store::History;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, Series, chart, heat, number, seconds, size, table, text};
use crate::wire::metrics::AskHistory;

/// Queues, and types, that have a row.
const MOST: usize = 50;
const DAY: Duration = Duration::from_hours(24);
/// The longest run time that has a row of its own: 2 to the power of this, in microseconds.
const LAST_OCTAVE: u16 = 40;

pub(in crate::web) fn page(desk: &Desk<'_>) -> Result<View, Error> {
    let asked = desk.asked;
    let shown = asked.get("range").and_then(|range| RANGES.iter().find(|(name, ..)| *name == range));
    let &(name, _, length) = shown.unwrap_or(&RANGES[0]);
    let queue = asked.get("queue").map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?;
    let kind = asked.get("type").map(str::to_owned);
    let of = AskHistory { since: desk.now.minus(length), until: None, queue, kind };
    let (range, history) = found(desk, &of)?;
    let report = HistoryReport::new(range, &history);
    if asked.wants_json {
        return View::json(&report);
    }
    let words = |key: &str| asked.get(key).map(|value| format!(" --{key} {}", crate::report::words::command([value])));
    let options: String = ["queue", "type"].iter().filter_map(|key| words(key)).collect();
    let mut page = Page::new("metrics-view", "Metrics", format!("queue-work metrics --history {name}{options}"))
        .fixed("filter", html! { (ranges(desk, name, "metrics-view")) (fields(desk)) })
        .fixed("charts", html! { (charts(&report)) (of_processes(&report)) })
        .fixed("times", run_times(range, &history))
        .fixed("before", before(desk, &of, length, &report)?);
    if of.queue.is_none() && of.kind.is_none() {
        page = page.fixed("queues", by_queue(desk, length)?).fixed("types", by_type(desk, length)?);
        page = page.fixed("pools", by_pool(&report)).fixed("services", services::called(desk)?);
        page = page.fixed("leaks", kept(desk));
    }
    Ok(View::Page(page))
}

fn fields(desk: &Desk<'_>) -> Markup {
    let field = |key: &str, list: Option<&str>| {
        html! { label { (key) input name=(key) value=[desk.asked.get(key)] list=[list] size="12" autocomplete="off"; } }
    };
    html! {
        form.row method="get" action=(desk.urls.to(&["metrics-view"])) {
            @if let Some(range) = desk.asked.get("range") { input type="hidden" name="range" value=(range); }
            (field("queue", Some("queues"))) (field("type", None))
            button { "Show" }
            datalist id="queues" { @for queue in &desk.status().queues { option value=(queue.name.as_str()) {} } }
        }
    }
}

/// CPU and memory of the workers of all pools.
fn of_processes(report: &HistoryReport) -> Markup {
    let sum = |value: fn(&PoolNumbers) -> f64| {
        let mut all: Vec<Option<f64>> = Vec::new();
        for points in report.pools.values() {
            let of_pool = spread(report, points, |numbers| Some(value(numbers)));
            all.resize(of_pool.len(), None);
            for (sum, value) in all.iter_mut().zip(of_pool) {
                *sum = value.map_or(*sum, |value| Some(sum.unwrap_or(0.0) + value));
            }
        }
        all
    };
    let cpus: Vec<Option<f64>> =
        sum(|pool| pool.cpu_s).into_iter().map(|s| s.map(|s| s / report.period_s.max(1e-6))).collect();
    let memory = sum(|pool| pool.memory_max_bytes as f64);
    let top = |values: &[Option<f64>]| values.iter().flatten().fold(0.0, |top: f64, value| top.max(*value));
    let (most, most_memory) = (top(&cpus), size(Some(top(&memory) as u64)));
    html! {
        @if !report.pools.is_empty() {
            div.charts {
                (chart(&html! { "CPUs in use by workers, at most " (format!("{most:.2}")) }, &format!("CPUs in use: at most {most:.2}"),
                    &[Series { class: "line", values: cpus }], &[]))
                (chart(&html! { "Memory of workers, at most " (most_memory) }, &format!("Memory: at most {most_memory}"),
                    &[Series { class: "line", values: memory }], &[]))
            }
        }
    }
}

/// How many runs took how long, over time.
fn run_times(range: Range, history: &History) -> Markup {
    let period = range.resolution.micros() * range.per_point;
    let since = range.resolution.start_of(range.first);
    let columns = ((range.last - range.first) / range.per_point + 1).max(1) as usize;
    let mut cells = Vec::new();
    for (at, counts) in &history.runs {
        let column = ((at.0 - since.0) / period).max(0) as usize;
        let mut below = 0;
        for octave in 0..=LAST_OCTAVE {
            let within = if octave == LAST_OCTAVE { counts.run.count() } else { counts.run.within(octave) };
            if within > below {
                cells.push((column, octave, within - below));
            }
            below = within;
        }
    }
    let Some(first) = cells.iter().map(|(_, octave, _)| *octave).min() else { return html! {} };
    let last = cells.iter().map(|(_, octave, _)| *octave).max().unwrap_or(first);
    let labels: Vec<String> =
        (first..=last).rev().map(|octave| format!("≤ {}", seconds(2_f64.powi(octave.into()) / 1e6))).collect();
    let placed = cells.into_iter().map(|(column, octave, runs)| (column, usize::from(last - octave), runs)).collect();
    html! { h2 { "Run times" } (heat("How long runs took, over time; darker: more runs", columns, &labels, placed)) }
}

/// The same time a day and a week before.
fn before(desk: &Desk<'_>, of: &AskHistory, length: Duration, now: &HistoryReport) -> Result<Markup, Error> {
    let mut rows = vec![("now", row(&now.total, length))];
    for (name, ago) in [("a day earlier", DAY), ("a week earlier", 7 * DAY)] {
        if ago < length {
            continue;
        }
        let (since, until) = (of.since.minus(ago), desk.now.minus(ago));
        let (range, history) = found(desk, &AskHistory { since, until: Some(until), ..of.clone() })?;
        rows.push((name, row(&HistoryReport::new(range, &history).total, length)));
    }
    let body = html! { @for (name, numbers) in &rows { tr { th scope="row" { (name) } (numbers) } } };
    Ok(html! { h2 { "Compared" } (table("The same period a day and a week earlier", &headings("period"), &body)) })
}

fn headings(first: &str) -> [&str; 8] {
    [first, "#runs", "#a second", "#failed", "#p50", "#p95", "#~p99", "#~wait p95"]
}

/// The numbers of a row, in the order of [`headings`].
fn row(total: &RunNumbers, length: Duration) -> Markup {
    let failed = total.failed + total.timed_out + total.crashed;
    let share = if total.runs == 0 { 0.0 } else { failed as f64 * 100.0 / total.runs as f64 };
    let time = |times: &Option<Times>, which: fn(&Times) -> f64| {
        times.as_ref().map_or_else(|| "–".to_owned(), |times| seconds(which(times)))
    };
    html! {
        td.n { (number(total.runs)) }
        td.n { (format!("{:.2}", total.runs as f64 / length.as_secs_f64())) }
        td.n .bad[failed > 0] { (format!("{share:.1} %")) }
        td.n { (time(&total.run_s, |times| times.p50)) }
        td.n { (time(&total.run_s, |times| times.p95)) }
        td.n.hide { (time(&total.run_s, |times| times.p99)) }
        td.n.hide { (time(&total.wait_s, |times| times.p95)) }
    }
}

/// A row for each queue or type in which something ran.
fn rows_of(
    desk: &Desk<'_>,
    key: &str,
    names: impl Iterator<Item = String>,
    length: Duration,
) -> Result<Option<Markup>, Error> {
    let since = desk.now.minus(length);
    let mut rows = Vec::new();
    for name in names.take(MOST) {
        let queue =
            (key == "queue").then(|| QueueName::new(&name)).transpose().map_err(|e| Error::Usage(e.to_string()))?;
        let kind = (key == "type").then(|| name.clone());
        let (range, history) = found(desk, &AskHistory { since, until: None, queue, kind })?;
        let total = HistoryReport::new(range, &history).total;
        if total.runs > 0 {
            rows.push((name, total));
        }
    }
    rows.sort_by_key(|(_, total)| std::cmp::Reverse(total.runs));
    let to = |name: &str| {
        let rest = desk.query_without(&["queue", "type"]);
        desk.urls.with(&["metrics-view"], rest.chain([(key, name.to_owned().into())]))
    };
    let body = html! { @for (name, total) in &rows { tr { th scope="row" { a href=(to(name)) { (text(name)) } } (row(total, length)) } } };
    Ok((!rows.is_empty()).then(|| table(&format!("By {key}, the most runs first"), &headings(key), &body)))
}

fn by_queue(desk: &Desk<'_>, length: Duration) -> Result<Markup, Error> {
    let names = desk.status().queues.iter().map(|queue| queue.name.to_string());
    let rows = rows_of(desk, "queue", names, length)?;
    Ok(html! { @if let Some(rows) = rows { h2 { "Queues" } (rows) } })
}

/// By the types that the counters know, those that ran most first.
fn by_type(desk: &Desk<'_>, length: Duration) -> Result<Markup, Error> {
    let mut runs: BTreeMap<String, f64> = BTreeMap::new();
    let families = cli_metrics::families(desk.context)?;
    let samples =
        families.iter().filter(|family| family.name == "queue_work_runs_total").flat_map(|family| &family.samples);
    for sample in samples {
        if let (Some(kind), Value::Value(count)) = (sample.labels.get("type"), &sample.value) {
            *runs.entry(kind.clone()).or_default() += count;
        }
    }
    let mut names: Vec<(String, f64)> = runs.into_iter().collect();
    names.sort_by(|one, other| other.1.total_cmp(&one.1));
    let rows = rows_of(desk, "type", names.into_iter().map(|(name, _)| name), length)?;
    Ok(html! { @if let Some(rows) = rows { h2 { "Types" } (rows) } })
}

fn by_pool(report: &HistoryReport) -> Markup {
    let headings = [
        "pool",
        "#workers",
        "#busy",
        "#CPUs",
        "#memory",
        "#~of a worker",
        "#~ended",
        "#crashed",
        "#~OOM",
        "#~recycled",
    ];
    let body = html! {
        @for (name, points) in &report.pools {
            @let all: Vec<&PoolNumbers> = points.iter().map(|point| &point.numbers).collect();
            @let sum = |value: fn(&PoolNumbers) -> f64| all.iter().map(|one| value(one)).sum::<f64>();
            @let most = |value: fn(&PoolNumbers) -> u64| all.iter().map(|one| value(one)).max();
            @let total = |value: fn(&PoolNumbers) -> u64| number(all.iter().map(|one| value(one)).sum());
            tr {
                th scope="row" { (text(name.as_str())) }
                td.n { (all.last().map_or(0, |last| last.wanted)) }
                td.n { (format!("{:.0} %", 100.0 * sum(|one| one.busy_s) / sum(|one| one.capacity_s).max(1e-6))) }
                td.n { (format!("{:.2}", sum(|one| one.cpu_s) / (report.period_s * all.len() as f64).max(1e-6))) }
                td.n { (size(most(|one| one.memory_max_bytes))) }
                td.n.hide { (size(most(|one| one.worker_memory_max_bytes))) }
                td.n.hide { (total(|one| one.ended)) }
                td.n { (total(|one| one.crashed)) }
                td.n.hide { (total(|one| one.oom)) }
                td.n.hide { (total(|one| one.recycled)) }
            }
        }
    };
    html! { @if !report.pools.is_empty() { h2 { "Pools" } (table("Pools", &headings, &body)) } }
}

/// The memory that jobs leave behind in their workers, as the master measures it.
fn kept(desk: &Desk<'_>) -> Markup {
    let asked: Result<Vec<TypeMemory>, Error> = desk.call("leaks", &serde_json::json!(null));
    let types = match asked {
        Ok(types) if !types.is_empty() => types,
        Ok(_) => {
            return html! { h2 { "Memory kept" } p.empty { "No job has been measured yet: the first 10 of each worker are left out." } };
        }
        Err(_) => return html! { h2 { "Memory kept" } p.empty { "Only a master that runs measures it." } },
    };
    let body = html! {
        @for one in &types {
            tr {
                th scope="row" { (text(&one.kind)) }
                td.n { (number(one.runs)) }
                td.n { (leaks::kept(one.kept_bytes_per_run)) }
                td.n.hide { (size(one.peak_p95_bytes)) }
                td.wide .bad[one.verdict == Verdict::Leaks] { (leaks::verdict(one)) }
            }
        }
    };
    html! {
        h2 { "Memory kept" }
        (table("Memory that a run leaves behind in its worker", &["type", "#runs", "#kept a run", "#~peak p95", "verdict"], &body))
        p { code { "queue-work leaks" } }
    }
}
