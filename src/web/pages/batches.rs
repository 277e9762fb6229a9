//! Batches: the list of them, and one with how far it is.

use maud::{Markup, html};

use crate::cli::output;
use crate::error::Error;
use crate::model::batch::BatchRecord;
use crate::model::{BatchId, JobId, JobState};
use crate::report::batches::{self, Shown};
use crate::report::words;
use crate::store::BatchFilter;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, ago, number, table, text};

/// Batches of a page.
const PAGE: u32 = 50;

pub(in crate::web) fn list(desk: &Desk<'_>) -> Result<View, Error> {
    let before = desk.asked.get("before").map(str::parse).transpose();
    let before = before.map_err(|_| Error::Usage("`before` must be the id of a batch".to_owned()))?.map(BatchId);
    let filter = BatchFilter { before, limit: Some(PAGE), ..BatchFilter::default() };
    let found = desk.read(|records| records.batches(&filter))?;
    let next = found.last().filter(|_| found.len() == PAGE as usize).map(|last| last.id.to_string());
    let next = next.map(|id| desk.urls.with(&["batches"], [("before", id)]));
    if desk.asked.wants_json {
        let all: Vec<Shown> = found.into_iter().map(|batch| Shown::of(batch, desk.now)).collect();
        return Ok(View::List(output::to_json(&all)?, next));
    }
    let page = Page::new("jobs", "Batches", "queue-work batches list").live("batches", html! {
        @if found.is_empty() { p.empty { "There is no batch: a push of many jobs is one." } } @else { (rows(desk, &found)) }
        @if let Some(next) = &next { p.row { a href=(next) rel="next" { "more" } } }
    });
    Ok(View::Page(page))
}

fn rows(desk: &Desk<'_>, found: &[BatchRecord]) -> Markup {
    let rows = html! {
        @for batch in found {
            tr {
                td.n { a href=(url(desk, batch.id)) { (batch.id) } }
                td { (batch.name.as_deref().map_or_else(|| "–".to_owned(), text)) }
                td.n { (number(batch.counts.all())) }
                td.n { (batches::percent(batch)) }
                td.n { (number(batch.counts.open())) }
                td.n { (number(batch.counts.dead)) }
                td.hide { (batches::left(batch, desk.now).unwrap_or_default()) }
                td { (ago(desk.now, batch.pushed_at)) }
            }
        }
    };
    table("Batches", &["#id", "name", "#jobs", "#ended", "#open", "#dead", "~left", "pushed"], &rows)
}

/// The batch with this id, else the newest with this name.
pub(super) fn find(desk: &Desk<'_>, named: &str) -> Result<BatchRecord, Error> {
    let filter = BatchFilter { limit: Some(1), ..BatchFilter::named(named) };
    let missing = || Error::NotFound(format!("there is no batch {}; see `queue-work batches`", text(named)));
    desk.read(|records| records.batches(&filter))?.pop().ok_or_else(missing)
}

pub(super) fn url(desk: &Desk<'_>, id: BatchId) -> String {
    desk.urls.to(&["batches", &id.to_string()])
}

pub(in crate::web) fn page(desk: &Desk<'_>) -> Result<View, Error> {
    let batch = find(desk, &desk.asked.name)?;
    let id = batch.id;
    if desk.asked.wants_json {
        return View::json(&Shown::of(batch, desk.now));
    }
    let title =
        batch.name.as_deref().map_or_else(|| format!("Batch {id}"), |name| format!("Batch {id}: {}", text(name)));
    let page = Page::new("jobs", title, format!("queue-work batches show {id}")).live("batch", what(desk, &batch)?);
    Ok(View::Page(page))
}

fn what(desk: &Desk<'_>, batch: &BatchRecord) -> Result<Markup, Error> {
    let mut counts = batch.counts;
    let states = JobState::ALL.map(|state| (state, *counts.of(state)));
    let followers = [("then", batch.then), ("if one dies", batch.then_failed)];
    let follower = |(when, id): (&'static str, Option<JobId>)| {
        let job = id.map(|id| desk.read(|records| records.job(id))).transpose()?.flatten();
        Ok::<_, Error>(job.map(|job| (when, job)))
    };
    let followers = followers.into_iter().map(follower).collect::<Result<Vec<_>, _>>()?;
    let jobs = |state: Option<JobState>| {
        let state = state.map(|state| ("state", state.as_str().to_owned()));
        desk.urls.with(&["jobs"], std::iter::once(("batch", batch.id.to_string())).chain(state))
    };
    Ok(html! {
        p {
            meter min="0" max="100" value=(batch.percent()) {} " "
            (batches::percent(batch)) " of " a href=(jobs(None)) { (number(counts.all())) " jobs" } " have ended"
            @if let Some(left) = batches::left(batch, desk.now) { ", " (left) " left" }
            ". Pushed " (ago(desk.now, batch.pushed_at)) "."
        }
        p.row {
            @for (state, jobs_in) in states {
                @if jobs_in > 0 { a href=(jobs(Some(state))) { (number(jobs_in)) " " (state.as_str()) } }
            }
            @if counts.gone > 0 { span { (number(counts.gone)) " gone" } }
        }
        @for (when, job) in followers.into_iter().flatten() {
            p {
                (when) ": " a href=(desk.urls.to(&["jobs", &job.id.to_string()])) { "job " (job.id) } " (" (job.state.as_str()) ") "
                code { (words::one_line(&words::task(&job), 100)) }
            }
        }
    })
}
