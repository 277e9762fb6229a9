//! The pipes of one worker: bytes in both directions, never blocking, in bounded memory.
//!
//! Knows lines and messages, not what they mean for jobs. Invariants: no read or write waits; at most `BUDGET` bytes
//! are read per stream before the others are looked at, so that one chatty worker does not starve the rest; what a
//! worker had not read when it died is known ([`Pipes::read_up_to`]).

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::pipe::Sender;
use mio::{Registry, Token};

use super::heard::{Heard, MAX_OUTPUT_LINE, message};
use super::logs::Stream;
use super::sampler;
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::supervision::StopSignal;
use crate::model::worker::Exit;
use crate::model::{LastLines, Mono, PoolKind, WorkerId};
use crate::process::child::Child;
use crate::process::pipes::{FromChild, ToChild};
use crate::process::spawn::Spawned;
use crate::process::tail::{self, Tail};
use crate::wire::lines::{Line, Lines};
use crate::wire::worker::read_printed;

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
    name: Arc<str>,
    child: Child,
    stdin: ToChild,
    stdout: FromChild,
    stderr: FromChild,
    protocol: FromChild,
    /// Where in the stream each request begins.
    requests: VecDeque<(u64, u64)>,
    messages: Lines,
    out_lines: Lines,
    err_lines: Lines,
    last_err: Tail,
    last_out: Tail,
    /// Where its messages come from.
    speaks_on: Option<Pipe>,
    /// The built-in worker, which passes on what its commands print.
    prints: bool,
    /// A server: `ready` is the only message among what it prints.
    says_ready: bool,
    /// The stdin, until that is closed, and the stdout of a worker of the gateway, which has them, too; nothing is written or read here.
    ends: Option<(Option<Arc<OwnedFd>>, Arc<OwnedFd>)>,
    /// Requests of the worker that are not answered yet.
    unanswered: usize,
    /// When its memory was measured at an answer.
    measured_at: Option<Mono>,
    /// The worker has answered a job.
    has_answered: bool,
    /// Up to where what goes to it was told.
    told: u64,
}

