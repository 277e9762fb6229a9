//! The status document as tables for people.

use std::fmt::Write as _;

use super::status::{MasterStatus, PoolStatus, QueueStatus, Status, UNREACHABLE, WorkerJob, WorkerStatus};
use super::tables::{Align, Column, render};
use super::words;

/// The most of a progress message that fits a table.
const MESSAGE_CHARS: usize = 40;

/// Everything, one block after the other.
#[must_use]
pub fn status(status: &Status) -> String {
    let mut blocks: Vec<String> = status.master.iter().map(|m| master_lines(m, status.jobs_per_s)).collect();
    let unserved: String = status.unserved.iter().map(|found| warning(&found.problem)).collect();
    match blocks.last_mut() {
        Some(master) => master.push_str(&unserved),
        None => blocks.extend(Some(unserved).filter(|text| !text.is_empty())),
    }
    let fetch_elsewhere = !status.pools.is_empty() && status.pools.iter().all(|pool| pool.queues.is_empty());
    if status.queues.is_empty() && fetch_elsewhere {
        // There is nothing to say of queues.
    } else if status.queues.is_empty() {
        blocks.push("no jobs yet; add one with `queue-work push -- CMD …`\n".to_owned());
    } else {
        blocks.push(queues(&status.queues));
    }
    if !status.pools.is_empty() {
        blocks.push(pools(&status.pools));
    }
    if !status.workers.is_empty() {
        blocks.push(workers(&status.workers));
    }
    blocks.join("\n")
}

fn master_lines(master: &MasterStatus, jobs_per_s: f64) -> String {
    let mut text = if master.state == UNREACHABLE {
        format!("master {} is unreachable; below is what the store knows\ndatabase `{}`\n", master.pid, master.database)
    } else {
        answering(master, jobs_per_s)
    };
    for problem in &master.problems {
        text.push_str(&warning(problem));
    }
    text
}

fn answering(master: &MasterStatus, jobs_per_s: f64) -> String {
    format!(
        "master {} is {} for {} (generation {}, {}, version {}), {jobs_per_s:.1} jobs/s\ndatabase `{}`, durability {}, containment {}\n",
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

fn queues(queues: &[QueueStatus]) -> String {
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
    render(&columns, queues.iter().map(row).collect())
}

fn pools(pools: &[PoolStatus]) -> String {
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
            p.name.clone(),
            p.kind.clone(),
            queues.join(","),
            p.wanted.to_string(),
            p.ready.to_string(),
            p.busy.to_string(),
            p.starting.to_string(),
            p.draining.to_string(),
        ]
    };
    let mut text = render(&columns, pools.iter().map(row).collect());
    for pool in pools {
        let limits = words::limits(&pool.limits);
        if !limits.is_empty() {
            let _ = writeln!(text, "limits of `{}`: {limits}", pool.name);
        }
        if let Some(problem) = &pool.problem {
            text.push_str(&warning(&format!("pool `{}`: {problem}", pool.name)));
        }
    }
    text
}

fn workers(workers: &[WorkerStatus]) -> String {
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
    render(&columns, workers.iter().map(worker_row).collect())
}

fn worker_row(w: &WorkerStatus) -> Vec<String> {
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
        w.job.as_ref().map_or_else(dash, job),
    ]
}

fn job(job: &WorkerJob) -> String {
    let mut text = format!("{} {} for {}", job.id, words::one_line(&job.kind, 30), words::seconds(job.running_s));
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
