//! Spans of pushes, runs and calls, sent to an OpenTelemetry Collector as OTLP over HTTP, in JSON.
//!
//! ```text
//! main thread: a run ends ─► span ─► 8,192 may wait ─► thread `traces` ─► batch ─► POST /v1/traces
//!                               └ no room: dropped and counted      ▲        └ trouble, or all well ─► inbox
//!                                                                   └ again, later and later, within a minute
//! ```
//!
//! A thread and not a process: there is nothing in it that can take the master down (no parser of what strangers send but
//! that of an HTTP response, no code but safe code), it holds a bounded number of spans, and a process would need a channel
//! that survives restarts of either side. The thread is started only where a collector is configured.
//!
//! The span of a push is made by the master when the first run of the job has ended, with the time of the push: so it is
//! there however the job was pushed, also while no master ran, and no push waits for it. A job that never runs has none.
//!
//! Invariants: the main thread never waits for this one, but 2 s at most at its end; nobody sees a span whose context is
//! not sampled; spans that are not delivered are counted.

mod conventions;
mod otlp;
mod post;
mod sender;
mod span;

pub(crate) use sender::{Exporter, Trouble};
pub(crate) use span::{span_of_call, spans_of};
