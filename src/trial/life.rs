//! The life of a worker that is tried: started, ready, asked, its input closed, ended.
//!
//! Knows neither what is asked nor pipes. Invariants: its input is closed once, when nothing is to be asked any more or it is given
//! up; each wait has a deadline, and a worker that does not end is ended.

use std::time::Duration;

use super::{Conversation, GivenUp, Question, Step};
use crate::model::units::show_duration;
use crate::model::worker::{Exit, signal_name};
use crate::model::{Mono, Now};

/// How long the worker may take to end once its input is closed, and once it got SIGTERM.
pub(super) const ENDS_IN: Duration = Duration::from_secs(5);
const KILLED_AFTER: Duration = Duration::from_secs(2);
/// The most that is shown of a piece of text, in bytes.
const MOST_SHOWN: usize = 120;

const LATE: &str = "this came only after its input was closed: either it takes longer than `--timeout`, or its output is not flushed \
                    after each line; flush it (in Python `print(…, flush=True)` or `python3 -u`)";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting { until: Mono },
    Running,
    Closed { until: Mono },
    Terminated { until: Mono },
    Killed,
}

/// A worker, from its start to its end.
#[derive(Debug)]
pub(super) struct Life {
    worker: Box<dyn Conversation>,
    phase: Phase,
    ready_within: Duration,
    /// Nothing more is asked.
    is_asked_all: bool,
    /// The program was given up because it did not answer in time.
    is_overdue: bool,
    is_late_told: bool,
}

impl Life {
    pub(super) fn start(worker: Box<dyn Conversation>, ready_within: Duration, now: Now) -> (Self, Vec<Step>) {
        let phase = Phase::Starting { until: now.mono + ready_within };
        let mut life =
            Self { worker, phase, ready_within, is_asked_all: false, is_overdue: false, is_late_told: false };
        let mut out = Vec::new();
        life.worker.begin(now, &mut out);
        life.settle(now, &[], &mut out);
        (life, out)
    }

    pub(super) fn ask(&mut self, question: Question, now: Now) -> Vec<Step> {
        let mut out = Vec::new();
        self.worker.ask(question, now, &mut out);
        self.settle(now, &[], &mut out);
        out
    }

    pub(super) fn no_more(&mut self, now: Now) -> Vec<Step> {
        let mut out = Vec::new();
        self.is_asked_all = true;
        self.settle(now, &[], &mut out);
        out
    }

    pub(super) fn hear(&mut self, line: &[u8], now: Now) -> Vec<Step> {
        let mut out = Vec::new();
        let is_late = self.is_overdue && !self.is_late_told;
        self.worker.hear(line, now, &mut out);
        let is_message = out.iter().any(|step| matches!(step, Step::Heard(word) if *word != PRINTED));
        if is_late && is_message {
            self.is_late_told = true;
            out.retain(|step| !matches!(step, Step::Wrong(_)));
            out.push(Step::Wrong(LATE.to_owned()));
        }
        self.settle(now, &[], &mut out);
        out
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Starting { until } => {
                Some(self.worker.next_deadline().map_or(until, |deadline| deadline.min(until)))
            }
            Phase::Running => self.worker.next_deadline(),
            Phase::Closed { until } | Phase::Terminated { until } => Some(until),
            Phase::Killed => None,
        }
    }

    /// Time has passed. `unfinished`: the line that it has begun.
    pub(super) fn tick(&mut self, now: Now, unfinished: &[u8]) -> Vec<Step> {
        let mut out = Vec::new();
        match self.phase {
            Phase::Starting { .. } | Phase::Running => self.worker.tick(now, &mut out),
            Phase::Closed { until } if until <= now.mono => {
                let within = show_duration(ENDS_IN);
                out.push(Step::Wrong(format!(
                    "it goes on {within} after its input was closed; end where there is no more input"
                )));
                out.push(Step::Terminate);
                self.phase = Phase::Terminated { until: now.mono + KILLED_AFTER };
            }
            Phase::Terminated { until } if until <= now.mono => {
                out.push(Step::Wrong("SIGTERM does not end it".to_owned()));
                out.push(Step::Kill);
                self.phase = Phase::Killed;
            }
            Phase::Closed { .. } | Phase::Terminated { .. } | Phase::Killed => {}
        }
        self.settle(now, unfinished, &mut out);
        out
    }

    /// The worker has ended, and everything that it wrote was heard but for `unfinished`.
    pub(super) fn ended(&mut self, exit: Exit, unfinished: &[u8], now: Now) -> Vec<Step> {
        let mut out = Vec::new();
        if !unfinished.is_empty() {
            out.push(Step::Heard(PRINTED));
            out.extend(no_newline(unfinished));
        }
        let how = how(exit);
        match self.phase {
            Phase::Starting { .. } => out.push(Step::Wrong(format!("it ended with {how} before it was ready"))),
            Phase::Running if !self.worker.is_idle() => {
                out.push(Step::Wrong(format!("it ended with {how} before it had answered everything")));
            }
            Phase::Running if self.worker.retires() && exit == Exit::Code(0) => {}
            Phase::Running => out.push(Step::Wrong(format!("it ended with {how} before its input was closed"))),
            Phase::Closed { .. } if exit != Exit::Code(0) => {
                out.push(Step::Wrong(format!("it ended with {how} after its input was closed; end with 0")));
            }
            Phase::Closed { .. } | Phase::Terminated { .. } | Phase::Killed => {}
        }
        self.worker.ended(&how, now, &mut out);
        out
    }

    /// Ends it before everything was answered, as the user wants it.
    pub(super) fn interrupt(&mut self, now: Now) -> Vec<Step> {
        self.phase = Phase::Terminated { until: now.mono + KILLED_AFTER };
        vec![Step::Terminate]
    }

    fn settle(&mut self, now: Now, unfinished: &[u8], out: &mut Vec<Step>) {
        if let Phase::Starting { until } = self.phase {
            if self.worker.is_ready() {
                self.phase = Phase::Running;
            } else if until <= now.mono {
                let within = show_duration(self.ready_within);
                out.push(Step::Wrong(format!("it has not said `ready` within {within}")));
                self.is_overdue = true;
            }
        }
        if !matches!(self.phase, Phase::Starting { .. } | Phase::Running) {
            return;
        }
        let given_up = self.worker.given_up();
        self.is_overdue |= given_up == Some(GivenUp::Overdue);
        if self.is_overdue {
            out.extend(no_newline(unfinished));
        }
        let is_done = self.phase == Phase::Running && self.is_asked_all && self.worker.is_idle();
        if self.is_overdue || given_up.is_some() || is_done {
            self.close(now, out);
        }
    }

    fn close(&mut self, now: Now, out: &mut Vec<Step>) {
        self.worker.close(out);
        out.push(Step::Close);
        self.phase = Phase::Closed { until: now.mono + ENDS_IN };
    }
}

/// The word for a line that is no message.
pub(super) const PRINTED: &str = "printed";

fn no_newline(unfinished: &[u8]) -> Option<Step> {
    let text = unfinished.trim_ascii_start().starts_with(b"{").then(|| shown(unfinished))?;
    Some(Step::Wrong(format!("`{text}` has no newline at its end; a message is a whole line")))
}

/// The beginning of a text.
pub(super) fn shown(text: &[u8]) -> String {
    let whole = String::from_utf8_lossy(text);
    let text = &whole[..whole.floor_char_boundary(MOST_SHOWN)];
    if text.len() < whole.len() { format!("{text}…") } else { text.to_owned() }
}

fn how(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(number) => signal_name(number),
    }
}
