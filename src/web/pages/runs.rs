//! Runs on record, newest first.

use maud::{Markup, html};

use crate::error::Error;
use crate::model::{JobId, Outcome, QueueName, RunId, RunRecord, units};
use crate::report::words;
use crate::store::RunFilter;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, ago, seconds, size, table, text};

/// Runs of a page, and of a document at most.
const PAGE: u32 = 50;
const MOST: u32 = 1_000;

pub(in crate::web) fn list(desk: &Desk<'_>) -> Result<View, Error> {
    let asked = desk.asked;
    let number = |key: &str| {
        asked.get(key).map(str::parse::<i64>).transpose().map_err(|_| Error::Usage(format!("`{key}` must be an id")))
    };
    let outcome = asked.get("outcome").map(|word| {
        let found = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word);
        found.ok_or_else(|| Error::Usage("`outcome` must be one such as `failed`".to_owned()))
    });
    let since =
        asked.get("since").map(units::duration).transpose().map_err(|why| Error::Usage(format!("`since`: {why}")))?;
    let limit = number("limit")?.map_or(PAGE, |limit| limit.clamp(1, MOST.into()) as u32);
    let filter = RunFilter {
        job: number("job")?.map(JobId),
        queue: asked.get("queue").map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?,
        outcome: outcome.transpose()?,
        since: since.map(|since| desk.now.minus(since)),
        before: number("before")?.map(RunId),
        limit: Some(if asked.wants_json { limit } else { limit + 1 }),
    };
    let mut runs = desk.read(|records| records.runs(&filter))?;
    if asked.wants_json {
        return View::json(&runs);
    }
    let goes_on = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let next = runs.last().filter(|_| goes_on).map(|run| {
        desk.urls.with(&["runs"], desk.query_without(&["before"]).chain([("before", run.id.to_string().into())]))
    });
    let page = Page::new("runs", "Runs", command(desk)).fixed("filter", outcomes(desk)).live(
        "runs",
        html! {
            @if runs.is_empty() { p.empty { "No run matches." } } @else { (rows(desk, &runs, true)) }
            @if let Some(next) = &next { p { a href=(next) rel="next" { "more" } } }
        },
    );
    Ok(View::Page(page))
}

fn command(desk: &Desk<'_>) -> String {
    let given = ["job", "queue", "outcome", "since"].iter();
    let given = given.filter_map(|key| Some(format!(" --{key} {}", words::command([desk.asked.get(key)?]))));
    format!("queue-work runs{}", given.collect::<String>())
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
