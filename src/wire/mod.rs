//! JSON-RPC 2.0, one object a line: what the master and its workers, and the master and its clients, say.
//!
//! Knows nothing of pipes or sockets. Strict in what it writes (members in the order `jsonrpc`, `id`, `method`,
//! `params`), lenient in what it takes (`jsonrpc` is never required, unknown members are ignored).

pub mod batch;
pub mod bulk;
pub mod control;
mod failures;
#[cfg(test)]
mod fuzz;
pub mod gateway;
mod jobs;
pub mod lines;
pub mod metrics;
pub mod object;
pub mod processors;
pub mod push;
mod push_job;
pub mod queues;
pub mod rpc;
mod scale;
pub mod service;
pub mod store_name;
pub mod worker;
