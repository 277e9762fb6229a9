//! The first page: what is wrong, how much is done, what waits, and what each process does.

use std::time::Duration;

use maud::{Markup, html};

use super::{failures, hosts, lanes, processes, queues};
use crate::cli::metrics as cli_metrics;
use crate::error::Error;
use crate::model::QueueName;
use crate::model::rollup::Range;
use crate::report::exposition::{self, Format};
use crate::report::health::Mark;
use crate::report::history::{self, HistoryReport, Times};
use crate::report::words;
use crate::store::{FailureFilter, History};
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, Series, chart, count, number, seconds, table, text};
use crate::wire::metrics::AskHistory;

/// Times that charts can show, by what is asked for.
pub(super) const RANGES: [(&str, &str, Duration); 3] = [
    ("1h", "Last hour", Duration::from_hours(1)),
    ("24h", "Last day", Duration::from_hours(24)),
    ("7d", "Last week", Duration::from_hours(7 * 24)),
];
/// Points of a chart.
const POINTS: usize = 60;
/// Errors that are shown.
const ERRORS: u32 = 5;

pub(in crate::web) fn page(desk: &Desk<'_>) -> Result<View, Error> {
    if desk.asked.wants_json {
        return View::json(desk.status());
    }
    let range = desk.asked.get("range").and_then(|range| RANGES.iter().find(|(name, ..)| *name == range));
    let &(name, title, length) = range.unwrap_or(&RANGES[0]);
    let history = past(desk, length, None)?;
    let filter = FailureFilter { since: Some(desk.now.minus(length)), limit: Some(ERRORS), ..FailureFilter::default() };
    let found = desk.read(|records| records.failures(&filter, desk.now))?;
    let page = Page::new("", "Overview", "queue-work status")
        .live("problems", problems(desk))
        .live("tiles", tiles(desk, &history, title))
        .live("charts", html! { h2 { "Over time" } (ranges(desk, name, "")) (charts(&history)) })
        .live("queues", html! { h2 { "Queues" } (queues::rows(desk, &desk.status().queues, &history)) })
        .live("lanes", lanes::all(desk)?)
        .live("hosts", hosts::part(desk)?)
        .live("processes", html! { h2 { "Processes" } (processes::tree(desk)) })
        .live(
            "errors",
            html! {
                @if !found.is_empty() { h2 { "Errors" } (failures::rows(desk, &found, failures::deployed_at(desk)?)) }
            },
        );
    Ok(View::Page(page))
}

/// Numbers of the past, of all queues or of one.
pub(in crate::web) fn past(
    desk: &Desk<'_>,
    length: Duration,
    queue: Option<&QueueName>,
) -> Result<HistoryReport, Error> {
    let asked = AskHistory { since: desk.now.minus(length), until: None, queue: queue.cloned(), kind: None };
    let (range, history) = found(desk, &asked)?;
    Ok(HistoryReport::new(range, &history))
}

/// Numbers of a time, and the periods that they are of.
pub(super) fn found(desk: &Desk<'_>, asked: &AskHistory) -> Result<(Range, History), Error> {
    let filter = history::filter(asked, desk.now);
    Ok((filter.range, desk.read(|records| records.history(&filter))?))
}

/// Checks that something has not passed, with the next step.
fn problems(desk: &Desk<'_>) -> Markup {
    let wrong: Vec<_> = desk.seen.health.checks.iter().filter(|check| check.status != Mark::Pass).collect();
    let has_failed = wrong.iter().any(|check| check.status == Mark::Fail);
    html! {
        @if !wrong.is_empty() {
            div.box .bad[has_failed] { ul { @for check in wrong { li { b { (check.name) } ": " (words::escape(&check.message)) } } } }
        }
    }
}

pub(in crate::web) fn tile(title: &str, value: &Markup, below: &str) -> Markup {
    html! { div.tile { dt { (title) } dd { (value) @if !below.is_empty() { small { (below) } } } } }
}

