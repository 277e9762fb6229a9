//! Where news comes from: descriptors that are polled, threads that write to the inbox, signals.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use mio::{Events, Poll, Registry, Token, Waker};

use super::clients::ClientId;
use super::codec::control::Message;
use super::pipes::Pipe;
use super::reader::{Found, Origin};
use super::sampler::{Family, Sample};
use super::signals::Signals;
use crate::core::Ticket;
use crate::model::WorkerId;
use crate::process::sweep::SweepDone;
use crate::store::writer::Written;
use crate::telemetry::Trouble;

/// Messages of the threads to the supervisor, and of signals.
#[derive(Debug)]
pub(super) enum Inbox {
    Written(Written),
    Samples(Vec<Sample>, Vec<Family>),
    Swept(SweepDone),
    Read(Box<(Origin, Found)>),
    /// The log has written what was printed before somebody asked.
    LogWritten(Ticket),
    /// The collector of spans has trouble, or has it no more.
    Collector(Trouble),
    Line(Box<(ClientId, usize, Message)>),
    Interrupt,
    Terminate,
    Hangup,
    ChildExited,
}

/// Origin of a readiness event, as its token: the number of a worker or client, and in the low bits which of its
/// descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Worker(WorkerId, Pipe),
    Client(ClientId),
    Listener,
    Waker,
    Signals,
    Database,
    /// The link to the gateway.
    Gateway,
}

impl Source {
    pub(super) fn token(self) -> Token {
        let (number, kind) = match self {
            Self::Worker(id, Pipe::Stdin) => (id.0 as usize, 0),
            Self::Worker(id, Pipe::Stdout) => (id.0 as usize, 1),
            Self::Worker(id, Pipe::Stderr) => (id.0 as usize, 2),
            Self::Worker(id, Pipe::Protocol) => (id.0 as usize, 3),
            Self::Client(id) => (id.0, 4),
            Self::Listener => (0, 5),
            Self::Waker => (1, 5),
            Self::Signals => (2, 5),
            Self::Database => (3, 5),
            Self::Gateway => (4, 5),
        };
        Token(number << 3 | kind)
    }

    pub(super) fn of(token: Token) -> Self {
        let number = token.0 >> 3;
        let worker = WorkerId(number as i64);
        match token.0 & 7 {
            0 => Self::Worker(worker, Pipe::Stdin),
            1 => Self::Worker(worker, Pipe::Stdout),
            2 => Self::Worker(worker, Pipe::Stderr),
            3 => Self::Worker(worker, Pipe::Protocol),
            4 => Self::Client(ClientId(number)),
            _ => match number {
                0 => Self::Listener,
                1 => Self::Waker,
                2 => Self::Signals,
                3 => Self::Database,
                _ => Self::Gateway,
            },
        }
    }
}

/// The threads' way to the supervisor.
#[derive(Clone)]
pub(super) struct Mail {
    to: Sender<Inbox>,
    waker: Arc<Waker>,
}

impl Mail {
    pub(super) fn send(&self, what: Inbox) {
        // Fails only when the supervisor is gone, and then nobody is interested.
        if self.to.send(what).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sources {
    poll: Poll,
    inbox: Receiver<Inbox>,
    signals: Signals,
    /// How often Ctrl-C was heard of.
    interrupts: u32,
}

impl Sources {
    /// With the way to it for threads, which Ctrl-C takes as well.
    pub(super) fn new(signals: Signals) -> io::Result<(Self, Mail)> {
        let poll = Poll::new()?;
        signals.register(poll.registry(), Source::Signals.token())?;
        let waker = Arc::new(Waker::new(poll.registry(), Source::Waker.token())?);
        let (to, inbox) = crossbeam_channel::unbounded();
        let mail = Mail { to, waker };
        let interrupt = mail.clone();
        // There is a handler already if we were started with the signal ignored; then it stays so.
        let _ = ctrlc::try_set_handler(move || interrupt.send(Inbox::Interrupt));
        Ok((Self { poll, inbox, signals, interrupts: 0 }, mail))
    }

    /// Where descriptors are registered.
    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Waits for news of a descriptor or a thread; a signal may end that early.
    pub(super) fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.poll
            .poll(events, timeout)
            .or_else(|e| if e.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(e) })
    }

    /// A signal has come: its flag says which.
    pub(super) fn drain_signals(&self) {
        self.signals.drain();
    }

    /// The next message that has come; those of threads first.
    pub(super) fn next(&mut self) -> Option<Inbox> {
        let message = self.inbox.try_recv().ok();
        self.interrupts += u32::from(matches!(message, Some(Inbox::Interrupt)));
        message
            .or_else(|| self.signals.told_to_stop().then_some(Inbox::Terminate))
            .or_else(|| self.signals.hung_up().then_some(Inbox::Hangup))
            .or_else(|| self.signals.children_exited().then_some(Inbox::ChildExited))
    }

    /// How often Ctrl-C was heard of.
    pub(super) const fn interrupts(&self) -> u32 {
        self.interrupts
    }
}
