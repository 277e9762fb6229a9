//! Queues: how much waits, who serves them, and what is next.

use std::time::Duration;

use maud::{Markup, html};

use super::jobs;
use super::overview::{charts, past, spread};
use crate::cli::status::named;
use crate::clock;
use crate::error::Error;
use crate::model::key_record::KeyRecord;
use crate::model::{JobState, QueueName, States, UnixMicros};
use crate::report::history::HistoryReport;
use crate::report::queue_keys::KeyStatus;
use crate::report::queue_limits;
use crate::report::status::QueueStatus;
use crate::report::words;
use crate::store::{JobFilter, KeyFilter};
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, button, number, seconds, spark, table, text};
use crate::web::token::Role;

/// The time of the small lines and of the charts.
const HOUR: Duration = Duration::from_hours(1);
/// Jobs that are next.
const NEXT: u32 = 50;
/// Keys that are shown.
const KEYS: u32 = 10;

pub(in crate::web) fn all(desk: &Desk<'_>) -> Result<View, Error> {
    if desk.asked.wants_json {
        return View::json(desk.status());
    }
    let history = past(desk, HOUR, None)?;
    let page = Page::new("queues", "Queues", "queue-work status")
        .live("queues", rows(desk, &desk.status().queues, &history))
        .live("unserved", unserved(desk));
    Ok(View::Page(page))
}

/// A table of queues.
pub(super) fn rows(desk: &Desk<'_>, queues: &[QueueStatus], history: &HistoryReport) -> Markup {
    if queues.is_empty() {
        return html! { p.empty { "There is no queue yet; add a job with " code { "queue-work push -- CMD …" } } };
    }
    let rate = |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}/s"));
    let headings = [
        "queue",
        "#ready",
        "#running",
        "#scheduled",
        "#~blocked",
        "#dead",
        "#oldest",
        "#done",
        "#~empty",
        "~waiting",
        "",
    ];
    let body = html! {
        @for queue in queues {
            tr {
                th scope="row" {
                    a href=(desk.urls.to(&["queues", queue.name.as_str()])) { (text(queue.name.as_str())) }
                    @if queue.paused { " " span.warn { "paused" } }
                }
                td.n { (number(queue.ready)) }
                td.n { (number(queue.running)) }
                td.n { (number(queue.scheduled)) }
                td.n.hide { (number(queue.blocked)) }
                td.n .bad[queue.dead > 0] {
                    @if queue.dead > 0 {
                        a.bad href=(desk.urls.with(&["jobs"], [("state", "dead"), ("queue", queue.name.as_str())])) { (number(queue.dead)) }
                    } @else { "0" }
                }
                td.n { (queue.oldest_ready_s.map_or_else(|| "–".to_owned(), seconds)) }
                td.n { (rate(queue.done_per_s)) }
                td.n.hide { (empties(queue)) }
                td.hide {
                    @if let Some(points) = history.queues.get(&queue.name) {
                        (spark(spread(history, points, |numbers| Some(numbers.ready_max as f64))))
                    }
                }
                td.n { (switch(desk, queue)) }
            }
        }
    };
    table("Now, and what waited in that time", &headings, &body)
}

/// When nothing is ready any more.
fn empties(queue: &QueueStatus) -> String {
    match queue.empty_in_s {
        Some(s) => format!("in {}", seconds(s)),
        None if queue.ready > 0 && queue.paused => "paused".to_owned(),
        None if queue.grows() => "grows".to_owned(),
        None => "–".to_owned(),
    }
}

fn switch(desk: &Desk<'_>, queue: &QueueStatus) -> Markup {
    let (verb, label) = if queue.paused { ("resume", "Resume") } else { ("pause", "Pause") };
    html! {
        @if desk.may_without_master(Role::Operator) { (button(&desk.urls.to(&["queues", queue.name.as_str(), verb]), label, false)) }
    }
}

/// What limits the queue, who has set that, and the keys with the most jobs.
fn limits(desk: &Desk<'_>, queue: &QueueStatus) -> Result<Markup, Error> {
    let Some(of) = &queue.limits else { return Ok(html! {}) };
    let filter = KeyFilter { queue: queue.name.clone(), key: None, limit: Some(KEYS) };
    let (mut found, now) = (desk.read(|records| records.keys(&filter))?, clock::wall());
    // Also one without jobs is to be resumed.
    let idle = of.paused_keys.keys().filter(|key| found.iter().all(|of| of.key != **key));
    let idle: Vec<KeyRecord> = idle.map(|key| KeyRecord::idle(queue.name.clone(), key.clone())).collect();
    found.extend(idle);
    let keys = found.into_iter().map(|key| KeyStatus::new(key, &desk.status().queues, now));
    let keys: Vec<KeyStatus> = keys.collect();
    Ok(html! {
        h2 { "Limits" }
        dl.facts {
            dt { "in force" } dd { (text(&queue_limits::worded(&of.in_force))) }
            @if let Some(set) = queue_limits::set(of, now) { dt { "set" } dd { (text(&set)) } }
            @if let Some(closed) = queue_limits::closed(queue, now) { dt { "held back" } dd { (text(&closed)) } }
        }
        @if !keys.is_empty() { (table("Keys with the most jobs, and those that are paused", &["key", "#waiting", "#running", "held back", ""], &key_rows(desk, &keys, now))) }
    })
}

