//! The pages, one file for each. Each is a function from what is known to what is seen, and to the document that the command line
//! prints for the same.

pub(super) mod audit;
pub(super) mod batches;
pub(super) mod failures;
mod graph;
pub(super) mod hosts;
pub(super) mod job;
pub(super) mod jobs;
mod lanes;
pub(super) mod live;
pub(super) mod metrics;
pub(super) mod operations;
pub(super) mod output;
pub(super) mod overview;
mod processes;
pub(super) mod processors;
pub(super) mod queues;
pub(super) mod runs;
mod search;
pub(super) mod services;
pub(super) mod settings;
pub(super) mod workers;
