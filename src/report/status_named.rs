//! One queue, pool or worker in full, as `status NAME` shows it: what it does, what is wrong with it, the next step.

use std::fmt::Write as _;

use anstyle::Style;

use super::events::log_line;
use super::services::calls_now;
use super::status::{Named, PoolStatus, QueueStatus, Status, WorkerStatus};
use super::status_tables::{self, empty_in, last_exit, state};
use super::status_text::{View, dead, pool_problem, rows, warning};
use super::{colours, words};
use crate::wire::control::LogLine;

/// Workers of a pool that are shown, however small the screen is.
const LEAST_WORKERS: usize = 3;

/// All that has a name, one after the other; `status`: where it was found.
#[must_use]
pub fn named(named: &Named, status: &Status, view: View<'_>) -> String {
    let mut blocks: Vec<String> = named.queues.iter().map(|of| queue(of, status, view)).collect();
    let above = blocks.iter().map(|block| rows(block, view.width) + 1).sum();
    blocks.extend(named.pools.iter().map(|of| pool(of, status, above, view)));
    blocks.extend(named.workers.iter().map(|of| worker(of, view)));
    blocks.extend(named.log.as_ref().map(|lines| log(lines)));
    blocks.join("\n")
}

/// A heading, and a line for each fact.
struct Facts(String);

impl Facts {
    fn of(what: &str, name: &str) -> Self {
        let bold = Style::new().bold();
        Self(format!("{bold}{what} `{name}`{bold:#}\n"))
    }

    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name:<13} {value}");
    }

    fn state(&mut self, word: &str, rest: &str) {
        let colour = colours::of_state(word);
        self.line("state", format_args!("{colour}{word}{colour:#}{rest}"));
    }

    fn next_steps(&mut self, steps: Vec<String>) {
        for (n, step) in steps.into_iter().enumerate() {
            self.line(if n == 0 { "next step" } else { "" }, step);
        }
    }
}

fn queue(queue: &QueueStatus, status: &Status, view: View<'_>) -> String {
    let name = &queue.name;
    let mut facts = Facts::of("queue", name.as_str());
    if queue.paused {
        facts.state("paused", "");
    }
    let oldest = queue.oldest_ready_s.map(|s| format!(", the first of them for {}", words::seconds(s)));
    facts.line("ready", format_args!("{}{}", queue.ready, oldest.unwrap_or_default()));
    facts.line("scheduled", queue.scheduled);
    if queue.blocked > 0 {
        facts.line("blocked", queue.blocked);
    }
    facts.line("running", queue.running);
    facts.line("dead", queue.dead);
    facts.line("succeeded", queue.succeeded_total);
    facts.line("failed runs", queue.failed_total);
    if let (Some(done), Some(pushed)) = (queue.done_per_s, queue.pushed_per_s) {
        let end = match empty_in(queue) {
            Some(_) if queue.empty_in_s.is_none() => "; it grows".to_owned(),
            Some(left) => format!("; empty in {left}"),
            None => String::new(),
        };
        let (done, pushed) = (words::rate(done), words::rate(pushed));
        facts.line("rate", format_args!("{done} jobs/s done, {pushed} jobs/s pushed (1 min){end}"));
    }
    let serving: Vec<&PoolStatus> = status.pools.iter().filter(|pool| pool.queues.contains(name)).collect();
    let worded = |pool: &&PoolStatus| format!("`{}` ({} of {} workers busy)", pool.name, pool.busy, pool.wanted);
    if status.master.is_some() {
        let pools: Vec<String> = serving.iter().map(worded).collect();
        facts.line("served by", if pools.is_empty() { "no pool".to_owned() } else { pools.join(", ") });
    }
    let unserved: Vec<_> = status.unserved.iter().filter(|found| found.queue == *name).collect();
    if unserved.is_empty() {
        facts.next_steps(after_queue(queue, &serving));
    }
    let Facts(mut text) = facts;
    text.extend(unserved.iter().map(|found| warning(&found.problem)));
    // One of the same name is shown itself.
    let others = serving.iter().filter(|pool| pool.name != name.as_str());
    text.extend(others.filter_map(|pool| Some(pool_problem(pool, pool.problem.as_ref()?))));
    text + &dead(queue.dead, Some(name), view)
}

