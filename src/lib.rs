//! queue-work: a queue-worker pool manager.
//!
//! `docs/architecture.md` draws the processes, threads and channels, and says where to start reading.
//!
//! The map: `cli` (one file per verb) calls `client` (talk to a running master) or `master` (be one).
//! `master` is the shell around `core`, which decides everything and does nothing: `step(event, now) -> actions`.
//! `store` records jobs, runs and workers; `gateway` is the process that carries the calls of services; `web` the one that shows everything in the browser; `trial` speaks to one worker without either; `process` spawns, signals and finds processes; `wire` is the line
//! protocol; `worker` is the built-in worker that runs commands; `config` turns what was written into what it
//! means; `schedule` reckons the ticks of processors from cron expressions and time zones; `report` words everything for people and for JSON; `model` holds the words everybody shares.
//! `port` makes configurations of files of other systems; `top` is the state of the screen that follows a master; `telemetry` sends spans to a collector; `trust` says whose files are; `clock` reads the clocks; `channel` is one between threads, with a limit. `faults` makes things go wrong in builds for tests.
//!
//! Invariants:
//! - `core` imports nothing but `model`; no process, file, channel, clock or log in it.
//! - SQL is in `store` only; wording for people is in `report` and in error types only.
//! - One thread owns the state of the master and never blocks; blocking edges are threads joined by channels.
//! - The claim of a job is committed before its first byte goes to a worker.

// First, because its macros are used everywhere.
#[macro_use]
mod faults;

mod channel;
mod cli;
mod client;
mod clock;
mod config;
mod core;
mod error;
mod gateway;
mod master;
mod model;
mod port;
mod process;
mod report;
mod schedule;
mod store;
mod telemetry;
#[cfg(feature = "top")]
mod top;
mod trial;
mod trust;
#[cfg(feature = "web")]
mod web;
mod wire;
mod worker;

pub use cli::main;

/// For the tests, benchmarks and side-by-side comparisons of this project alone: no interface, changed at will.
#[doc(hidden)]
pub mod testing {
    pub mod client {
        pub use crate::client::*;
    }
    pub mod config {
        pub use crate::config::*;
    }
    pub mod core {
        pub use crate::core::*;
    }
    pub mod model {
        pub use crate::model::*;
    }
    pub mod port {
        pub use crate::port::*;
    }
    pub mod process {
        pub use crate::process::*;
    }
    pub mod report {
        pub use crate::report::*;
    }
    pub mod schedule {
        pub use crate::schedule::*;
    }
    pub mod store {
        pub use crate::store::*;
    }
    pub mod wire {
        pub use crate::wire::*;
    }
}
