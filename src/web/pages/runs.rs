//! Runs on record, newest first.

use maud::{Markup, html};

use super::jobs::SLICE;
use super::search;
use crate::cli::output;
use crate::clock;
use crate::error::Error;
use crate::model::{JobId, Outcome, QueueName, RunId, RunRecord, units};
use crate::report::words;
use crate::store::{RunFilter, Slice};
use crate::web::View;
use crate::web::desk::{Asked, Desk};
use crate::web::html::{Page, ago, count, seconds, size, table, text};

/// Runs of a page, and of a document at most.
const PAGE: u32 = 50;
const MOST: u32 = 1_000;

/// Words of a search that are fields.
const KEYS: [&str; 4] = ["job", "queue", "outcome", "since"];

pub(in crate::web) fn list(desk: &Desk<'_>) -> Result<View, Error> {
    let asked = search::spelled_out(desk.asked, &KEYS);
    let (mut filter, limit) = filter(desk, &asked)?;
    filter.limit = Some(limit + 1);
    let began = clock::instant();
    let Slice { found: mut runs, searched, mut next } = desk.read(|records| records.search_runs(&filter, SLICE))?;
    let took = began.elapsed();
    if runs.len() > limit as usize {
        runs.truncate(limit as usize);
        next = runs.last().map(|run| run.id);
    }
    let is_search = !filter.text.is_empty();
    let is_cut = next.is_some() && runs.len() < limit as usize;
    let to = |before: RunId| {
        desk.urls.with(&["runs"], desk.query_without(&["before"]).chain([("before", before.to_string().into())]))
    };
    let next = next.map(to);
    if asked.wants_json {
        return Ok(View::List(output::to_json(&runs)?, next));
    }
    let page = Page::new("runs", "Runs", command(&asked)).fixed("filter", fields(desk));
    let found = html! {
        @if runs.is_empty() && !is_cut { p.empty { "No run matches." } } @else { (rows(desk, &runs, true)) }
        p.row id="searched" data-searched=[is_search.then_some(searched)] {
            @if is_search { (search::progress(&count(searched, "run"), true, took)) }
            @if let Some(next) = &next { a href=(next) rel="next" { @if is_cut { "continue" } @else { "more" } } }
        }
    };
    // A search is not made again each second.
    Ok(View::Page(if is_search { page.fixed("runs", found) } else { page.live("runs", found) }))
}

/// As `runs` takes it, from fields that are spelled out, and how many are wanted.
fn filter(desk: &Desk<'_>, asked: &Asked) -> Result<(RunFilter, u32), Error> {
    let number = |key: &str| {
        asked.get(key).map(str::parse::<i64>).transpose().map_err(|_| Error::Usage(format!("`{key}` must be an id")))
    };
    let outcome = asked.get("outcome").map(|word| {
        let found = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word);
        found.ok_or_else(|| Error::Usage("`outcome` must be one such as `failed`".to_owned()))
    });
    let since =
        asked.get("since").map(units::duration).transpose().map_err(|why| Error::Usage(format!("`since`: {why}")))?;
    let filter = RunFilter {
        job: number("job")?.map(JobId),
        queue: asked.get("queue").map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?,
        outcome: outcome.transpose()?,
        since: since.map(|since| desk.now.minus(since)),
        text: search::text(asked),
        hidden: desk.hidden().to_vec(),
        before: number("before")?.map(RunId),
        limit: None,
    };
    Ok((filter, number("limit")?.map_or(PAGE, |limit| limit.clamp(1, MOST.into()) as u32)))
}

fn command(asked: &Asked) -> String {
    let given = KEYS.iter().filter_map(|key| Some((*key, asked.get(key)?.to_owned())));
    let text = search::text(asked).into_iter().map(|text| ("text", text));
    let options = given.chain(text).map(|(key, value)| format!(" --{key} {}", words::command([&*value])));
    format!("queue-work runs{}", options.collect::<String>())
}

fn fields(desk: &Desk<'_>) -> Markup {
    html! {
        (outcomes(desk))
        form.row method="get" action=(desk.urls.to(&["runs"])) {
            @for (key, value) in desk.query_without(&["q", "before", "refresh"]) { input type="hidden" name=(key) value=(value); }
            label { "search " input name="q" value=[desk.asked.get("q")] size="30" autocomplete="off" placeholder="text, job:31, queue:mail, since:1h" title="job:31 queue:mail outcome:failed since:1h; anything else is a text in the error, the last lines printed or the result"; }
            button { "Show" }
        }
    }
}

fn outcomes(desk: &Desk<'_>) -> Markup {
    let shown = desk.asked.get("outcome").unwrap_or("all");
    let to = |outcome: Option<Outcome>| {
        let rest = desk.query_without(&["outcome", "before"]);
        desk.urls.with(&["runs"], rest.chain(outcome.map(|outcome| ("outcome", outcome.as_str().into()))))
    };
    html! {
        ul.tabs aria-label="Outcomes" {
            li { a href=(to(None)) aria-current=[(shown == "all").then_some("true")] { "all" } }
            @for one in Outcome::ALL {
                li { a href=(to(Some(one))) aria-current=[(shown == one.as_str()).then_some("true")] { (one.as_str()) } }
            }
        }
    }
}

/// A table of runs; `with_job`: of several jobs.
pub(super) fn rows(desk: &Desk<'_>, runs: &[RunRecord], with_job: bool) -> Markup {
    let all = [
        "#run",
        "#job",
        "type",
        "~queue",
        "worker",
        "#~attempt",
        "outcome",
        "ended",
        "#took",
        "#~waited",
        "#~peak",
        "~error",
    ];
    let headings: Vec<&str> =
        all.into_iter().filter(|name| with_job || !["#job", "type", "~queue"].contains(name)).collect();
    let body = html! {
        @for run in runs {
            @let class = match run.outcome { Outcome::Succeeded => "ok", Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => "bad", Outcome::Cancelled | Outcome::Released => "dim" };
            tr {
                td.n { (run.id) }
                @if with_job {
                    th.n scope="row" { a href=(desk.urls.to(&["jobs", &run.job_id.to_string()])) { (run.job_id) } }
                    td { (text(&run.kind)) }
                    td.hide { (text(run.queue.as_str())) }
                }
                td { @if let Some(worker) = &run.worker { a href=(desk.urls.to(&["workers", worker])) { (text(worker)) } } @else { "–" } }
                td.n.hide { (run.attempt) }
                td.(class) { (run.outcome.as_str()) @if let Some(cause) = run.cause { " (" (cause) ")" } }
                td { (ago(desk.now, run.ended_at)) }
                td.n { (seconds(run.duration_s)) }
                td.n.hide { (seconds(run.waited_s)) }
                td.n.hide { (size(run.peak_memory_bytes)) }
                td.wide.hide { (text(run.detail.error.as_deref().unwrap_or_default())) }
            }
        }
    };
    table("Runs, newest first", &headings, &body)
}
