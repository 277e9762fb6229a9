//! What others are told of a master, through the real binary: `health`, the messages to a service manager, the lines of
//! `--log-format json`, and why a job does not run.

#[path = "../shim/mod.rs"]
mod shim;
#[path = "../support/mod.rs"]
mod support;

mod checks;
mod json_lines;
mod manager;
mod why;
