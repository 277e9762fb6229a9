//! Changes of many jobs that go on by themselves, for people.

use std::fmt::Write as _;

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::operation::{Operation, OperationState};
use crate::model::{States, UnixMicros};
use crate::store::JobFilter;
use crate::wire::control::Jobs;

/// A row for each.
#[must_use]
pub fn table(operations: &[Operation], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("id", Align::Right),
        Column("what", Align::Left),
        Column("state", Align::Left),
        Column("done", Align::Right),
        Column("of", Align::Right),
        Column("passed over", Align::Right),
        Column("refused", Align::Right),
        Column("began", Align::Left),
        Column("by", Align::Left),
    ];
    let row = |operation: &Operation| {
        vec![
            operation.id.to_string(),
            what(operation),
            operation.state.as_str().to_owned(),
            operation.done.to_string(),
            operation.expected.to_string(),
            operation.passed_over.to_string(),
            operation.refused.to_string(),
            words::ago(now, operation.started_at),
            operation.by.as_deref().map_or_else(|| "-".to_owned(), |by| words::one_line(by, 40)),
        ]
    };
    let room = Room {
        width,
        without: &[],
        cut: &[("what", 20), ("by", 8)],
        leave_out: &["by", "refused", "passed over", "began"],
    };
    render_within(room, &columns, operations.iter().map(row).collect())
}

/// An operation as a sentence: operation 3 (running): retry dead jobs of `mail`, 200 of 5000 done.
#[must_use]
pub fn line(operation: &Operation) -> String {
    let Operation { id, state, done, expected, .. } = operation;
    let mut text = format!("operation {id} ({}): {}, {done} of {expected} done", state.as_str(), what(operation));
    for (jobs, how) in [(operation.passed_over, "passed over"), (operation.refused, "refused")] {
        if jobs > 0 {
            let _ = write!(text, ", {jobs} {how}");
        }
    }
    text
}

/// Whether it goes on.
#[must_use]
pub fn goes_on(operation: &Operation) -> bool {
    operation.state == OperationState::Running
}

/// The deed of an operation, and the jobs that it means.
#[must_use]
pub fn what(operation: &Operation) -> String {
    let jobs: Option<Jobs> = serde_json::from_value(operation.params.clone()).ok();
    let jobs = jobs.and_then(|jobs| jobs.filter).map_or_else(|| "jobs".to_owned(), |filter| meant(&filter));
    words::one_line(&format!("{} {jobs}", operation.verb), 200)
}

/// The jobs of a filter, such as: dead jobs of `mail`, type `resize`.
#[must_use]
pub fn meant(filter: &JobFilter) -> String {
    let states: Vec<&str> = filter.states.iter().map(crate::model::JobState::as_str).collect();
    let states = if filter.states == States::ALL { String::new() } else { states.join(" or ") + " " };
    let mut text = format!("{states}jobs");
    if let Some(queue) = &filter.queue {
        let _ = write!(text, " of `{queue}`");
    }
    let texts =
        [("type", &filter.kind), ("label", &filter.label), ("key", &filter.key), ("unique key", &filter.unique)];
    for (what, value) in texts {
        if let Some(value) = value {
            let _ = write!(text, ", {what} `{value}`");
        }
    }
    if let Some(error) = &filter.error {
        let _ = write!(text, ", error `{}`", String::from(error.clone()));
    }
    if let Some(args) = &filter.args {
        args.text.iter().for_each(|part| _ = write!(text, ", `{part}` in the args"));
        args.members.iter().for_each(|(path, value)| _ = write!(text, ", arg {path} `{value}`"));
    }
    if filter.ids.is_some() {
        text += ", by their ids";
    }
    text
}
