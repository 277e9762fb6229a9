//! Many jobs at once: what a change would mean, the change itself, which the master carries out by itself, and how far it is.
//!
//! Invariant: what is changed are the jobs of the filter that was shown, as they were then: none that is pushed or ends later.

use maud::{Markup, html};

use super::{jobs, search};
use crate::cli::output;
use crate::clock;
use crate::error::Error;
use crate::model::operation::{Operation, OperationState};
use crate::model::{JobAction, JobState, OperationId, States};
use crate::report::operations::{meant, what};
use crate::store::{JobFilter, Slice};
use crate::web::View;
use crate::web::desk::{Asked, Desk};
use crate::web::html::{Page, ago, button, count, number, seconds, table, text};
use crate::web::routes::{Done, Sent};
use crate::web::token::Role;
use crate::wire::control::{Jobs, OneOperation, Span};

/// Jobs are counted so far, and no longer than a slice.
const COUNTED: u32 = 10_000;
/// Jobs that are shown before they are changed.
const FIRST: u32 = 10;
/// Fields that say which jobs are meant; the page itself always says until when.
const FIELDS: [&str; 10] = ["q", "state", "queue", "type", "label", "key", "batch", "error", "since", "until"];
/// Deleting more than so many, or who knows how many, takes typing their number.
const TYPED_FROM: u64 = 1_000;

/// The changes that can be made of many jobs, with the role that each takes.
pub(in crate::web) const CHANGES: [(&str, JobAction, Role); 3] = [
    ("retry", JobAction::Retry, Role::Operator),
    ("cancel", JobAction::Cancel, Role::Operator),
    ("delete", JobAction::Delete, Role::Admin),
];

/// Links from a list of jobs to what can be done with all of them.
pub(super) fn links(desk: &Desk<'_>) -> Markup {
    let possible = CHANGES.iter().filter(|(_, action, role)| {
        let states = jobs::states(&search::spelled_out(desk.asked, &search::OF_JOBS)).unwrap_or(States::ALL);
        desk.may(*role) && !states.and(action.possible()).is_empty()
    });
    html! {
        p.row {
            @for (verb, ..) in possible {
                a href=(desk.urls.with(&["jobs", "change", verb], desk.query_without(&jobs::PLACES))) { (verb) " all of them …" }
            }
            a href=(desk.urls.to(&["operations"])) { "operations" }
            a href=(desk.urls.to(&["batches"])) { "batches" }
        }
    }
}

