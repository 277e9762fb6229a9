//! What is left after a death: of the master at any moment, of its guardian, of both, and what the next start finds.

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod bulk;
mod death;
mod descriptors;
mod first_start;
mod interrupted;
mod keys;
mod locked;
mod log;
mod many;
mod second;
mod stubborn;
mod takeover;
