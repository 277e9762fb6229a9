//! The control socket with raw lines, and the output of workers, through the real binary.

#[path = "../support/mod.rs"]
mod support;

mod bulk;
mod debug;
mod events;
mod frozen;
mod grammar;
mod group;
mod hostile;
mod inside;
mod languages;
mod lost;
mod methods;
mod nested;
mod others;
mod output;
mod peer;
mod socket_file;
mod terminal;
mod unknown;
mod users;
