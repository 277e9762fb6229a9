//! Jobs, runs and workers on record, as tables and as the long form of one job.

use std::fmt::Write as _;

use super::events::end_reason;
use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::call_log::{CallRecord, LoggedCall};
use crate::model::{Cause, Detail, EXEC, JobRecord, JobState, Outcome, RunRecord, UnixMicros, WorkerRecord};

/// The most of a text that is read from one row, where the width of the output sets no limit.
const CELL_CHARS: usize = 200;
/// Jobs named that another comes after.
const AFTER: usize = 10;

/// A table of jobs: what each is to do, since when it is in its state, and why it failed.
#[must_use]
pub fn jobs(jobs: &[JobRecord], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("id", Align::Right),
        Column("state", Align::Left),
        Column("when", Align::Left),
        Column("queue", Align::Left),
        Column("prio", Align::Right),
        Column("attempts", Align::Right),
        Column("label", Align::Left),
        Column("job", Align::Left),
        Column("error", Align::Left),
    ];
    let row = |j: &JobRecord| {
        vec![
            j.id.to_string(),
            if j.cause == Some(Cause::MaxAttempts) { j.state.as_str().to_owned() } else { words::state(j) },
            words::ago(now, j.finished_at.unwrap_or(j.due_at)),
            j.queue.to_string(),
            j.priority.to_string(),
            j.counters.attempts.to_string(),
            words::one_line(j.label.as_deref().unwrap_or_default(), CELL_CHARS),
            words::one_line(&words::task(j), CELL_CHARS),
            words::one_line(j.error.as_deref().unwrap_or_default(), CELL_CHARS),
        ]
    };
    let all_zero = [
        ("label", jobs.iter().all(|j| j.label.is_none())),
        ("prio", jobs.iter().all(|j| j.priority == 0)),
        ("attempts", jobs.iter().all(|j| j.counters.attempts == 0)),
        ("error", jobs.iter().all(|j| j.error.is_none())),
    ];
    let without: Vec<_> = all_zero.into_iter().filter(|(_, nothing)| *nothing).map(|(heading, _)| heading).collect();
    let room = Room {
        width,
        without: &without,
        cut: &[("label", 8), ("job", 16), ("error", 16)],
        leave_out: &["prio", "attempts", "queue", "when", "error"],
    };
    render_within(room, &columns, jobs.iter().map(row).collect())
}

/// A table of runs.
#[must_use]
pub fn runs(runs: &[RunRecord], now: UnixMicros, width: Option<usize>) -> String {
    runs_without(&[], runs, now, width)
}

fn runs_without(without: &[&'static str], runs: &[RunRecord], now: UnixMicros, width: Option<usize>) -> String {
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
            words::ago(now, r.ended_at),
            words::seconds(r.duration_s),
            words::seconds(r.waited_s),
            r.peak_memory_bytes.map_or_else(|| "-".into(), words::bytes),
            words::one_line(r.detail.error.as_deref().unwrap_or_default(), CELL_CHARS),
        ]
    };
    let room = Room {
        width,
        without,
        cut: &[("error", 16), ("type", 8)],
        leave_out: &["waited", "queue", "peak", "attempt", "worker", "type", "ended", "error"],
    };
    render_within(room, &columns, runs.iter().map(row).collect())
}

/// Calls of services as a table.
#[must_use]
pub fn calls(calls: &[CallRecord], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("call", Align::Right),
        Column("service", Align::Left),
        Column("method", Align::Left),
        Column("worker", Align::Left),
        Column("ended", Align::Left),
        Column("took", Align::Right),
        Column("waited", Align::Right),
        Column("from", Align::Left),
        Column("error", Align::Left),
    ];
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |CallRecord { id, logged: LoggedCall { at, call } }: &CallRecord| {
        vec![
            id.to_string(),
            call.service.to_string(),
            or_none(call.method.as_deref().map(|method| words::one_line(method, 40))),
            or_none(call.worker.clone()),
            words::ago(now, *at),
            words::seconds(call.took_s),
            or_none(call.waited_s.map(words::seconds)),
            words::one_line(&call.peer, 40),
            call.error.as_ref().map_or_else(|| "slow".to_owned(), |error| words::one_line(&error.message, CELL_CHARS)),
        ]
    };
    let room = Room {
        width,
        without: &[],
        cut: &[("error", 20), ("method", 8)],
        leave_out: &["from", "waited", "worker", "service", "ended"],
    };
    render_within(room, &columns, calls.iter().map(row).collect())
}

fn outcome(run: &RunRecord) -> String {
    if let (Outcome::Released | Outcome::Cancelled, Some(cause)) = (run.outcome, run.cause) {
        return format!("{} ({cause})", run.outcome.as_str());
    }
    if run.detail.error.is_some() {
        return run.outcome.as_str().to_owned();
    }
    let why = match (&run.detail.signal, run.detail.exit_code.filter(|c| *c != 0), run.cause) {
        (Some(signal), _, _) => words::one_line(signal, 20),
        (None, Some(code), _) => format!("exit code {code}"),
        (None, None, Some(cause)) => cause.to_string(),
        (None, None, None) => return run.outcome.as_str().to_owned(),
    };
    format!("{} ({why})", run.outcome.as_str())
}

