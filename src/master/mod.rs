//! The shell: one thread that owns the state of the master, around the core that decides.
//!
//! A turn: wait for something (`poll`), take in what workers, clients, threads and signals say, reap who has exited,
//! let the core settle, carry out its actions, hand changes to the writer, write what can be written. Nothing in it
//! waits, except `poll` until the next deadline.
//!
//! Blocking edges are threads: the store writer and its sync, the reader of records, the reader of long requests, the
//! sampler, the logs, the sweeper, the console, Ctrl-C. They talk to this thread by one channel and a waker;
//! `docs/architecture.md` draws them.
//!
//! Invariants:
//! - No `?` in a turn: an error is an event, it must not abandon living children.
//! - A job's first byte is written only after its claim came back from a committed batch.
//! - Every child is known to the guardian before anything is sent to it.

mod apply;
mod batch;
mod checks;
mod children;
mod clients;
mod codec;
mod console;
mod event_loop;
mod events;
mod finish;
mod guard;
mod heard;
mod leftovers;
pub(crate) mod logs;
mod meters;
mod open_files;
mod pipes;
mod reader;
mod reading;
mod requests;
pub(crate) mod sampler;
mod signals;
mod snapshot;
mod startup;
mod store_events;
mod takeover;
mod timers;
mod unfinished;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use mio::{Poll, Token, Waker};

use crate::clock::{Clock, wall};
use crate::config::{Config, PoolConfig};
use crate::core::{Action, Core, Event, PoolId, Ticket};
use crate::model::{Generation, UnixMicros, WorkerId};
use crate::process::cgroup;
use crate::process::start_step::Step;
use crate::process::sweep::{SweepDone, Sweeper};
use crate::store::writer::Written;
use crate::store::{Lock, StoreError};
use crate::wire::worker::JobLines;

use batch::Batches;
use checks::Checks;
use children::Children;
use clients::Clients;
use codec::long_lines::LineReader;
use console::Console;
use event_loop::Pace;
use guard::Guard;
use leftovers::Leftovers;
use logs::Logs;
use meters::Meters;
use pipes::Pipe;
use reader::{Found, Reader};
use reading::Reading;
use requests::{Bulks, Requests, jobs::Tasks};
use sampler::Sample;
use signals::Signals;
use store_events::Purpose;
use timers::Timers;

pub(crate) use startup::{Failure, run};

/// Messages of the threads to the supervisor.
#[derive(Debug)]
enum Inbox {
    Written(Written),
    Samples(Vec<Sample>, Vec<sampler::Family>),
    Swept(SweepDone),
    Read(Box<(Ticket, Found)>),
    Line(Box<(clients::ClientId, usize, codec::control::Message)>),
    Interrupt,
}

/// Who is meant by a readiness event: the number of a worker or client, and in the low bits which of its
/// descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Worker(WorkerId, Pipe),
    Client(clients::ClientId),
    Listener,
    Waker,
    Signals,
    Database,
}

impl Source {
    fn token(self) -> Token {
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
        };
        Token(number << 3 | kind)
    }

    fn of(token: Token) -> Self {
        let number = token.0 >> 3;
        let worker = WorkerId(number as i64);
        match token.0 & 7 {
            0 => Self::Worker(worker, Pipe::Stdin),
            1 => Self::Worker(worker, Pipe::Stdout),
            2 => Self::Worker(worker, Pipe::Stderr),
            3 => Self::Worker(worker, Pipe::Protocol),
            4 => Self::Client(clients::ClientId(number)),
            _ => match number {
                0 => Self::Listener,
                1 => Self::Waker,
                2 => Self::Signals,
                _ => Self::Database,
            },
        }
    }
}

/// Values that do not change while the master lives.
#[derive(Debug)]
struct Fixed {
    config: Config,
    generation: Generation,
    store_id: String,
    cookie: String,
    /// The control group of all workers, where there is one.
    group: Option<cgroup::Group>,
    /// Steps of every worker before all else.
    step: Step,
    started_at: UnixMicros,
    pid: u32,
    /// Variables of ours in the environment we inherited; they are not passed on to workers.
    inherited: Vec<std::ffi::OsString>,
}

/// The running master.
struct Master {
    fixed: Fixed,
    clock: Clock,
    poll: Poll,
    inbox: Receiver<Inbox>,
    core: Core,
    actions: Vec<Action>,
    job_lines: JobLines,
    pools: BTreeMap<PoolId, PoolConfig>,
    children: Children,
    reading: Reading,
    leftovers: Leftovers,
    clients: Clients,
    line_reader: LineReader,
    requests: Requests,
    tasks: Tasks,
    bulks: Bulks,
    batches: Batches<Purpose>,
    reader: Reader,
    guard: Guard,
    sweeper: Sweeper,
    meters: Meters,
    logs: Logs,
    console: Console,
    signals: Signals,
    scratch: Vec<u8>,
    interrupts: u32,
    checks: Checks,
    timers: Timers,
    pace: Pace,
    /// Another generation has begun, or the store is gone: nothing may be written any more.
    lost: Option<StoreError>,
    // Last, so that the lock outlives everything that writes.
    _lock: Lock,
}

/// The threads' way to the supervisor.
#[derive(Clone)]
struct Mail {
    to: Sender<Inbox>,
    waker: Arc<Waker>,
}

impl Mail {
    fn send(&self, what: Inbox) {
        // Fails only when the supervisor is gone, and then nobody is interested.
        if self.to.send(what).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

impl Master {
    /// Tells the core what happened.
    fn feed(&mut self, event: Event) {
        let now = self.clock.now();
        self.core.handle(event, now, &mut self.actions);
    }
}
