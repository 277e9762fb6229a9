//! Values: what is taken for a duration, a size, a name; out of range is said here, with the range.

use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};

use super::control::Watch;
use crate::config::{Durability, units};
use crate::model::{JobState, OsText, Outcome, PoolName, QueueName};

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

/// A whole number in a range.
pub(crate) fn number<T: TryFrom<i128>>(range: RangeInclusive<i128>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().map_err(|_| format!("it is {text:?}; it must be a whole number"))?;
        if number < *range.start() {
            return Err(format!("it is {text}; the least is {}", range.start()));
        }
        let fits = T::try_from(number).ok().filter(|_| number <= *range.end());
        fits.ok_or_else(|| format!("it is {text}; the most is {}", range.end()))
    }
}

/// The id of a job or a run.
pub(crate) fn id() -> impl Fn(&str) -> Result<i64, String> + Clone {
    number(i64::MIN.into()..=i64::MAX.into())
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
