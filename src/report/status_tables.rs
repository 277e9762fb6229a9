//! Queues, pools and workers of the status document as tables, each with as many rows as there is room for.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::events::end_reason;
use super::status::{PoolStatus, QueueStatus, WorkerJob, WorkerStatus};
use super::status_text::View;
use super::tables::{Align, Column, Room, render_within};
use super::{lists, words};
use crate::model::worker::EndReason;
use crate::model::{QueueName, WorkerState};

/// The most of a progress message that fits a table.
const MESSAGE_CHARS: usize = 40;

/// The rows that are worth most, where there is room for so many.
fn first<T>(all: &[T], shown: usize, by: impl Fn(&T, &T) -> Ordering) -> Vec<&T> {
    let mut first: Vec<&T> = all.iter().collect();
    if shown < all.len() {
        first.sort_by(|a, b| by(a, b));
        first.truncate(shown);
    }
    first
}

/// The line that counts the others.
pub(super) fn more(all: usize, shown: usize, what: &str) -> String {
    let left = all.saturating_sub(shown);
    if left == 0 {
        return String::new();
    }
    format!("and {}; see all with `--all`\n", words::count(left as u64, &format!("more {what}")))
}

/// As many queues as there is room for: those with most to do or dead.
#[must_use]
pub fn queues(queues: &[QueueStatus], shown: usize, view: View<'_>) -> String {
    let columns = [
        Column("queue", Align::Left),
        Column("ready", Align::Right),
        Column("scheduled", Align::Right),
        Column("blocked", Align::Right),
        Column("running", Align::Right),
        Column("dead", Align::Right),
        Column("waiting for", Align::Right),
        Column("done/s (1 min)", Align::Right),
        Column("empty in", Align::Right),
        Column("succeeded", Align::Right),
        Column("failed runs", Align::Right),
    ];
    let row = |q: &QueueStatus| {
        vec![
            if q.paused { format!("{} (paused)", q.name) } else { q.name.to_string() },
            q.ready.to_string(),
            q.scheduled.to_string(),
            q.blocked.to_string(),
            q.running.to_string(),
            q.dead.to_string(),
            q.oldest_ready_s.map_or_else(|| "-".into(), words::seconds),
            q.done_per_s.map_or_else(|| "-".into(), words::rate),
            empty_in(q).unwrap_or_else(|| "-".into()),
            q.succeeded_total.to_string(),
            q.failed_total.to_string(),
        ]
    };
    let leave_out = ["succeeded", "failed runs", "scheduled", "waiting for", "done/s (1 min)"];
    let mut without = Vec::new();
    if queues.iter().all(|q| q.blocked == 0) {
        without.push("blocked");
    }
    // Without a master they are not known.
    if queues.iter().all(|q| q.done_per_s.is_none()) {
        without.extend(["done/s (1 min)", "empty in"]);
    }
    let room = Room { width: view.width, cut: &[("queue", 12)], leave_out: &leave_out, without: &without };
    let weight = |q: &QueueStatus| q.ready + q.running + q.dead;
    let first = first(queues, shown, |a, b| weight(b).cmp(&weight(a)));
    render_within(room, &columns, first.into_iter().map(row).collect()) + &more(queues.len(), shown, "queue")
}

/// `4m`, `grows`, or nothing where neither is known.
pub(super) fn empty_in(queue: &QueueStatus) -> Option<String> {
    let left = queue.empty_in_s.map(|seconds| words::about(seconds.ceil() as u64));
    left.or_else(|| queue.grows().then(|| "grows".to_owned()))
}

/// As many pools as there is room for: those in trouble, then the largest.
#[must_use]
pub fn pools(pools: &[PoolStatus], shown: usize, view: View<'_>) -> String {
    let columns = [
        Column("pool", Align::Left),
        Column("kind", Align::Left),
        Column("queues", Align::Left),
        Column("wanted", Align::Right),
        Column("ready", Align::Right),
        Column("busy", Align::Right),
        Column("starting", Align::Right),
        Column("draining", Align::Right),
    ];
    let row = |p: &PoolStatus| {
        let queues: Vec<&str> =
            p.queues.iter().map(QueueName::as_str).chain(p.listen.iter().map(String::as_str)).collect();
        vec![
            match p.state.as_str() {
                "running" => p.name.clone(),
                "waiting" => format!("{} (waits for {})", p.name, words::list(&p.waits_for)),
                state => format!("{} ({state})", p.name),
            },
            p.kind.clone(),
            queues.join(","),
            p.wanted.to_string(),
            p.ready.to_string(),
            p.busy.to_string(),
            p.starting.to_string(),
            p.draining.to_string(),
        ]
    };
    let room = Room {
        width: view.width,
        cut: &[("queues", 10), ("pool", 10)],
        leave_out: &["kind", "draining", "starting"],
        ..Room::default()
    };
    let first = first(pools, shown, |a, b| (b.problem.is_some(), b.wanted).cmp(&(a.problem.is_some(), a.wanted)));
    render_within(room, &columns, first.into_iter().map(row).collect()) + &more(pools.len(), shown, "pool")
}

