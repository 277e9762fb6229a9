//! Traces through the real binary: contexts on their way from a push to its worker, and spans on their way to a collector.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod collector;
mod context;
mod export;

/// A context that somebody wants to see, and its parts.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
