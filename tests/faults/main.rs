//! Faults at named places of the real binary: the master keeps its promises whatever fails where. That the tests notice
//! when it would not is shown by `scripts/bugs`, which puts the bugs in `bugs/` into a copy of the code, one at a time.
//!
//! Needs a build with the feature `faults`: `cargo test --features faults --test faults`.

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/ticks.rs"]
mod ticks;

mod acknowledged;
mod journal;
mod oracle;
mod peer;
mod socket;
mod sources;
mod story;
mod sweep;
mod tick;
