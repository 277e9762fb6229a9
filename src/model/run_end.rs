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

/// The word of the worker; else the last line that says something: of what was printed, or of a result that is a text, as that
/// of a command is its stdout; of a run that did not succeed, of its stderr, else its error.
#[must_use]
pub fn note_of(detail: &Detail, succeeded: bool) -> Option<String> {
    let line = |text: &str| last_line_within(text, MOST_NOTE_BYTES);
    let said = detail.note.as_deref().filter(|note| !note.trim().is_empty()).map(String::from);
    let text = |result: &String| serde_json::from_str::<String>(result).ok();
    let printed = || {
        if succeeded {
            line(&detail.stdout_tail).or_else(|| line(&detail.result.as_ref().and_then(text)?))
        } else {
            line(&detail.stderr_tail).or_else(|| detail.error.clone())
        }
    };
    said.or_else(printed).map(cut)
}

/// At most [`MOST_NOTE_BYTES`] of a note, whole characters.
#[must_use]
pub fn cut(mut note: String) -> String {
    note.truncate(note.floor_char_boundary(MOST_NOTE_BYTES));
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(note: &str, stdout: &str, stderr: &str, result: &str, error: &str) -> [Option<String>; 2] {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let detail = Detail {
            note: some(note).map(Into::into),
            stdout_tail: stdout.into(),
            stderr_tail: stderr.into(),
            result: some(result),
            error: some(error),
            ..Detail::default()
        };
        [true, false].map(|succeeded| note_of(&detail, succeeded))
    }

    #[test]
    fn a_note_is_what_the_worker_said_else_the_last_line_that_says_something() {
        let table: [([&str; 5], [Option<&str>; 2]); 8] = [
            (["said", "out", "err", "\"result\"", "error"], [Some("said"), Some("said")]),
            ([" \n", "a\nout\n\n", "b\nerr \n", "\"result\"", "error"], [Some("out"), Some("err")]),
            (["", "", "", "\"12 mails\\nsent\\n\"", "exit status 1"], [Some("sent"), Some("exit status 1")]),
            (["", "", "", "{\"a\":\"b\"}", "two\nlines"], [None, Some("two\nlines")]),
            (["", "", "", "12", ""], [None, None]),
            (["", "", "", "\" \\n\"", ""], [None, None]),
            (["", "", "err", "", ""], [None, Some("err")]),
            (["", "out", "", "", ""], [Some("out"), None]),
        ];
        for ([note, stdout, stderr, result, error], expected) in table {
            let found = noted(note, stdout, stderr, result, error);
            assert_eq!(found.each_ref().map(Option::as_deref), expected, "{note:?} {stdout:?} {result:?}");
        }
    }

    #[test]
    fn a_note_is_cut_at_a_character() {
        let most = "é".repeat(MOST_NOTE_BYTES / 2);
        assert_eq!(noted(&most, "", "", "", "")[0].as_deref(), Some(&*most));
        let long = format!("a{most}");
        let cut = noted(&long, &long, &long, "", &long).map(Option::unwrap_or_default);
        assert!(cut.iter().all(|note| note.len() == MOST_NOTE_BYTES - 1 && long.starts_with(note)), "{cut:?}");
        assert_eq!(noted("", &long, &long, "", "")[1].as_ref().map(String::len), Some(MOST_NOTE_BYTES - 1));
    }
}