fn tiles(desk: &Desk<'_>, history: &HistoryReport, range: &str) -> Markup {
    let status = desk.status();
    let ready: u64 = status.queues.iter().map(|queue| queue.ready).sum();
    let oldest = status.queues.iter().filter_map(|queue| Some((queue.oldest_ready_s?, queue)));
    let oldest = oldest.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(s, queue)| {
        let paused = if queue.paused { " (paused)" } else { "" };
        format!("oldest {} in {}{paused}", seconds(s), queue.name)
    });
    let (busy, wanted) =
        status.pools.iter().fold((0, 0), |(busy, wanted), pool| (busy + pool.busy, wanted + pool.wanted));
    let per_minute: Option<f64> = status.queues.iter().map(|queue| queue.done_per_s).sum();
    let total = &history.total;
    let failed = total.failed + total.timed_out + total.crashed;
    let share = if total.runs > 0 {
        format!("{:.1} % of {}", failed as f64 * 100.0 / total.runs as f64, count(total.runs, "run"))
    } else {
        "no run yet".to_owned()
    };
    let run = total.run_s.as_ref().map_or_else(|| "–".to_owned(), |times| seconds(times.p50));
    let slow = total.run_s.as_ref().map(|times| format!("p95 {}, p99 {}", seconds(times.p95), seconds(times.p99)));
    let wait = total.wait_s.as_ref().map_or_else(|| "–".to_owned(), |times| seconds(times.p95));
    let longest = total.wait_s.as_ref().map(|times| format!("longest {}", seconds(times.max))).unwrap_or_default();
    let of_range = range.to_lowercase();
    html! {
        dl.tiles {
            (tile("Jobs per second", &html! { (format!("{:.1}", status.jobs_per_s)) },
                &per_minute.map(|rate| format!("{rate:.1} in the last minute")).unwrap_or_default()))
            (tile("Waiting", &html! { (number(ready)) }, &oldest.unwrap_or_default()))
            (tile("Busy workers", &html! { (number(busy.into())) " of " (number(wanted.into())) }, &count(status.pools.len() as u64, "pool")))
            (tile(&format!("Failed runs, {of_range}"), &html! { span .bad[failed > 0] { (number(failed)) } }, &share))
            (tile("Run time p50", &html! { (run) }, &slow.unwrap_or_default()))
            (tile("Wait p95", &html! { (wait) }, &longest))
        }
    }
}

/// The times that a page can show.
pub(super) fn ranges(desk: &Desk<'_>, shown: &str, page: &str) -> Markup {
    html! {
        ul.tabs aria-label="Time" {
            @for (name, title, _) in RANGES {
                @let query = desk.query_without(&["range"]).chain([("range", name.into())]);
                li { a href=(desk.urls.with(&[page], query)) aria-current=[(name == shown).then_some("true")] { (title) } }
            }
        }
    }
}

/// A value for each point of the time, from those points where there is one.
pub(in crate::web) fn spread<T>(
    history: &HistoryReport,
    points: &[history::Point<T>],
    value: impl Fn(&T) -> Option<f64>,
) -> Vec<Option<f64>> {
    let (since, length) = (history.since.0, (history.until.0 - history.since.0).max(1));
    let most = (length as f64 / 1e6 / history.period_s.max(1e-6)).round() as usize;
    let many = most.clamp(1, POINTS);
    let mut sums = vec![(0.0, 0_u32); many];
    for point in points {
        let at = (point.at.0 - since) as f64 / length as f64 * many as f64;
        let at = (at.max(0.0) as usize).min(many - 1);
        if let Some(value) = value(&point.numbers) {
            sums[at] = (sums[at].0 + value, sums[at].1 + 1);
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))).collect()
}

