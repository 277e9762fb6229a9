//! A wish for a number of workers: so many, so many more, or so many fewer.
//!
//! Written as `6`, `+2`, `-1` or `auto` on the command line, in JSON as a number or as such a text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MOST_WORKERS;

/// A wished number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Exactly(u32),
    More(u32),
    Fewer(u32),
}

impl Wanted {
    /// The number wanted where `was` were wanted before; `None` where that is below 0 or over the most.
    #[must_use]
    pub fn from(self, was: u32) -> Option<u32> {
        let wanted = match self {
            Self::Exactly(n) => Some(n),
            Self::More(n) => was.checked_add(n),
            Self::Fewer(n) => was.checked_sub(n),
        };
        wanted.filter(|&n| n <= MOST_WORKERS)
    }
}

impl Default for Wanted {
    fn default() -> Self {
        Self::Exactly(0)
    }
}

/// A number of workers, or as many as the pool finds right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleTo {
    Workers(Wanted),
    Auto,
}

impl ScaleTo {
    const AUTO: &str = "auto";
}

impl Default for ScaleTo {
    fn default() -> Self {
        Self::Workers(Wanted::default())
    }
}

impl FromStr for ScaleTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == Self::AUTO { Ok(Self::Auto) } else { text.parse().map(Self::Workers) }
    }
}

impl Serialize for ScaleTo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Workers(wanted) => wanted.serialize(serializer),
            Self::Auto => serializer.serialize_str(Self::AUTO),
        }
    }
}

impl<'de> Deserialize<'de> for ScaleTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number of workers such as 6, or a text such as \"+2\", \"-1\" or \"auto\"")]
        enum Written {
            Number(u32),
            Text(String),
        }
        let read = match Written::deserialize(deserializer)? {
            Written::Number(n) => n.to_string().parse(),
            Written::Text(text) => text.parse(),
        };
        read.map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(n) => write!(f, "{n}"),
            Self::More(n) => write!(f, "+{n}"),
            Self::Fewer(n) => write!(f, "-{n}"),
        }
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (make, digits): (fn(u32) -> Self, &str) = match text.as_bytes() {
            [b'+', ..] => (Self::More, &text[1..]),
            [b'-', ..] => (Self::Fewer, &text[1..]),
            _ => (Self::Exactly, text),
        };
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        let number = number.filter(|&n| n <= MOST_WORKERS);
        number
            .map(make)
            .ok_or_else(|| format!("write 0 to {MOST_WORKERS}, or `+2` or `-1` for so many more or fewer than now"))
    }
}

impl Serialize for Wanted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exactly(n) => serializer.serialize_u32(*n),
            Self::More(_) | Self::Fewer(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_sign_is_so_many_more_or_fewer() {
        let table = [
            ("6", Some(Wanted::Exactly(6)), Some(6)),
            ("0", Some(Wanted::Exactly(0)), Some(0)),
            ("+2", Some(Wanted::More(2)), Some(6)),
            ("-1", Some(Wanted::Fewer(1)), Some(3)),
            ("-4", Some(Wanted::Fewer(4)), Some(0)),
            ("-5", Some(Wanted::Fewer(5)), None),
            ("+9997", Some(Wanted::More(9997)), None),
            ("10001", None, None),
            ("-10001", None, None),
            ("+-2", None, None),
            ("++2", None, None),
            ("+", None, None),
            ("", None, None),
            ("2.5", None, None),
            ("auto", None, None),
            ("\u{662}", None, None),
        ];
        for (text, wanted, of_four) in table {
            let read = text.parse::<Wanted>().ok();
            assert_eq!((read, read.and_then(|w| w.from(4))), (wanted, of_four), "{text}");
        }
    }

    #[test]
    fn it_is_read_back_as_it_is_written() {
        for (text, wanted) in [("6", Wanted::Exactly(6)), ("\"+2\"", Wanted::More(2)), ("\"-1\"", Wanted::Fewer(1))] {
            assert_eq!(serde_json::to_string(&wanted).unwrap(), text);
            assert_eq!(serde_json::from_str::<ScaleTo>(text).unwrap(), ScaleTo::Workers(wanted));
        }
        assert_eq!(serde_json::from_str::<ScaleTo>("\"auto\"").unwrap(), ScaleTo::Auto);
        for bad in ["-1", "2.5", "\"x\"", "null", "20000"] {
            assert!(serde_json::from_str::<ScaleTo>(bad).is_err(), "{bad}");
        }
    }
}
