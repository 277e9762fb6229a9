//! Everything worded for people and for JSON: the status model, tables, events.
//!
//! Knows nothing of how the facts came about. Invariant: no other module words anything for people, except the
//! texts of error types.

pub mod status;

pub use status::Status;
