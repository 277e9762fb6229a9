//! The worker's loop: sleeps until the master, the command or a deadline has news, and then does what is due.
//!
//! One thread, one command at a time; jobs that arrive meanwhile wait in order. Invariants: every job that was read is
//! answered exactly once, unless the worker itself is told to end; it never waits anywhere but in `poll`; when it
//! leaves, its command has ended or was killed.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::command::{Running, Tokens};
use super::intake::Desk;
use super::pipes::{Input, Outbox};
use super::request::Pending;
use super::template::Template;
use super::verdict::Reason;
use super::{answer, plan};
use crate::clock;
use crate::model::oom::OomKills;
use crate::process::exits;
use crate::process::oom;
use crate::process::self_pipe;

const INPUT: Token = Token(0);
const OUTPUT: Token = Token(1);
const LOG: Token = Token(2);
const CHILD: Token = Token(3);
const TERM: Token = Token(4);
const COMMAND: Tokens = Tokens { stdin: Token(5), stdout: Token(6), stderr: Token(7) };

/// While this many jobs wait, no more are read.
const MAX_PENDING: usize = 1024;
/// While this many bytes of answers wait, no further job is started.
const ANSWER_BACKLOG_BYTES: usize = 1 << 20;

/// Deaths for want of memory that are longer ago than this, when a command starts, have nothing to do with it.
const COUNT_EVERY: Duration = Duration::from_millis(100);

/// Streams of the loop. Each signal arrives as bytes on a socket of its own.
pub(super) struct Io {
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) log: OwnedFd,
    pub(super) child_exits: UnixStream,
    pub(super) terminate: UnixStream,
    /// Whether all children of this process are commands, and what came to us from them.
    pub(super) alone: bool,
}

/// Why the loop left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The master closed our input and everything we held is done.
    InputClosed,
    /// The reader of our answers has gone.
    OutputGone,
    Terminated,
}

/// Runs until there is a reason to leave.
pub(super) fn serve(io: Io, template: Option<&Template>) -> io::Result<Ended> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(16);
    let mut worker = Worker::new(io, &poll, template)?;
    loop {
        match poll.poll(&mut events, worker.timeout()) {
            // A signal, and what that is about is known without another look.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => worker.note_exits(),
            other => {
                other?;
                events.iter().for_each(|event| worker.note_event(event));
            }
        }
        if let Some(ended) = worker.turn(&poll)? {
            return Ok(ended);
        }
    }
}

struct Worker<'a> {
    template: Option<&'a Template>,
    input: Input,
    output: Outbox,
    log: Outbox,
    child_exits: UnixStream,
    terminate: UnixStream,
    alone: bool,
    pending: VecDeque<Pending>,
    current: Option<(Box<str>, Running)>,
    oom: OomKills,
    counted_at: Instant,
    may_have_exited: bool,
    told_to_end: bool,
}

impl<'a> Worker<'a> {
    fn new(io: Io, poll: &Poll, template: Option<&'a Template>) -> io::Result<Self> {
        use std::os::fd::AsRawFd;
        let registry = poll.registry();
        for (socket, token) in [(&io.child_exits, CHILD), (&io.terminate, TERM)] {
            socket.set_nonblocking(true)?;
            registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
        }
        Ok(Self {
            template,
            input: Input::new(io.input, registry, INPUT)?,
            output: Outbox::new(io.output, registry, OUTPUT)?,
            log: Outbox::new(io.log, registry, LOG)?,
            child_exits: io.child_exits,
            terminate: io.terminate,
            alone: io.alone,
            pending: VecDeque::new(),
            current: None,
            oom: OomKills::from(oom::kills()),
            counted_at: clock::instant(),
            may_have_exited: false,
            told_to_end: false,
        })
    }

    /// How long `poll` may sleep; `None`: until there is news.
    fn timeout(&self) -> Option<Duration> {
        let more_input = self.input.ready && self.takes_input();
        let more_output = self.current.as_ref().is_some_and(|(_, c)| c.has_more(&self.log));
        if more_input || more_output {
            return Some(Duration::ZERO);
        }
        let deadline = self.current.as_ref().and_then(|(_, c)| c.deadline());
        deadline.map(|at| at.saturating_duration_since(clock::instant()))
    }

