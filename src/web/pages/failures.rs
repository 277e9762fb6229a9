//! Errors: what runs failed of, each kind once.

use std::time::Duration;

use maud::{Markup, html};

use super::operations::retry_of_error;
use super::overview;
use crate::cli::args::moment;
use crate::cli::{errors, output};
use crate::error::Error;
use crate::model::failure::FailureNote;
use crate::model::gauge::MarkKind;
use crate::model::{FailureRecord, Fingerprint, JobState, QueueName, RunId, States, UnixMicros};
use crate::report::audit::ALL_WORKERS;
use crate::report::words;
use crate::store::{AuditFilter, FailureFilter, JobFilter, RunFilter};
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, ago, button, count, number, pre, spark, table, text};
use crate::web::routes::{Done, Sent};
use crate::web::token::Role;
use crate::wire::control::{ChangedJobs, Jobs, NoteFailure};
use crate::wire::metrics::AskHistory;

/// Errors of a page.
const PAGE: u32 = 50;
/// How long ago a start or a reload is looked for, and how many restarts.
const LOOK_BACK: Duration = Duration::from_hours(7 * 24);
const RESTARTS: u32 = 20;

pub(in crate::web) fn list(desk: &Desk<'_>) -> Result<View, Error> {
    let queue = desk.asked.get("queue").map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?;
    let kind = desk.asked.get("type").map(str::to_owned);
    let muted = desk.asked.get("muted").is_some();
    let filter = FailureFilter { queue, kind, muted, limit: Some(PAGE), ..FailureFilter::default() };
    let found = desk.read(|records| records.failures(&filter, desk.now))?;
    if desk.asked.wants_json {
        return View::json(&found);
    }
    let (plain, of_muted) = (desk.urls.to(&["failures"]), desk.urls.with(&["failures"], [("muted", "1")]));
    let command = if muted { "queue-work errors --muted" } else { "queue-work errors" };
    let page = Page::new("failures", "Failures", command).live(
        "errors",
        html! {
            ul.tabs { @for (show, href) in [("not muted", plain), ("muted", of_muted)] {
                li { a href=(href) aria-current=[((show == "muted") == muted).then_some("true")] { (show) } }
            } }
            @if !found.is_empty() { (rows(desk, &found, deployed_at(desk)?)) }
            @else if muted { p.empty { "No error is muted." } }
            @else { p.empty { "No run has failed, or what failed is muted." } }
        },
    );
    Ok(View::Page(page))
}

/// A table of errors.
pub(super) fn rows(desk: &Desk<'_>, found: &[FailureRecord], deployed_at: Option<UnixMicros>) -> Markup {
    let headings = ["error", "~type", "#dead", "#1 h", "#24 h", "#~runs", "last", "~24 hours"];
    let body = html! {
        @for one in found {
            tr {
                td.wide {
                    a href=(desk.urls.to(&["failures", &one.fingerprint.to_string()])) { (text(&one.message)) }(badge(one, deployed_at))
                    @if let Some(note) = &one.said.note { br; small { (words::one_line(note, 200)) } }
                }
                td.hide { (text(&one.kind)) }
                td.n .bad[one.dead_now > 0] { (number(one.dead_now)) }
                td.n { (number(one.runs_1h)) }
                td.n { (number(one.runs_24h)) }
                td.n.hide { (number(one.runs)) }
                td { (ago(desk.now, one.last_at)) }
                td.hide { (trend(one)) }
            }
        }
    };
    table("What runs failed of, the most dead jobs first", &headings, &body)
}

