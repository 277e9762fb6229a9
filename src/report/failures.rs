//! Errors that runs failed of: as a table, and one error in full.

use std::fmt::Write as _;

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::failure::HOURS;
use crate::model::{FailureRecord, RunRecord, UnixMicros};

/// The most of a text that is read from one row, where the width of the output sets no limit.
const CELL_CHARS: usize = 200;
/// Signs of a trend, from the least to the most; an hour without a failure has a sign of its own.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const NONE: char = '·';

/// A table of errors.
#[must_use]
pub fn table(failures: &[FailureRecord], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("error", Align::Left),
        Column("type", Align::Left),
        Column("dead", Align::Right),
        Column("1h", Align::Right),
        Column("24h", Align::Right),
        Column("runs", Align::Right),
        Column("last", Align::Left),
        Column("message", Align::Left),
    ];
    let row = |f: &FailureRecord| {
        vec![
            f.fingerprint.to_string(),
            words::one_line(&f.kind, 30),
            f.dead_now.to_string(),
            f.runs_1h.to_string(),
            f.runs_24h.to_string(),
            f.runs.to_string(),
            words::ago(now, f.last_at),
            words::one_line(&f.message, CELL_CHARS),
        ]
    };
    let room =
        Room { width, without: &[], cut: &[("message", 16), ("type", 8)], leave_out: &["24h", "runs", "type", "last"] };
    render_within(room, &columns, failures.iter().map(row).collect())
}

/// Everything about one error; `sample`: its last run, while that is on record.
#[must_use]
pub fn one(f: &FailureRecord, sample: Option<&RunRecord>, now: UnixMicros) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<13} {value}");
    };
    let at = |at: UnixMicros| format!("{} ({})", words::time(at), words::ago(now, at));
    line("error", f.fingerprint.to_string());
    line("type", words::escape(&f.kind));
    line("message", words::escape(&f.message));
    if let Some(error_type) = &f.error_type {
        line("kind", words::escape(error_type));
    }
    line("queues", f.queues.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    line("failed runs", format!("{} in the last hour, {} in a day, {} in all", f.runs_1h, f.runs_24h, f.runs));
    line("dead now", f.dead_now.to_string());
    if let Some(note) = &f.said.note {
        line("note", words::escape(note));
    }
    if let Some(until) = f.said.muted_until {
        line("muted until", words::time(until));
    }
    line("first seen", at(f.first_at));
    line("last seen", at(f.last_at));
    let most = f.trend.iter().max().copied().unwrap_or_default();
    line("trend", format!("{} {HOURS} hours, {most} an hour at most", trend(&f.trend)));
    if let Some(run) = sample {
        let (worker, took) = (run.worker.as_deref().unwrap_or("no worker"), words::seconds(run.duration_s));
        line(
            "last run",
            format!("{} of job {}, attempt {}, on {worker}, took {took}", run.id, run.job_id, run.attempt),
        );
        let detail = &run.detail;
        let texts = [
            ("error", detail.error.as_deref().unwrap_or_default()),
            ("backtrace", detail.backtrace.as_deref().unwrap_or_default()),
            ("last lines on stderr", &detail.stderr_tail),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.trim_end().is_empty()) {
            let _ = write!(out, "\n{name} of run {}:\n{}\n", run.id, words::escape(text.trim_end()));
        }
    }
    out.push_str(&next_steps(f, sample));
    out
}

fn next_steps(f: &FailureRecord, sample: Option<&RunRecord>) -> String {
    let (fingerprint, dead) = (f.fingerprint, words::count(f.dead_now, "dead job"));
    if f.dead_now > 0 {
        return format!(
            "\nlook at the {dead}: `queue-work jobs list --error {fingerprint}`\n\
             run again: `queue-work jobs retry --error {fingerprint}`\n"
        );
    }
    let job = sample.map(|run| format!("; the last: `queue-work jobs show {}`", run.job_id)).unwrap_or_default();
    format!("\nno job is dead of it{job}\n")
}

/// A sign for each hour.
fn trend(hours: &[u64]) -> String {
    let most = hours.iter().max().copied().unwrap_or_default().max(1);
    let sign = |runs: &u64| match runs {
        0 => NONE,
        runs => BARS[((runs * BARS.len() as u64).div_ceil(most) as usize).clamp(1, BARS.len()) - 1],
    };
    hours.iter().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_has_a_sign_for_each_hour_and_the_tallest_for_the_most() {
        assert_eq!(trend(&[0, 1, 4, 8]), "·▁▄█");
        assert_eq!(trend(&[0, 0, 3]), "··█");
        assert_eq!(trend(&[1, 1_000_000]), "▁█");
        assert_eq!(trend(&[0, 0]), "··");
    }
}
