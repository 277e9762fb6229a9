//! The words everybody shares: jobs, runs, queues, workers, time.
//!
//! Knows nothing of processes, files, sockets or SQL. Invariant: nothing here does I/O, reads a clock or
//! draws a random number, so that `core` may import it.

pub mod action;
pub mod after;
pub mod answer;
pub mod args_filter;
pub mod audit;
pub mod autoscale;
pub mod batch;
pub mod bulk;
pub mod call_log;
pub mod change;
pub mod characters;
pub mod death;
pub mod digest;
pub mod done;
pub mod durability;
pub mod exec;
pub mod failure;
pub mod fair;
pub mod fingerprint;
pub mod gauge;
pub mod graph;
pub mod hook;
pub mod id_ranges;
pub mod ids;
pub mod job;
pub mod json_text;
pub mod keep;
pub mod key;
pub mod key_record;
pub mod last_line;
pub mod leak;
pub mod limit_record;
pub mod limits;
pub mod listen;
pub mod notice;
pub mod oom;
pub mod operation;
pub mod os_text;
pub mod payload;
pub mod pool;
pub mod problem;
pub mod processor;
mod progress;
pub mod queue;
pub mod queue_limits;
pub mod redact;
pub mod reload;
pub mod rollup;
pub mod run;
pub mod run_end;
pub mod service;
pub mod shift;
pub mod sketch;
pub mod store_url;
pub mod supervision;
pub mod table;
pub mod takes;
pub mod tick;
pub mod time;
pub mod token;
pub mod trace;
pub mod units;
pub mod unserved;
pub mod wanted;
pub mod worker;

pub use action::{JobAction, Setting, UNFINISHED, WAITING};
pub use answer::{Answer, CancelReason, LastLines, Retry, RunError};
pub use args_filter::{ArgsFilter, ArgsSearch};
pub use digest::digest;
pub use durability::Durability;
pub use exec::ExecArgs;
pub use failure::FailureRecord;
pub use fingerprint::Fingerprint;
pub use hook::{Hooks, Occasion};
pub use id_ranges::{IdRange, IdRanges};
pub use ids::{
    BatchId, BulkId, Generation, JobId, NameError, OperationId, PoolName, ProcessorName, ProcessorRunId, QueueName,
    RunId, Slot, WorkerId,
};
pub use job::{Claimed, Counters, Holds, JobRecord, JobState, NewJob, Pushed, States};
pub use limits::{Bytes, MOST_WORKERS, MemoryLimit, PoolLimits, Prefetch};
pub use notice::Notice;
pub use os_text::OsText;
pub use pool::{PoolKind, PoolSettings, ReadyWhen, Until};
pub use queue::{QueueOrder, QueueTotals};
pub use run::{Cause, Detail, Outcome, RunRecord};
pub use store_url::StoreUrl;
pub use supervision::Supervision;
pub use takes::{EXEC, Lane, Takes};
pub use time::{Mono, Now, UnixMicros};
pub use trace::{RunTrace, SpanId, TraceContext, TraceId};
pub use wanted::{ScaleTo, Wanted};
pub use worker::{WorkerRecord, WorkerState};
