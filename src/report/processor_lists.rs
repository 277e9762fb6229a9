//! Processors, their runs and their ticks, for people.

use std::fmt::Write as _;

use super::processors::ProcessorStatus;
use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::UnixMicros;
use crate::model::processor::{ProcessorRecord, ProcessorRun, ProcessorRunState, SkipCause};
use crate::wire::processors::NextTick;

/// The most of a note that is read from one row, where the width of the output sets no limit.
const CELL_CHARS: usize = 200;
/// Processors that are named in `status`.
const MOST_NAMED: usize = 3;

/// A table of processors, and below it why some do not run as the file says.
#[must_use]
pub fn processors(all: &[ProcessorStatus], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("processor", Align::Left),
        Column("on", Align::Left),
        Column("schedule", Align::Left),
        Column("last run", Align::Left),
        Column("took", Align::Right),
        Column("next", Align::Left),
        Column("skipped", Align::Right),
        Column("note", Align::Left),
    ];
    let row = |p: &ProcessorStatus| {
        let run = p.last_run.as_ref();
        vec![
            p.name.to_string(),
            if p.enabled { "on" } else { "off" }.to_owned(),
            schedule(p),
            run.map_or_else(|| "-".into(), |run| short(run, now)),
            took(run),
            p.next_at.map_or_else(|| "-".into(), |at| words::ago(now, at)),
            p.skipped.to_string(),
            words::one_line(run.and_then(|run| run.note.as_deref()).unwrap_or_default(), CELL_CHARS),
        ]
    };
    let nothing = [
        ("took", all.iter().all(|p| took(p.last_run.as_ref()) == "-")),
        ("skipped", all.iter().all(|p| p.skipped == 0)),
        ("note", all.iter().all(|p| p.last_run.as_ref().is_none_or(|run| run.note.is_none()))),
    ];
    let without: Vec<_> = nothing.into_iter().filter(|(_, nothing)| *nothing).map(|(heading, _)| heading).collect();
    let room = Room {
        width,
        without: &without,
        cut: &[("note", 12), ("schedule", 10), ("processor", 12)],
        leave_out: &["took", "skipped", "note", "schedule"],
    };
    let mut out = render_within(room, &columns, all.iter().map(row).collect());
    for p in all {
        for text in [switched(p, now), skipped(p, now)].into_iter().flatten() {
            let _ = writeln!(out, "`{}` {text}", p.name);
        }
    }
    out
}

fn schedule(p: &ProcessorStatus) -> String {
    if p.configured_enabled.is_none() {
        return "not configured".into();
    }
    let zone = p.timezone.as_ref().map(|zone| format!(" ({zone})")).unwrap_or_default();
    words::one_line(&format!("{}{zone}", p.schedule), CELL_CHARS)
}

/// `failed 3m ago`.
fn short(run: &ProcessorRun, now: UnixMicros) -> String {
    let since = run.ended_at.or(run.started_at).map(|at| words::ago(now, at)).unwrap_or_default();
    format!("{} {since}", run.state.as_str()).trim_end().to_owned()
}

fn took(run: Option<&ProcessorRun>) -> String {
    run.and_then(|run| run.duration_s).map_or_else(|| "-".into(), words::seconds)
}

/// `disabled by alice 3h ago: the disk is full (the file says enabled)`.
pub(super) fn switched(p: &ProcessorStatus, now: UnixMicros) -> Option<String> {
    let at = words::ago(now, p.changed_at?);
    let by = p.changed_by.as_deref().map(|by| format!(" by {}", words::one_line(by, 40))).unwrap_or_default();
    let why = p.reason.as_deref().map(|why| format!(": {}", words::one_line(why, CELL_CHARS))).unwrap_or_default();
    Some(format!("{}{by} {at}{why} ({})", switch_word(p.enabled), of_file(p)))
}

/// The last tick without a run, where no run came after it.
fn skipped(p: &ProcessorStatus, now: UnixMicros) -> Option<String> {
    let skip = p.last_skip?;
    let text = || format!("had no run {}: {}", words::ago(now, skip.at), because(skip.cause));
    (!has_run_since(p.last_run.as_ref(), skip.at)).then(text)
}

const fn because(cause: SkipCause) -> &'static str {
    match cause {
        SkipCause::Disabled => "it was disabled",
        SkipCause::Overlap => "the run before was open",
        SkipCause::Missed => "no master ran, or the machine slept",
    }
}

