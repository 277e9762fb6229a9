//! Values: what is taken for a duration, a size, a name; out of range is said here, with the range.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};

use super::control::Watch;
use crate::config::{Durability, units};
use crate::model::limits::LEAST_MEMORY;
use crate::model::{JobState, MemoryLimit, OsText, Outcome, PoolName, Prefetch, QueueName};

pub(crate) fn queue(text: &str) -> Result<String, String> {
    QueueName::new(text).map(String::from).map_err(|e| e.to_string())
}

pub(crate) fn pool(text: &str) -> Result<String, String> {
    PoolName::new(text).map(String::from).map_err(|e| e.to_string())
}

pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        Duration::ZERO => Err("it must be longer than 0s".to_owned()),
        d => Ok(d),
    }
}

/// An interval begins with a digit; anything else is the name that may follow `--watch`.
pub(crate) fn watch(text: &str) -> Result<Watch, String> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return positive_duration(text).map(Watch::Every);
    }
    Ok(Watch::Name(text.to_owned()))
}

pub(crate) fn memory_limit(text: &str) -> Result<MemoryLimit, String> {
    let limit = units::memory_limit(text)?;
    let (MemoryLimit::Growth(bytes) | MemoryLimit::Absolute(bytes)) = limit;
    enough_memory(bytes).map(|_| limit)
}

pub(crate) fn memory_max(text: &str) -> Result<u64, String> {
    units::bytes(text).and_then(enough_memory)
}

fn enough_memory(bytes: u64) -> Result<u64, String> {
    if bytes < LEAST_MEMORY { Err("it must be at least 1M".to_owned()) } else { Ok(bytes) }
}

pub(crate) fn prefetch(text: &str) -> Result<Prefetch, String> {
    if text == "auto" {
        return Ok(Prefetch::Auto);
    }
    match text.parse() {
        Ok(n @ 1..=1000) => Ok(Prefetch::Fixed(n)),
        _ => Err("write `auto` or a number from 1 to 1000".to_owned()),
    }
}

pub(crate) fn variable() -> impl TypedValueParser<Value = (String, OsText)> {
    OsStringValueParser::new().try_map(|text| {
        let bytes = text.as_bytes();
        let (name, value) = bytes.split_at(bytes.iter().position(|&b| b == b'=').unwrap_or(0));
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() => Ok((name.to_owned(), OsText::from(value[1..].to_vec()))),
            Ok(_) => Err("write `NAME=value`"),
            Err(_) => Err("the name of the variable is not UTF-8"),
        }
    })
}

pub(crate) fn durability() -> impl TypedValueParser<Value = Durability> {
    PossibleValuesParser::new(["full", "process"])
        .map(|word| if word == "full" { Durability::Full } else { Durability::Process })
}

pub(crate) fn state() -> impl TypedValueParser<Value = JobState> {
    PossibleValuesParser::new(JobState::ALL.map(JobState::as_str))
        .map(|word| JobState::ALL.into_iter().find(|s| s.as_str() == word).unwrap_or(JobState::Ready))
}

pub(crate) fn outcome() -> impl TypedValueParser<Value = Outcome> {
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str))
        .map(|word| Outcome::ALL.into_iter().find(|o| o.as_str() == word).unwrap_or(Outcome::Failed))
}
