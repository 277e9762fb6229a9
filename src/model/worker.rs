//! Workers on record, and the words for their states.

use serde::{Deserialize, Serialize};

use super::{Generation, PoolName, Slot, UnixMicros, WorkerId};

/// State of a worker, as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// Spawned, or about to be; not yet ready.
    Starting,
    /// Ready, without a job.
    Idle,
    Busy,
    /// Ready, and fetches its own jobs elsewhere.
    Running,
    /// Gets no more jobs; finishes what it holds and leaves.
    Draining,
    /// Told to end, by signal.
    Stopping,
    /// The slot waits before the next spawn, after a fast death.
    Backoff,
    /// Ended, and not to be followed by another.
    Finished,
    /// Died more often than its pool allows.
    #[serde(rename = "given_up")]
    GivenUp,
}

impl WorkerState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Starting,
        Self::Idle,
        Self::Busy,
        Self::Running,
        Self::Draining,
        Self::Stopping,
        Self::Backoff,
        Self::Finished,
        Self::GivenUp,
    ];

    /// The word used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Finished => "finished",
            Self::GivenUp => "given_up",
        }
    }
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// By itself, without being asked.
    Exited,
    /// Sent `retire`.
    Retired,
    /// The pool was made smaller.
    Scaled,
    Restarted,
    /// The master stopped, or the worker was stopped by an operator.
    Stopped,
    /// Reached `max_jobs`.
    MaxJobs,
    /// Reached `max_time`.
    MaxTime,
    /// Grew past `memory`.
    Memory,
    /// Grew past `memory_max` and was killed.
    MemoryMax,
    /// Its job ran past its deadline and did not honour the cancellation.
    JobTimeout,
    /// Its job was cancelled and it did not honour that.
    JobCancelled,
    /// Not ready within `ready_timeout`.
    ReadyTimeout,
    Protocol,
    /// Could not be spawned.
    SpawnFailed,
    MasterLost,
    /// Used more than `cpu` for long.
    Cpu,
    /// The gateway had no more use for it: it did not say that it is well, closed its output, or stopped in the middle.
    Unhealthy,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 17] = [
        Self::Exited,
        Self::Retired,
        Self::Scaled,
        Self::Restarted,
        Self::Stopped,
        Self::MaxJobs,
        Self::MaxTime,
        Self::Memory,
        Self::MemoryMax,
        Self::JobTimeout,
        Self::JobCancelled,
        Self::ReadyTimeout,
        Self::Protocol,
        Self::SpawnFailed,
        Self::MasterLost,
        Self::Cpu,
        Self::Unhealthy,
    ];

    /// Whether it ended unasked, through a fault of its own.
    #[must_use]
    pub const fn is_crash(self) -> bool {
        matches!(self, Self::Exited | Self::MemoryMax | Self::ReadyTimeout | Self::Protocol)
    }

    /// Whether it was replaced because it reached a limit.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::MaxJobs | Self::MaxTime | Self::Memory | Self::Cpu)
    }

    /// The word used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Retired => "retired",
            Self::Scaled => "scaled",
            Self::Restarted => "restarted",
            Self::Stopped => "stopped",
            Self::MaxJobs => "max_jobs",
            Self::MaxTime => "max_time",
            Self::Memory => "memory",
            Self::MemoryMax => "memory_max",
            Self::JobTimeout => "job_timeout",
            Self::JobCancelled => "job_cancelled",
            Self::ReadyTimeout => "ready_timeout",
            Self::Protocol => "protocol",
            Self::SpawnFailed => "spawn_failed",
            Self::MasterLost => "master_lost",
            Self::Cpu => "cpu",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal number.
    Signal(i32),
}

/// One worker process on record; serialises to the JSON of `workers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Id of this process, never given again.
    pub incarnation: WorkerId,
    /// `<pool>-<slot>`.
    pub id: String,
    pub pool: String,
    pub slot: Slot,
    /// Its process id.
    pub pid: u32,
    /// The life of the master it belonged to.
    pub generation: Generation,
    /// When it was spawned.
    pub started_at: UnixMicros,
    /// When it ended; `null` while it lives.
    pub ended_at: Option<UnixMicros>,
    pub reason: Option<EndReason>,
    pub exit_code: Option<i32>,
    /// Name of the signal that ended it.
    pub signal: Option<String>,
    pub jobs_done: u64,
    /// Most memory seen, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Why no other has followed it, while a master runs: `finished: exit 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The pool of a worker of this name (`pool-slot`).
#[must_use]
pub fn pool_of(worker: &str) -> Option<&str> {
    let (pool, slot) = worker.rsplit_once('-')?;
    (!slot.is_empty() && slot.bytes().all(|byte| byte.is_ascii_digit())).then_some(pool)
}

/// The name of a signal number on Linux: `SIGKILL`, `SIGRTMIN+3`; `signal 99` for a number that is none.
#[must_use]
pub fn signal_name(number: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(number - 1).ok().and_then(|i| NAMES.get(i));
    match (name, number) {
        (Some(name), _) => format!("SIG{name}"),
        (None, 34) => String::from("SIGRTMIN"),
        (None, 35..=64) => format!("SIGRTMIN+{}", number - 34),
        (None, _) => format!("signal {number}"),
    }
}

/// A worker that was spawned. Its id is given by the master: see `first_worker` of a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStarted {
    pub worker: WorkerId,
    pub pool: PoolName,
    pub slot: Slot,
    pub pid: u32,
    pub at: UnixMicros,
}

/// A worker that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerEnded {
    pub worker: WorkerId,
    pub reason: EndReason,
    /// How; `None` when it never ran.
    pub exit: Option<Exit>,
    pub jobs_done: u64,
    /// Most memory seen, in bytes.
    pub peak_memory: Option<u64>,
    pub at: UnixMicros,
}

#[cfg(test)]
mod tests {
    use super::signal_name;

    #[test]
    fn every_signal_has_a_name() {
        let named = [1, 9, 15, 31, 34, 37, 99].map(signal_name);
        assert_eq!(named, ["SIGHUP", "SIGKILL", "SIGTERM", "SIGSYS", "SIGRTMIN", "SIGRTMIN+3", "signal 99"]);
    }
}