/// `enabled` or `disabled`.
#[must_use]
pub const fn switch_word(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

/// The file's word on a processor.
#[must_use]
pub fn of_file(p: &ProcessorStatus) -> String {
    let word = |enabled| format!("the file says {}", switch_word(enabled));
    p.configured_enabled.map_or_else(|| "not configured".to_owned(), word)
}

/// Everything about one processor, with its newest runs.
#[must_use]
pub fn processor(p: &ProcessorStatus, runs: &[ProcessorRun], now: UnixMicros, width: Option<usize>) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<12} {value}");
    };
    let at = |at: UnixMicros| format!("{} ({})", words::time(at), words::ago(now, at));
    let maybe = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    line("processor", p.name.to_string());
    if !p.description.is_empty() {
        line("description", words::escape(&p.description));
    }
    line("switch", switched(p, now).unwrap_or_else(|| format!("{} ({})", switch_word(p.enabled), of_file(p))));
    line("schedule", schedule(p));
    line("next", maybe(p.next_at.map(at)));
    line("skipped", p.skipped.to_string());
    if let Some(skip) = p.last_skip {
        line("last skip", format!("{}: {}", at(skip.at), because(skip.cause)));
    }
    if !runs.is_empty() {
        let _ = write!(out, "\n{}", runs_without(&["processor"], runs, now, width));
    }
    out
}

/// A table of runs.
#[must_use]
pub fn runs(runs: &[ProcessorRun], now: UnixMicros, width: Option<usize>) -> String {
    runs_without(&[], runs, now, width)
}

fn runs_without(without: &[&'static str], runs: &[ProcessorRun], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("run", Align::Right),
        Column("processor", Align::Left),
        Column("state", Align::Left),
        Column("started", Align::Left),
        Column("took", Align::Right),
        Column("source", Align::Left),
        Column("tick", Align::Left),
        Column("job", Align::Right),
        Column("note", Align::Left),
    ];
    let row = |r: &ProcessorRun| {
        vec![
            r.id.to_string(),
            r.processor.to_string(),
            r.state.as_str().to_owned(),
            r.started_at.map_or_else(|| "-".into(), |at| words::ago(now, at)),
            took(Some(r)),
            r.source.as_str().to_owned(),
            r.tick.map_or_else(|| "-".into(), words::time),
            r.job_id.map_or_else(|| "-".into(), |id| id.to_string()),
            words::one_line(r.note.as_deref().unwrap_or_default(), CELL_CHARS),
        ]
    };
    let room = Room {
        width,
        without,
        cut: &[("note", 16), ("processor", 12)],
        leave_out: &["job", "tick", "source", "took", "note"],
    };
    render_within(room, &columns, runs.iter().map(row).collect())
}

/// A table of ticks that are to come.
#[must_use]
pub fn ticks(ticks: &[NextTick], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("tick", Align::Left),
        Column("in", Align::Left),
        Column("processor", Align::Left),
        Column("", Align::Left),
    ];
    let row = |t: &NextTick| {
        let at = t.tick.parse().map(UnixMicros::from_timestamp);
        vec![
            t.tick.clone(),
            at.map(|at| words::ago(now, at)).unwrap_or_default(),
            t.processor.as_ref().map(ToString::to_string).unwrap_or_default(),
            if t.moved { "moved: the time of day is left out by daylight saving" } else { "" }.to_owned(),
        ]
    };
    let is_of_one = ticks.iter().all(|tick| tick.processor.is_none());
    let hidden = [("processor", is_of_one), ("", !ticks.iter().any(|tick| tick.moved))];
    let without: Vec<_> = hidden.into_iter().filter(|(_, hidden)| *hidden).map(|(heading, _)| heading).collect();
    let room = Room { width, without: &without, cut: &[("", 5), ("processor", 12)], leave_out: &[] };
    render_within(room, &columns, ticks.iter().map(row).collect())
}

/// One line for `status` where the newest run of a processor went wrong, or its newest tick was missed.
#[must_use]
pub fn trouble(all: &[ProcessorRecord], now: UnixMicros) -> Option<String> {
    use ProcessorRunState::{Crashed, Failed, Lost, TimedOut};
    let wrong = |record: &ProcessorRecord| {
        let run = record.last_run.as_ref();
        let missed = record.last_skip.filter(|(cause, at)| *cause == SkipCause::Missed && !has_run_since(run, *at));
        match (run.filter(|run| matches!(run.state, Failed | TimedOut | Crashed | Lost)), missed) {
            (_, Some((_, at))) => Some(format!("`{}` missed {}", record.name, words::ago(now, at))),
            (Some(run), None) => Some(format!("`{}` {}", record.name, short(run, now))),
            (None, None) => None,
        }
    };
    let mut named: Vec<String> = all.iter().filter_map(wrong).collect();
    let more = named.len().saturating_sub(MOST_NAMED);
    named.truncate(MOST_NAMED);
    let more = if more > 0 { format!(", {more} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("processors: {}{more}; see `queue-work processors`", named.join(", ")))
}

fn has_run_since(run: Option<&ProcessorRun>, at: UnixMicros) -> bool {
    run.and_then(|run| run.tick.max(run.started_at)).is_some_and(|ran| ran > at)
}
