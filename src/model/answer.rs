//! Answers of workers about their jobs, and reasons to take a job from a worker.

use std::time::Duration;

use super::Detail;

/// Kind of error of a worker that broke the protocol; the words are ours.
pub const PROTOCOL: &str = "protocol";

/// JSON-RPC error code of a worker that knows no job of this type.
pub const NO_SUCH_TYPE: i64 = -32601;

/// Kind of error of the built-in worker whose command never began, as the machine had nothing left to start it with. Of
/// no other worker: nothing is charged for it, and a job must not go round without end.
pub const NOT_BEGUN: &str = "spawn";

/// The same where only this program cannot be started now: somebody writes to it.
pub const PROGRAM_BUSY: &str = "busy";

/// Answer of a worker about a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Result (JSON text) or error.
    pub verdict: Result<Option<String>, Box<RunError>>,
    /// Facts about the run: exit code, signal, memory, stderr.
    pub detail: Detail,
}

/// An error a worker answered.
#[derive(Clone, Debug, PartialEq)]
pub struct RunError {
    /// For people.
    pub message: String,
    /// JSON-RPC error code.
    pub code: Option<i64>,
    /// Kind of error, such as `ValueError`, `not_found`.
    pub kind: Option<String>,
    /// Where it happened.
    pub backtrace: Option<String>,
    /// Wish of the worker about trying again.
    pub retry: Retry,
}

impl RunError {
    /// Error as a person needs it: the message behind the kind of error, `KeyError: 'customer 732'`.
    #[must_use]
    pub fn text(&self) -> String {
        match self.kind.as_deref() {
            Some(kind) if kind != PROTOCOL && !self.message.starts_with(kind) => format!("{kind}: {}", self.message),
            _ => self.message.clone(),
        }
    }
}

/// Wish of a worker about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: as the pool says.
    Policy,
    /// Not again.
    Never,
    /// After this long.
    After(Duration),
}

/// Last lines that were printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastLines {
    pub stderr: String,
    /// On stdout, without what was a message.
    pub stdout: String,
}

/// Why a job is cancelled at a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    Timeout,
    /// An operator said so.
    Cancelled,
    /// The worker must go.
    Shutdown,
}

impl CancelReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Shutdown => "shutdown",
        }
    }
}
