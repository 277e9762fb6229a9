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

mod anew;
mod apply;
mod batch;
mod checks;
mod children;
mod clients;
mod codec;
mod console;
mod containment;
mod debug;
mod decisions;
mod event_loop;
mod events;
mod finish;
mod gateway;
mod happened;
mod heard;
mod hold;
mod hooks;
pub(crate) mod logs;
mod meters;
mod metrics;
mod notify;
mod open_files;
mod pipes;
mod reader;
mod reading;
mod requests;
pub(crate) mod sampler;
mod sidecars;
mod signals;
mod snapshot;
mod sources;
mod spawner;
mod startup;
mod store_events;
mod takeover;
mod time;
mod timers;
mod traces;
mod unfinished;
mod web;
mod workers;

use std::sync::Arc;

use crate::clock::wall;
use crate::config::{Inputs, Loaded};
use crate::core::Event;
use crate::model::{Generation, UnixMicros};

use batch::Batches;
use checks::Checks;
use children::Children;
use clients::Clients;
use console::Console;
use containment::Containment;
use debug::DebugState;
use decisions::Decisions;
use gateway::Gateway;
use happened::Happened;
use hold::Hold;
use hooks::Hooks;
use logs::Logs;
use meters::Meters;
use notify::Notify;
use requests::Requests;
use sidecars::Sidecars;
use sources::Sources;
use spawner::Spawner;
use store_events::Purpose;
use time::Time;
use traces::Traces;
use web::Web;

pub(crate) use open_files::needed as files_needed;
pub(crate) use startup::{Failure, run};

/// Values that do not change while the master lives.
#[derive(Debug)]
struct Fixed {
    /// The means to read the file again.
    inputs: Arc<Inputs>,
    generation: Generation,
    store_id: String,
    started_at: UnixMicros,
    pid: u32,
}

/// The running master.
struct Master {
    fixed: Fixed,
    /// The configuration; another one after a reload.
    in_force: Loaded,
    time: Time,
    core: Decisions,
    spawner: Spawner,
    children: Children,
    hooks: Hooks,
    gateway: Gateway,
    web: Web,
    sidecars: Sidecars,
    clients: Clients,
    requests: Requests,
    batches: Batches<Purpose>,
    containment: Containment,
    meters: Meters,
    logs: Logs,
    console: Console,
    happened: Happened,
    debug: DebugState,
    traces: Traces,
    notify: Notify,
    checks: Checks,
    sources: Sources,
    // Last, so that the lock outlives everything that writes.
    hold: Hold,
}

impl Master {
    /// Tells the core what happened.
    fn feed(&mut self, event: Event) {
        let now = self.time.now();
        self.core.feed(event, now);
    }
}
