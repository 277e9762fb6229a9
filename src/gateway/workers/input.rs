//! The lines that go into the pipe of one worker: whole, in order, never waiting.
//!
//! Invariant: a line of more than [`PIPE_BUF`] bytes is marked before its first byte is written and until its last one is.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use tokio::net::unix::pipe;
use tokio::sync::Notify;

use super::super::marks::{Mark, REQUEST};
use crate::model::payload::MAX_LINE_BYTES;

/// So many bytes go into a pipe whole or not at all.
const PIPE_BUF: usize = 4096;
/// Bytes that may wait before the worker is not listened to, because it asks without reading.
const MOST_WAITING: usize = MAX_LINE_BYTES + 4 * 1024 * 1024;

/// The writing end of a worker's input.
#[derive(Debug)]
pub(super) struct Input {
    pipe: pipe::Sender,
    mark: Rc<Mark>,
    lines: RefCell<VecDeque<Vec<u8>>>,
    /// Bytes of the first line that are in the pipe.
    written: Cell<usize>,
    waiting: Cell<usize>,
    is_broken: Cell<bool>,
    /// Something waits, or nothing does any more.
    changed: Notify,
}

impl Input {
    pub(super) fn new(pipe: OwnedFd, mark: Rc<Mark>) -> io::Result<Self> {
        Ok(Self {
            pipe: pipe::Sender::from_owned_fd(pipe)?,
            mark,
            lines: RefCell::default(),
            written: Cell::new(0),
            waiting: Cell::new(0),
            is_broken: Cell::new(false),
            changed: Notify::new(),
        })
    }

    /// Writes a line, now or as soon as the worker takes it.
    pub(super) fn write(&self, line: Vec<u8>) {
        if self.is_broken.get() {
            return;
        }
        self.waiting.set(self.waiting.get() + line.len());
        let is_first = {
            let mut lines = self.lines.borrow_mut();
            lines.push_back(line);
            lines.len() == 1
        };
        if is_first && !self.flush() {
            self.changed.notify_waiters();
        }
    }

    /// Writes what waits whenever the pipe takes it, for ever.
    pub(super) async fn keep_writing(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_empty() {
                changed.await;
            } else if self.pipe.writable().await.is_err() || self.flush() {
                self.changed.notify_waiters();
            }
        }
    }

    /// Whether so much waits that the worker is not listened to.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.get() > MOST_WAITING
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.borrow().is_empty()
    }

    /// Until everything is written.
    pub(super) async fn emptied(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Writes as much as the pipe takes; whether nothing is left.
    fn flush(&self) -> bool {
        let mut lines = self.lines.borrow_mut();
        while let Some(line) = lines.front() {
            match self.write_some(line) {
                Ok(true) => {
                    self.waiting.set(self.waiting.get() - line.len());
                    lines.pop_front();
                }
                Ok(false) => return false,
                Err(error) => {
                    log::debug!("a worker takes no input: {error}");
                    self.is_broken.set(true);
                    lines.clear();
                    self.waiting.set(0);
                }
            }
        }
        true
    }

    /// Writes of one line what the pipe takes; whether all of it is written.
    fn write_some(&self, line: &[u8]) -> io::Result<bool> {
        let is_long = line.len() > PIPE_BUF;
        if is_long && self.written.get() == 0 {
            self.mark.set(REQUEST, true);
        }
        while self.written.get() < line.len() {
            match self.pipe.try_write(&line[self.written.get()..]) {
                Ok(written) => self.written.set(self.written.get() + written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if is_long {
            self.mark.set(REQUEST, false);
        }
        self.written.set(0);
        Ok(true)
    }
}
