//! Faults at named places of the real binary, and bugs put into it on purpose: the master keeps its promises whatever
//! fails where, and the tests notice when it would not.
//!
//! Needs a build with the feature `faults`: `cargo test --features faults --test faults`.

#[path = "../support/mod.rs"]
mod support;

mod acknowledged;
mod journal;
mod oracle;
mod peer;
mod sources;
mod story;
mod sweep;
mod teeth;
