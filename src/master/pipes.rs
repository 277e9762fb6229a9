//! The pipes of one worker: bytes in both directions, never blocking, in bounded memory.
//!
//! Knows lines and messages, not what they mean for jobs. Invariants: no read or write waits; at most `BUDGET` bytes
//! are read per stream before the others are looked at, so that one chatty worker does not starve the rest; what a
//! worker had not read when it died is known ([`Pipes::read_up_to`]).

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::process::Child;
use std::sync::Arc;

use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry, Token};

use super::heard::{Heard, MAX_OUTPUT_LINE, message};
use super::logs::Stream;
use super::tail::Tail;
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::{LastLines, Mono, WorkerId};
use crate::process::spawn::Spawned;
use crate::wire::lines::{Line, Lines};

/// Bytes read per stream before others have their turn.
const BUDGET: usize = 16 * 1024;
/// Capacity of a pipe, unless it was changed.
const PIPE: usize = 64 * 1024;
/// Bytes read from the pipes of a worker that has exited: more than a pipe can hold.
const LAST_WORDS: usize = 2 * 1024 * 1024;
/// Requests of a worker that may be unanswered, and bytes that may wait for it beside one job, before it is not heard
/// further.
const MAX_UNANSWERED: usize = 1024;
const MAX_UNREAD: usize = MAX_LINE_BYTES + 4 * 1024 * 1024;

/// Which of a worker's pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pipe {
    Stdin,
    Stdout,
    Stderr,
    Protocol,
}

/// One worker's process and pipes.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) name: Arc<str>,
    pub(super) pid: u32,
    pub(super) child: Child,
    stdin: Option<Sender>,
    stdout: Option<Receiver>,
    stderr: Option<Receiver>,
    protocol: Option<Receiver>,
    /// Bytes still to be written to stdin, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// Bytes that went into stdin, ever.
    written: u64,
    /// Where in the stream each request begins.
    requests: VecDeque<(u64, u64)>,
    close_stdin: bool,
    pub(super) messages: Lines,
    out_lines: Lines,
    err_lines: Lines,
    last_err: Tail,
    last_out: Tail,
    /// Last report of the built-in worker about the stdout of a command, with its request.
    told: Option<(u64, String)>,
    opaque: bool,
    /// Requests of the worker that are not answered yet.
    unanswered: usize,
    /// When its memory was measured at an answer.
    pub(super) measured_at: Option<Mono>,
}

impl Pipes {
    /// Takes over the pipes of a worker and registers them; `token` names each of them.
    pub(super) fn new(
        name: Arc<str>,
        spawned: Spawned,
        opaque: bool,
        registry: &Registry,
        token: impl Fn(Pipe) -> Token,
    ) -> io::Result<Self> {
        let mut pipes = Self {
            name,
            pid: spawned.pid,
            child: spawned.child,
            stdin: spawned.stdin.map(Sender::from),
            stdout: Some(Receiver::from(spawned.stdout)),
            stderr: Some(Receiver::from(spawned.stderr)),
            protocol: spawned.protocol.map(|p| Receiver::from(std::os::fd::OwnedFd::from(p))),
            out: Vec::new(),
            sent: 0,
            written: 0,
            requests: VecDeque::new(),
            close_stdin: false,
            messages: Lines::new(MAX_LINE_BYTES),
            out_lines: Lines::new(MAX_OUTPUT_LINE),
            err_lines: Lines::new(MAX_OUTPUT_LINE),
            last_err: Tail::default(),
            last_out: Tail::default(),
            told: None,
            opaque,
            unanswered: 0,
            measured_at: None,
        };
        if let Some(stdin) = &mut pipes.stdin {
            stdin.set_nonblocking(true)?;
            registry.register(stdin, token(Pipe::Stdin), Interest::WRITABLE)?;
        }
        let readers = [(&mut pipes.stdout, Pipe::Stdout), (&mut pipes.stderr, Pipe::Stderr)];
        for (reader, pipe) in readers.into_iter().chain([(&mut pipes.protocol, Pipe::Protocol)]) {
            if let Some(reader) = reader {
                reader.set_nonblocking(true)?;
                registry.register(reader, token(pipe), Interest::READABLE)?;
            }
        }
        Ok(pipes)
    }

    /// Where to append a job request.
    pub(super) fn begin_request(&mut self, request: u64) -> &mut Vec<u8> {
        if self.requests.is_empty() {
            self.forget_tails();
        }
        self.requests.push_back((request, self.written + (self.out.len() - self.sent) as u64));
        &mut self.out
    }

    /// A request of the worker is being dealt with.
    pub(super) fn asked(&mut self) {
        self.unanswered += 1;
    }

