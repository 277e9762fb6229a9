//! The page in the browser, through the real binary with plain HTTP: who may ask, each page, what is changed, what is pushed.

#[path = "../support/mod.rs"]
mod support;

mod acting;
mod audit;
mod batches;
mod child;
mod guarding;
mod http;
mod live;
mod looking;
mod metrics;
mod operations;
mod proxied;
mod pushing;
mod searching;
mod settings;
mod streaming;
mod weight;
mod workers;
