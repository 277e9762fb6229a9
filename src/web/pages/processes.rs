//! The picture of the processes: the master, its pools, a square for each worker.

use maud::{Markup, html};

use crate::cli::backend;
use crate::model::WorkerState;
use crate::process::identity::children_of;
use crate::report::status::{PoolStatus, WorkerStatus};
use crate::report::words;
use crate::web::desk::Desk;
use crate::web::html::{size, text};
use crate::web::token::Role;

/// Squares of a pool at most.
const MOST: usize = 200;
/// Workers of a pool whose processes are looked up for the picture, and processes that are in it.
const LOOKED_AT: usize = 100;
const SHOWN: usize = 40;
/// Generations below a worker.
const DEPTH: usize = 4;

pub(super) fn tree(desk: &Desk<'_>) -> Markup {
    let Some(master) = &desk.status().master else {
        return html! { p.empty { "No master runs." } };
    };
    let mut left = SHOWN;
    html! {
        ul.tree { li {
            "master " (master.pid) " · " (size(Some(master.memory_bytes)))
            ul {
                @for pool in &desk.status().pools {
                    li { (of_pool(desk, pool)) (families(desk, pool, &mut left)) }
                }
                @if let Some(web) = &master.web { li { "page" @if let Some(pid) = web.pid { " " (pid) } " · " (size(web.memory_bytes)) } }
            }
        } }
    }
}

/// The workers of a pool that have processes below them, with these.
fn families(desk: &Desk<'_>, pool: &PoolStatus, left: &mut usize) -> Markup {
    let workers = desk.status().workers.iter().filter(|worker| worker.pool == pool.name).take(LOOKED_AT);
    let parents: Vec<_> = workers
        .filter_map(|worker| Some((worker, worker.pid?)))
        .filter(|(_, pid)| !children_of(*pid).is_empty())
        .collect();
    html! {
        @if !parents.is_empty() && *left > 0 {
            ul { @for (worker, pid) in parents {
                @if *left > 0 {
                    li { a href=(desk.urls.to(&["workers", &worker.id])) { (text(&worker.id)) } ul { @for child in children_of(pid) { (branch(desk, child, DEPTH, left)) } } }
                }
            } }
        }
    }
}

/// A process and those below it, as the system has them.
pub(super) fn family(desk: &Desk<'_>, pid: u32) -> Markup {
    let mut left = MOST;
    branch(desk, pid, DEPTH + 1, &mut left)
}

/// The arguments of a process may hold secrets, and are for an admin.
fn branch(desk: &Desk<'_>, pid: u32, depth: usize, left: &mut usize) -> Markup {
    let Some(rest) = left.checked_sub(1) else { return html! {} };
    *left = rest;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words =
        if desk.asked.role >= Role::Admin { &*line } else { line.split(|b| *b == 0).next().unwrap_or_default() };
    let command = String::from_utf8_lossy(words).replace('\0', " ");
    let children = if depth > 0 { children_of(pid) } else { Vec::new() };
    html! {
        li {
            (pid) " " code { (text(&command)) } " · " (size(backend::memory_of(pid)))
            @if !children.is_empty() { ul { @for child in children { (branch(desk, child, depth - 1, left)) } } }
        }
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
