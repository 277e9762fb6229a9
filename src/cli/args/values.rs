//! Values: what is taken for a duration, a size, a name; out of range is said here, with the range.

use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};

use super::control::Watch;
use crate::config::{Durability, units};
use crate::model::after::AfterFailed;
use crate::model::payload;
use crate::model::processor::ProcessorRunState;
use crate::model::{JobState, OsText, Outcome, PoolName, QueueName};
use crate::report::words;
use crate::wire::control::MOST_DEBUG;

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

/// Zero is off.
pub(crate) fn debug(text: &str) -> Result<Duration, String> {
    match if text == "off" { Ok(Duration::ZERO) } else { units::duration(text) }? {
        length if length > MOST_DEBUG => Err(format!("the most is {}", words::duration(MOST_DEBUG))),
        length => Ok(length),
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

/// A path in the args of a job, and what is there.
pub(crate) fn member(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(path, _)| !path.is_empty());
    let (path, value) = pair.ok_or_else(|| format!("it is {text:?}; it must be like `customer.id=7`"))?;
    Ok((path.to_owned(), value.to_owned()))
}

/// The id of a job or a run.
pub(crate) fn id() -> impl Fn(&str) -> Result<i64, String> + Clone {
    number(i64::MIN.into()..=i64::MAX.into())
}

pub(crate) fn variable() -> impl TypedValueParser<Value = (String, OsText)> {
    OsStringValueParser::new().try_map(|text| {
        let mut parts = text.as_bytes().splitn(2, |&b| b == b'=');
        let name = std::str::from_utf8(parts.next().unwrap_or_default());
        let name = name.map_err(|_| "the name of the variable is not UTF-8".to_owned())?;
        if name.is_empty() || name.contains('\0') {
            return Err("write `NAME=value`, or `NAME` to pass on the value it has here".to_owned());
        }
        let value = match parts.next() {
            Some(value) => OsText::from(value.to_vec()),
            None => (&std::env::var_os(name).ok_or_else(|| not_set(name))?).into(),
        };
        Ok((name.to_owned(), value))
    })
}

fn not_set(name: &str) -> String {
    format!("the variable `{name}` is not set here; set and export it, or write `{name}=value`")
}

pub(crate) fn key(text: &str) -> Result<String, String> {
    payload::check_key(text).map(|()| text.to_owned()).map_err(|e| e.to_string())
}

pub(crate) fn label(text: &str) -> Result<String, String> {
    payload::check_label(text).map(|()| text.to_owned()).map_err(|e| e.to_string())
}

pub(crate) fn durability() -> impl TypedValueParser<Value = Durability> {
    PossibleValuesParser::new(["full", "process"])
        .map(|word| if word == "full" { Durability::Full } else { Durability::Process })
}

pub(crate) fn state() -> impl TypedValueParser<Value = JobState> {
    PossibleValuesParser::new(JobState::ALL.map(JobState::as_str))
        .map(|word| JobState::ALL.into_iter().find(|s| s.as_str() == word).unwrap_or(JobState::Ready))
}

pub(crate) fn after_failed() -> impl TypedValueParser<Value = AfterFailed> {
    PossibleValuesParser::new(AfterFailed::ALL.map(AfterFailed::as_str))
        .map(|word| AfterFailed::ALL.into_iter().find(|what| what.as_str() == word).unwrap_or_default())
}

pub(crate) fn outcome() -> impl TypedValueParser<Value = Outcome> {
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str))
        .map(|word| Outcome::ALL.into_iter().find(|o| o.as_str() == word).unwrap_or(Outcome::Failed))
}

pub(crate) fn processor_run_state() -> impl TypedValueParser<Value = ProcessorRunState> {
    of_states(ProcessorRunState::ALL)
}

/// How a run that was begun outside can end.
pub(crate) fn end_state() -> impl TypedValueParser<Value = ProcessorRunState> {
    of_states([ProcessorRunState::Succeeded, ProcessorRunState::Failed])
}

fn of_states<const N: usize>(states: [ProcessorRunState; N]) -> impl TypedValueParser<Value = ProcessorRunState> {
    PossibleValuesParser::new(states.map(ProcessorRunState::as_str))
        .map(move |word| states.into_iter().find(|s| s.as_str() == word).unwrap_or(ProcessorRunState::Failed))
}
