//! The list of jobs: by state, with filters, fifty at a time.

use std::time::Duration;

use maud::{Markup, html};

use super::{batches, operations, search};
use crate::cli::args::moment;
use crate::cli::output;
use crate::clock;
use crate::error::Error;
use crate::model::{IdRange, IdRanges, JobId, JobRecord, JobState, QueueName, States, UnixMicros};
use crate::report::words;
use crate::store::{JobFilter, Slice};
use crate::web::View;
use crate::web::desk::{Asked, Desk};
use crate::web::html::{Page, ago, count, number, table, text};

/// Jobs of a page, and of a document at most.
const PAGE: u32 = 50;
const MOST: u32 = 1_000;
/// The time after which a search pauses, and its answer says how far it has come.
pub(super) const SLICE: Duration = Duration::from_millis(30);
/// Keys of the query that go to another place in the list.
pub(super) const PLACES: [&str; 2] = ["after", "before"];

pub(in crate::web) fn list(desk: &Desk<'_>) -> Result<View, Error> {
    let asked = search::spelled_out(desk.asked, &search::OF_JOBS);
    // A number in the field for searching is a job.
    if let Some(id) = search::only_id(&asked) {
        return Ok(View::Moved(desk.urls.to(&["jobs", id])));
    }
    let mut filter = filter(desk, &asked)?;
    let limit = asked.get("limit").map_or(Ok(PAGE), str::parse).map_err(|_| wrong("limit", "a number"))?.clamp(1, MOST);
    filter.limit = Some(limit + 1);
    let began = clock::instant();
    let Slice { found: mut jobs, searched, mut next } = desk.read(|records| records.search(&filter, SLICE))?;
    let took = began.elapsed();
    if jobs.len() > limit as usize {
        jobs.truncate(limit as usize);
        next = jobs.last().map(|job| job.id);
    }
    let is_cut = next.is_some() && jobs.len() < limit as usize;
    let key = if filter.newest { "before" } else { "after" };
    let next =
        next.map(|id| desk.urls.with(&["jobs"], desk.query_without(&PLACES).chain([(key, id.to_string().into())])));
    if asked.wants_json {
        desk.complete(&mut jobs);
        desk.redact(&mut jobs);
        return Ok(View::List(output::to_json(&jobs)?, next));
    }
    let is_first = filter.after.is_none() && filter.before.is_none();
    let first = (!is_first).then(|| desk.urls.with(&["jobs"], desk.query_without(&PLACES)));
    let is_search = is_cut || filter.is_looked_for();
    let command = format!("queue-work jobs list{}", options(&asked));
    let page = Page::new("jobs", "Jobs", command).live("states", tabs(desk)).fixed("filter", fields(desk));
    let found = html! {
        @if jobs.is_empty() && !is_cut { p.empty { "No job matches." } } @else { (rows(desk, jobs)) (operations::links(desk)) }
        p.row id="searched" data-searched=[is_search.then_some(searched)] {
            @if is_search { (search::progress(&count(searched, "job"), filter.newest, took)) }
            @if let Some(first) = &first { a href=(first) { "from the start" } }
            @if let Some(next) = &next { a href=(next) rel="next" { @if is_cut { "continue" } @else { "more" } } }
        }
    };
    // A search is not made again each second.
    Ok(View::Page(if is_search { page.fixed("jobs", found) } else { page.live("jobs", found) }))
}

fn wrong(key: &str, what: &str) -> Error {
    Error::Usage(format!("`{key}` must be {what}"))
}

/// The states that are asked for.
pub(super) fn states(asked: &Asked) -> Result<States, Error> {
    let state = |word: &str| JobState::ALL.into_iter().find(|state| state.as_str() == word);
    let states = asked.get("state").map(|words| words.split(',').map(state).collect::<Option<Vec<_>>>());
    let states = states.map(|states| states.ok_or_else(|| wrong("state", "a state such as `dead`"))).transpose()?;
    Ok(states.map_or(States::ALL, |states| States::of(&states)))
}

/// As `jobs list` takes it, from fields that are spelled out.
pub(super) fn filter(desk: &Desk<'_>, asked: &Asked) -> Result<JobFilter, Error> {
    let states = states(asked)?;
    let id = |key: &str| asked.get(key).map(str::parse).transpose().map_err(|_| wrong(key, "the id of a job"));
    let time = |key: &str| -> Result<Option<UnixMicros>, Error> {
        asked.get(key).map(moment::past).transpose().map_err(|why| Error::Usage(format!("`{key}`: {why}")))
    };
    let (after, before) = (id("after")?.map(JobId), id("before")?.map(JobId));
    let oldest = asked.get("oldest").is_some() || states.single() == Some(JobState::Ready);
    let ids = asked.get("id").map(str::parse::<IdRange>).transpose().map_err(|why| wrong("id", &why))?;
    let ids: Option<IdRanges> = ids.map(|range| std::iter::once(range).collect());
    let of_batch = asked.get("batch").map(|batch| batches::find(desk, batch)).transpose()?;
    let args = search::args(asked, desk.hidden());
    Ok(JobFilter {
        queue: asked.get("queue").map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?,
        states,
        kind: asked.get("type").map(str::to_owned),
        label: asked.get("label").map(str::to_owned),
        key: asked.get("key").map(str::to_owned),
        error: asked.get("error").map(|error| error.to_owned().into()),
        unique: asked.get("unique").map(str::to_owned),
        args: Some(args).filter(|args| !args.is_empty()),
        since: time("since")?,
        until: time("until")?,
        ids: of_batch.map(|batch| batch.ranges).or(ids),
        after,
        before,
        newest: !oldest && after.is_none(),
        limit: None,
    })
}

