//! Which keys there are, and what each may hold.
//!
//! One list serves the file, the environment and the flags, so that a limit means the same wherever it is said.
//! Knows nothing of files and layers; [`super::values`] does the checking.

use std::time::Duration;

use super::units;

/// The most workers of one pool.
pub(super) const MOST_WORKERS: u64 = 10_000;
/// Below this no program of any language starts, so it is a unit that was forgotten.
pub(super) const LEAST_MEMORY: u64 = 1 << 20;
/// A wait before a retry is never longer than this, so a first wait must not be either.
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);
const A_MILLISECOND: Duration = Duration::from_millis(1);

/// Type of a key's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A path; relative ones are resolved by who knows where they were written.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A duration between these two.
    Span(Duration, Duration),
    /// A size of at least so many bytes.
    Size(u64),
    /// `+128M` or `256M`.
    Memory,
    /// A whole number between these two.
    Count(u64, u64),
    /// Names in order, or names with weights.
    Queues,
    /// A program and its arguments.
    Command,
    /// Variables.
    Env,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// A word that may stand instead: `off`, `cpus`, `auto`.
    pub(super) word: Option<&'static str>,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, word: None }
}

const fn or(word: &'static str, key: Key) -> Key {
    Key { word: Some(word), ..key }
}

/// The keys outside of any table.
pub(super) const TOP: &[Key] = &[
    key("database", Kind::Path),
    key("socket", Kind::Path),
    key("durability", Kind::Choice(&["full", "process"])),
    key("network_fs", Kind::Choice(&["refuse", "allow"])),
    key("shared_folder", Kind::Choice(&["refuse", "allow"])),
    key("log_dir", Kind::Path),
    key("log_file_size", Kind::Size(1 << 10)),
    key("log_files", Kind::Count(1, 1000)),
];

/// The tables.
pub(super) const TABLES: &[&str] = &["keep", "defaults", "pools"];

/// The keys of `[keep]`.
pub(super) const KEEP: &[Key] = &[
    key("succeeded", Kind::Span(Duration::ZERO, units::LONGEST)),
    key("dead", Kind::Span(Duration::ZERO, units::LONGEST)),
    key("runs", Kind::Span(Duration::ZERO, units::LONGEST)),
];

/// The keys of `[defaults]`, which every pool has too.
pub(super) const LIMITS: &[Key] = &[
    or("cpus", key("workers", Kind::Count(0, MOST_WORKERS))),
    key("timeout", Kind::Span(A_MILLISECOND, units::LONGEST)),
    key("max_attempts", Kind::Count(1, 1_000_000)),
    key("max_crashes", Kind::Count(1, 1_000_000)),
    key("backoff", Kind::Span(Duration::ZERO, LONGEST_BACKOFF)),
    or("off", key("memory", Kind::Memory)),
    or("off", key("memory_max", Kind::Size(LEAST_MEMORY))),
    or("off", key("max_jobs", Kind::Count(1, i64::MAX as u64))),
    or("off", key("max_time", Kind::Span(A_MILLISECOND, units::LONGEST))),
    key("grace", Kind::Span(Duration::ZERO, units::LONGEST)),
    key("kill_after", Kind::Span(Duration::ZERO, units::LONGEST)),
    key("ready_timeout", Kind::Span(A_MILLISECOND, units::LONGEST)),
    or("auto", key("prefetch", Kind::Count(1, 1000))),
];

/// The keys that only a pool has.
pub(super) const POOL: &[Key] = &[
    key("queues", Kind::Queues),
    key("command", Kind::Command),
    key("kind", Kind::Choice(&["protocol", "exec", "opaque"])),
    key("cwd", Kind::Path),
    key("env", Kind::Env),
    key("ready", Kind::Choice(&["spawned", "message"])),
    key("protocol_fd", Kind::Count(3, 9)),
];

/// The key of this name among these.
pub(super) fn find(keys: &[&'static [Key]], name: &str) -> Option<Key> {
    keys.iter().flat_map(|list| list.iter()).find(|key| key.name == name).copied()
}

/// The nearest of these names, if it is near enough to be a slip.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|k| (strsim::damerau_levenshtein(&name.to_lowercase(), k), k));
    let (distance, best) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(best.len() / 3)).then_some(best)
}