/// When what runs was put in force last, as far as that is on record: by a start, a reload, or a restart of all workers.
pub(super) fn deployed_at(desk: &Desk<'_>) -> Result<Option<UnixMicros>, Error> {
    let asked = AskHistory { since: desk.now.minus(LOOK_BACK), until: None, queue: None, kind: None };
    let marks = overview::found(desk, &asked)?.1.marks.into_iter();
    let begun = marks.filter(|mark| matches!(mark.kind, MarkKind::Start | MarkKind::Reload)).map(|mark| mark.at);
    let restarts = AuditFilter { verb: Some("restart".to_owned()), limit: Some(RESTARTS), ..AuditFilter::default() };
    let restarts = desk.read(|records| records.audit(&restarts))?.into_iter();
    let of_all = restarts.filter(|record| record.deed.target == ALL_WORKERS).map(|record| record.deed.at);
    Ok(begun.chain(of_all).max())
}

/// For an error that was not there before what runs now.
fn badge(one: &FailureRecord, deployed_at: Option<UnixMicros>) -> Markup {
    let is_new = deployed_at.is_some_and(|at| one.first_at > at);
    html! { @if is_new { " " span.warn title="first seen since the last start, reload or restart of all workers" { "new" } } }
}

/// Retries one of the dead jobs, the newest, to see whether it goes now.
pub(in crate::web) fn probe(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    let states = States::of(&[JobState::Dead]);
    let error = Some(desk.asked.name.clone().into());
    let filter = JobFilter { states, error, newest: true, limit: Some(1), ..JobFilter::default() };
    let missing = || Error::NotFound("no job is dead of this error".to_owned());
    let job = desk.read(|records| records.jobs(&filter))?.pop().ok_or_else(missing)?;
    let changed: ChangedJobs = desk.call("jobs.retry", &Jobs { ids: vec![job.id], ..Jobs::default() })?;
    if let Some(refused) = changed.refused.into_iter().next() {
        return Err(Error::Refused(refused.reason));
    }
    Ok(Done {
        json: output::to_json(&serde_json::json!({"id": job.id}))?,
        page: desk.urls.to(&["jobs", &job.id.to_string()]),
    })
}

/// Keeps what is said of an error, and leads back to its page.
fn say(desk: &Desk<'_>, note: Option<String>, muted_until: Option<UnixMicros>) -> Result<Done, Error> {
    let error = desk.asked.name.parse().map_err(|_| missing(desk))?;
    let found = errors::set(&desk.asker(), &NoteFailure { error, note, muted_until })?;
    Ok(Done { json: output::to_json(&found)?, page: desk.urls.to(&["failures", &desk.asked.name]) })
}

pub(in crate::web) fn note(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    say(desk, Some(sent.get("note").unwrap_or_default().to_owned()), None)
}

pub(in crate::web) fn mute(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    let until = moment::parse(sent.get("until").unwrap_or_default());
    say(desk, None, Some(until.map_err(|why| Error::Usage(format!("`until`: {why}")))?))
}

pub(in crate::web) fn unmute(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    say(desk, None, Some(UnixMicros(0)))
}

fn missing(desk: &Desk<'_>) -> Error {
    Error::NotFound(format!("there is no error `{}`; see `queue-work errors`", text(&desk.asked.name)))
}

/// What people have said of it; whoever may act changes that.
fn said(desk: &Desk<'_>, one: &FailureRecord) -> Markup {
    let (FailureNote { note, muted_until }, name) = (&one.said, one.fingerprint.to_string());
    let may = desk.may(Role::Operator);
    html! {
        dl.facts {
            @if may || note.is_some() { dt { "note" } }
            @if may {
                dd { form method="post" action=(desk.urls.to(&["failures", &name, "note"])) {
                    input name="note" size="40" maxlength="2000" aria-label="note" value=(note.as_deref().unwrap_or_default()) autocomplete="off";
                    button { "Keep" }
                } }
            } @else if let Some(note) = note { dd { (words::one_line(note, 2000)) } }
            @if may || muted_until.is_some() { dt { "muted" } }
            @if let Some(until) = muted_until {
                dd {
                    "until " (words::time(*until)) " "
                    @if may { (button(&desk.urls.to(&["failures", &name, "unmute"]), "List it again", false)) }
                }
            } @else if may {
                dd { form method="post" action=(desk.urls.to(&["failures", &name, "mute"])) {
                    label { "not listed for " input name="until" size="8" required placeholder="3d" autocomplete="off"; }
                    button { "Mute" }
                } }
            }
        }
    }
}

