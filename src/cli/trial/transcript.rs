//! The transcript of a trial: a line for each thing that happened, for people or as JSON, and the sum at the end.

use serde::Serialize;

use super::super::output;
use crate::error::Error;
use crate::model::Mono;
use crate::model::service::Body;
use crate::model::worker::{Exit, signal_name};
use crate::report::colours::{CYAN, GREEN, RED, YELLOW};
use crate::report::words;
use crate::trial::{By, Command, Happened, Over};

/// The most of a line that people are shown, in bytes.
const MOST_SHOWN: usize = 4000;

/// Events so far.
#[derive(Debug)]
pub(super) struct Transcript {
    command: String,
    /// `call` or `job`.
    what: &'static str,
    is_json: bool,
    is_quiet: bool,
    sum: Sum,
}

/// What became of the questions.
#[derive(Debug, Default, Serialize)]
struct Sum {
    /// Mistakes of the program.
    mistakes: u64,
    succeeded: u64,
    /// The worker answered an error.
    failed: u64,
    /// Those that the worker has not seen, or not answered.
    refused: u64,
    unanswered: u64,
}

/// A line of the transcript; the names are a contract.
#[derive(Debug, Serialize)]
struct Line<'a> {
    at_s: f64,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<&'static str>,
    text: &'a str,
}

impl Transcript {
    pub(super) fn new(command: &Command, what: &'static str, is_json: bool, is_quiet: bool) -> Self {
        let command = words::command(
            command
                .words
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str),
        );
        Self { command, what, is_json, is_quiet, sum: Sum::default() }
    }

    pub(super) fn take(&mut self, at: Mono, what: Happened<'_>) -> Result<(), Error> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match what {
            Happened::Started { pid } => self.line(at, "started", None, &format!("{} (pid {pid})", self.command)),
            Happened::Sent(means, line) => self.line(at, "sent", Some(means), &text(line)),
            Happened::Heard(means, line) => self.line(at, "heard", Some(means), &text(line)),
            Happened::Stderr(line) => self.line(at, "stderr", None, &text(line)),
            Happened::Wrong(why) => {
                self.sum.mistakes += 1;
                self.line(at, "wrong", None, why)
            }
            Happened::NotAsked(why) => {
                self.sum.refused += 1;
                self.line(at, "refused", None, &why)
            }
            Happened::Over(over) => self.over(at, over),
            Happened::Closed => self.line(at, "closed", None, "its input"),
            Happened::Signalled(name) => self.line(at, "signal", None, name),
            Happened::Ended(Exit::Code(code)) => self.line(at, "ended", None, &format!("with exit code {code}")),
            Happened::Ended(Exit::Signal(number)) => {
                self.line(at, "ended", None, &format!("by {}", signal_name(number)))
            }
        }
    }

    fn over(&mut self, at: Mono, over: Over) -> Result<(), Error> {
        match over {
            Over { answer: Ok(_), by: By::Worker, .. } => self.sum.succeeded += 1,
            Over { answer: Err(_), by: By::Worker, .. } => self.sum.failed += 1,
            Over { name, answer: Ok(body), .. } => {
                self.sum.succeeded += 1;
                let body = match &body {
                    Body::Json(result) => result.get().to_owned(),
                    Body::Raw(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                };
                self.line(at, "kept", None, &format!("`{name}` is answered as before: {body}"))?;
            }
            Over { answer: Err(error), by: By::Nobody, .. } => {
                self.sum.unanswered += 1;
                self.line(at, "lost", None, &error.message)?;
            }
            Over { answer: Err(error), .. } => {
                self.sum.refused += 1;
                self.line(at, "refused", None, &error.message)?;
            }
        }
        Ok(())
    }

    /// The exit code.
    pub(super) fn end(self) -> Result<u8, Error> {
        let Sum { mistakes, succeeded, failed, refused, unanswered } = self.sum;
        let code = match (mistakes, refused + unanswered) {
            (0, 0) => 0,
            (0, _) => 2,
            _ => 1,
        };
        if self.is_json {
            #[derive(Serialize)]
            struct Last {
                event: &'static str,
                ok: bool,
                #[serde(flatten)]
                sum: Sum,
            }
            output::json(&Last { event: "sum", ok: code == 0, sum: self.sum })?;
            return Ok(code);
        }
        let parts = [(succeeded, "succeeded"), (failed, "failed"), (refused, "refused"), (unanswered, "not answered")];
        let all: u64 = parts.iter().map(|(n, _)| n).sum();
        let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        let (style, verdict) = match mistakes {
            0 => (GREEN, "nothing is wrong with it".to_owned()),
            n => (RED, words::count(n, "mistake")),
        };
        output::line(&format!("{style}{verdict}{style:#}; {}{parts}", words::count(all, self.what)))?;
        Ok(code)
    }

    fn line(&self, at: Mono, event: &'static str, means: Option<&'static str>, text: &str) -> Result<(), Error> {
        let at_s = at.0 as f64 / 1e6;
        if self.is_json {
            return output::json(&Line { at_s, event, means, text });
        }
        if self.is_quiet && event != "wrong" {
            return Ok(());
        }
        let (style, sign) = match event {
            "sent" => (CYAN, "→"),
            "heard" => (GREEN, "←"),
            "wrong" => (RED, "!"),
            _ => (YELLOW, " "),
        };
        let shown = &text[..text.floor_char_boundary(MOST_SHOWN)];
        let more = if shown.len() < text.len() { format!("… ({} bytes)", text.len()) } else { String::new() };
        let word = means.unwrap_or(event);
        output::line(&format!("{at_s:8.3}s {style}{sign} {word:<9}{style:#}{}{more}", words::escape(shown)))
    }
}