impl Pipes {
    /// Takes over the pipes of a worker and registers them; `token` names each of them.
    pub(super) fn new(
        name: Arc<str>,
        spawned: Spawned,
        kind: PoolKind,
        registry: &Registry,
        token: impl Fn(Pipe) -> Token,
    ) -> io::Result<Self> {
        let speaks_on = match (&spawned.protocol, kind) {
            (Some(_), _) => Some(Pipe::Protocol),
            (None, PoolKind::Opaque | PoolKind::Service | PoolKind::Server) => None,
            (None, PoolKind::Exec | PoolKind::Protocol) => Some(Pipe::Stdout),
        };
        let (mut stdin, mut stdout, mut ends) = (spawned.stdin, Some(spawned.stdout), None);
        if kind == PoolKind::Service
            && let Some(stdout) = stdout.take()
        {
            ends = Some((stdin.take().map(|stdin| Arc::new(stdin.into())), Arc::new(stdout.into())));
        }
        Ok(Self {
            name,
            child: spawned.child,
            stdin: ToChild::new(stdin, registry, token(Pipe::Stdin))?,
            stdout: FromChild::new(stdout, registry, token(Pipe::Stdout))?,
            stderr: FromChild::new(Some(spawned.stderr), registry, token(Pipe::Stderr))?,
            protocol: FromChild::new(spawned.protocol, registry, token(Pipe::Protocol))?,
            requests: VecDeque::new(),
            messages: Lines::new(MAX_LINE_BYTES),
            out_lines: Lines::new(MAX_OUTPUT_LINE),
            err_lines: Lines::new(MAX_OUTPUT_LINE),
            last_err: Tail::new(tail::BYTES),
            last_out: Tail::new(tail::BYTES),
            speaks_on,
            prints: kind == PoolKind::Exec,
            says_ready: kind == PoolKind::Server,
            ends,
            unanswered: 0,
            measured_at: None,
            has_answered: false,
            told: 0,
        })
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Asks the worker and its group to end.
    pub(super) fn terminate(&self, by: StopSignal) -> io::Result<()> {
        self.child.terminate(by)
    }

    /// Ends the worker and its group.
    pub(super) fn kill(&self) -> io::Result<()> {
        self.child.kill()
    }

    /// Reaps the worker, which has exited.
    pub(super) fn reap(&mut self) -> Option<Exit> {
        self.child.reap().ok().flatten().map(|ended| ended.exit)
    }

    /// Measures the memory of the worker, unless that was done less than `every` ago.
    pub(super) fn measure(&mut self, now: Mono, every: Duration) -> Option<u64> {
        if self.measured_at.is_some_and(|at| now.since(at) < every) {
            return None;
        }
        self.measured_at = Some(now);
        sampler::memory_of(self.child.pid())
    }

    /// Memory that the unfinished line of the worker takes.
    pub(super) const fn unfinished(&self) -> usize {
        self.messages.held_bytes()
    }

    /// Keeps no more than the head of the unfinished line.
    pub(super) fn give_up_line(&mut self) {
        self.messages.give_up();
    }

    /// Where to append a job request.
    pub(super) fn begin_request(&mut self, request: u64) -> &mut Vec<u8> {
        // Output from before its first answer tells why the worker does not come up, also where a job was on its way.
        if self.requests.is_empty() && self.has_answered {
            self.forget_tails();
        }
        self.requests.push_back((request, self.stdin.position()));
        self.stdin.outgoing()
    }

    /// A request of the worker is being dealt with.
    pub(super) fn asked(&mut self) {
        self.unanswered += 1;
    }

    /// Answers a request of the worker.
    pub(super) fn answer(&mut self, line: &[u8]) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.stdin.outgoing().extend_from_slice(line);
    }

    /// Whether the worker sends requests faster than it reads answers: nothing more is read of it until it has read them.
    pub(super) fn is_behind(&self) -> bool {
        self.unanswered > MAX_UNANSWERED || self.stdin.waiting() > MAX_UNREAD
    }

    /// Where to append anything else.
    pub(super) const fn outgoing(&mut self) -> &mut Vec<u8> {
        self.stdin.outgoing()
    }

    /// Messages that wait to be written and were not taken before.
    pub(super) fn take_untold(&mut self) -> &[u8] {
        let from = std::mem::replace(&mut self.told, self.stdin.position());
        self.stdin.waiting_from(from)
    }

    /// The request was answered.
    pub(super) fn end_request(&mut self, request: u64) {
        self.has_answered = true;
        if self.requests.front().is_some_and(|&(r, _)| r == request) {
            self.requests.pop_front();
        } else {
            self.requests.retain(|&(r, _)| r != request);
        }
    }

    /// Keeps a line that was printed, in case it is the last.
    pub(super) fn keep(&mut self, stream: Stream, line: &[u8]) {
        let tail = if stream == Stream::Stderr { &mut self.last_err } else { &mut self.last_out };
        tail.push(line);
        tail.push(b"\n");
    }

    /// Output so far belongs to the job that was just answered, not to the next.
    pub(super) fn forget_tails(&mut self) {
        self.last_err.clear();
        self.last_out.clear();
    }

    /// Closes stdin when everything is written.
    pub(super) fn close_stdin(&mut self) {
        self.stdin.close();
        if let Some((stdin, _)) = &mut self.ends {
            *stdin = None;
        }
    }

    /// Whether the gateway talks with it.
    pub(super) const fn is_of_gateway(&self) -> bool {
        self.ends.is_some()
    }

    /// The ends that the gateway is given to talk with it, as long as it is talked with.
    pub(super) fn ends(&self) -> Option<[Arc<OwnedFd>; 2]> {
        let (stdin, stdout) = self.ends.as_ref()?;
        Some([Arc::clone(stdin.as_ref()?), Arc::clone(stdout)])
    }

