//! Batches, for people, and as JSON with what follows from the counts.

use std::fmt::Write as _;

use serde::Serialize;

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::batch::{BatchCounts, BatchRecord};
use crate::model::{JobRecord, UnixMicros};

/// A batch with how far it is; serialises to the JSON of `batches show`.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    pub batch: BatchRecord,
    pub jobs: u64,
    pub percent: f64,
    /// How long it may take still; `null` where that is not known, or where all have ended.
    pub left_s: Option<f64>,
}

impl Shown {
    #[must_use]
    pub fn of(batch: BatchRecord, now: UnixMicros) -> Self {
        let (jobs, percent, left_s) = (batch.counts.all(), batch.percent(), batch.seconds_left(now));
        Self { batch, jobs, percent, left_s }
    }
}

/// A row for each.
#[must_use]
pub fn table(batches: &[Shown], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("id", Align::Right),
        Column("name", Align::Left),
        Column("jobs", Align::Right),
        Column("ended", Align::Right),
        Column("open", Align::Right),
        Column("dead", Align::Right),
        Column("cancelled", Align::Right),
        Column("left", Align::Left),
        Column("pushed", Align::Left),
    ];
    let row = |Shown { batch, .. }: &Shown| {
        vec![
            batch.id.to_string(),
            batch.name.as_deref().map_or_else(|| "-".to_owned(), |name| words::one_line(name, 40)),
            batch.counts.all().to_string(),
            percent(batch),
            batch.counts.open().to_string(),
            batch.counts.dead.to_string(),
            batch.counts.cancelled.to_string(),
            left(batch, now).unwrap_or_else(|| "-".to_owned()),
            words::ago(now, batch.pushed_at),
        ]
    };
    let room = Room { width, without: &[], cut: &[("name", 8)], leave_out: &["cancelled", "pushed", "left"] };
    render_within(room, &columns, batches.iter().map(row).collect())
}

/// One that has not ended is never at 100 %.
#[must_use]
pub fn percent(batch: &BatchRecord) -> String {
    let percent = if batch.counts.open() > 0 { batch.percent().min(99.9) } else { 100.0 };
    format!("{:.1} %", (percent * 10.0).floor() / 10.0)
}

/// How long it may take still.
#[must_use]
pub fn left(batch: &BatchRecord, now: UnixMicros) -> Option<String> {
    batch.seconds_left(now).map(|seconds| format!("about {}", words::seconds(seconds.ceil())))
}

/// Batch 7 `night`.
#[must_use]
pub fn title(batch: &BatchRecord) -> String {
    let name = batch.name.as_deref().map(|name| format!(" `{}`", words::escape(name))).unwrap_or_default();
    format!("batch {}{name}", batch.id)
}

/// How many jobs are in each state that any is in: 990 succeeded, 10 dead.
#[must_use]
pub fn states(counts: &BatchCounts) -> String {
    let all = [
        (counts.blocked, "blocked"),
        (counts.scheduled, "scheduled"),
        (counts.ready, "ready"),
        (counts.running, "running"),
        (counts.succeeded, "succeeded"),
        (counts.dead, "dead"),
        (counts.cancelled, "cancelled"),
        (counts.gone, "gone"),
    ];
    let some: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, state)| format!("{n} {state}")).collect();
    if some.is_empty() { "none".to_owned() } else { some.join(", ") }
}

/// How one has ended.
#[must_use]
pub fn ended(batch: &BatchRecord) -> String {
    let BatchCounts { succeeded, dead, cancelled, .. } = batch.counts;
    format!("{} has ended: {succeeded} succeeded, {dead} dead, {cancelled} cancelled", title(batch))
}

/// Everything about one, with the jobs that come after it.
#[must_use]
pub fn text(batch: &BatchRecord, followers: &[JobRecord], now: UnixMicros) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<13} {value}");
    };
    line("batch", batch.id.to_string());
    line("name", batch.name.as_deref().map_or_else(|| "-".to_owned(), words::escape));
    line("pushed", format!("{} ({})", words::time(batch.pushed_at), words::ago(now, batch.pushed_at)));
    line("jobs", format!("{}: {}", batch.counts.all(), states(&batch.counts)));
    let left = left(batch, now).map(|left| format!(", {left} left")).unwrap_or_default();
    line("ended", format!("{}{left}", percent(batch)));
    for job in followers {
        let what = if Some(job.id) == batch.then { "then" } else { "then failed" };
        line(what, format!("job {} ({}): {}", job.id, job.state.as_str(), words::one_line(&words::task(job), 60)));
    }
    line("see", format!("`queue-work jobs --batch {}`", batch.id));
    out
}
