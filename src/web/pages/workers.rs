//! Pools and their workers: what they do, what they printed, how those before them ended.

use maud::{Markup, html};

use super::{output, processes, runs};
use crate::cli::status::named;
use crate::error::Error;
use crate::model::{WorkerRecord, WorkerState};
use crate::report::status::{Named, PoolStatus, WorkerStatus};
use crate::report::words;
use crate::store::{RunFilter, WorkerFilter};
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, Series, ago, button, chart, number, seconds, size, spark, table, text};
use crate::web::token::Role;

/// Workers, and records of workers, of a page.
const PAGE: usize = 200;
const HISTORY: u32 = 50;
/// More workers have no line of their memory in the table.
const LINES: usize = 50;
/// Runs of a worker are looked for among so many.
const RUNS: u32 = 500;

pub(in crate::web) fn all(desk: &Desk<'_>) -> Result<View, Error> {
    if desk.asked.wants_json {
        return View::json(&history(desk, None, None)?);
    }
    let status = desk.status();
    let past = history(desk, None, None)?;
    let page = Page::new("workers", "Workers", "queue-work workers")
        .live(
            "pools",
            html! {
                @if status.pools.is_empty() { p.empty { "No master runs, so there are no workers." } }
                @else { (pools(desk, status.pools.iter())) }
            },
        )
        .live("workers", workers(desk, &status.workers.iter().collect::<Vec<_>>()))
        .live("past", html! { @if !past.is_empty() { h2 { "Processes" } (records(desk, &past)) } });
    Ok(View::Page(page))
}

fn history(desk: &Desk<'_>, pool: Option<&str>, worker: Option<&str>) -> Result<Vec<WorkerRecord>, Error> {
    let (pool, worker) = (pool.map(str::to_owned), worker.map(str::to_owned));
    desk.read(|records| records.workers(&WorkerFilter { pool, worker, limit: Some(HISTORY) }))
}

fn pools<'p>(desk: &Desk<'_>, all: impl Iterator<Item = &'p PoolStatus>) -> Markup {
    let body = html! {
        @for pool in all {
            tr {
                td { (processes::of_pool(desk, pool)) }
                td { (text(&pool.kind)) }
                td.hide { @for queue in &pool.queues { a href=(desk.urls.to(&["queues", queue.as_str()])) { (text(queue.as_str())) } " " } }
                td.n { (pool.busy) }
                td { (text(&pool.state)) }
                td { (pool_actions(desk, pool)) }
            }
        }
    };
    table("Pools", &["pool", "kind", "~queues", "#busy", "state", ""], &body)
}

fn pool_actions(desk: &Desk<'_>, pool: &PoolStatus) -> Markup {
    if !desk.may(Role::Operator) {
        return html! {};
    }
    let to = |verb: &str| desk.urls.to(&["pools", &pool.name, verb]);
    let scale = |by: &str| {
        html! {
            form method="post" action=(to("scale")) {
                button name="workers" value=(by) aria-label=(format!("{by} worker")) { (by) }
            }
        }
    };
    html! { (scale("-1")) (scale("+1")) (button(&to("restart"), "Restart", false)) }
}

fn workers(desk: &Desk<'_>, all: &[&WorkerStatus]) -> Markup {
    let has_lines = all.len() <= LINES;
    let mut headings = vec!["worker", "state", "job", "#jobs done", "#memory"];
    headings.extend(has_lines.then_some("~10 minutes"));
    headings.extend(["#~CPU", "#up", "#~restarts", "~last exit", ""]);
    let body = html! {
        @for worker in all.iter().take(PAGE) {
            tr {
                th scope="row" { a href=(desk.urls.to(&["workers", &worker.id])) { (text(&worker.id)) } }
                td .bad[matches!(worker.state, WorkerState::Backoff | WorkerState::GivenUp)] { (worker.state.as_str()) }
                td {
                    @if let Some(job) = &worker.job {
                        a href=(desk.urls.to(&["jobs", &job.id.to_string()])) { (text(&job.kind)) " " (job.id) }
                        " " (seconds(job.running_s))
                    }
                }
                td.n { (number(worker.jobs_done)) }
                td.n { (size(worker.memory_bytes)) }
                @if has_lines { td.hide { (spark(desk.memory.of(&worker.id, desk.now))) } }
                td.n.hide { (worker.cpu_percent.map_or_else(|| "–".to_owned(), |cpu| format!("{cpu:.1} %"))) }
                td.n { (seconds(worker.uptime_s)) }
                td.n.hide { (worker.restarts) }
                td.hide { (last_exit(worker)) }
                td { @if desk.may(Role::Operator) { (button(&desk.urls.to(&["workers", &worker.id, "restart"]), "Restart", false)) } }
            }
        }
    };
    html! {
        @if !all.is_empty() {
            h2 { "Workers" }
            (table("Now", &headings, &body))
            @if all.len() > PAGE { p.dim { "and " (all.len() - PAGE) " more; each pool has a page" } }
        }
    }
}

