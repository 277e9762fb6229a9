//! Whether a value suits its key, and how it is worded if it does not.
//!
//! Knows neither where a value was written nor what else there is.

use std::path::Path;
use std::time::Duration;

use super::{autoscale, units};
use crate::model::autoscale::Step;
use crate::model::key::{Key, Kind};
use crate::model::limits::LEAST_MEMORY;
use crate::model::{MemoryLimit, StoreUrl};

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
    /// The value, and the reason why it is refused.
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
            Kind::Store => self.store(written),
            Kind::Group => self.group(written),
            Kind::Flag => self.flag(written),
            Kind::Share(most) => self.share(written, most),
            Kind::Fraction => self.fraction(written),
            Kind::Step => self.step(written),
            Kind::Autoscale => self.autoscale(written),
            Kind::Text(check) => self.line(written, check),
            Kind::Queues
            | Kind::Command
            | Kind::Env
            | Kind::Weights
            | Kind::Cron
            | Kind::Json
            | Kind::Windows
            | Kind::Listen
            | Kind::Pools
            | Kind::Texts(_)
            | Kind::Table(_) => Err(self.wrong(written, "a list or a table")),
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

    fn count(&self, written: &Written<'_>, least: i64, most: i64) -> Result<String, Refusal> {
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

    fn flag(&self, written: &Written<'_>) -> Result<String, Refusal> {
        match written {
            Written::Other(word) if word == "true" || word == "false" => Ok(word.clone()),
            _ => Err(self.wrong(written, "true or false")),
        }
    }

    fn fraction(&self, written: &Written<'_>) -> Result<String, Refusal> {
        let number = number(written).filter(|share| (0.0..=1.0).contains(share));
        number.map(|share| share.to_string()).ok_or_else(|| self.wrong(written, "a number from 0 to 1, such as 0.1"))
    }

    fn share(&self, written: &Written<'_>, most: f64) -> Result<String, Refusal> {
        let wanted = format!("a number over 0 and at most {most}, such as 0.8");
        let number = number(written).filter(|share| *share > 0.0 && *share <= most);
        number.map(|share| share.to_string()).ok_or_else(|| self.wrong(written, &wanted))
    }

    fn step(&self, written: &Written<'_>) -> Result<String, Refusal> {
        match written {
            Written::Text(text) | Written::Whole(_, text) => {
                text.parse::<Step>().map(|step| step.to_string()).map_err(Refusal::Says)
            }
            Written::Other(_) => Err(self.wrong(written, "a number of workers or \"25%\"")),
        }
    }

    /// The value that stands instead of a table.
    fn autoscale(&self, written: &Written<'_>) -> Result<String, Refusal> {
        match written {
            Written::Other(word) if word == "true" || word == "false" => Ok(word.clone()),
            Written::Text(text) => match autoscale::range(text) {
                Some((min, max)) if min <= max => Ok((*text).to_owned()),
                Some((min, max)) => {
                    Err(Refusal::Is(format!("{min}..{max}"), "write the smaller number first".to_owned()))
                }
                None => Err(self.wrong(written, "the least and the most workers, such as \"1..8\"")),
            },
            Written::Whole(..) | Written::Other(_) => Err(self.wrong(written, "true, \"1..8\", or a table of its own")),
        }
    }

    fn line(&self, written: &Written<'_>, check: fn(&str) -> Result<(), String>) -> Result<String, Refusal> {
        let Written::Text(text) = written else { return Err(self.wrong(written, "a text in quotes")) };
        check(text).map_err(Refusal::Says)?;
        Ok((*text).to_owned())
    }

    fn path(&self, written: &Written<'_>) -> Result<String, Refusal> {
        let Written::Text(text) = written else { return Err(self.wrong(written, "a path in quotes")) };
        path_text(text)?;
        Ok((*text).to_owned())
    }

    /// Whether there is such a group is looked up where a master starts.
    fn group(&self, written: &Written<'_>) -> Result<String, Refusal> {
        match written {
            Written::Text(text) if !text.is_empty() && !text.contains(['\0', ':', '\n']) => Ok((*text).to_owned()),
            Written::Whole(Some(gid), _) if u32::try_from(*gid).is_ok() => Ok(gid.to_string()),
            _ => Err(self.wrong(written, "the name of a group in quotes, or its number")),
        }
    }

    fn store(&self, written: &Written<'_>) -> Result<String, Refusal> {
        let Written::Text(text) = written else {
            return Err(self.wrong(written, "a path, or the URL of a server, in quotes"));
        };
        if StoreUrl::server_in(Path::new(text)).is_some() {
            return Ok((*text).to_owned());
        }
        let path = StoreUrl::path_in(Path::new(text)).map_err(Refusal::Says)?;
        let path = path.to_str().unwrap_or(text);
        path_text(path)?;
        Ok(path.to_owned())
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

fn number(written: &Written<'_>) -> Option<f64> {
    match written {
        Written::Whole(_, text) => text.parse().ok(),
        Written::Other(text) => text.parse().ok(),
        Written::Text(_) => None,
    }
}

fn at_least(bytes: u64, least: u64, is: String) -> Result<(), Refusal> {
    if bytes < least {
        return Err(Refusal::Is(is, format!("the least is {}", units::show_bytes(least))));
    }
    Ok(())
}
