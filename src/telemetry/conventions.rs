//! The names that spans and attributes have.
//!
//! The conventions for messaging (<https://opentelemetry.io/docs/specs/semconv/messaging/>) are still in development, so
//! all that follows them stands here.

/// The scope of all spans: the program that sends them.
pub(super) const SCOPE: &str = "queue-work";

pub(super) const PUBLISH: &str = "publish";
pub(super) const PROCESS: &str = "process";

pub(super) const SYSTEM: (&str, &str) = ("messaging.system", "queue-work");
pub(super) const OPERATION: &str = "messaging.operation.name";
pub(super) const OPERATION_TYPE: &str = "messaging.operation.type";
/// The type of operation of a push.
pub(super) const SEND: &str = "send";
pub(super) const DESTINATION: &str = "messaging.destination.name";
pub(super) const MESSAGE: &str = "messaging.message.id";
pub(super) const ERROR_TYPE: &str = "error.type";

/// Of calls (<https://opentelemetry.io/docs/specs/semconv/rpc/>).
pub(super) const RPC_SYSTEM: (&str, &str) = ("rpc.system", "queue-work");
pub(super) const RPC_SERVICE: &str = "rpc.service";
pub(super) const RPC_METHOD: &str = "rpc.method";

pub(super) const JOB_TYPE: &str = "queue_work.type";
pub(super) const RUN: &str = "queue_work.run_id";
pub(super) const ATTEMPT: &str = "queue_work.attempt";
pub(super) const OUTCOME: &str = "queue_work.outcome";
pub(super) const EXIT_CODE: &str = "queue_work.exit_code";
pub(super) const PEAK_MEMORY: &str = "queue_work.peak_memory_bytes";
pub(super) const WAITED: &str = "queue_work.waited_us";
