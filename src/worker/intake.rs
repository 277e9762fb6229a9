//! Lines from the master: a job waits, a cancel takes effect, the rest is answered or logged.
//!
//! Reads nothing itself. Invariant: a request is either queued or answered, never both and never neither.

use std::collections::VecDeque;

use super::answer;
use super::command::Running;
use super::pipes::Outbox;
use super::request::{self, Message, Pending};
use super::verdict::{Failure, Reason};
use crate::clock;
use crate::model::payload::MAX_LINE_BYTES;
use crate::wire::lines::Line;

/// The parts of the worker that a line can change.
pub(super) struct Desk<'a> {
    pub(super) pending: &'a mut VecDeque<Pending>,
    pub(super) current: &'a mut Option<(Box<str>, Running)>,
    pub(super) output: &'a mut Outbox,
    pub(super) log: &'a mut Outbox,
}

impl Desk<'_> {
    /// Takes one line.
    pub(super) fn take(&mut self, line: Line<'_>) {
        match line {
            Line::TooLong { head, .. } => self.too_long(head),
            Line::Whole(line) => match request::parse(line) {
                Message::Job(job) => self.pending.push_back(job),
                Message::Cancel { id, reason } => self.cancel(&id, reason),
                Message::UnknownMethod { id, method } => self.output.push(&answer::unknown_method(&id, &method)),
                Message::Ignored => {}
                Message::Garbage(why) => self.log.note(&format!("a line from the master cannot be read: {why}")),
            },
        }
    }

    /// A job that runs is told to end; one that waits is dropped and answered. Another id has been answered already.
    fn cancel(&mut self, id: &str, reason: Reason) {
        match self.current {
            Some((running, command)) if **running == *id => command.tell(reason, clock::instant()),
            _ => {
                if let Some(at) = self.pending.iter().position(|job| *job.id == *id) {
                    self.pending.remove(at);
                    self.output.push(&answer::refused(id, &Failure::told(reason)));
                }
            }
        }
    }

    fn too_long(&mut self, start: &[u8]) {
        let message = format!("a line of more than {MAX_LINE_BYTES} bytes cannot be taken");
        match request::id_near_the_start(start) {
            Some(id) => self.output.push(&answer::refused(&id, &Failure::invalid(message))),
            None => self.log.note(&message),
        }
    }
}