    /// Writes what can be written now; false if the worker has closed its input and will never read the rest.
    pub(super) fn flush(&mut self) -> bool {
        self.stdin.flush(write)
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
        let rest = self.messages.rest();
        match read_printed(rest).filter(|_| self.prints) {
            Some(piece) => put_together(&mut self.out_lines, piece, heard),
            None => print_rest(rest, Stream::Stdout, heard),
        }
        print_rest(self.out_lines.rest(), Stream::Stdout, heard);
        print_rest(self.err_lines.rest(), Stream::Stderr, heard);
    }

    fn read_at_most(&mut self, id: WorkerId, pipe: Pipe, most: usize, scratch: &mut [u8], heard: &mut Heard) -> bool {
        let Self { stdout, stderr, protocol, requests, messages, out_lines, err_lines, speaks_on, .. } = self;
        let (prints, says_ready) = (self.prints, self.says_ready);
        let from = match pipe {
            Pipe::Stdin => return false,
            Pipe::Stdout => stdout,
            Pipe::Stderr => stderr,
            Pipe::Protocol => protocol,
        };
        from.read(most, false, scratch, |chunk| match pipe {
            Pipe::Stderr => err_lines.push(chunk, |line| heard.print(Stream::Stderr, text_of(line))),
            _ if *speaks_on == Some(pipe) => {
                messages.push(chunk, |line| match piece_of(line).filter(|_| prints) {
                    Some(piece) => put_together(out_lines, piece, heard),
                    None => message(id, line, requests, heard),
                });
                if !messages.rest().is_empty() {
                    failpoint!("answer.half_read");
                }
            }
            _ => out_lines.push(chunk, |line| match text_of(line) {
                text if says_ready && heard.is_ready(id, text) => {}
                text => heard.print(Stream::Stdout, text),
            }),
        })
    }

    /// The last request of which the worker had read anything; asked when it reads no more.
    pub(super) fn read_up_to(&self) -> u64 {
        let consumed = self.stdin.taken();
        self.requests.iter().filter(|&&(_, start)| start < consumed).map(|&(r, _)| r).max().unwrap_or(0)
    }

    /// Last lines that were printed.
    pub(super) fn last_lines(&self) -> LastLines {
        LastLines { stderr: self.last_err.last_lines(), stdout: self.last_out.last_lines() }
    }
}

/// A piece of what a command of the built-in worker has printed.
fn piece_of(line: Line<'_>) -> Option<(&[u8], bool)> {
    match line {
        Line::Whole(text) => read_printed(text),
        Line::TooLong { .. } => None,
    }
}

/// Adds a piece to the line of which it is a part.
fn put_together(lines: &mut Lines, (text, ends): (&[u8], bool), heard: &mut Heard) {
    let mut print = |line: Line<'_>| heard.print(Stream::Stdout, text_of(line));
    lines.push(text, &mut print);
    if ends {
        lines.push(b"\n", &mut print);
    }
}

/// A line that was begun is a line of output at the end.
fn print_rest(rest: &[u8], stream: Stream, heard: &mut Heard) {
    if !rest.is_empty() {
        heard.print(stream, &rest[..rest.len().min(MAX_OUTPUT_LINE)]);
    }
}

fn text_of(line: Line<'_>) -> &[u8] {
    match line {
        Line::Whole(text) => text,
        Line::TooLong { head, .. } => head,
    }
}

fn write(stdin: &mut Sender, bytes: &[u8]) -> io::Result<usize> {
    let part = &bytes[..faulty!("dispatch.cut_short", bytes.len().div_ceil(2), bytes.len())];
    let written = faulty!("dispatch.write", Err(io::ErrorKind::BrokenPipe.into()), stdin.write(part))?;
    if written < bytes.len() {
        failpoint!("dispatch.half_written");
    } else {
        failpoint!("dispatch.written");
    }
    Ok(written)
}
