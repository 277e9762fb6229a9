//! Memory that the jobs of a type leave behind in their workers.

use serde::{Deserialize, Serialize};

/// The facts about one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeMemory {
    #[serde(rename = "type")]
    pub kind: String,
    /// Runs that were measured. Those of a worker that does several jobs at a time are not, nor are its first few.
    pub runs: u64,
    /// By how much a worker is larger after a run than before: the median, in bytes.
    pub kept_bytes_per_run: i64,
    /// 95 of 100 runs needed no more, in bytes: what the worker said, or had when it answered. `null`: never measured.
    pub peak_p95_bytes: Option<u64>,
    pub verdict: Verdict,
    /// A `max_jobs` that keeps a worker within 64 MiB of its first size; `null` where it leaks nothing.
    pub max_jobs: Option<u64>,
}

/// Whether a type leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its runs make workers larger, beyond chance.
    Leaks,
    Steady,
    /// Too few runs to tell.
    TooFew,
}
