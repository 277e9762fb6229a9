//! The gateway process, without a master: the tests hand it workers' pipes and listening sockets, as a master does.

// Not on other systems: services are of Linux.
#![cfg(target_os = "linux")]

mod batches;
mod clients;
#[path = "../support/clock.rs"]
mod clock;
mod death;
mod framing;
mod hostile;
mod http;
mod inside;
mod rig;
mod workers;
