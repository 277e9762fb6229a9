//! Deeds on record, for people: the words for what was changed, and the list.

use std::fmt::Write as _;

use super::operations::meant;
use super::tables::{Align, Column, Room, render_within};
use super::{queue_limits, words};
use crate::model::audit::DeedRecord;
use crate::model::{JobAction, JobId, ProcessorName, ScaleTo, UnixMicros};
use crate::store::JobFilter;
use crate::wire::control::{DebugFor, NoteFailure, Queues, Restart, Scale, SetQueue, Span, Stop};

/// The verb of a deed, and what it was done to.
pub type Said = (&'static str, String);

/// Names and ids that are given in full.
const FEW: usize = 10;
/// The target of a restart of everything.
pub const ALL_WORKERS: &str = "all workers";
/// The verbs of deeds.
pub const VERBS: [&str; 21] = [
    "cancel", "debug", "delete", "disable", "enable", "mute", "note", "pause", "reload", "reset", "restart", "resume",
    "retry", "run", "scale", "set", "spawn", "stop", "unmute", "unset", "work",
];

/// A change of jobs.
#[must_use]
pub fn change(action: &JobAction, ids: &[JobId], filter: Option<&JobFilter>) -> Said {
    let mut target = match (filter, ids) {
        (Some(filter), _) => meant(filter),
        (None, [id]) => format!("job {id}"),
        (None, [first, .., last]) if ids.len() > FEW => format!("{} jobs from {first} to {last}", ids.len()),
        (None, _) => format!("jobs {}", ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    if let JobAction::Set(setting) = action {
        let priority = setting.priority.map(|priority| format!("priority {priority}"));
        let queue = setting.queue.as_ref().map(|queue| format!("queue `{queue}`"));
        let due = setting.due.map(|(at, _)| format!("due {}", words::time(at)));
        let parts: Vec<String> = [priority, queue, due].into_iter().flatten().collect();
        let _ = write!(target, ": {}", parts.join(", "));
    }
    (action.verb(), target)
}

/// Queues that are paused or resumed.
#[must_use]
pub fn pause(params: &Queues, paused: bool) -> Said {
    let queues = named("queue", &params.queues);
    let target = params.key.as_ref().map_or_else(|| queues.clone(), |key| format!("key `{key}` of {queues}"));
    (if paused { "pause" } else { "resume" }, target)
}

/// Limits that are set, or taken back.
#[must_use]
pub fn limits(params: &SetQueue) -> Said {
    let SetQueue { queue, limits, lasts, .. } = params;
    if limits.is_empty() {
        return ("unset", format!("limits of queue `{queue}`"));
    }
    let lasts = match lasts {
        Some(Span::Seconds(seconds)) => format!(" for {}", words::seconds(*seconds)),
        Some(Span::Text(text)) => format!(" for {text}"),
        None => String::new(),
    };
    ("set", format!("queue `{queue}`: {}{lasts}", queue_limits::worded(limits)))
}

/// Something that is said of an error.
#[must_use]
pub fn note(params: &NoteFailure) -> Said {
    let error = format!("error {}", params.error);
    match params.muted_until {
        Some(UnixMicros(..=0)) => ("unmute", error),
        Some(until) => ("mute", format!("{error} until {}", words::time(until))),
        None => ("note", error),
    }
}

/// Processors that are switched.
#[must_use]
pub fn switch(processors: &[ProcessorName], enabled: Option<bool>) -> Said {
    let verb = match enabled {
        Some(true) => "enable",
        Some(false) => "disable",
        None => "reset",
    };
    (verb, named("processor", processors))
}

/// A pool of another size. `unnamed`: the one that is meant where none is named.
#[must_use]
pub fn scale(params: &Scale, unnamed: Option<&str>) -> Said {
    let Scale { workers, queue, pool, .. } = params;
    let workers = match workers {
        ScaleTo::Workers(wanted) => wanted.to_string(),
        ScaleTo::Auto => String::from("auto"),
    };
    ("scale", format!("{} to {workers}", some(queue.as_deref(), pool.as_deref().or(unnamed), &[], "no pool")))
}

#[must_use]
pub fn restart(params: &Restart) -> Said {
    let Restart { queue, pool, workers, .. } = params;
    ("restart", some(queue.as_deref(), pool.as_deref(), workers, ALL_WORKERS))
}

#[must_use]
pub fn stop(params: &Stop) -> Said {
    let Stop { queue, pool, workers, .. } = params;
    ("stop", some(queue.as_deref(), pool.as_deref(), workers, "the master"))
}

/// Steps that are told for a while.
#[must_use]
pub fn debug(params: &DebugFor) -> Said {
    ("debug", if params.seconds > 0.0 { format!("for {}", words::seconds(params.seconds)) } else { "off".to_owned() })
}

/// A pool that is added.
#[must_use]
pub fn pool(name: Option<&str>, queues: &[String]) -> String {
    match name {
        Some(name) => format!("pool `{name}`"),
        None => format!("a pool for {}", named("queue", queues)),
    }
}

fn some(queue: Option<&str>, pool: Option<&str>, workers: &[String], all: &str) -> String {
    match (queue, pool) {
        (Some(queue), _) => format!("pools of queue `{queue}`"),
        (None, Some(pool)) => format!("pool `{pool}`"),
        (None, None) if workers.is_empty() => all.to_owned(),
        (None, None) => named("worker", workers),
    }
}

fn named<T: std::fmt::Display>(what: &str, names: &[T]) -> String {
    match names {
        [one] => format!("{what} `{one}`"),
        few if few.len() <= FEW => format!("{what}s {}", words::list(few)),
        many => format!("{} {what}s: {}, …", many.len(), words::list(&many[..FEW])),
    }
}

/// A row for each.
#[must_use]
pub fn table(deeds: &[DeedRecord], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("id", Align::Right),
        Column("when", Align::Left),
        Column("who", Align::Left),
        Column("via", Align::Left),
        Column("verb", Align::Left),
        Column("target", Align::Left),
        Column("changed", Align::Right),
        Column("outcome", Align::Left),
    ];
    let row = |DeedRecord { id, deed }: &DeedRecord| {
        vec![
            id.to_string(),
            words::ago(now, deed.at),
            words::one_line(&deed.asker().unwrap_or_else(|| "-".to_owned()), 40),
            deed.via.as_str().to_owned(),
            words::one_line(&deed.verb, 20),
            words::one_line(&deed.target, 200),
            deed.affected.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            outcome(&deed.outcome, deed.operation.map(|id| id.to_string())),
        ]
    };
    let room = Room {
        width,
        without: &[],
        cut: &[("outcome", 16), ("target", 16), ("who", 8)],
        leave_out: &["via", "changed", "who", "when"],
    };
    render_within(room, &columns, deeds.iter().map(row).collect())
}

fn outcome(outcome: &str, operation: Option<String>) -> String {
    let operation = operation.map(|id| format!(", operation {id}")).unwrap_or_default();
    words::one_line(outcome, 200) + &operation
}
