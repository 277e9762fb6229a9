//! Memory that job types keep, as a table.

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::leak::{TypeMemory, Verdict};

/// A row for each type.
#[must_use]
pub fn table(types: &[TypeMemory], width: Option<usize>) -> String {
    let columns = [
        Column("type", Align::Left),
        Column("runs", Align::Right),
        Column("kept a run", Align::Right),
        Column("peak p95", Align::Right),
        Column("verdict", Align::Left),
    ];
    let row = |t: &TypeMemory| {
        vec![
            words::one_line(&t.kind, 64),
            t.runs.to_string(),
            kept(t.kept_bytes_per_run),
            t.peak_p95_bytes.map_or_else(|| "-".into(), words::bytes),
            verdict(t),
        ]
    };
    let room = Room { width, without: &[], cut: &[("type", 12)], leave_out: &["peak p95", "runs"] };
    render_within(room, &columns, types.iter().map(row).collect())
}

/// Bytes, also fewer than before.
#[must_use]
pub fn kept(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", words::bytes(bytes.unsigned_abs()))
}

/// Whether a type leaks, and what helps.
#[must_use]
pub fn verdict(t: &TypeMemory) -> String {
    match (t.verdict, t.max_jobs) {
        (Verdict::Leaks, Some(jobs)) => format!("leaks; `max_jobs = {jobs}` keeps it under +64M"),
        (Verdict::Leaks, None) => "leaks".into(),
        (Verdict::Steady, _) => "steady".into(),
        (Verdict::TooFew, _) => "too few runs to tell".into(),
    }
}
