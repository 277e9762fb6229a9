//! Members of args and results that are hidden from some.
//!
//! Invariants: what is not hidden stays as it was written, digit by digit; what is no JSON that can be looked into is hidden
//! whole.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Stands for what is hidden.
const HIDDEN: &str = "\"(hidden)\"";

/// Members in their order; of those of one name each.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((name, value)) = from.next_entry::<String, &'de RawValue>()? {
                    all.push((Cow::Owned(name), value));
                }
                Ok(Members(all))
            }
        }
        from.deserialize_map(All)
    }
}

/// JSON without the members that these patterns name.
#[must_use]
pub fn hidden(json: &str, patterns: &[String]) -> String {
    let mut out = String::with_capacity(json.len());
    write(json, patterns, &mut out);
    out
}

fn write(json: &str, patterns: &[String], out: &mut String) {
    let json = json.trim();
    match json.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<Members<'_>>(json) {
            Ok(Members(all)) => {
                out.push('{');
                for (at, (name, value)) in all.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push_str(&serde_json::to_string(name).unwrap_or_default());
                    out.push(':');
                    if hides(name, patterns) {
                        out.push_str(HIDDEN);
                    } else {
                        write(value.get(), patterns, out);
                    }
                }
                out.push('}');
            }
            Err(_) => out.push_str(HIDDEN),
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(json) {
            Ok(all) => {
                out.push('[');
                for (at, value) in all.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    write(value.get(), patterns, out);
                }
                out.push(']');
            }
            Err(_) => out.push_str(HIDDEN),
        },
        _ => out.push_str(json),
    }
}

/// Whether a member of this name is hidden.
#[must_use]
pub fn hides(name: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| fits(pattern, name))
}

/// Whether a name is like this, in small letters or large, with `*` for any part of it.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = &*parts else { return pattern == name };
    let Some(rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    let mut rest = rest;
    middle.iter().all(|part| {
        let found = rest.find(part);
        if let Some(at) = found {
            rest = &rest[at + part.len()..];
        }
        found.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_hidden_at_any_depth_and_nothing_else_is_changed() {
        let patterns = ["*password*".to_owned(), "authorization".to_owned(), "x*y".to_owned()];
        let table = [
            (r#"{"a":1.0,"Password":"x"}"#, r#"{"a":1.0,"Password":"(hidden)"}"#),
            (
                r#"[{"db_password_2":{"a":1}}, 12345678901234567890]"#,
                r#"[{"db_password_2":"(hidden)"},12345678901234567890]"#,
            ),
            (
                r#"{"authorization2":1,"xzy":2,"xy":3,"xyz":4}"#,
                r#"{"authorization2":1,"xzy":"(hidden)","xy":"(hidden)","xyz":4}"#,
            ),
            (r#"{"p\u0061ssword":1}"#, r#"{"password":"(hidden)"}"#),
            (r#"{"a":1,"a":{"password":2}}"#, r#"{"a":1,"a":{"password":"(hidden)"}}"#),
            (r#""password""#, r#""password""#),
            ("null", "null"),
        ];
        for (json, seen) in table {
            assert_eq!(hidden(json, &patterns), seen);
        }
    }
}