fn trend(one: &FailureRecord) -> Markup {
    spark(one.trend.iter().map(|&runs| Some(runs as f64)).collect())
}

pub(in crate::web) fn one(desk: &Desk<'_>) -> Result<View, Error> {
    let fingerprint: Fingerprint = desk.asked.name.parse().map_err(|_| missing(desk))?;
    let filter = FailureFilter { fingerprint: Some(fingerprint), ..FailureFilter::default() };
    let found = desk.read(|records| records.failures(&filter, desk.now))?.pop().ok_or_else(|| missing(desk))?;
    if desk.asked.wants_json {
        return View::json(&found);
    }
    let (name, deployed) = (fingerprint.to_string(), deployed_at(desk)?);
    let dead = desk.urls.with(&["jobs"], [("error", name.as_str())]);
    let queues: Vec<&str> = found.queues.iter().map(QueueName::as_str).collect();
    let page = Page::new("failures", text(&found.message), format!("queue-work errors {name}"))
        .live("error", html! {
            dl.facts {
                dt { "type" } dd { a href=(desk.urls.with(&["jobs"], [("type", found.kind.as_str())])) { (text(&found.kind)) } }
                @if let Some(kind) = &found.error_type { dt { "kind" } dd { (text(kind)) } }
                dt { "queues" } dd { @for queue in &queues { a href=(desk.urls.to(&["queues", queue])) { (text(queue)) } " " } }
                dt { "failed runs" } dd { (number(found.runs_1h)) " in the last hour, " (number(found.runs_24h)) " in a day, " (number(found.runs)) " in all" }
                dt { "dead now" }
                dd {
                    @if found.dead_now > 0 {
                        a.bad href=(dead) { (count(found.dead_now, "job")) } " " (retry_of_error(desk, &name)) " "
                        code { "queue-work jobs retry --error " (name) }
                    } @else { "none" }
                }
                @if found.dead_now > 0 && desk.may(Role::Operator) {
                    dt { "to see whether it goes now" }
                    dd { (button(&desk.urls.to(&["failures", &name, "probe"]), "Retry one", false)) }
                }
                dt { "first seen" } dd { (ago(desk.now, found.first_at)) (badge(&found, deployed)) }
                dt { "last seen" } dd { (ago(desk.now, found.last_at)) }
                dt { "24 hours" } dd { (trend(&found)) }
            }
        })
        .live("said", said(desk, &found))
        .live("sample", sample(desk, &found)?);
    Ok(View::Page(page))
}

/// The last of the runs, while that is on record.
fn sample(desk: &Desk<'_>, found: &FailureRecord) -> Result<Markup, Error> {
    let Some(id) = found.sample_run else { return Ok(html! {}) };
    let filter = RunFilter { before: Some(RunId(id.0.saturating_add(1))), limit: Some(1), ..RunFilter::default() };
    let run = desk.read(|records| records.runs(&filter))?.pop().filter(|run| run.id == id);
    let Some(run) = run else { return Ok(html! {}) };
    let detail = &run.detail;
    let texts = [
        ("Error", detail.error.as_deref().unwrap_or_default()),
        ("Backtrace", detail.backtrace.as_deref().unwrap_or_default()),
        ("Last lines on stderr", &detail.stderr_tail),
    ];
    Ok(html! {
        h2 { "The last run" }
        p { "of " a href=(desk.urls.to(&["jobs", &run.job_id.to_string()])) { "job " (run.job_id) } ", attempt " (run.attempt) }
        @for (title, text) in texts.into_iter().filter(|(_, text)| !text.trim_end().is_empty()) { (pre(title, text.trim_end())) }
    })
}
