//! The picture of the processes: the master, its pools, a square for each worker.

use maud::{Markup, html};

use crate::model::WorkerState;
use crate::report::status::{PoolStatus, WorkerStatus};
use crate::report::words;
use crate::web::desk::Desk;
use crate::web::html::{size, text};

/// Squares of a pool at most.
const MOST: usize = 200;

pub(super) fn tree(desk: &Desk<'_>) -> Markup {
    let Some(master) = &desk.status().master else {
        return html! { p.empty { "No master runs." } };
    };
    html! {
        ul.tree { li {
            "master " (master.pid) " · " (size(Some(master.memory_bytes)))
            ul {
                @for pool in &desk.status().pools { li { (of_pool(desk, pool)) } }
                @if let Some(web) = &master.web { li { "page" @if let Some(pid) = web.pid { " " (pid) } " · " (size(web.memory_bytes)) } }
            }
        } }
    }
}

/// A pool with its workers.
pub(super) fn of_pool(desk: &Desk<'_>, pool: &PoolStatus) -> Markup {
    let workers: Vec<_> = desk.status().workers.iter().filter(|worker| worker.pool == pool.name).collect();
    let memory = workers.iter().filter_map(|worker| worker.memory_bytes).sum();
    html! {
        a href=(desk.urls.to(&["pools", &pool.name])) { (text(&pool.name)) }
        " " (pool.ready) " of " (pool.wanted) " · " (words::bytes(memory)) " "
        span.w { @for worker in workers.iter().take(MOST) { (square(desk, worker)) } }
        @if workers.len() > MOST { " and " (workers.len() - MOST) " more" }
        @if let Some(problem) = &pool.problem { " " span.bad { (text(problem)) } }
    }
}

fn square(desk: &Desk<'_>, worker: &WorkerStatus) -> Markup {
    let class = match worker.state {
        WorkerState::Busy | WorkerState::Running => "b",
        WorkerState::Idle => "i",
        WorkerState::Draining | WorkerState::Stopping => "d",
        WorkerState::Starting => "s",
        WorkerState::Backoff | WorkerState::GivenUp | WorkerState::Finished => "x",
    };
    let label = format!("{}: {}", text(&worker.id), worker.state.as_str());
    html! { a.(class) href=(desk.urls.to(&["workers", &worker.id])) title=(label) aria-label=(label) {} }
}