/// The change of a path that ends with its verb; each is in the table of routes by itself, for its role.
fn change(desk: &Desk<'_>) -> Result<&'static (&'static str, JobAction, Role), Error> {
    let verb = desk.asked.path.rsplit('/').next().unwrap_or_default();
    let missing = || Error::NotFound(format!("nothing is changed by `{}`", text(verb)));
    CHANGES.iter().find(|(known, ..)| *known == verb).ok_or_else(missing)
}

/// The jobs that are meant: of those on the list the ones with which this can be done.
fn filter_of(desk: &Desk<'_>, asked: &Asked, action: &JobAction) -> Result<JobFilter, Error> {
    let mut filter = JobFilter { newest: false, ..jobs::filter(desk, &search::spelled_out(asked, &search::OF_JOBS))? };
    filter.states = if filter.states == States::ALL { action.usual() } else { filter.states.and(action.possible()) };
    Ok(filter)
}

/// Says what would be changed.
pub(in crate::web) fn preview(desk: &Desk<'_>) -> Result<View, Error> {
    let (verb, action, role) = change(desk)?;
    let mut filter = filter_of(desk, desk.asked, action)?;
    filter.until = Some(filter.until.map_or(desk.now, |until| until.min(desk.now)));
    let began = clock::instant();
    let Slice { found: first, next, .. } =
        desk.read(|records| records.search(&JobFilter { limit: Some(FIRST), ..filter.clone() }, jobs::SLICE))?;
    let all = JobFilter { limit: Some(COUNTED), ..filter.clone() };
    let (counted, is_exact) = desk.read(|records| records.count(&all, jobs::SLICE.saturating_sub(began.elapsed())))?;
    if desk.asked.wants_json {
        let ids: Vec<_> = first.iter().map(|job| job.id).collect();
        return View::json(&serde_json::json!({
            "verb": verb, "filter": filter, "count": counted, "count_is_exact": is_exact, "first_ids": ids,
        }));
    }
    let jobs = match counted {
        jobs if is_exact => count(jobs, "job"),
        0 => "an unknown number of jobs, which takes long to count".to_owned(),
        jobs => format!("{} jobs or more", number(jobs)),
    };
    let to_type = (*verb == "delete" && (!is_exact || counted > TYPED_FROM)).then_some(counted);
    let options = match jobs::options(&search::spelled_out(desk.asked, &search::OF_JOBS)) {
        options if options.is_empty() => " --all".to_owned(),
        options => options,
    };
    let command = format!("queue-work jobs {verb}{options} --background");
    let title = format!("{}{} many jobs", verb[..1].to_uppercase(), &verb[1..]);
    let page = Page::new("jobs", title, command).fixed("change", html! {
        p { "This is to " strong { (verb) } " " strong { (jobs) } ": " (text(&meant(&filter))) ". Jobs that come or end from now on are left alone." }
        @if first.is_empty() && next.is_none() { p.empty { "No job matches." } }
        @else if desk.may(*role) { (form(desk, verb, &filter, to_type)) }
        @else { p.error { "This takes the role `" (role.as_str()) "`, and a master." } }
    });
    let page =
        page.fixed("first", html! { @if !first.is_empty() { h2 { "The first of them" } (jobs::rows(desk, first)) } });
    Ok(View::Page(page))
}

/// `to_type`: the number of jobs, which must be typed.
fn form(desk: &Desk<'_>, verb: &str, filter: &JobFilter, to_type: Option<u64>) -> Markup {
    // As points in time: what is an hour ago now is not later.
    let times = [("since", filter.since), ("until", filter.until)];
    let times = times.into_iter().filter_map(|(key, at)| Some((key, at?.to_timestamp().to_string())));
    let fields = desk.query_without(&["after", "before", "since", "until", "oldest"]);
    html! {
        form.row method="post" action=(desk.urls.to(&["jobs", "change", verb])) {
            @for (key, value) in fields { input type="hidden" name=(key) value=(value); }
            @for (key, at) in times { input type="hidden" name=(key) value=(at); }
            @if verb == "retry" { label { "spread over " input name="spread" size="6" placeholder="10m" autocomplete="off"; } }
            @if let Some(jobs) = to_type {
                label { "type " (jobs) " to go on " input name="typed" size="8" required pattern=(jobs) autocomplete="off"; }
                input type="hidden" name="count" value=(jobs);
            }
            button.danger[verb == "delete"] { (verb) }
            a href=(desk.urls.with(&["jobs"], desk.query_without(&jobs::PLACES))) { "not now" }
        }
    }
}

/// Has the master begin a change: by a form with the fields of the list, or by params of `jobs.retry` as JSON.
pub(in crate::web) fn begin(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    let (verb, action, _) = change(desk)?;
    let mut params: Jobs = if sent.kind == "application/json" {
        serde_json::from_slice(&sent.bytes).map_err(|e| Error::Usage(format!("the body is no change of jobs: {e}")))?
    } else {
        if sent.get("count") != sent.get("typed") {
            return Err(Error::Refused(
                "the number that was typed is not that of the jobs; nothing was changed".to_owned(),
            ));
        }
        if !FIELDS.iter().any(|key| sent.get(key).is_some()) {
            let all = "say which jobs, by the fields of the list; `until`, a time, alone means all until then";
            return Err(Error::Usage(all.to_owned()));
        }
        let filter = filter_of(desk, &Asked { query: sent.fields.clone(), ..desk.asked.clone() }, action)?;
        let spread = sent.get("spread").map(|spread| Span::Text(spread.to_owned()));
        Jobs { filter: Some(Box::new(filter)), spread, ..Jobs::default() }
    };
    if let Some(args) = params.filter.as_mut().and_then(|filter| filter.args.as_mut()) {
        args.hidden = desk.hidden().to_vec();
    }
    params.background = true;
    let operation: Operation = desk.call(&format!("jobs.{verb}"), &params)?;
    Ok(Done { json: output::to_json(&operation)?, page: desk.urls.to(&["operations"]) })
}

/// Stops one.
pub(in crate::web) fn stop(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    let missing = |_| Error::NotFound("there is no such operation".to_owned());
    let id = desk.asked.name.parse().map(OperationId).map_err(missing)?;
    let operation: Operation = desk.call("operations.stop", &OneOperation { id })?;
    Ok(Done { json: output::to_json(&operation)?, page: desk.urls.to(&["operations"]) })
}

/// All of them, the newest first.
pub(in crate::web) fn all(desk: &Desk<'_>) -> Result<View, Error> {
    // A master knows more than what it has written yet.
    let mut found: Vec<Operation> = if desk.seen.has_master() {
        desk.call("operations.list", &serde_json::json!({}))?
    } else {
        desk.read(crate::store::Records::operations)?
    };
    found.reverse();
    if desk.asked.wants_json {
        return View::json(&found);
    }
    let page = Page::new("jobs", "Operations", "queue-work jobs operations").live("operations", html! {
        @if found.is_empty() {
            p.empty { "Nothing was changed in the background. Begin at a " a href=(desk.urls.to(&["jobs"])) { "list of jobs" } "." }
        } @else { (rows(desk, &found)) }
        p { a href=(desk.urls.to(&["audit"])) { "who has changed what" } }
    });
    Ok(View::Page(page))
}

fn rows(desk: &Desk<'_>, found: &[Operation]) -> Markup {
    let headings = [
        "#id",
        "what",
        "state",
        "progress",
        "#done",
        "#of",
        "#~passed over",
        "#~refused",
        "began",
        "~took",
        "~by",
        "action",
    ];
    let body = html! {
        @for one in found {
            @let over = one.done + one.passed_over + one.refused;
            tr {
                th.n scope="row" { (one.id) }
                td.wide { (text(&what(one))) }
                td .bad[one.state == OperationState::Failed] { (one.state.as_str()) }
                td { progress max=(one.expected.max(1)) value=(over) { (number(over)) } }
                td.n { (number(one.done)) }
                td.n { (number(one.expected)) }
                td.n.hide { (number(one.passed_over)) }
                td.n.hide { (number(one.refused)) }
                td { (ago(desk.now, one.started_at)) }
                td.hide { (seconds(one.ended_at.unwrap_or(desk.now).since(one.started_at).as_secs_f64())) }
                td.hide { (text(one.by.as_deref().unwrap_or("–"))) }
                td {
                    @if one.state == OperationState::Running && desk.may(Role::Operator) {
                        (button(&desk.urls.to(&["operations", &one.id.to_string(), "stop"]), "Stop", false))
                    }
                }
            }
        }
    };
    table("Changes of many jobs, the newest first", &headings, &body)
}

/// A link to retry the dead jobs of an error.
pub(super) fn retry_of_error(desk: &Desk<'_>, fingerprint: &str) -> Markup {
    let query = [("error", fingerprint), ("state", JobState::Dead.as_str())];
    html! { @if desk.may(Role::Operator) { a href=(desk.urls.with(&["jobs", "change", "retry"], query)) { "retry them …" } } }
}
