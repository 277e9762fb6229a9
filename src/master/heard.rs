//! Lines of workers: events for the core, output for the log, requests.
//!
//! Knows nothing of pipes. Invariant: a line is exactly one of an event, output, a request and a note.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use super::debug::Excerpt;
use super::logs::Stream;
use crate::core::Event;
use crate::model::{Takes, WorkerId};
use crate::wire::lines::Line;
use crate::wire::worker::{self as wire, FromWorker};

/// The longest line of output that is kept; longer ones are cut.
pub(super) const MAX_OUTPUT_LINE: usize = 64 * 1024;

/// A request of a worker.
#[derive(Debug)]
pub(super) enum Asking {
    /// To push a job with these params.
    Push(Box<RawValue>),
    /// Something we do not know.
    Unknown(String),
}

/// Everything a worker said in a turn.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) events: Vec<Event>,
    pub(super) output: Vec<Output>,
    /// Requests, each behind so many of the events of the turn, and what it is answered under.
    pub(super) requests: Vec<(usize, Box<RawValue>, Asking)>,
    /// The messages themselves, where they are to be told.
    pub(super) messages: Option<Vec<Excerpt>>,
}

/// A line that is no message.
#[derive(Debug)]
pub(super) struct Output {
    /// Behind so many of the events of the turn.
    pub(super) after: usize,
    pub(super) stream: Stream,
    pub(super) text: Vec<u8>,
}

impl Heard {
    /// Takes in a line of output. What comes on stderr is not in one order with the answers, and goes before them.
    pub(super) fn print(&mut self, stream: Stream, text: &[u8]) {
        let after = if stream == Stream::Stderr { 0 } else { self.events.len() };
        self.output.push(Output { after, stream, text: text.to_vec() });
    }

    fn ask(&mut self, under: &RawValue, asking: Asking) {
        self.requests.push((self.events.len(), under.to_owned(), asking));
    }

    /// Takes in a line if it is `ready`, of a worker that sends nothing else.
    pub(super) fn is_ready(&mut self, id: WorkerId, line: &[u8]) -> bool {
        let is_ready = matches!(wire::parse(line), FromWorker::Ready { .. });
        if is_ready {
            self.events.push(Event::Ready { worker: id, concurrency: 1, types: None });
        }
        is_ready
    }

    /// Whether a job was answered.
    pub(super) fn has_answer(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Answered { .. }))
    }
}

/// Turns one line of a worker into what the core, the log or a request handler takes. `requests` are those it has not
/// answered, as far as what was heard before this chunk goes.
pub(super) fn message(id: WorkerId, line: Line<'_>, requests: &VecDeque<(u64, u64)>, heard: &mut Heard) {
    let text = match line {
        Line::Whole(text) => text,
        Line::TooLong { head, bytes } => {
            too_long(id, head, bytes, heard);
            return;
        }
    };
    let parsed = wire::parse(text);
    if let Some(messages) = &mut heard.messages
        && !matches!(parsed, FromWorker::Output)
    {
        messages.push(Excerpt::of(text));
    }
    match parsed {
        FromWorker::Answer { request, answer } => heard.events.push(Event::Answered { worker: id, request, answer }),
        FromWorker::NoAnswer { request } if is_open(request, requests, heard) => {
            heard.events.push(Event::Answered { worker: id, request, answer: wire::answer_missing(text) });
        }
        FromWorker::Ready { concurrency, types } => {
            heard.events.push(Event::Ready {
                worker: id,
                concurrency,
                types: types.as_ref().map(|types| Takes::named(types.iter().map(String::as_str))),
            });
        }
        FromWorker::Progress { request, progress } => {
            heard.events.push(Event::Progress { worker: id, request, progress });
        }
        FromWorker::Note { request, text } => heard.events.push(Event::RunNote { worker: id, request, text }),
        FromWorker::Extend { request, by } => heard.events.push(Event::Extend { worker: id, request, by }),
        FromWorker::Retire => heard.events.push(Event::Retire { worker: id }),
        FromWorker::Push { id, params } => heard.ask(id, Asking::Push(params.to_owned())),
        FromWorker::Unknown { id, method } => heard.ask(id, Asking::Unknown(method)),
        FromWorker::NoAnswer { .. } | FromWorker::Output => heard.print(Stream::Stdout, cut(text)),
    }
}

fn is_open(request: u64, requests: &VecDeque<(u64, u64)>, heard: &Heard) -> bool {
    let answers = |event: &Event| matches!(event, Event::Answered { request: answered, .. } if *answered == request);
    requests.iter().any(|&(open, _)| open == request) && !heard.events.iter().any(answers)
}

/// A line over the limit fails the job it answers; if it answers none it is output.
fn too_long(id: WorkerId, start: &[u8], bytes: u64, heard: &mut Heard) {
    if let Some(request) = wire::id_in_head(start) {
        heard.events.push(Event::Answered { worker: id, request, answer: wire::answer_too_long(bytes) });
    } else {
        heard.print(Stream::Stdout, start);
    }
}

fn cut(text: &[u8]) -> &[u8] {
    &text[..text.len().min(MAX_OUTPUT_LINE)]
}
