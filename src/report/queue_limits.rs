//! Queues and their limits, for people: what is in force, who has set it, and what it holds back.

use super::status::{LimitStatus, QueueStatus};
use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::UnixMicros;
use crate::model::queue_limits::SaidLimits;

/// `concurrency 5, rate 100/s`.
#[must_use]
pub fn worded(limits: &SaidLimits) -> String {
    let all: Vec<String> = limits.iter().map(|(key, text)| format!("{key} {text}")).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

/// Why no more jobs of a queue, or of some of its keys, start now; `None`: more may.
#[must_use]
pub fn closed(queue: &QueueStatus, now: UnixMicros) -> Option<String> {
    let limits = queue.limits.as_ref()?;
    if limits.is_full {
        return Some(format!("all {} run", queue.running));
    }
    if let Some(next) = limits.next_start_at.filter(|at| *at > now) {
        return Some(format!("next start in {}", words::seconds(next.since(now).as_secs_f64())));
    }
    match &limits.paused_keys {
        none if none.is_empty() => None,
        one if one.len() == 1 => one.keys().next().map(|key| format!("key `{key}` is paused")),
        many => Some(format!("{} keys are paused", many.len())),
    }
}

/// `by anna, 5m ago, for 55m more: concurrency 5`.
#[must_use]
pub fn set(limits: &LimitStatus, now: UnixMicros) -> Option<String> {
    let set = limits.set.as_ref()?;
    let by = set.by.as_deref().map(|by| format!("by {}, ", words::one_line(by, 40))).unwrap_or_default();
    let more = set.until.map(|until| format!(", for {} more", words::seconds(until.since(now).as_secs_f64())));
    Some(format!("{by}{}{}: {}", words::ago(now, set.at), more.unwrap_or_default(), worded(&set.limits)))
}

/// A row for each queue.
#[must_use]
pub fn table(queues: &[QueueStatus], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("queue", Align::Left),
        Column("ready", Align::Right),
        Column("running", Align::Right),
        Column("limits", Align::Left),
        Column("held back", Align::Left),
        Column("set", Align::Left),
    ];
    let dash = || "-".to_owned();
    let row = |queue: &QueueStatus| {
        let limits = queue.limits.as_ref();
        vec![
            queue.name.to_string(),
            queue.ready.to_string(),
            queue.running.to_string(),
            limits.map_or_else(dash, |limits| worded(&limits.in_force)),
            if queue.paused { "paused".to_owned() } else { closed(queue, now).unwrap_or_else(dash) },
            limits.and_then(|limits| set(limits, now)).unwrap_or_else(dash),
        ]
    };
    let any_set = queues.iter().filter_map(|queue| queue.limits.as_ref()).any(|limits| limits.set.is_some());
    let without: &[_] = if any_set { &[] } else { &["set"] };
    let room = Room { width, cut: &[("set", 16), ("limits", 16)], leave_out: &["set", "held back"], without };
    render_within(room, &columns, queues.iter().map(row).collect())
}
