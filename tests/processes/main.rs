//! Processes and signals, by faults: what a worker starts and how it hides, what it inherits, how it ends, whose its
//! number was before, and what it is charged for.

#[path = "../support/mod.rs"]
mod support;

mod exits;
mod foreign;
mod help;
mod image;
mod inherit;
mod kin;
mod memory;
mod namespaces;
mod orphans;
mod peers;
mod recycling;
mod signals;
mod stops;
mod terminal;
mod timeouts;
