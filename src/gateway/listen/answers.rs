//! The answers of one connection, in the order of its requests.
//!
//! Invariants: an answer is written in the moment that it and all before it are there; the first one decides, where nothing else
//! has, whether the connection goes on in lines.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use tokio::time::Instant;

use super::super::budget::Share;
use super::super::form::Form;
use super::super::shell::Numbers;
use super::Member;
use super::framing::Requests;
use super::stream::WriteHalf;
use crate::clock;
use crate::model::payload::MAX_UNFINISHED_BYTES;
use crate::model::service::{CallError, code};
use crate::wire::gateway::Framing;

/// Requests of one connection that may be unanswered; and bytes of answers it has not read, before more are taken.
const MOST_UNANSWERED: usize = 100;
const MOST_UNREAD: usize = 1024 * 1024;

pub(super) fn now() -> Instant {
    clock::instant().into()
}

/// The part of it that answers reach.
pub(super) struct Shared {
    pub writer: WriteHalf,
    member: Rc<Member>,
    pub state: RefCell<State>,
    /// Nothing more comes.
    pub is_ended: Cell<bool>,
    is_broken: Cell<bool>,
}

pub(super) struct State {
    pub requests: Requests,
    pub answers: VecDeque<Answer>,
    /// Number of the first of `answers`.
    first: u64,
    out: Vec<u8>,
    written: usize,
    pub last_written: Instant,
    share: Share,
}

/// The answer to a request.
pub(super) enum Answer {
    Awaited(Numbers),
    /// `None`: none is wanted.
    There(Option<Vec<u8>>),
}

impl Shared {
    pub(super) fn new(writer: WriteHalf, member: Rc<Member>, state: State) -> Self {
        Self { writer, member, state: RefCell::new(state), is_ended: Cell::new(false), is_broken: Cell::new(false) }
    }

    /// Whether nothing can be written any more.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// Gives the next answer its place, and the number of it.
    pub(super) fn push(&self, answer: Answer) -> u64 {
        let mut state = self.state.borrow_mut();
        state.answers.push_back(answer);
        state.first + state.answers.len() as u64 - 1
    }

    /// An answer is there.
    pub(super) fn answered(&self, number: u64, answer: Option<Vec<u8>>) {
        {
            let mut state = self.state.borrow_mut();
            let at = usize::try_from(number.wrapping_sub(state.first)).unwrap_or(usize::MAX);
            let Some(place) = state.answers.get_mut(at) else { return };
            *place = Answer::There(answer);
        }
        if !self.settle() {
            self.member.wake.notify_one();
        }
    }

    /// Writes the answers that are due; whether the task has nothing to do about it.
    pub(super) fn settle(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let was_full = state.answers.len() >= MOST_UNANSWERED;
        while let Some(Answer::There(_)) = state.answers.front() {
            let is_undecided = state.requests.is_undecided();
            let is_line = state.requests.is_lines() || is_undecided && self.makes_lines();
            if !is_line {
                state.requests.over();
            }
            state.first += 1;
            if let Some(Answer::There(Some(answer))) = state.answers.pop_front() {
                state.append(answer, is_line);
            }
        }
        if !state.fits() {
            state.give_up();
        }
        if let Err(error) = state.write(&self.writer) {
            log::debug!("a client is gone: {error}");
            self.is_broken.set(true);
        }
        let is_ending =
            self.is_broken.get() || self.is_ended.get() || self.member.is_closing.get() || !state.requests.goes_on();
        state.unread() == 0 && !was_full && !is_ending
    }

    /// Whether a newline has come behind the first request that was not read yet.
    fn makes_lines(&self) -> bool {
        let mut following = [0; 64];
        Requests::makes_lines(self.writer.peek(&mut following))
    }
}

impl State {
    pub(super) fn new(framing: Framing, share: Share) -> Self {
        let requests = Requests::new(framing);
        Self { requests, answers: VecDeque::new(), first: 0, out: Vec::new(), written: 0, last_written: now(), share }
    }

    /// Bytes that the client has not taken.
    pub(super) fn unread(&self) -> usize {
        self.out.len() - self.written
    }

    /// Whether a request is coming and there is room for it: one that waits for room is not late.
    pub(super) fn is_inside(&self) -> bool {
        self.requests.is_inside() && self.has_room()
    }

    /// Whether more requests are taken.
    pub(super) fn has_room(&self) -> bool {
        self.answers.len() < MOST_UNANSWERED && self.unread() < MOST_UNREAD
    }

    /// Whether there is memory for what came and was not answered, and for answers that were not read.
    fn fits(&mut self) -> bool {
        let held = self.requests.held_bytes() + self.out.len();
        self.share.holds(held)
    }

    /// Drops what has come and what waits, and says so unless an answer is half written.
    fn give_up(&mut self) {
        self.requests.over();
        let is_between = self.written == 0;
        self.out.truncate(self.written);
        if is_between {
            let message =
                format!("requests and answers that are not complete take {MAX_UNFINISHED_BYTES} bytes; try again");
            let error = CallError { code: code::QUEUE_FULL, message, data: None };
            self.append(Form::Action.answer(false, &Err(error)).unwrap_or_default(), self.requests.is_lines());
        }
        self.fits();
    }

    fn append(&mut self, mut answer: Vec<u8>, is_line: bool) {
        if is_line {
            answer.push(b'\n');
        }
        if self.out.is_empty() {
            self.out = answer;
            self.last_written = now();
        } else {
            self.out.append(&mut answer);
        }
    }

    fn write(&mut self, to: &WriteHalf) -> io::Result<()> {
        while self.written < self.out.len() {
            match to.try_write(&self.out[self.written..]) {
                Ok(written) => {
                    self.written += written;
                    self.last_written = now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out = Vec::new();
        self.written = 0;
        Ok(())
    }
}
