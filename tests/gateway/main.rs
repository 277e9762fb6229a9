//! The gateway process, without a master: the tests hand it workers' pipes and listening sockets, as a master does.

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