/// The limits of all pools; once, where they are the same.
pub(super) fn limits(pools: &[PoolStatus]) -> String {
    let mut same: Vec<(String, Vec<&str>)> = Vec::new();
    for pool in pools {
        let limits = words::limits(&pool.limits);
        match same.iter_mut().find(|(known, _)| *known == limits) {
            Some((_, names)) => names.push(&pool.name),
            None => same.push((limits, vec![&pool.name])),
        }
    }
    let mut text = String::new();
    for (limits, names) in same.iter().filter(|(limits, _)| !limits.is_empty()) {
        let _ = writeln!(text, "limits of {}: {limits}", words::list(names));
    }
    text
}

/// As many workers as there is room for: those that are in trouble, then those that have run their job for longest.
#[must_use]
pub fn workers(workers: &[WorkerStatus], shown: usize, view: View<'_>) -> String {
    let columns = [
        Column("worker", Align::Left),
        Column("pid", Align::Right),
        Column("state", Align::Left),
        Column("jobs", Align::Right),
        Column("memory", Align::Right),
        Column("peak", Align::Right),
        Column("cpu", Align::Right),
        Column("up", Align::Right),
        Column("crashes", Align::Right),
        Column("last exit", Align::Left),
        Column("job", Align::Left),
    ];
    let by = |a: &WorkerStatus, b: &WorkerStatus| rank(a).cmp(&rank(b)).then(running(b).total_cmp(&running(a)));
    let first = first(workers, shown, by);
    let leave_out = ["peak", "last exit", "crashes", "cpu", "up", "pid", "jobs", "memory"];
    let without: &[_] = if first.iter().any(|w| w.last_exit.is_some()) { &[] } else { &["crashes", "last exit"] };
    let room = Room { width: view.width, cut: &[("job", 24)], leave_out: &leave_out, without };
    let rows = first.into_iter().map(|worker| worker_row(worker, view)).collect();
    render_within(room, &columns, rows) + &more(workers.len(), shown, "worker")
}

const fn rank(worker: &WorkerStatus) -> u8 {
    match worker.state {
        WorkerState::Backoff | WorkerState::GivenUp => 0,
        WorkerState::Stopping => 1,
        WorkerState::Draining => 2,
        WorkerState::Starting => 3,
        WorkerState::Busy | WorkerState::Running => 4,
        WorkerState::Idle => 5,
        WorkerState::Finished => 6,
    }
}

fn running(worker: &WorkerStatus) -> f64 {
    worker.job.as_ref().map_or(0.0, |job| job.running_s)
}

pub(super) fn state(worker: &WorkerStatus) -> String {
    match worker.deadline_s {
        None if worker.note.is_some() => worker.note.clone().unwrap_or_default(),
        Some(left) => format!("{} ({} left)", worker.state.as_str(), words::seconds(left)),
        None => worker.state.as_str().to_owned(),
    }
}

fn worker_row(w: &WorkerStatus, view: View<'_>) -> Vec<String> {
    let dash = || "-".to_owned();
    vec![
        w.id.clone(),
        w.pid.map_or_else(dash, |pid| pid.to_string()),
        state(w),
        w.jobs_done.to_string(),
        w.memory_bytes.map_or_else(dash, words::bytes),
        w.peak_memory_bytes.map_or_else(dash, words::bytes),
        w.cpu_percent.map_or_else(dash, |cpu| format!("{cpu:.0}%")),
        words::seconds(w.uptime_s),
        w.crashes.to_string(),
        last_exit(w).unwrap_or_else(dash),
        w.job.as_ref().map_or_else(dash, |running| job(running, view)),
    ]
}

/// How the process before ended.
pub(super) fn last_exit(worker: &WorkerStatus) -> Option<String> {
    let exit = worker.last_exit.as_ref()?;
    let known = EndReason::ALL.into_iter().find(|reason| reason.as_str() == exit.reason);
    let reason = known.map_or(exit.reason.as_str(), |reason| end_reason(reason));
    Some(lists::ending(reason, exit.signal.as_deref(), exit.exit_code))
}

pub(super) fn job(job: &WorkerJob, view: View<'_>) -> String {
    let task = view.tasks.and_then(|tasks| tasks.get(&job.id)).unwrap_or(&job.kind);
    let mut text = format!("{}, {}: {}", job.id, words::seconds(job.running_s), words::one_line(task, 100));
    if job.attempt > 1 {
        let _ = write!(text, ", attempt {}", job.attempt);
    }
    if let Some(progress) = &job.progress {
        let percent = progress.percent.map(|p| format!(", {p:.0}%")).unwrap_or_default();
        let message = progress.message.as_deref().map(|m| format!(", {}", words::one_line(m, MESSAGE_CHARS)));
        let _ = write!(text, "{percent}{}", message.unwrap_or_default());
    }
    text
}