    fn takes_input(&self) -> bool {
        self.input.open && !self.told_to_end && self.pending.len() < MAX_PENDING
    }

    fn note_event(&mut self, event: &mio::event::Event) {
        match (event.token(), &mut self.current) {
            (INPUT, _) => self.input.ready = true,
            (OUTPUT, _) => self.output.gone |= event.is_write_closed(),
            (CHILD, _) => self.note_exits(),
            (TERM, _) => self.told_to_end |= self_pipe::drain(&self.terminate),
            (token, Some((_, command))) if token == COMMAND.stdin => command.feed(),
            (token, Some((_, command))) if token == COMMAND.stdout => command.stdout_ready(),
            (token, Some((_, command))) if token == COMMAND.stderr => command.stderr_ready(),
            // The log has room again (`turn` writes), or old news of a command that has ended.
            _ => {}
        }
    }

    fn note_exits(&mut self) {
        self.may_have_exited |= self_pipe::drain(&self.child_exits);
    }

    /// One turn: what has arrived, what has ended, what is due, what is next.
    fn turn(&mut self, poll: &Poll) -> io::Result<Option<Ended>> {
        self.log.flush();
        if self.told_to_end {
            self.pending.clear();
        } else if self.input.ready && self.takes_input() {
            self.read_input();
        }
        self.look_after_command()?;
        self.start_next(poll);
        self.output.flush();
        Ok(self.ended())
    }

    fn read_input(&mut self) {
        let Self { input, output, log, pending, current, .. } = self;
        let mut desk = Desk { pending, current, output, log };
        if input.read(|line| desk.take(line)) {
            desk.log.note("the last line from the master has no end; it is dropped");
        }
    }

    /// Orphans of our commands come to us; those that have ended are reaped here.
    fn reap_orphans(&self) {
        let command = self.current.as_ref().map(|(_, command)| command.pid());
        if !self.alone {
            return;
        }
        while let Some(pid) = exits::peek().filter(|&pid| Some(pid) != command) {
            let _ = exits::reap_stranger(pid);
        }
    }

    fn look_after_command(&mut self) -> io::Result<()> {
        let may_have_exited = std::mem::take(&mut self.may_have_exited);
        if may_have_exited {
            self.reap_orphans();
        }
        let Some((id, command)) = &mut self.current else { return Ok(()) };
        let now = clock::instant();
        if self.told_to_end {
            command.tell(Reason::Shutdown, now);
        }
        let overdue = command.check_deadline(now);
        command.read(&mut self.output, &mut self.log);
        if (may_have_exited || overdue)
            && let Some(done) = command.try_finish(&mut self.output, &mut self.log, &mut self.oom)?
        {
            failpoint!("worker.ended");
            if !self.told_to_end {
                self.output.push(&answer::finished(id, &done));
            }
            self.current = None;
            // Orphans that were behind it in the list of children.
            self.reap_orphans();
        }
        Ok(())
    }

    /// Starts the next job that can be started; those that cannot are answered.
    fn start_next(&mut self, poll: &Poll) {
        while self.current.is_none() && self.output.waiting() < ANSWER_BACKLOG_BYTES {
            let Some(job) = self.pending.pop_front() else { return };
            failpoint!("worker.before_start");
            // For many short commands once.
            if clock::instant().duration_since(self.counted_at) >= COUNT_EVERY {
                (self.oom, self.counted_at) = (OomKills::from(oom::kills()), clock::instant());
            }
            let started = plan::plan(&job.params, self.template)
                .and_then(|p| Running::start(p, self.alone, poll.registry(), COMMAND));
            match started {
                Ok(command) => {
                    failpoint!("worker.started");
                    self.current = Some((job.id, command));
                }
                Err(failure) => self.output.push(&answer::refused(&job.id, &failure)),
            }
        }
    }

    fn ended(&self) -> Option<Ended> {
        let idle = self.current.is_none() && self.pending.is_empty();
        if self.output.gone {
            Some(Ended::OutputGone)
        } else if self.told_to_end && idle {
            Some(Ended::Terminated)
        } else if !self.input.open && idle && self.output.waiting() == 0 && self.log.waiting() == 0 {
            Some(Ended::InputClosed)
        } else {
            None
        }
    }
}
