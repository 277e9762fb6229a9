//! The status document as tables for people: what is wrong first, then queues, pools, and as many workers as there is
//! room for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::status::{MasterStatus, PoolStatus, QueueStatus, Status, UNREACHABLE, WorkerJob, WorkerStatus};
use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::fingerprint::template;
use crate::model::{JobId, JobRecord, UnixMicros, WorkerState};

/// The most of a progress message that fits a table.
const MESSAGE_CHARS: usize = 40;
/// Causes of death that are named.
const MOST_CAUSES: usize = 3;
/// Workers that are shown, however small the screen is.
const LEAST_WORKERS: usize = 3;

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
    let mut wrong: String = status.unserved.iter().map(|found| warning(&found.problem)).collect();
    for pool in &status.pools {
        if let Some(problem) = &pool.problem {
            wrong.push_str(&warning(&format!("pool `{}`: {problem}", pool.name)));
        }
    }
    wrong.push_str(&dead(status, view));
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
        blocks.push(queues(&status.queues, view));
    }
    if !status.pools.is_empty() {
        blocks.push(pools(&status.pools, view));
        blocks.push(limits(&status.pools));
    }
    blocks.retain(|block| !block.is_empty());
    if !status.workers.is_empty() {
        let lines = |blocks: &[String]| blocks.iter().map(|block| block.lines().count() + 1).sum::<usize>();
        // Heading of the workers, the line that counts the others, the prompt.
        let room = |blocks: &[String]| view.height.map(|height| height.saturating_sub(lines(blocks) + 3));
        if room(&blocks).is_some_and(|room| room < status.workers.len() + 1) && !status.pools.is_empty() {
            blocks.pop();
        }
        let shown = room(&blocks).map_or(usize::MAX, |room| room.max(LEAST_WORKERS));
        blocks.push(workers(&status.workers, shown, view));
    }
    blocks.join("\n")
}

/// Why jobs are dead: the commonest causes among the newest of them.
fn dead(status: &Status, view: View<'_>) -> String {
    let all: u64 = status.queues.iter().map(|queue| queue.dead).sum();
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
    let red = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into()));
    // A line that says that there is one more could as well say which.
    let named = if causes.len() == MOST_CAUSES + 1 { causes.len() } else { MOST_CAUSES };
    let seen = view.dead.len() as u64;
    let of = if seen < all { format!(", of the newest {seen}") } else { String::new() };
    let mut text = format!("{red}dead: {}{of}{red:#}\n", words::count(all, "job"));
    for ((kind, why), (jobs, last)) in causes.iter().take(named) {
        let line = format!("{jobs:>7} x {} {}", words::one_line(kind, 30), words::one_line(why, 200));
        let ago = format!(" ({})", words::ago(view.now, *last));
        let _ = writeln!(
            text,
            "{red}{}{ago}{red:#}",
            fitting(&line, view.width.map(|width| width.saturating_sub(ago.len())))
        );
    }
    let others = causes.len().saturating_sub(named);
    if others > 0 {
        let jobs: u64 = causes.iter().skip(named).map(|(_, (jobs, _))| jobs).sum();
        let _ = writeln!(
            text,
            "{red}{jobs:>7} x {}; see `queue-work jobs --state dead`{red:#}",
            words::count(others as u64, "other cause")
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
        "master {} is {} for {}, {jobs_per_s:.1} jobs/s (generation {}, {}, version {})\ndatabase `{}`, durability {}, containment {}\n",
        master.pid,
        master.state,
        words::seconds(master.uptime_s),
        master.generation,
        words::bytes(master.memory_bytes),
        master.version,
        master.database,
        master.durability,
        master.containment,
    )
}

fn warning(problem: &str) -> String {
    let yellow = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Yellow.into()));
    format!("{yellow}problem: {}{yellow:#}\n", words::one_line(problem, 2_000))
}

fn queues(queues: &[QueueStatus], view: View<'_>) -> String {
    let columns = [
        Column("queue", Align::Left),
        Column("ready", Align::Right),
        Column("scheduled", Align::Right),
        Column("running", Align::Right),
        Column("dead", Align::Right),
        Column("waiting for", Align::Right),
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
            q.succeeded_total.to_string(),
            q.failed_total.to_string(),
        ]
    };
    let leave_out = ["succeeded", "failed runs", "scheduled", "waiting for"];
    let room = Room { width: view.width, cut: &[("queue", 12)], leave_out: &leave_out, ..Room::default() };
    render_within(room, &columns, queues.iter().map(row).collect())
}

fn pools(pools: &[PoolStatus], view: View<'_>) -> String {
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
        let queues: Vec<&str> = p.queues.iter().map(crate::model::QueueName::as_str).collect();
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
    render_within(room, &columns, pools.iter().map(row).collect())
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
fn workers(workers: &[WorkerStatus], shown: usize, view: View<'_>) -> String {
    let columns = [
        Column("worker", Align::Left),
        Column("pid", Align::Right),
        Column("state", Align::Left),
        Column("jobs", Align::Right),
        Column("memory", Align::Right),
        Column("peak", Align::Right),
        Column("cpu", Align::Right),
        Column("up", Align::Right),
        Column("restarts", Align::Right),
        Column("job", Align::Left),
    ];
    let mut first: Vec<&WorkerStatus> = workers.iter().collect();
    if shown < workers.len() {
        first.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| running(b).total_cmp(&running(a))));
        first.truncate(shown);
    }
    let leave_out = ["peak", "restarts", "cpu", "up", "pid", "jobs", "memory"];
    let room = Room { width: view.width, cut: &[("job", 24)], leave_out: &leave_out, ..Room::default() };
    let mut text = render_within(room, &columns, first.iter().map(|worker| worker_row(worker, view)).collect());
    if shown < workers.len() {
        let left = workers.len() - shown;
        let _ = writeln!(text, "and {}; see all with `--all`", words::count(left as u64, "more worker"));
    }
    text
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

fn worker_row(w: &WorkerStatus, view: View<'_>) -> Vec<String> {
    let dash = || "-".to_owned();
    let state = match w.deadline_s {
        Some(left) => format!("{} ({} left)", w.state.as_str(), words::seconds(left)),
        None => w.state.as_str().to_owned(),
    };
    vec![
        w.id.clone(),
        w.pid.map_or_else(dash, |pid| pid.to_string()),
        state,
        w.jobs_done.to_string(),
        w.memory_bytes.map_or_else(dash, words::bytes),
        w.peak_memory_bytes.map_or_else(dash, words::bytes),
        w.cpu_percent.map_or_else(dash, |cpu| format!("{cpu:.0}%")),
        words::seconds(w.uptime_s),
        w.restarts.to_string(),
        w.job.as_ref().map_or_else(dash, |running| job(running, view)),
    ]
}

fn job(job: &WorkerJob, view: View<'_>) -> String {
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
