//! One worker on its own, spoken to as by a master or a gateway, without either and without a store.
//!
//! `queue-work try` shows what both say and what is wrong with the program; `queue-work call --with` wants one answer.
//!
//! | file | what it does |
//! | --- | --- |
//! | `session` | the process: pipes, signals, time |
//! | `life` | decides from the start to the exit: ready, close of input, end |
//! | `service`, `jobs` | decide what is said to a worker of a service, and to one of a queue |
//! | `mistakes` | says what is wrong with a line |
//!
//! Invariant: everything but `session` is pure, with time as an argument.

mod jobs;
mod life;
mod mistakes;
mod service;
mod session;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

pub(crate) use self::jobs::Jobs;
pub(crate) use self::service::Service;
pub(crate) use self::session::{Asked, Command, Happened, run};
use crate::model::service::{Body, CallError};
use crate::model::{Mono, Now};

/// A call of a method, a whole message, or a job of a type.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    /// The arguments; raw bytes are a message of no method. `None`: none are given.
    pub(crate) body: Option<Body>,
}

impl Question {
    /// Reads `add [5, 3]`, or says why it is none.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, args) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if name.is_empty() {
            return Err("it is empty; write a name and JSON, such as `add [5, 3]`".to_owned());
        }
        let args = if args.trim().is_empty() { None } else { Some(serde_json::from_str::<&RawValue>(args.trim())) };
        let args = args.transpose();
        let args =
            args.map_err(|error| format!("the arguments of `{name}` are not JSON: {error}; write `add [5, 3]`"))?;
        Ok(Self { name: name.to_owned(), body: args.map(|args| Body::Json(args.to_owned().into())) })
    }

    /// Bytes that are no JSON, as a service gets them from a connection.
    pub(crate) fn raw(text: &str) -> Self {
        Self { name: "raw text".to_owned(), body: Some(Body::Raw(text.as_bytes().into())) }
    }
}

/// The end of a question.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) name: String,
    pub(crate) answer: Result<Body, CallError>,
    pub(crate) by: By,
}

/// The origin of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A line of the worker.
    Worker,
    /// An answer from before, or a refusal: the worker did not get the question.
    Gateway,
    /// None: the worker did not answer in time, or died.
    Nobody,
}

/// Something to do, or to tell, in this order.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write this line to the worker.
    Say(&'static str, Vec<u8>),
    /// Meaning of the line that was heard.
    Heard(&'static str),
    /// A mistake of the program.
    Wrong(String),
    Over(Over),
    /// Close its input.
    Close,
    Terminate,
    Kill,
}

/// Why a worker is not spoken to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// It did not answer in time.
    Overdue,
    /// It is not what it must be.
    Refused,
}

/// A conversation with a worker of one kind.
pub(crate) trait Conversation: std::fmt::Debug {
    /// The worker was started.
    fn begin(&mut self, now: Now, out: &mut Vec<Step>);
    fn ask(&mut self, question: Question, now: Now, out: &mut Vec<Step>);
    /// A line that is whole.
    fn hear(&mut self, line: &[u8], now: Now, out: &mut Vec<Step>);
    fn next_deadline(&self) -> Option<Mono>;
    fn tick(&mut self, now: Now, out: &mut Vec<Step>);
    fn is_ready(&self) -> bool;
    /// Whether everything is answered.
    fn is_idle(&self) -> bool;
    /// Whether the worker is not to be spoken to any more.
    fn given_up(&self) -> Option<GivenUp>;
    /// Whether the worker leaves by itself.
    fn retires(&self) -> bool;
    /// The input of the worker is about to be closed.
    fn close(&mut self, out: &mut Vec<Step>);
    /// The worker has ended, in these words.
    fn ended(&mut self, how: &str, now: Now, out: &mut Vec<Step>);
}