pub(in crate::web) fn charts(history: &HistoryReport) -> Markup {
    let per_s = |runs: u64| Some(runs as f64 / history.period_s.max(1e-6));
    let or_zero = |values: Vec<Option<f64>>| values.into_iter().map(|value| value.or(Some(0.0))).collect::<Vec<_>>();
    let done = or_zero(spread(history, &history.points, |run| per_s(run.succeeded)));
    let failed = or_zero(spread(history, &history.points, |run| per_s(run.failed + run.timed_out + run.crashed)));
    let top = |values: &[Option<f64>]| values.iter().flatten().fold(0.0, |top: f64, value| top.max(*value));
    let (most, most_failed) = (top(&done), top(&failed));
    let time = |which: fn(&Times) -> f64| spread(history, &history.points, move |run| run.run_s.as_ref().map(which));
    let (p50, p95, p99) = (time(|t| t.p50), time(|t| t.p95), time(|t| t.p99));
    let slowest = top(&p99);
    let mut waiting: Vec<Option<f64>> = Vec::new();
    for points in history.queues.values() {
        let of_queue = spread(history, points, |queue| Some(queue.ready_max as f64));
        waiting.resize(of_queue.len(), None);
        for (sum, value) in waiting.iter_mut().zip(of_queue) {
            *sum = value.map_or(*sum, |value| Some(sum.unwrap_or(0.0) + value));
        }
    }
    let deepest = top(&waiting);
    let marks: Vec<(f64, String)> = history
        .marks
        .iter()
        .map(|mark| {
            let at = (mark.at.0 - history.since.0) as f64 / (history.until.0 - history.since.0).max(1) as f64;
            (at.clamp(0.0, 1.0), text(&format!("{} {}", mark.kind.as_str(), mark.text)))
        })
        .collect();
    html! {
        div.charts {
            (chart(
                &html! { "Runs per second: succeeded, at most " (format!("{most:.1}")) "; " span.bad { "failed, at most " (format!("{most_failed:.1}")) } },
                &format!("Runs per second: at most {most:.1} succeeded and {most_failed:.1} failed"),
                &[Series { class: "line", values: done }, Series { class: "bad", values: failed }], &marks))
            (chart(
                &html! { "Run time p50, " span.warn { "p95" } ", " span.bad { "p99" } ", at most " (seconds(slowest)) },
                &format!("Percentiles of the run time: p99 at most {}", seconds(slowest)),
                &[Series { class: "dots", values: p99 }, Series { class: "warn", values: p95 }, Series { class: "line", values: p50 }], &marks))
            @if !waiting.is_empty() {
                (chart(&html! { "Waiting jobs, at most " (number(deepest as u64)) },
                    &format!("Waiting jobs: at most {deepest:.0}"), &[Series { class: "line", values: waiting }], &marks))
            }
        }
    }
}

/// Each check, in a sentence.
pub(in crate::web) fn health(desk: &Desk<'_>) -> Result<View, Error> {
    let health = &desk.seen.health;
    if desk.asked.wants_json {
        return View::json(health);
    }
    let rows = html! {
        @for check in &health.checks {
            @let (class, word) = match check.status { Mark::Pass => ("ok", "pass"), Mark::Warn => ("warn", "warn"), Mark::Fail => ("bad", "fail") };
            tr { th scope="row" { (check.name) } td.(class) { (word) } td.wide { (words::escape(&check.message)) } }
        }
    };
    let page = Page::new("", "Health", "queue-work health")
        .live("checks", table("Checks", &["check", "result", "what was found"], &rows));
    Ok(View::Page(page))
}

/// For a collector.
pub(in crate::web) fn metrics(desk: &Desk<'_>) -> Result<View, Error> {
    let families = cli_metrics::families(desk.context)?;
    if desk.asked.wants_json {
        return View::json(&families);
    }
    Ok(View::Text {
        kind: "text/plain; version=0.0.4; charset=utf-8",
        text: exposition::text(&families, Format::Prometheus),
    })
}
