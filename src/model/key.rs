//! Keys of the configuration: their names, and what each may hold.
//!
//! The same list serves the file, the environment and the flags, so that a limit means the same wherever it is said.
//! Knows nothing of files and layers.

use std::time::Duration;

use super::PoolKind;

/// Type of a key's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A path; relative ones are resolved by who knows where they were written.
    Path,
    /// A path or a URL.
    Store,
    /// A word out of these.
    Choice(&'static [&'static str]),
    /// A duration between these two.
    Span(Duration, Duration),
    /// A size of at least so many bytes.
    Size(u64),
    /// `+128M` or `256M`.
    Memory,
    /// A whole number between these two.
    Count(i64, i64),
    /// A group of the system: its name or number.
    Group,
    /// Names in order, or names with weights.
    Queues,
    /// A program and its arguments.
    Command,
    Env,
    /// Names with whole numbers of at least 1.
    Weights,
    Flag,
    /// A share of a whole, over 0 and at most this.
    Share(f64),
    /// A share of a whole, from 0 to 1.
    Fraction,
    /// A number of workers, or a share of them: `4`, `25%`.
    Step,
    /// Tables, each of a time with bounds of its own.
    Windows,
    /// `true`, `1..8`, or a table of keys of its own.
    Autoscale,
    /// A text; why it cannot be, if so.
    Text(fn(&str) -> Result<(), String>),
    /// Cron expressions, one or a list.
    Cron,
    /// Any value, kept as JSON.
    Json,
    /// Addresses, one or a list.
    Listen,
    /// Names of pools, one or a list.
    Pools,
    /// Texts, one or a list; why one cannot be, if so.
    Texts(fn(&str) -> Result<(), String>),
    /// A table of keys of its own, or a word.
    Table(&'static Inner),
}

/// A table that is the value of a key.
#[derive(Debug)]
pub struct Inner {
    pub keys: &'static [Key],
    /// Words that may stand instead.
    pub words: &'static [&'static str],
    /// As it may be written.
    pub example: &'static str,
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// The values it may hold.
    pub kind: Kind,
    /// A word that may stand instead: `off`, `cpus`, `auto`.
    pub word: Option<&'static str>,
    /// Without meaning for a pool that takes no jobs from us.
    pub is_of_jobs: bool,
    /// Each worker has a value of its own, up to 10 % less or more.
    pub varies: bool,
}

impl Key {
    /// A key without anything special.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, word: None, is_of_jobs: false, varies: false }
    }

    /// Whether it means something for a pool of this kind. A call is bounded by `timeout`, and is a job to `max_jobs`.
    #[must_use]
    pub fn has_effect(&self, kind: PoolKind) -> bool {
        let of_kind: &[&str] = match kind {
            PoolKind::Service => &["timeout", "max_jobs", "ready_timeout", "autoscale"],
            PoolKind::Server => &["ready_timeout"],
            PoolKind::Protocol | PoolKind::Exec | PoolKind::Opaque => &[],
        };
        !self.is_of_jobs || kind.serves_queues() || of_kind.contains(&self.name)
    }

    /// With a word that may stand instead of a value.
    #[must_use]
    pub const fn or(self, word: &'static str) -> Self {
        Self { word: Some(word), ..self }
    }

    /// About jobs.
    #[must_use]
    pub const fn of_jobs(self) -> Self {
        Self { is_of_jobs: true, ..self }
    }

    /// Not the same for each worker.
    #[must_use]
    pub const fn varied(self) -> Self {
        Self { varies: true, ..self }
    }
}
