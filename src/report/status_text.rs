//! The status document as tables for people: what is wrong first, then queues, pools, and as many workers as there is
//! room for.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::colours::{RED, YELLOW};
use super::events::end_reason;
use super::status::{MasterStatus, PoolStatus, QueueStatus, Status, UNREACHABLE, WorkerJob, WorkerStatus};
use super::tables::{Align, Column, Room, render_within};
use super::{lists, words};
use crate::model::fingerprint::template;
use crate::model::worker::EndReason;
use crate::model::{JobId, JobRecord, QueueName, UnixMicros, WorkerState};

/// The most of a progress message that fits a table.
const MESSAGE_CHARS: usize = 40;
/// Causes of death that are named.
const MOST_CAUSES: usize = 3;
/// Rows of a table that are shown, however small the screen is.
const LEAST_ROWS: usize = 3;
/// The part of a screen that queues, pools and problems may take each, where not everything fits.
const PART: usize = 5;

/// The screen, and the records that are shown beside the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct View<'a> {
    /// Columns of the terminal; `None`: any number.
    pub width: Option<usize>,
    /// Lines of the terminal; `None`: any number.
    pub height: Option<usize>,
    /// Dead jobs, the newest first; not all where there are many.
    pub dead: &'a [JobRecord],
    /// Running jobs by id, with their command or type in short.
    pub tasks: Option<&'a BTreeMap<JobId, String>>,
    pub now: UnixMicros,
}

/// Everything, one block after the other.
#[must_use]
pub fn status(status: &Status, view: View<'_>) -> String {
    let mut blocks: Vec<String> =
        status.master.iter().map(|m| master_lines(m, status.jobs_per_s, view.width)).collect();
    let of_pool = |pool: &PoolStatus| pool.problem.as_ref().map(|problem| pool_problem(pool, problem));
    let unserved = status.unserved.iter().map(|found| warning(&found.problem));
    let problems: Vec<String> = unserved.chain(status.pools.iter().filter_map(of_pool)).collect();
    let needed = problems.len() + status.queues.len() + status.pools.len() + MOST_CAUSES + LEAST_ROWS + 12;
    let part =
        view.height.filter(|height| needed > *height).map_or(usize::MAX, |height| (height / PART).max(LEAST_ROWS));
    let mut wrong: String = problems.iter().take(part).map(String::as_str).collect();
    wrong.push_str(&more(problems.len(), part, "problem"));
    let all_dead = status.queues.iter().map(|queue| queue.dead).sum();
    wrong.push_str(&dead(all_dead, None, view));
    match blocks.last_mut() {
        Some(master) => master.push_str(&wrong),
        None => blocks.extend(Some(wrong).filter(|text| !text.is_empty())),
    }
    let fetch_elsewhere = !status.pools.is_empty() && status.pools.iter().all(|pool| pool.queues.is_empty());
    if status.queues.is_empty() && fetch_elsewhere {
        // There is nothing to say of queues.
    } else if status.queues.is_empty() {
        blocks.push("no jobs yet; add one with `queue-work push -- CMD …`\n".to_owned());
    } else {
        blocks.push(queues(&status.queues, part, view));
    }
    if !status.pools.is_empty() {
        blocks.push(pools(&status.pools, part, view));
        blocks.push(limits(&status.pools));
    }
    blocks.retain(|block| !block.is_empty());
    if !status.workers.is_empty() {
        let lines = |blocks: &[String]| blocks.iter().map(|block| rows(block, view.width) + 1).sum::<usize>();
        // Heading of the workers, the line that counts the others, the prompt.
        let room = |blocks: &[String]| view.height.map(|height| height.saturating_sub(lines(blocks) + 3));
        if room(&blocks).is_some_and(|room| room < status.workers.len() + 1) && !status.pools.is_empty() {
            blocks.pop();
        }
        let shown = room(&blocks).map_or(usize::MAX, |room| room.max(LEAST_ROWS));
        blocks.push(workers(&status.workers, shown, view));
    }
    blocks.join("\n")
}

/// Rows of the screen that a text takes: one that is wider takes several.
#[must_use]
pub fn rows(text: &str, width: Option<usize>) -> usize {
    let row = |line: &str| match width {
        Some(width @ 1..) => anstream::adapter::strip_str(line).to_string().width().div_ceil(width).max(1),
        Some(0) | None => 1,
    };
    text.lines().map(row).sum()
}

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
fn more(all: usize, shown: usize, what: &str) -> String {
    let left = all.saturating_sub(shown);
    if left == 0 {
        return String::new();
    }
    format!("and {}; see all with `--all`\n", words::count(left as u64, &format!("more {what}")))
}

pub(super) fn pool_problem(pool: &PoolStatus, problem: &str) -> String {
    warning(&format!("pool `{}`: {problem}", pool.name))
}