    /// Answers a request of the worker.
    pub(super) fn answer(&mut self, line: &[u8]) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.out.extend_from_slice(line);
    }

    /// Whether it sends requests faster than it reads answers: it is not read further until it has read them.
    pub(super) fn is_behind(&self) -> bool {
        self.unanswered > MAX_UNANSWERED || self.out.len() - self.sent > MAX_UNREAD
    }

    /// Where to append anything else.
    pub(super) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The request was answered.
    pub(super) fn end_request(&mut self, request: u64) {
        self.told.take_if(|(r, _)| *r == request);
        if self.requests.front().is_some_and(|&(r, _)| r == request) {
            self.requests.pop_front();
        } else {
            self.requests.retain(|&(r, _)| r != request);
        }
    }

    /// Output so far belongs to the job that was just answered, not to the next.
    pub(super) fn forget_tails(&mut self) {
        self.last_err.clear();
        self.last_out.clear();
    }

    /// Closes stdin when everything is written.
    pub(super) fn close_stdin(&mut self) {
        self.close_stdin = true;
    }

    /// Writes what can be written now; false if the worker has closed its input and will never read the rest.
    pub(super) fn flush(&mut self) -> bool {
        let Some(stdin) = &mut self.stdin else {
            self.out.clear();
            self.sent = 0;
            return true;
        };
        let mut open = true;
        while self.sent < self.out.len() {
            let end = faulty!("dispatch.cut_short", (self.sent + self.out.len()).div_ceil(2), self.out.len());
            let part = &self.out[self.sent..end];
            match faulty!("dispatch.write", Err(io::ErrorKind::BrokenPipe.into()), stdin.write(part)) {
                Ok(n) => {
                    self.sent += n;
                    self.written += n as u64;
                    if self.sent < self.out.len() {
                        failpoint!("dispatch.half_written");
                    } else {
                        failpoint!("dispatch.written");
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.out.clear();
                    self.sent = 0;
                    open = false;
                }
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
            if self.out.capacity() > 256 * 1024 {
                self.out = Vec::new();
            }
            if self.close_stdin {
                self.stdin = None;
            }
        }
        open
    }

    /// Reads what one pipe has, within the budget; true if there may be more.
    pub(super) fn read(&mut self, id: WorkerId, pipe: Pipe, scratch: &mut [u8], heard: &mut Heard) -> bool {
        self.read_at_most(id, pipe, BUDGET, scratch, heard)
    }

    /// Reads what is on stderr by now; true if there may be more.
    pub(super) fn read_stderr(&mut self, id: WorkerId, scratch: &mut [u8], heard: &mut Heard) -> bool {
        self.read_at_most(id, Pipe::Stderr, PIPE, scratch, heard)
    }

    /// Reads the last words of a worker that has exited: what is in its pipes now, not what a grandchild that holds
    /// them may write later.
    pub(super) fn read_last_words(&mut self, id: WorkerId, scratch: &mut [u8], heard: &mut Heard) {
        for pipe in [Pipe::Stderr, Pipe::Stdout, Pipe::Protocol] {
            self.read_at_most(id, pipe, LAST_WORDS, scratch, heard);
        }
        for (lines, stream) in [(&self.messages, Stream::Stdout), (&self.out_lines, Stream::Stdout)] {
            if !lines.rest().is_empty() {
                heard.output.push((stream, lines.rest()[..lines.rest().len().min(MAX_OUTPUT_LINE)].to_vec()));
            }
        }
        let rest = self.err_lines.rest().to_vec();
        if !rest.is_empty() {
            self.last_err.keep(&rest);
            heard.output.push((Stream::Stderr, rest));
        }
    }

    fn read_at_most(&mut self, id: WorkerId, pipe: Pipe, most: usize, scratch: &mut [u8], heard: &mut Heard) -> bool {
        let mut left = most;
        loop {
            let reader = match pipe {
                Pipe::Stdin => return false,
                Pipe::Stdout => &mut self.stdout,
                Pipe::Stderr => &mut self.stderr,
                Pipe::Protocol => &mut self.protocol,
            };
            let Some(open) = reader else { return false };
            let most = left.min(scratch.len());
            match open.read(&mut scratch[..most]) {
                Ok(0) => {
                    *reader = None;
                    return false;
                }
                Ok(n) => {
                    self.take_in(id, pipe, &scratch[..n], heard);
                    left = left.saturating_sub(n);
                    if left == 0 {
                        return true;
                    }
                    // A short read emptied the pipe: the next edge tells of more.
                    if n < most {
                        return false;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => {
                    *reader = None;
                    return false;
                }
            }
        }
    }

    fn take_in(&mut self, id: WorkerId, pipe: Pipe, chunk: &[u8], heard: &mut Heard) {
        let speaks = match pipe {
            Pipe::Stdin => return,
            Pipe::Stderr => {
                let tail = &mut self.last_err;
                self.err_lines.push(chunk, |line| {
                    let text = text_of(line);
                    tail.keep(text);
                    heard.output.push((Stream::Stderr, text.to_vec()));
                });
                return;
            }
            Pipe::Stdout => self.protocol.is_none() && !self.opaque,
            Pipe::Protocol => true,
        };
        let before = heard.output.len();
        if speaks {
            let requests = &self.requests;
            self.messages.push(chunk, |line| message(id, line, requests, heard));
            if !self.messages.rest().is_empty() {
                failpoint!("answer.half_read");
            }
        } else {
            self.out_lines.push(chunk, |line| heard.output.push((Stream::Stdout, text_of(line).to_vec())));
        }
        heard.output[before..].iter().for_each(|(_, line)| self.last_out.keep(line));
        if let Some(told) = heard.told.take() {
            self.told = Some(told);
        }
    }

    /// The last request of which the worker had read anything; asked when it reads no more.
    pub(super) fn read_up_to(&self) -> u64 {
        let unread = self.stdin.as_ref().and_then(|stdin| rustix::io::ioctl_fionread(stdin).ok()).unwrap_or(0);
        let consumed = self.written.saturating_sub(unread);
        self.requests.iter().filter(|&&(_, start)| start < consumed).map(|&(r, _)| r).max().unwrap_or(0)
    }

    /// Last lines that were printed.
    pub(super) fn last_lines(&self) -> LastLines {
        let told = self.told.as_ref().map(|(_, stdout)| stdout.clone());
        LastLines { stderr: self.last_err.text(), stdout: told.unwrap_or_else(|| self.last_out.text()) }
    }
}

fn text_of(line: Line<'_>) -> &[u8] {
    match line {
        Line::Whole(text) => text,
        Line::TooLong { head, .. } => head,
    }
}