/// Commands worth typing next, as far as the state of the queue tells.
fn after_queue(queue: &QueueStatus, serving: &[&PoolStatus]) -> Vec<String> {
    let QueueStatus { name, paused, dead, .. } = queue;
    if *paused {
        return vec![format!("let it go on with `queue-work resume {name}`")];
    }
    let mut steps = Vec::new();
    if *dead > 0 {
        steps.push(format!("see the dead with `queue-work jobs --queue {name} --state dead`"));
        steps.push(format!("try them again with `queue-work jobs retry --all --queue {name}`"));
    }
    let is_full = |pool: &&&PoolStatus| pool.problem.is_none() && pool.busy >= pool.wanted;
    if let (true, Some(pool)) = (queue.grows(), serving.iter().find(is_full)) {
        steps.push(format!("add a worker with `queue-work scale +1 --pool {}`", pool.name));
    }
    steps
}

/// A pool, below so many rows.
fn pool(pool: &PoolStatus, status: &Status, above: usize, view: View<'_>) -> String {
    let mut facts = Facts::of("pool", &pool.name);
    let PoolStatus { wanted, ready, busy, starting, draining, .. } = pool;
    let counts = format!(": {wanted} wanted, {ready} ready, {busy} busy, {starting} starting, {draining} draining");
    facts.state(&pool.state, &counts);
    facts.line("kind", &pool.kind);
    if !pool.queues.is_empty() {
        facts.line("serves", words::list(&pool.queues));
        facts.line("takes", pool.takes.iter().map(|kind| words::escape(kind)).collect::<Vec<_>>().join(", "));
    }
    if !pool.listen.is_empty() {
        facts.line("listens", words::list(&pool.listen));
    }
    if let Some(calls) = &pool.calls {
        let now = calls_now(calls).unwrap_or_else(|| "none".to_owned());
        facts.line("calls", format!("{now}; {} since the gateway began, {} errors", calls.calls, calls.errors));
    }
    facts.line("limits", words::limits(&pool.limits));
    if let Some(autoscale) = &pool.autoscale {
        facts.line("autoscale", autoscale.line());
    }
    let workers: Vec<WorkerStatus> = status.workers.iter().filter(|w| w.pool == pool.name).cloned().collect();
    facts.next_steps(after_pool(pool, &workers).into_iter().collect());
    let Facts(mut text) = facts;
    text.extend(pool.problem.iter().map(|problem| pool_problem(pool, problem)));
    if !workers.is_empty() {
        // An empty line, the heading, the line that counts the others, the prompt.
        let taken = above + rows(&text, view.width) + 4;
        let shown = view.height.map_or(usize::MAX, |height| height.saturating_sub(taken).max(LEAST_WORKERS));
        let _ = write!(text, "\n{}", status_tables::workers(&workers, shown, view));
    }
    text
}

fn after_pool(pool: &PoolStatus, workers: &[WorkerStatus]) -> Option<String> {
    if pool.state == "stopped" {
        let number = if pool.autoscale.is_some() { "auto" } else { "1" };
        return Some(format!("start it again with `queue-work scale {number} --pool {}`", pool.name));
    }
    let first = workers.first().filter(|_| pool.problem.is_some())?;
    Some(format!("see what a worker printed with `queue-work logs {}`", first.id))
}

fn worker(worker: &WorkerStatus, view: View<'_>) -> String {
    let mut facts = Facts::of("worker", &worker.id);
    let dash = || "-".to_owned();
    let word = worker.state.as_str();
    facts.state(word, state(worker).strip_prefix(word).unwrap_or_default());
    facts.line("pool", &worker.pool);
    facts.line("pid", worker.pid.map_or_else(dash, |pid| pid.to_string()));
    let peak = worker.peak_memory_bytes.map(|peak| format!(", {} at most", words::bytes(peak))).unwrap_or_default();
    facts.line("memory", worker.memory_bytes.map_or_else(dash, words::bytes) + &peak);
    facts.line("cpu", worker.cpu_percent.map_or_else(dash, |cpu| format!("{cpu:.0}%")));
    facts.line("up", worker.pid.map_or_else(dash, |_| words::seconds(worker.uptime_s)));
    facts.line("jobs", worker.jobs_done);
    let replaced = match (worker.restarts, worker.crashes) {
        (0, _) => "never".to_owned(),
        (restarts, 0) => words::count(restarts, "time"),
        (restarts, 1) => format!("{}, once after a crash", words::count(restarts, "time")),
        (restarts, crashes) => format!("{}, {crashes} of them after a crash", words::count(restarts, "time")),
    };
    facts.line("replaced", replaced);
    facts.line("last exit", last_exit(worker).unwrap_or_else(dash));
    facts.line("job", worker.job.as_ref().map_or_else(dash, |running| status_tables::job(running, view)));
    facts.0
}

/// The last lines that the worker printed.
fn log(lines: &[LogLine]) -> String {
    if lines.is_empty() {
        return "nothing printed yet\n".to_owned();
    }
    lines.iter().fold(String::from("last lines:\n"), |text, line| text + &log_line(line, false) + "\n")
}