/// The fields that are filled in, as options of a verb.
pub(super) fn options(asked: &Asked) -> String {
    let keys = ["state", "queue", "type", "label", "key", "batch", "error", "unique", "since", "until"];
    let id = asked.get("id").map(|id| format!(" {}", words::command([id])));
    let given = keys.iter().filter_map(|key| Some(format!(" --{key} {}", words::command([asked.get(key)?]))));
    let of_args = asked.query.iter().filter_map(|(key, value)| match key.strip_prefix("args.") {
        Some(path) => Some(format!(" --arg {}", words::command([&*format!("{path}={value}")]))),
        None => (key == "text").then(|| format!(" --text {}", words::command([&**value]))),
    });
    id.into_iter().chain(given).chain(of_args).collect()
}

/// The states, with how many there are where that is known.
fn tabs(desk: &Desk<'_>) -> Markup {
    let queues = desk
        .status()
        .queues
        .iter()
        .filter(|queue| desk.asked.get("queue").is_none_or(|name| name == queue.name.as_str()));
    let queues: Vec<_> = queues.collect();
    let sum = |state: JobState| -> Option<u64> {
        let of = |queue: &&&crate::report::status::QueueStatus| match state {
            JobState::Ready => Some(queue.ready),
            JobState::Scheduled => Some(queue.scheduled),
            JobState::Blocked => Some(queue.blocked),
            JobState::Running => Some(queue.running),
            JobState::Dead => Some(queue.dead),
            JobState::Succeeded | JobState::Cancelled => None,
        };
        queues.iter().map(|queue| of(&queue)).sum()
    };
    let shown = desk.asked.get("state").unwrap_or("all");
    let to = |state: Option<JobState>| {
        let rest = desk.query_without(&["state", "after", "before"]);
        desk.urls.with(&["jobs"], rest.chain(state.map(|state| ("state", state.as_str().into()))))
    };
    html! {
        ul.tabs aria-label="States" {
            li { a href=(to(None)) aria-current=[(shown == "all").then_some("true")] { "all" } }
            @for state in JobState::ALL {
                li {
                    a href=(to(Some(state))) aria-current=[(shown == state.as_str()).then_some("true")] { (state.as_str()) }
                    @if let Some(jobs) = sum(state) { " " span.dim { (number(jobs)) } }
                }
            }
        }
    }
}

fn fields(desk: &Desk<'_>) -> Markup {
    let value = |key: &str| desk.asked.get(key);
    let field = |key: &str, label: &str, list: Option<&str>| {
        html! {
            label { (label) input name=(key) value=[value(key)] list=[list] size="12" autocomplete="off"; }
        }
    };
    html! {
        form.row method="get" action=(desk.urls.to(&["jobs"])) {
            @for key in ["state", "batch"] { @if let Some(value) = value(key) { input type="hidden" name=(key) value=(value); } }
            label { "search" input name="q" value=[value("q")] size="36" autocomplete="off" placeholder="text, 31, type:mail, args.customer:7" title=(search::WORDS); }
            (field("queue", "queue", Some("queues")))
            (field("type", "type", None))
            (field("label", "label", None))
            (field("error", "error", None))
            (field("since", "since", None))
            button { "Show" }
            datalist id="queues" { @for queue in &desk.status().queues { option value=(queue.name.as_str()) {} } }
        }
    }
}

/// A table of jobs; below the role of an admin without what is hidden.
pub(super) fn rows(desk: &Desk<'_>, mut jobs: Vec<JobRecord>) -> Markup {
    desk.redact(&mut jobs);
    let headings = ["#id", "state", "when", "~queue", "#~attempts", "job", "~error"];
    let body = html! {
        @for job in &jobs {
            tr {
                th.n scope="row" { a href=(desk.urls.to(&["jobs", &job.id.to_string()])) { (job.id) } }
                td.(class_of(job.state)) { (words::state(job)) }
                td { (ago(desk.now, job.finished_at.unwrap_or(job.due_at))) }
                td.hide { a href=(desk.urls.to(&["queues", job.queue.as_str()])) { (text(job.queue.as_str())) } }
                td.n.hide { (job.counters.attempts) }
                td.wide { (text(&words::task(job))) }
                td.wide.hide { (text(job.error.as_deref().unwrap_or_default())) }
            }
        }
    };
    table("Jobs", &headings, &body)
}

/// The colour of a state, which its word says too.
pub(super) const fn class_of(state: JobState) -> &'static str {
    match state {
        JobState::Dead => "bad",
        JobState::Succeeded => "ok",
        JobState::Cancelled => "dim",
        JobState::Blocked | JobState::Ready | JobState::Scheduled | JobState::Running => "plain",
    }
}