/// The end of a process: the reason, and its signal or exit code.
pub(super) fn ending(reason: &str, signal: Option<&str>, exit_code: Option<i32>) -> String {
    match (signal, exit_code) {
        (Some(signal), _) => format!("{reason} ({signal})"),
        (None, Some(code)) => format!("{reason} (exit code {code})"),
        (None, None) => reason.to_owned(),
    }
}

/// A table of workers.
#[must_use]
pub fn workers(workers: &[WorkerRecord], now: UnixMicros, width: Option<usize>) -> String {
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
        vec![
            w.id.clone(),
            w.pid.to_string(),
            w.generation.to_string(),
            words::ago(now, w.started_at),
            w.ended_at.map_or_else(|| "-".into(), |at| words::ago(now, at)),
            why(w),
            w.jobs_done.to_string(),
            w.peak_memory_bytes.map_or_else(|| "-".into(), words::bytes),
        ]
    };
    let room = Room { width, cut: &[("why", 12)], leave_out: &["generation", "peak", "started", "pid"], without: &[] };
    render_within(room, &columns, workers.iter().map(row).collect())
}

fn why(worker: &WorkerRecord) -> String {
    let ended = |reason| ending(end_reason(reason), worker.signal.as_deref(), worker.exit_code);
    worker.note.clone().or_else(|| worker.reason.map(ended)).unwrap_or_else(|| "-".into())
}

/// What it comes after, and the batch that it is in.
fn others(job: &JobRecord) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(failed) = job.after_failed {
        let first: Vec<String> = job.after.iter().take(AFTER).map(ToString::to_string).collect();
        let more = if job.after.len() > AFTER { ", …" } else { "" };
        let (first, failed) = (first.join(", "), failed.as_str());
        lines
            .push(("after", format!("{first}{more} (if one fails: {failed}); see `queue-work jobs graph {}`", job.id)));
    }
    if let Some(batch) = job.after_batch {
        lines.push(("after", format!("batch {batch}; see `queue-work batches show {batch}`")));
    }
    if let Some(batch) = job.batch {
        lines.push(("batch", format!("{batch}; see `queue-work batches show {batch}`")));
    }
    lines
}

/// Everything about one job, with its runs.
#[must_use]
pub fn job(job: &JobRecord, runs_of_it: &[RunRecord], now: UnixMicros, width: Option<usize>) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<13} {value}");
    };
    let at = |at: UnixMicros| format!("{} ({})", words::time(at), words::ago(now, at));
    let maybe = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    line("job", job.id.to_string());
    line("type", words::escape(&job.kind));
    line("queue", job.queue.to_string());
    line("state", words::state(job));
    if job.kind == EXEC {
        line("command", words::escape(&words::task(job)));
    }
    line("args", words::escape(&words::args(job)));
    line("priority", job.priority.to_string());
    line("unique", maybe(job.unique.as_deref().map(words::escape)));
    for (name, value) in others(job) {
        line(name, value);
    }
    if let Some(label) = &job.label {
        line("label", words::escape(label));
    }
    if let Some(key) = &job.key {
        line("key", words::escape(key));
    }
    if let Some(trace) = job.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1)) {
        line("trace", words::escape(trace));
    }
    // The limit of a job that succeeded at once is not on record.
    let limit = job.max_attempts.filter(|_| job.state != JobState::Succeeded || job.counters.attempts > 0);
    let of = limit.map(|n| format!(" of {n}")).unwrap_or_default();
    line("attempts", format!("{}{of}", job.counters.attempts));
    line("crashes", job.counters.crashes.to_string());
    line("releases", job.counters.releases.to_string());
    line("timeout", maybe(job.timeout_s.map(words::seconds)));
    line("pushed", at(job.pushed_at));
    line("due", at(job.due_at));
    line("expires", maybe(job.expires_at.map(at)));
    line("finished", maybe(job.finished_at.map(at)));
    if let Some(progress) = &job.progress {
        let percent = progress.percent.map(|p| format!("{p:.0}% ")).unwrap_or_default();
        line("progress", format!("{percent}{}", words::escape(progress.message.as_deref().unwrap_or_default())));
        if let Some(state) = &progress.state {
            line("goes on at", words::one_line(state, 200));
        }
    }
    line("error", maybe(job.error.as_deref().map(words::escape)));
    if let Some(fingerprint) = job.fingerprint {
        line("fingerprint", format!("{fingerprint}; the same error: `queue-work jobs list --error {fingerprint}`"));
    }
    line("result", maybe(job.result.as_ref().map(|r| words::escape(r.get()))));
    if !runs_of_it.is_empty() {
        let _ = write!(out, "\n{}", runs_without(&["job", "type", "queue"], runs_of_it, now, width));
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
