//! The life of workers and of their master, with real processes: how they start, end, are ended, replaced and scaled,
//! and what is on record of it afterwards; also with the misbehaving workers of `tests/fixtures`.

#[path = "../support/mod.rs"]
mod support;

mod autoscale;
mod cap;
mod checkpoints;
mod crashes;
mod from_jobs;
mod help;
mod hooks;
mod hostile;
mod late;
mod leaks;
mod leaving;
mod massacre;
mod order;
mod pipes;
mod policy;
mod pools;
mod ready;
mod recycling;
mod reload;
mod restarts;
mod rights;
mod scaling;
mod single;
mod starts;
mod stops;
mod timeouts;
