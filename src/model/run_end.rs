//! How a run of a processor ends, and what is noted of it.

use super::change::{Finish, Next};
use super::last_line::last_line_within;
use super::processor::{MOST_NOTE_BYTES, ProcessorRunState};
use super::{Detail, Outcome, UnixMicros};

/// The end of a run of a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    pub state: ProcessorRunState,
    /// `None`: it never started, or is on record already.
    pub started_at: Option<UnixMicros>,
    pub ended_at: UnixMicros,
    pub note: Option<String>,
}

impl RunEnd {
    /// With the last run of its job.
    #[must_use]
    pub fn of(finish: &Finish) -> Self {
        let state = match (finish.next, finish.outcome) {
            (Next::Cancelled(_), _) | (_, Outcome::Cancelled) => ProcessorRunState::Cancelled,
            (_, Outcome::Succeeded) => ProcessorRunState::Succeeded,
            (_, Outcome::Failed) => ProcessorRunState::Failed,
            (_, Outcome::TimedOut) => ProcessorRunState::TimedOut,
            (_, Outcome::Crashed | Outcome::Released) => ProcessorRunState::Crashed,
        };
        let note = note_of(&finish.detail, state == ProcessorRunState::Succeeded);
        Self { state, started_at: Some(finish.started_at), ended_at: finish.ended_at, note }
    }

    /// Of a job that waited.
    #[must_use]
    pub fn waiting(state: ProcessorRunState, note: Option<&str>, at: UnixMicros) -> Self {
        Self { state, started_at: None, ended_at: at, note: note.map(str::to_owned) }
    }
}

/// What the worker said, else the last line that was printed and says something, else the error.
#[must_use]
pub fn note_of(detail: &Detail, succeeded: bool) -> Option<String> {
    let line = |text: &str| last_line_within(text, MOST_NOTE_BYTES);
    let said = detail.note.as_deref().filter(|note| !note.trim().is_empty()).map(String::from);
    let printed = || if succeeded { line(&detail.stdout_tail) } else { line(&detail.stderr_tail) };
    let error = || detail.error.clone().filter(|_| !succeeded);
    said.or_else(printed).or_else(error).map(cut)
}

/// At most [`MOST_NOTE_BYTES`] of a note, whole characters.
#[must_use]
pub fn cut(mut note: String) -> String {
    note.truncate(note.floor_char_boundary(MOST_NOTE_BYTES));
    note
}
