//! Jobs, runs and workers on record, as tables and as the long form of one job.

use std::fmt::Write as _;

use super::events::end_reason;
use super::tables::{Align, Column, render};
use super::words;
use crate::model::{Detail, JobRecord, JobState, Outcome, RunRecord, WorkerRecord};

/// The most of args or an error that fits a table.
const CELL_CHARS: usize = 50;

/// A table of jobs.
#[must_use]
pub fn jobs(jobs: &[JobRecord]) -> String {
    let columns = [
        Column("id", Align::Right),
        Column("type", Align::Left),
        Column("queue", Align::Left),
        Column("state", Align::Left),
        Column("prio", Align::Right),
        Column("attempts", Align::Right),
        Column("due", Align::Left),
        Column("args", Align::Left),
        Column("error", Align::Left),
    ];
    let row = |j: &JobRecord| {
        vec![
            j.id.to_string(),
            words::one_line(&j.kind, 30),
            j.queue.to_string(),
            words::state(j),
            j.priority.to_string(),
            j.counters.attempts.to_string(),
            words::time(j.due_at),
            words::one_line(&words::args(j), CELL_CHARS),
            words::one_line(j.error.as_deref().unwrap_or_default(), CELL_CHARS),
        ]
    };
    render(&columns, jobs.iter().map(row).collect())
}

/// A table of runs.
#[must_use]
pub fn runs(runs: &[RunRecord]) -> String {
    let columns = [
        Column("run", Align::Right),
        Column("job", Align::Right),
        Column("type", Align::Left),
        Column("queue", Align::Left),
        Column("worker", Align::Left),
        Column("attempt", Align::Right),
        Column("outcome", Align::Left),
        Column("ended", Align::Left),
        Column("took", Align::Right),
        Column("waited", Align::Right),
        Column("peak", Align::Right),
        Column("error", Align::Left),
    ];
    let row = |r: &RunRecord| {
        vec![
            r.id.to_string(),
            r.job_id.to_string(),
            words::one_line(&r.kind, 30),
            r.queue.to_string(),
            r.worker.clone().unwrap_or_else(|| "-".into()),
            r.attempt.to_string(),
            outcome(r),
            words::time(r.ended_at),
            words::seconds(r.duration_s),
            words::seconds(r.waited_s),
            r.peak_memory_bytes.map_or_else(|| "-".into(), words::bytes),
            words::one_line(r.detail.error.as_deref().unwrap_or_default(), CELL_CHARS),
        ]
    };
    render(&columns, runs.iter().map(row).collect())
}

fn outcome(run: &RunRecord) -> String {
    if let (Outcome::Released | Outcome::Cancelled, Some(cause)) = (run.outcome, run.cause) {
        return format!("{} ({cause})", run.outcome.as_str());
    }
    let why = match (&run.detail.signal, run.detail.exit_code.filter(|c| *c != 0), run.cause) {
        (Some(signal), _, _) => words::one_line(signal, 20),
        (None, Some(code), _) => format!("exit code {code}"),
        (None, None, Some(cause)) => cause.to_string(),
        (None, None, None) => return run.outcome.as_str().to_owned(),
    };
    format!("{} ({why})", run.outcome.as_str())
}

/// A table of workers.
#[must_use]
pub fn workers(workers: &[WorkerRecord]) -> String {
    let columns = [
        Column("worker", Align::Left),
        Column("pid", Align::Right),
        Column("generation", Align::Right),
        Column("started", Align::Left),
        Column("ended", Align::Left),
        Column("why", Align::Left),
        Column("jobs", Align::Right),
        Column("peak", Align::Right),
    ];
    let row = |w: &WorkerRecord| {
        let exit = match (&w.signal, w.exit_code) {
            (Some(signal), _) => format!(" ({signal})"),
            (None, Some(code)) => format!(" (exit code {code})"),
            (None, None) => String::new(),
        };
        vec![
            w.id.clone(),
            w.pid.to_string(),
            w.generation.to_string(),
            words::time(w.started_at),
            w.ended_at.map_or_else(|| "-".into(), words::time),
            w.reason.map_or_else(|| "-".into(), |r| format!("{}{exit}", end_reason(r))),
            w.jobs_done.to_string(),
            w.peak_memory_bytes.map_or_else(|| "-".into(), words::bytes),
        ]
    };
    render(&columns, workers.iter().map(row).collect())
}

/// Everything about one job, with its runs.
#[must_use]
pub fn job(job: &JobRecord, runs_of_it: &[RunRecord]) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<13} {value}");
    };
    let maybe = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    line("job", job.id.to_string());
    line("type", words::escape(&job.kind));
    line("queue", job.queue.to_string());
    line("state", words::state(job));
    line("args", words::escape(&words::args(job)));
    line("priority", job.priority.to_string());
    line("unique", maybe(job.unique.as_deref().map(words::escape)));
    // The limit of a job that succeeded at once is not on record.
    let limit = job.max_attempts.filter(|_| job.state != JobState::Succeeded || job.counters.attempts > 0);
    let of = limit.map(|n| format!(" of {n}")).unwrap_or_default();
    line("attempts", format!("{}{of}", job.counters.attempts));
    line("crashes", job.counters.crashes.to_string());
    line("releases", job.counters.releases.to_string());
    line("timeout", maybe(job.timeout_s.map(words::seconds)));
    line("pushed", words::time(job.pushed_at));
    line("due", words::time(job.due_at));
    line("expires", maybe(job.expires_at.map(words::time)));
    line("finished", maybe(job.finished_at.map(words::time)));
    if let Some(progress) = &job.progress {
        let percent = progress.percent.map(|p| format!("{p:.0}% ")).unwrap_or_default();
        line("progress", format!("{percent}{}", words::escape(progress.message.as_deref().unwrap_or_default())));
    }
    line("error", maybe(job.error.as_deref().map(words::escape)));
    line("result", maybe(job.result.as_ref().map(|r| words::escape(r.get()))));
    if !runs_of_it.is_empty() {
        let _ = write!(out, "\n{}", runs(runs_of_it));
        out.push_str(&last_words(runs_of_it));
    }
    out
}

/// Where the last run failed, and the last lines that it printed.
fn last_words(runs: &[RunRecord]) -> String {
    let Some(last) = runs.first() else { return String::new() };
    let Detail { backtrace, stdout_tail, stderr_tail, .. } = &last.detail;
    let texts = [
        ("backtrace", backtrace.as_deref().unwrap_or_default()),
        ("last lines on stdout", stdout_tail),
        ("last lines on stderr", stderr_tail),
    ];
    let shown = |(name, text): (&str, &str)| {
        let text = words::escape(text.trim_end());
        (!text.is_empty()).then(|| format!("\n{name} of run {}:\n{text}\n", last.id))
    };
    texts.into_iter().filter_map(shown).collect()
}
