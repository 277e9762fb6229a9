//! Processors: what runs on a schedule, switched on and off, run now, with a record of each run.

use maud::{Markup, html};

use crate::cli::processors as cli_processors;
use crate::error::Error;
use crate::model::ProcessorName;
use crate::model::processor::{ProcessorRun, ProcessorRunState};
use crate::report::{ProcessorStatus, words};
use crate::store::ProcessorRunFilter;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, ago, button, number, seconds, table, text};
use crate::web::token::Role;

/// Runs of a page.
const RUNS: u32 = 50;

pub(in crate::web) fn all(desk: &Desk<'_>) -> Result<View, Error> {
    let all = cli_processors::all(desk.context)?;
    if desk.asked.wants_json {
        return View::json(&all);
    }
    let page = Page::new("processors", "Processors", "queue-work processors").live("processors", html! {
        @if all.is_empty() {
            p.empty { "No processor is configured; write " code { "[processors.NAME]" } " into the configuration, as " code { "queue-work config init -" } " shows." }
        } @else { (rows(desk, &all)) }
    });
    Ok(View::Page(page))
}

fn rows(desk: &Desk<'_>, all: &[ProcessorStatus]) -> Markup {
    let body = html! {
        @for one in all {
            tr {
                th scope="row" { a href=(desk.urls.to(&["processors", one.name.as_str()])) { (text(one.name.as_str())) } }
                td { @if one.enabled { span.ok { "on" } } @else { span.warn { "off" } } }
                td.hide { (schedule(one)) }
                td {
                    @if let Some(run) = &one.last_run {
                        span.(class_of(run.state)) { (run.state.as_str()) } " "
                        @if let Some(at) = run.ended_at.or(run.started_at) { (ago(desk.now, at)) }
                    } @else { "–" }
                }
                td.n.hide { (took(one.last_run.as_ref())) }
                td { @if let Some(at) = one.next_at { (ago(desk.now, at)) } @else { "–" } }
                td.wide.hide { (text(one.last_run.as_ref().and_then(|run| run.note.as_deref()).unwrap_or_default())) }
                td { (actions(desk, one)) }
            }
        }
    };
    table("Processors", &["processor", "on", "~schedule", "last run", "#~took", "next", "~note", ""], &body)
}

fn schedule(one: &ProcessorStatus) -> String {
    if one.configured_enabled.is_none() {
        return "not configured".to_owned();
    }
    let zone = one.timezone.as_ref().map(|zone| format!(" ({zone})")).unwrap_or_default();
    text(&format!("{}{zone}", one.schedule))
}

fn took(run: Option<&ProcessorRun>) -> String {
    run.and_then(|run| run.duration_s).map_or_else(|| "–".to_owned(), seconds)
}

const fn class_of(state: ProcessorRunState) -> &'static str {
    match state {
        ProcessorRunState::Succeeded => "ok",
        ProcessorRunState::Failed
        | ProcessorRunState::TimedOut
        | ProcessorRunState::Crashed
        | ProcessorRunState::Lost => "bad",
        ProcessorRunState::Cancelled => "dim",
        ProcessorRunState::Waiting | ProcessorRunState::Running => "plain",
    }
}

fn actions(desk: &Desk<'_>, one: &ProcessorStatus) -> Markup {
    if !desk.may_without_master(Role::Operator) {
        return html! {};
    }
    let to = |verb: &str| desk.urls.to(&["processors", one.name.as_str(), verb]);
    html! {
        @if one.enabled { (button(&to("disable"), "Switch off", false)) } @else { (button(&to("enable"), "Switch on", false)) }
        @if one.configured_enabled.is_some() && desk.may(Role::Operator) { (button(&to("run"), "Run now", false)) }
    }
}

pub(in crate::web) fn one(desk: &Desk<'_>) -> Result<View, Error> {
    let missing =
        || Error::NotFound(format!("there is no processor `{}`; see `queue-work processors`", text(&desk.asked.name)));
    let name = ProcessorName::new(&desk.asked.name).map_err(|_| missing())?;
    let one = cli_processors::one(desk.context, &name)?;
    if desk.asked.wants_json {
        return View::json(&one);
    }
    let filter =
        ProcessorRunFilter { processor: Some(name.clone()), limit: Some(RUNS), ..ProcessorRunFilter::default() };
    let runs = desk.read(|records| records.processor_runs(&filter))?;
    let page = Page::new("processors", name.as_str(), format!("queue-work processors show {name}"))
        .live("processor", html! { (facts(desk, &one)) })
        .live(
            "runs",
            html! {
                h2 { "Runs" }
                @if runs.is_empty() { p.empty { "It has not run yet." } } @else { (run_rows(desk, &runs)) }
            },
        );
    Ok(View::Page(page))
}

fn facts(desk: &Desk<'_>, one: &ProcessorStatus) -> Markup {
    let is_switched = one.is_switched();
    html! {
        div.row {
            (actions(desk, one))
            @if desk.may_without_master(Role::Operator) && is_switched {
                (button(&desk.urls.to(&["processors", one.name.as_str(), "reset"]), "As the file says", false))
            }
        }
        dl.facts {
            @if !one.description.is_empty() { dt { "description" } dd { (text(&one.description)) } }
            dt { "on" }
            dd {
                (if one.enabled { "yes" } else { "no" })
                @if let Some(at) = one.changed_at {
                    ", switched by " (text(one.changed_by.as_deref().unwrap_or("somebody"))) " " (ago(desk.now, at))
                }
                @if let Some(why) = &one.reason { ": " (words::one_line(why, 500)) }
            }
            dt { "schedule" } dd { (schedule(one)) }
            dt { "next" } dd { @if let Some(at) = one.next_at { (ago(desk.now, at)) } @else { "–" } }
            dt { "skipped" }
            dd { (number(one.skipped)) @if let Some(skip) = one.last_skip { ", the last " (ago(desk.now, skip.at)) " (" (skip.cause.as_str()) ")" } }
        }
    }
}

fn run_rows(desk: &Desk<'_>, runs: &[ProcessorRun]) -> Markup {
    let body = html! {
        @for run in runs {
            tr {
                td.n { (run.id) }
                td.(class_of(run.state)) { (run.state.as_str()) }
                td { (run.source.as_str()) }
                td { @if let Some(at) = run.started_at { (ago(desk.now, at)) } @else { "–" } }
                td { @if let Some(at) = run.ended_at { (ago(desk.now, at)) } @else { "–" } }
                td.n { (took(Some(run))) }
                td.n.hide { @if let Some(job) = run.job_id { a href=(desk.urls.to(&["jobs", &job.to_string()])) { (job) } } }
                td.wide { (words::one_line(run.note.as_deref().unwrap_or_default(), 500)) }
            }
        }
    };
    table("Runs, newest first", &["#run", "state", "source", "started", "ended", "#took", "#~job", "note"], &body)
}