fn last_exit(worker: &WorkerStatus) -> String {
    let exit = worker.last_exit.as_ref().map(|exit| match (&exit.signal, exit.exit_code) {
        (Some(signal), _) => format!("{} ({})", text(&exit.reason), text(signal)),
        (None, Some(code)) => format!("{} (exit code {code})", text(&exit.reason)),
        (None, None) => text(&exit.reason),
    });
    worker.note.as_deref().map(text).or(exit).unwrap_or_default()
}

fn records(desk: &Desk<'_>, all: &[WorkerRecord]) -> Markup {
    let body = html! {
        @for one in all {
            @let code = one.signal.as_deref().map(text).or_else(|| one.exit_code.map(|code| format!("exit code {code}")));
            tr {
                td { a href=(desk.urls.to(&["workers", &one.id])) { (text(&one.id)) } }
                td.n { (one.pid) }
                td { (ago(desk.now, one.started_at)) }
                td { @if let Some(at) = one.ended_at { (ago(desk.now, at)) } @else { "lives" } }
                td { (one.reason.map_or("–", |reason| reason.as_str())) @if let Some(code) = code { " (" (code) ")" } }
                td.n { (number(one.jobs_done)) }
                td.n { (size(one.peak_memory_bytes)) }
            }
        }
    };
    table("Processes of workers, newest first", &["worker", "#pid", "started", "ended", "why", "#jobs", "#peak"], &body)
}

fn find(desk: &Desk<'_>) -> Result<Named, Error> {
    named::find(desk.context, &desk.asked.name, &desk.seen.found)
}

pub(in crate::web) fn one(desk: &Desk<'_>) -> Result<View, Error> {
    let name = desk.asked.name.as_str();
    let past = history(desk, None, Some(name))?;
    // A worker that is gone is on record yet.
    let found = match find(desk) {
        Ok(found) => found,
        Err(error) if past.is_empty() || desk.asked.wants_json => return Err(error),
        Err(_) => Named { queues: Vec::new(), pools: Vec::new(), workers: Vec::new(), log: None },
    };
    if desk.asked.wants_json {
        return View::json(&found);
    }
    let filter = RunFilter { limit: Some(RUNS), ..RunFilter::default() };
    let mut of_worker = desk.read(|records| records.runs(&filter))?;
    of_worker.retain(|run| run.worker.as_deref() == Some(name));
    of_worker.truncate(20);
    let page = Page::new("workers", name, format!("queue-work status {}", words::command([name])))
        .live(
            "worker",
            html! {
                (workers(desk, &found.workers.iter().collect::<Vec<_>>()))
                (below(desk, found.workers.first()))
            },
        )
        .fixed(
            "output",
            html! {
                @if found.log.is_some() {
                    h2 { "Output" }
                    (output::text_field(desk, &["workers", name]))
                    (output::pane(desk, &["workers", name, "output"], &output::of_worker(desk)?)?)
                    p.dim { "All of it: " code { "queue-work logs " (words::command([name])) } }
                }
            },
        )
        .live("runs", html! { @if !of_worker.is_empty() { h2 { "Runs" } (runs::rows(desk, &of_worker, true)) } })
        .live("past", html! { @if !past.is_empty() { h2 { "Processes" } (records(desk, &past)) } });
    Ok(View::Page(page))
}

/// The memory of a worker in the last minutes, and the processes below it.
fn below(desk: &Desk<'_>, worker: Option<&WorkerStatus>) -> Markup {
    let Some((worker, pid)) = worker.and_then(|worker| Some((worker, worker.pid?))) else { return html! {} };
    let line = desk.memory.of(&worker.id, desk.now);
    let most = line.iter().flatten().fold(0.0, |most: f64, value| most.max(*value)) as u64;
    let caption = format!("Memory of the last ten minutes, while somebody looked: at most {}", words::bytes(most));
    html! {
        (chart(&html! { (caption) }, &caption, &[Series { class: "line", values: line }], &[]))
        h2 { "Its processes" }
        ul.tree { (processes::family(desk, pid)) }
    }
}

pub(in crate::web) fn pool(desk: &Desk<'_>) -> Result<View, Error> {
    let name = desk.asked.name.as_str();
    let found = find(desk)?;
    if desk.asked.wants_json {
        return View::json(&found);
    }
    let missing = || Error::NotFound(format!("there is no pool `{}`; see `queue-work status`", text(name)));
    let pool = found.pools.first().ok_or_else(missing)?;
    let of_pool: Vec<&WorkerStatus> = desk.status().workers.iter().filter(|worker| worker.pool == name).collect();
    let past = history(desk, Some(name), None)?;
    let page = Page::new("workers", name, format!("queue-work status {}", words::command([name])))
        .live("pool", pools(desk, std::iter::once(pool)))
        .live("workers", workers(desk, &of_pool))
        .live(
            "limits",
            html! {
                h2 { "Limits" }
                dl.facts { @for (key, value) in &pool.limits { dt { (key) } dd { (text(value)) } } }
            },
        )
        .live("past", html! { @if !past.is_empty() { h2 { "Processes" } (records(desk, &past)) } });
    Ok(View::Page(page))
}
