//! The status document for people: what is wrong first, then queues, pools, and as many workers as there is room for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::colours::{RED, YELLOW};
use super::status::{MasterStatus, PoolStatus, Status, UNREACHABLE};
use super::status_tables::{limits, more, pools, queues, workers};
use super::words;
use crate::model::fingerprint::template;
use crate::model::{Cause, JobId, QueueName, UnixMicros};
use crate::store::DeadGroup;

/// Causes of death that are named.
const MOST_CAUSES: usize = 3;
/// Rows of a table that are shown, however small the screen is.
const LEAST_ROWS: usize = 3;

/// The screen, and the records that are shown beside the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct View<'a> {
    /// Columns of the terminal; `None`: any number.
    pub width: Option<usize>,
    /// Lines of the terminal; `None`: any number.
    pub height: Option<usize>,
    /// Dead jobs, the newest first; not all where there are many.
    pub dead: &'a [DeadGroup],
    /// How many groups there are in all.
    pub dead_groups: usize,
    /// Running jobs by id, with their command or type in short.
    pub tasks: Option<&'a BTreeMap<JobId, String>>,
    /// One line on processors that went wrong.
    pub processors: Option<&'a str>,
    pub now: UnixMicros,
}

/// What is shown of the pools.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pools {
    WithLimits,
    Table,
    Nothing,
}

/// Everything, one block after the other; on a small screen as much as fits.
#[must_use]
pub fn status(status: &Status, view: View<'_>) -> String {
    let taken = |blocks: &[String]| blocks.iter().map(|block| rows(block, view.width) + 1).sum::<usize>();
    // The heading of the workers, the line that counts the others, the prompt.
    let room = |blocks: &[String]| view.height.map_or(usize::MAX, |height| height.saturating_sub(taken(blocks) + 3));
    let (all, few) = (status.workers.len(), status.workers.len().min(LEAST_ROWS));
    let part = |n: usize| view.height.map_or(usize::MAX, |height| (height / n).max(LEAST_ROWS));
    // From everything to the least: rows of queues, of pools and of problems; what of pools; workers that must fit.
    let ways = [
        (usize::MAX, Pools::WithLimits, all),
        (usize::MAX, Pools::Table, few),
        (part(4), Pools::Table, few),
        (part(6), Pools::Table, few),
        (part(10), Pools::Table, few),
        (LEAST_ROWS, Pools::Nothing, few),
        (2, Pools::Nothing, few),
    ];
    let mut found = ways.into_iter().map(|(most, pools, workers)| (above_workers(status, most, pools, view), workers));
    let mut blocks = found
        .find_map(|(blocks, workers)| (room(&blocks) >= workers).then_some(blocks))
        .unwrap_or_else(|| above_workers(status, 1, Pools::Nothing, view));
    if !status.workers.is_empty() {
        blocks.push(workers(&status.workers, room(&blocks).max(LEAST_ROWS), view));
    }
    blocks.join("\n")
}

/// The master, what is wrong, queues and pools, of each so many at most.
fn above_workers(status: &Status, most: usize, shown: Pools, view: View<'_>) -> Vec<String> {
    let mut head: String = status.master.iter().map(|m| master_lines(m, status.jobs_per_s, view.width)).collect();
    let of_pool = |pool: &PoolStatus| pool.problem.as_ref().map(|problem| pool_problem(pool, problem));
    let unserved = status.unserved.iter().map(|found| warning(&found.problem));
    let problems: Vec<String> = unserved.chain(status.pools.iter().filter_map(of_pool)).collect();
    head.extend(problems.iter().take(most).map(String::as_str));
    head.push_str(&more(problems.len(), most, "problem"));
    head.push_str(&dead(status.queues.iter().map(|queue| queue.dead).sum(), None, view));
    if let Some(line) = view.processors {
        let _ = writeln!(head, "{RED}{}{RED:#}", fitting(line, view.width));
    }
    let mut blocks = vec![head];
    let fetch_elsewhere = !status.pools.is_empty() && status.pools.iter().all(|pool| pool.queues.is_empty());
    if !status.queues.is_empty() {
        blocks.push(queues(&status.queues, most, view));
    } else if !fetch_elsewhere {
        blocks.push("no jobs yet; add one with `queue-work push -- CMD …`\n".to_owned());
    }
    if !status.pools.is_empty() && shown != Pools::Nothing {
        blocks.push(pools(&status.pools, most, view));
    }
    if shown == Pools::WithLimits {
        blocks.push(limits(&status.pools) + &autoscaled(&status.pools));
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// The pools that scale themselves, each with its reason.
fn autoscaled(pools: &[PoolStatus]) -> String {
    pools.iter().filter_map(|pool| Some(format!("autoscale {}\n", pool.autoscale.as_ref()?.line()))).collect()
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

pub(super) fn pool_problem(pool: &PoolStatus, problem: &str) -> String {
    warning(&format!("pool `{}`: {problem}", pool.name))
}

/// Why so many jobs are dead, in all queues or in one: the commonest errors.
pub(super) fn dead(all: u64, queue: Option<&QueueName>, view: View<'_>) -> String {
    // A line that says that there is one more could as well say which.
    let most = if view.dead_groups == MOST_CAUSES + 1 { view.dead_groups } else { MOST_CAUSES };
    let named = &view.dead[..view.dead.len().min(most)];
    let Some(first) = named.first() else { return String::new() };
    let mut text = format!("{RED}dead: {}{RED:#}\n", words::count(all, "job"));
    for DeadGroup { jobs, newest } in named {
        let why = newest.error.as_deref().map(template);
        let why = why.as_deref().or(newest.cause.map(Cause::as_str)).unwrap_or("no error");
        let line = format!("{jobs:>7} x {} {}", words::one_line(&newest.kind, 30), words::one_line(why, 200));
        let ago = format!(" ({})", words::ago(view.now, newest.finished_at.unwrap_or_default()));
        let _ = writeln!(
            text,
            "{RED}{}{ago}{RED:#}",
            fitting(&line, view.width.map(|width| width.saturating_sub(ago.len())))
        );
    }
    let others = view.dead_groups.saturating_sub(named.len());
    if others > 0 {
        let jobs = all.saturating_sub(named.iter().map(|group| group.jobs).sum());
        let _ = writeln!(
            text,
            "{RED}{jobs:>7} x {}; see `queue-work jobs --state dead{}`{RED:#}",
            words::count(others as u64, "other error"),
            queue.map(|name| format!(" --queue {name}")).unwrap_or_default()
        );
    }
    // A single queue has a next step of its own; and a command that is cut is of no use.
    if let (None, Some(fingerprint)) = (queue, first.newest.fingerprint) {
        let hint = format!("retry the first: `queue-work jobs retry --error {fingerprint}`");
        if view.width.is_none_or(|width| hint.len() <= width) {
            text.push_str(&hint);
            text.push('\n');
        }
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
    if let Some(until) = master.debug_until {
        let _ = writeln!(text, "debug until {}; `queue-work debug off` ends it", words::time_of_day(until));
    }
    for problem in &master.problems {
        text.push_str(&warning(problem));
    }
    text
}

fn answering(master: &MasterStatus, jobs_per_s: f64) -> String {
    format!(
        "{} {} is {} for {}, {} jobs/s (10 s), generation {}, memory {}\n\
         database `{}`, durability {}, containment {}, version {}\n",
        if master.single { "single worker, master" } else { "master" },
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