fn key_rows(desk: &Desk<'_>, keys: &[KeyStatus], now: UnixMicros) -> Markup {
    let jobs = |of: &KeyStatus| desk.urls.with(&["jobs"], [("queue", of.queue.as_str()), ("key", of.key.as_str())]);
    html! {
        @for of in keys {
            tr {
                th scope="row" { @if of.key.is_empty() { "–" } @else { a href=(jobs(of)) { (text(&of.key)) } } }
                td.n { (number(of.waiting)) }
                td.n { (number(of.running)) }
                td { @match of.held_back(now) { Some(why) => { (text(&why)) } None => { "–" } } }
                td.n { (key_switch(desk, of)) }
            }
        }
    }
}

/// To pause a key is asked for twice.
fn key_switch(desk: &Desk<'_>, of: &KeyStatus) -> Markup {
    let form = |verb: &str, label: &str, class: Option<&str>| {
        html! {
            form method="post" action=(desk.urls.to(&["queues", of.queue.as_str(), "keys", verb])) {
                input type="hidden" name="key" value=(of.key);
                button class=[class] { (label) }
            }
        }
    };
    html! {
        @if !of.key.is_empty() && desk.may_without_master(Role::Operator) {
            @if of.paused.is_some() { (form("resume", "Resume", None)) } @else {
                details.ask { summary { "Pause …" } (form("pause", "Pause", Some("danger"))) }
            }
        }
    }
}

/// Jobs that no pool takes.
fn unserved(desk: &Desk<'_>) -> Markup {
    let all = &desk.status().unserved;
    html! {
        @if !all.is_empty() {
            h2 { "Not served" }
            div.box { ul { @for one in all { li { (words::escape(&one.problem)) } } } }
        }
    }
}

pub(in crate::web) fn one(desk: &Desk<'_>) -> Result<View, Error> {
    let name = desk.asked.name.as_str();
    let found = named::find(desk.context, name, &desk.seen.found)?;
    if desk.asked.wants_json {
        return View::json(&found);
    }
    let missing = || Error::NotFound(format!("there is no queue `{name}`; see `queue-work status`"));
    let queue = found.queues.first().ok_or_else(missing)?;
    let queue_name = QueueName::new(name).map_err(|_| missing())?;
    let history = past(desk, HOUR, Some(&queue_name))?;
    let filter = JobFilter {
        queue: Some(queue_name),
        states: States::of(&[JobState::Ready]),
        limit: Some(NEXT),
        ..JobFilter::default()
    };
    let next = desk.read(|records| records.jobs(&filter))?;
    let pools = desk.status().pools.iter().filter(|pool| pool.queues.iter().any(|served| served.as_str() == name));
    let pools: Vec<&str> = pools.map(|pool| pool.name.as_str()).collect();
    let state = |state: &str| desk.urls.with(&["jobs"], [("queue", name), ("state", state)]);
    let page = Page::new("queues", name, format!("queue-work status {}", words::command([name])))
        .live("queue", rows(desk, std::slice::from_ref(queue), &history))
        .live("facts", html! {
            dl.facts {
                dt { "served by" }
                dd {
                    @if pools.is_empty() { "no pool" }
                    @for pool in pools { a href=(desk.urls.to(&["pools", pool])) { (text(pool)) } " " }
                }
                dt { "ever" } dd { (number(queue.succeeded_total)) " succeeded, " (number(queue.failed_total)) " runs failed" }
                dt { "jobs" }
                dd { @for of in JobState::ALL { a href=(state(of.as_str())) { (of.as_str()) } " " } }
            }
        })
        .live("limits", limits(desk, queue)?)
        .live("charts", html! { h2 { "Last hour" } (charts(&history)) })
        .live("next", html! {
            h2 { "Next" }
            @if next.is_empty() { p.empty { "No job is ready." } } @else { (jobs::rows(desk, next)) }
        });
    Ok(View::Page(page))
}
