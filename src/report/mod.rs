//! Everything worded for people and for JSON: the status model, tables, events.
//!
//! Knows nothing of how the facts came about. Invariant: no other module words anything for people, except the
//! texts of error types and the one line in which a verb says what it did.

pub mod audit;
pub mod autoscale;
pub mod batches;
pub mod colours;
pub mod doctor;
pub mod events;
pub mod exposition;
pub mod failures;
pub mod graph;
pub mod health;
pub mod hint;
pub mod history;
pub mod hosts;
pub mod leaks;
pub mod limit_metrics;
pub mod lists;
pub mod metrics;
pub mod operations;
pub mod orders;
pub mod printer;
pub mod processor_lists;
pub mod processors;
pub mod queue_keys;
pub mod queue_limits;
pub mod refusals;
pub mod reload;
pub mod services;
pub mod shared_tables;
pub mod status;
pub mod status_line;
pub mod status_named;
pub mod status_tables;
pub mod status_text;
pub mod stubs;
pub mod summary;
pub mod tables;
pub mod why;
pub mod words;

pub use autoscale::AutoscaleStatus;
pub use events::Event;
pub use printer::Printer;
pub use processors::ProcessorStatus;
pub use status::{Status, TracesStatus};
pub use summary::Summary;
