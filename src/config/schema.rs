//! Which keys there are, what each may hold, and how a value outside of that is worded.
//!
//! One list serves the file, the environment and the flags, so that a limit means the same wherever it is said.
//! Knows nothing of files and layers.

use std::time::Duration;

use super::units;
use crate::model::MemoryLimit;

/// The most workers of one pool.
pub(super) const MOST_WORKERS: u64 = 10_000;
/// Below this no program of any language starts, so it is a unit that was forgotten.
const LEAST_MEMORY: u64 = 1 << 20;
/// A wait before a retry is never longer than this, so a first wait must not be either.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);
const A_MILLISECOND: Duration = Duration::from_millis(1);

/// What a key may hold.
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

/// A value as it was written, reduced to what matters here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Written<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number; `None` if it has more than 64 bits.
    Whole(Option<i64>, &'a str),
    /// Anything else, as it is to be shown.
    Other(String),
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is this, and that is why not.
    Is(String, String),
    /// A sentence of its own.
    Says(String),
}

impl Refusal {
    /// Worded for a key of the file.
    pub(super) fn of_key(&self, key: &str) -> String {
        match self {
            Self::Is(value, why) => format!("`{key}` is {value}; {why}"),
            Self::Says(text) => format!("`{key}`: {text}"),
        }
    }

    /// Worded for a flag, whose name stands before it.
    pub(super) fn of_flag(&self) -> String {
        match self {
            Self::Is(value, why) => format!("it is {value}; {why}"),
            Self::Says(text) => text.clone(),
        }
    }
}

impl Key {
    /// Checks a scalar and gives the text that means it, as [`super::raw`] reads it.
    pub(super) fn check(&self, written: &Written<'_>) -> Result<String, Refusal> {
        if let (Some(word), Written::Text(text)) = (self.word, written)
            && (*text == word || (word == "off" && *text == "none"))
        {
            return Ok(word.to_owned());
        }
        match self.kind {
            Kind::Count(least, most) => self.count(written, least, most),
            Kind::Span(least, most) => self.span(written, least, most),
            Kind::Size(least) => self.size(written, least),
            Kind::Memory => self.memory(written),
            Kind::Choice(words) => self.choice(written, words),
            Kind::Path => self.path(written),
            Kind::Queues | Kind::Command | Kind::Env => Err(self.wrong(written, "a list or a table")),
        }
    }

    /// The refusal of a value of the wrong type.
    fn wrong(&self, written: &Written<'_>, wanted: &str) -> Refusal {
        let is = match written {
            Written::Text(text) => format!("{text:?}"),
            Written::Whole(_, text) => (*text).to_owned(),
            Written::Other(text) => text.clone(),
        };
        let word = self.word.map(|word| format!(", or \"{word}\"")).unwrap_or_default();
        Refusal::Is(is, format!("it must be {wanted}{word}"))
    }

    fn count(&self, written: &Written<'_>, least: u64, most: u64) -> Result<String, Refusal> {
        let Written::Whole(number, text) = written else {
            return Err(self.wrong(written, "a whole number"));
        };
        // More than 64 bits is more than any maximum, unless there is a minus before it.
        let number = number.map_or(if text.starts_with('-') { -1 } else { i128::MAX }, i128::from);
        let is = || (*text).to_owned();
        if number < i128::from(least) {
            return Err(Refusal::Is(is(), format!("the least is {least}")));
        }
        if number > i128::from(most) {
            return Err(Refusal::Is(is(), format!("the most is {most}")));
        }
        Ok(number.to_string())
    }

    fn span(&self, written: &Written<'_>, least: Duration, most: Duration) -> Result<String, Refusal> {
        let text = match written {
            // A number gets the message about the missing unit.
            Written::Text(text) | Written::Whole(_, text) => *text,
            Written::Other(_) => return Err(self.wrong(written, "a duration in quotes, such as \"30s\"")),
        };
        let span = units::duration(text).map_err(Refusal::Says)?;
        let is = || units::show_duration(span);
        if span < least {
            return Err(Refusal::Is(is(), format!("the least is {}", units::show_duration(least))));
        }
        if span > most {
            return Err(Refusal::Is(is(), format!("the most is {}", units::show_duration(most))));
        }
        Ok(text.to_owned())
    }

    fn size(&self, written: &Written<'_>, least: u64) -> Result<String, Refusal> {
        let text = self.size_text(written, "a size such as \"128M\"")?;
        let bytes = units::bytes(text).map_err(Refusal::Says)?;
        at_least(bytes, least, units::show_bytes(bytes))?;
        Ok(text.to_owned())
    }

    fn memory(&self, written: &Written<'_>) -> Result<String, Refusal> {
        let text = self.size_text(written, "a size such as \"+128M\" (growth) or \"256M\"")?;
        let limit = units::memory_limit(text).map_err(Refusal::Says)?;
        let (MemoryLimit::Growth(bytes) | MemoryLimit::Absolute(bytes)) = limit;
        at_least(bytes, LEAST_MEMORY, units::show_memory_limit(limit))?;
        Ok(text.to_owned())
    }

    fn size_text<'a>(&self, written: &Written<'a>, wanted: &str) -> Result<&'a str, Refusal> {
        match written {
            Written::Text(text) | Written::Whole(Some(_), text) => Ok(text),
            Written::Whole(None, _) | Written::Other(_) => Err(self.wrong(written, wanted)),
        }
    }

    fn choice(&self, written: &Written<'_>, words: &[&'static str]) -> Result<String, Refusal> {
        if let Written::Text(text) = written
            && words.contains(text)
        {
            return Ok((*text).to_owned());
        }
        let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        Err(self.wrong(written, &quoted.join(" or ")))
    }

    fn path(&self, written: &Written<'_>) -> Result<String, Refusal> {
        let Written::Text(text) = written else { return Err(self.wrong(written, "a path in quotes")) };
        path_text(text)?;
        Ok((*text).to_owned())
    }
}

/// Refuses what no system call takes, and what only a shell understands.
pub(super) fn path_text(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::Is("empty".into(), "write a path".into()));
    }
    if text.contains('\0') {
        return Err(Refusal::Is(format!("{text:?}"), "a path cannot contain a zero byte".into()));
    }
    if text.starts_with('~') {
        return Err(Refusal::Is(format!("{text:?}"), "`~` is not expanded here; write the whole path".into()));
    }
    Ok(())
}

fn at_least(bytes: u64, least: u64, is: String) -> Result<(), Refusal> {
    if bytes < least {
        return Err(Refusal::Is(is, format!("the least is {}", units::show_bytes(least))));
    }
    Ok(())
}
