//! Two jobs died of the same error if their type, the kind of the error and its template are the same: the message
//! without its variable parts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Cause, digest};

/// Words that mean a number that tells errors apart: `exit status 1` is another error than `exit status 2`.
const TELLING: [&str; 5] = ["status", "code", "signal", "errno", "error"];
/// Of a message, more than this does not count.
const MOST_CHARS: usize = 200;

/// Of which rules a fingerprint is made; another number where they change, so that old ones are not taken for new ones.
const VERSION: u8 = 1;
const DIGITS: usize = 16;

/// The same for all dead jobs of one type that died of the same error: 63 bits, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(i64);

impl Fingerprint {
    /// Of a job of this type. `error_type`: what the worker said of the kind of error. Why the job was given up tells errors
    /// apart only where there is no text: with one attempt left or none, the same thing went wrong.
    #[must_use]
    pub fn of(kind: &str, cause: Cause, error_type: Option<&str>, error: Option<&str>) -> Self {
        let template = error.map(template).unwrap_or_default();
        // No text holds a zero byte that would make two others of it.
        let word = if error.is_none() { cause.as_str() } else { "" };
        let parts = [kind, error_type.unwrap_or(word), &template];
        let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0]));
        Self((digest([VERSION].into_iter().chain(bytes)) >> 1).cast_signed())
    }

    /// Of the errors of a type that are not told apart.
    #[must_use]
    pub fn of_others(kind: &str) -> Self {
        let bytes = kind.bytes().chain([0]);
        Self((digest([VERSION].into_iter().chain(bytes)) >> 1).cast_signed())
    }

    /// As a number above or equal to zero.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// From its number.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_one = text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let number = if is_one { i64::from_str_radix(text, 16).ok() } else { None };
        number.map(Self).ok_or_else(|| format!("`{text}` is no fingerprint: that has {DIGITS} hexadecimal digits"))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// The first line of a message with `…` for what differs from one time to the next: numbers, identifiers in which there are
/// digits, quoted text, paths. A number after a word such as `status` stays.
#[must_use]
pub fn template(message: &str) -> String {
    let line: Vec<char> = message.lines().next().unwrap_or_default().chars().take(MOST_CHARS).collect();
    let mut out = String::new();
    let mut at = 0;
    while at < line.len() {
        let begins_word = at == 0 || !line[at - 1].is_alphanumeric();
        let end = match line[at] {
            quote @ ('\'' | '"' | '`') if begins_word => end_of_quoted(&line, at, quote),
            '/' if begins_word => {
                end_where(&line, at, |c| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | ':' | ',' | ')'))
            }
            c if c.is_alphanumeric() && begins_word => {
                let end = end_where(&line, at, |c| !c.is_alphanumeric() && !matches!(c, '-' | '_'));
                let varies = line[at..end].iter().any(char::is_ascii_digit) && !is_telling(&out);
                if varies {
                    end
                } else {
                    out.extend(&line[at..end]);
                    at = end;
                    continue;
                }
            }
            _ => at,
        };
        if end > at + 1 || line[at].is_ascii_digit() {
            // One sign for several parts in a row: `10.0.0.1`, `a/b/3`.
            let joined = out.strip_suffix(['.', ':']).is_some_and(|before| before.ends_with('…'));
            if joined {
                out.pop();
            } else {
                out.push('…');
            }
            at = end.max(at + 1);
        } else {
            out.push(line[at]);
            at += 1;
        }
    }
    out
}

fn end_where(line: &[char], from: usize, ends: impl Fn(char) -> bool) -> usize {
    line[from..].iter().position(|c| ends(*c)).map_or(line.len(), |length| from + length)
}

/// Behind the closing quote; where there is none, it was an apostrophe.
fn end_of_quoted(line: &[char], from: usize, quote: char) -> usize {
    line[from + 1..].iter().position(|c| *c == quote).map_or(from, |length| from + length + 2)
}

fn is_telling(before: &str) -> bool {
    let word = before.trim_end_matches([' ', ':', '=']).rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    TELLING.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_type_kind_of_error_and_template() {
        let of = |kind, cause, word, error| Fingerprint::of(kind, cause, word, Some(error));
        let first = of("resize", Cause::MaxAttempts, Some("KeyError"), "KeyError: 'customer 1'");
        assert_eq!(first, of("resize", Cause::NoRetry, Some("KeyError"), "KeyError: 'customer 22'"));
        for other in [
            of("resize", Cause::MaxAttempts, Some("ValueError"), "KeyError: 'customer 1'"),
            of("resize", Cause::MaxAttempts, None, "KeyError: 'customer 1'"),
            of("resiz", Cause::MaxAttempts, Some("eKeyError"), "KeyError: 'customer 1'"),
            of("resize", Cause::MaxAttempts, Some("KeyError"), "NameError: 'customer 1'"),
        ] {
            assert_ne!(first, other);
        }
        let silent = |cause| Fingerprint::of("resize", cause, None, None);
        assert_ne!(silent(Cause::Poison), silent(Cause::NotFound));
        // Stored by every release.
        assert_eq!(first.to_string(), "36241ac71e3b7c4c");
        assert_eq!(first.to_string().parse(), Ok(first));
        for wrong in ["", "1", "0123456789ABCDEF", "f123456789abcdef", "+123456789abcdef"] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_differs_from_one_time_to_the_next_makes_no_other_error() {
        for (message, expected) in [
            ("smtp server 10.0.0.1:25 refused after 3 tries", "smtp server … refused after … tries"),
            ("KeyError: 'customer 732'", "KeyError: …"),
            ("exit status 1: cannot open image 30.png", "exit status 1: cannot open image ….png"),
            ("exit status 2: cannot open image 31.png", "exit status 2: cannot open image ….png"),
            ("no such file: /var/spool/a b", "no such file: … b"),
            ("job 0f8fad5b-d9cb-469f-a165-70867728950e is lost", "job … is lost"),
            ("can't parse it, isn't JSON", "can't parse it, isn't JSON"),
            ("timed out\nat line 3", "timed out"),
            ("ends with an open 'quote", "ends with an open 'quote"),
            ("x=7", "x=…"),
            ("", ""),
            ("9", "…"),
            ("“ü 1”", "“ü …”"),
        ] {
            assert_eq!(template(message), expected);
            assert_eq!(template(&template(message)), expected, "{message}");
        }
        assert!(template(&"x".repeat(100_000)).chars().count() <= MOST_CHARS);
    }
}