/// Why so many jobs are dead, in all queues or in one: the commonest causes among the newest of them.
pub(super) fn dead(all: u64, queue: Option<&QueueName>, view: View<'_>) -> String {
    let mut causes: BTreeMap<(&str, String), (u64, UnixMicros)> = BTreeMap::new();
    for job in view.dead {
        let why = job
            .error
            .as_deref()
            .map_or_else(|| job.cause.map_or("no error", |cause| cause.as_str()).to_owned(), template);
        let cause = causes.entry((&job.kind, why)).or_default();
        *cause = (cause.0 + 1, cause.1.max(job.finished_at.unwrap_or_default()));
    }
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(_, (jobs, _))| std::cmp::Reverse(*jobs));
    if causes.is_empty() {
        return String::new();
    }
    // A line that says that there is one more could as well say which.
    let named = if causes.len() == MOST_CAUSES + 1 { causes.len() } else { MOST_CAUSES };
    let seen = view.dead.len() as u64;
    let of = if seen < all { format!(", of the newest {seen}") } else { String::new() };
    let mut text = format!("{RED}dead: {}{of}{RED:#}\n", words::count(all, "job"));
    for ((kind, why), (jobs, last)) in causes.iter().take(named) {
        let line = format!("{jobs:>7} x {} {}", words::one_line(kind, 30), words::one_line(why, 200));
        let ago = format!(" ({})", words::ago(view.now, *last));
        let _ = writeln!(
            text,
            "{RED}{}{ago}{RED:#}",
            fitting(&line, view.width.map(|width| width.saturating_sub(ago.len())))
        );
    }
    let others = causes.len().saturating_sub(named);
    if others > 0 {
        let jobs: u64 = causes.iter().skip(named).map(|(_, (jobs, _))| jobs).sum();
        let _ = writeln!(
            text,
            "{RED}{jobs:>7} x {}; see `queue-work jobs --state dead{}`{RED:#}",
            words::count(others as u64, "other cause"),
            queue.map(|name| format!(" --queue {name}")).unwrap_or_default()
        );
    }
    text
}

fn fitting(text: &str, width: Option<usize>) -> String {
    width.map_or_else(|| text.to_owned(), |width| words::one_line(text, width))
}

fn master_lines(master: &MasterStatus, jobs_per_s: f64, width: Option<usize>) -> String {
    let mut text = if master.state == UNREACHABLE {
        format!("master {} is unreachable; below is what the store knows\ndatabase `{}`\n", master.pid, master.database)
    } else {
        answering(master, jobs_per_s)
    };
    if let Some(width) = width {
        text = text.lines().map(|line| words::one_line(line, width) + "\n").collect();
    }
    for problem in &master.problems {
        text.push_str(&warning(problem));
    }
    text
}

fn answering(master: &MasterStatus, jobs_per_s: f64) -> String {
    format!(
        "master {} is {} for {}, {} jobs/s (10 s), generation {}, memory {}\n\
         database `{}`, durability {}, containment {}, version {}\n",
        master.pid,
        master.state,
        words::seconds(master.uptime_s),
        words::rate(jobs_per_s),
        master.generation,
        words::bytes(master.memory_bytes),
        master.database,
        master.durability,
        master.containment,
        master.version,
    )
}

pub(super) fn warning(problem: &str) -> String {
    format!("{YELLOW}problem: {}{YELLOW:#}\n", words::one_line(problem, 2_000))
}

/// As many queues as there is room for: those with most to do or dead.
fn queues(queues: &[QueueStatus], shown: usize, view: View<'_>) -> String {
    let columns = [
        Column("queue", Align::Left),
        Column("ready", Align::Right),
        Column("scheduled", Align::Right),
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
    // Without a master they are not known.
    let without: &[_] =
        if queues.iter().any(|q| q.done_per_s.is_some()) { &[] } else { &["done/s (1 min)", "empty in"] };
    let room = Room { width: view.width, cut: &[("queue", 12)], leave_out: &leave_out, without };
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
fn pools(pools: &[PoolStatus], shown: usize, view: View<'_>) -> String {
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
        let queues: Vec<&str> = p.queues.iter().map(QueueName::as_str).collect();
        vec![
            if p.wanted == 0 { format!("{} (stopped)", p.name) } else { p.name.clone() },
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
fn limits(pools: &[PoolStatus]) -> String {
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
pub(super) fn workers(workers: &[WorkerStatus], shown: usize, view: View<'_>) -> String {
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
        WorkerState::Backoff => 0,
        WorkerState::Stopping => 1,
        WorkerState::Draining => 2,
        WorkerState::Starting => 3,
        WorkerState::Busy | WorkerState::Running => 4,
        WorkerState::Idle => 5,
    }
}

fn running(worker: &WorkerStatus) -> f64 {
    worker.job.as_ref().map_or(0.0, |job| job.running_s)
}

pub(super) fn state(worker: &WorkerStatus) -> String {
    match worker.deadline_s {
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
