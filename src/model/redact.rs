//! Members of args and results that are hidden from some.
//!
//! Invariants: what is not hidden stays as it was written, digit by digit; what is no JSON that can be looked into is hidden
//! whole, unless no such name is in it.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr2, memchr2_iter};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
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
pub fn hidden<'a>(json: &'a str, patterns: &[String]) -> Cow<'a, str> {
    if !patterns.iter().any(|pattern| may_name(json, pattern)) {
        return Cow::Borrowed(json);
    }
    let is_nested = json.trim_start().starts_with(['{', '[']);
    if is_nested && serde_json::from_str::<IgnoredAny>(json).is_err() {
        return Cow::Borrowed(HIDDEN);
    }
    Cow::Owned(hidden_in_start(json, patterns))
}

/// Whether a pattern may name a member: its longest part is in the text, or the text is not plain enough to tell.
fn may_name(json: &str, pattern: &str) -> bool {
    let part = pattern.split('*').max_by_key(|part| part.len()).unwrap_or_default().as_bytes();
    let Some(first) = part.first().filter(|_| part.is_ascii()) else { return true };
    let json = json.as_bytes();
    // A letter can be an escape, or another one before it is made small.
    if !json.is_ascii() || memchr(b'\\', json).is_some() {
        return true;
    }
    memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), json)
        .any(|at| json[at..].get(..part.len()).is_some_and(|found| found.eq_ignore_ascii_case(part)))
}

/// The same of the beginning of JSON, which may end anywhere.
#[must_use]
pub fn hidden_in_start(json: &str, patterns: &[String]) -> String {
    let bytes = json.as_bytes();
    let mut out = String::with_capacity(json.len());
    let (mut copied, mut at) = (0, 0);
    while let Some(begin) = memchr(b'"', &bytes[at..]).map(|found| at + found) {
        at = end_of_string(bytes, begin);
        let colon = skip_blanks(bytes, at);
        let name = || serde_json::from_str::<Cow<'_, str>>(&json[begin..at]);
        if bytes.get(colon) != Some(&b':') || !name().is_ok_and(|name| hides(&name, patterns)) {
            continue;
        }
        let value = skip_blanks(bytes, colon + 1);
        out.push_str(&json[copied..value]);
        out.push_str(HIDDEN);
        at = end_of_value(bytes, value);
        copied = at;
    }
    out.push_str(&json[copied..]);
    out
}

fn skip_blanks(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Behind the quotation mark that ends the text which begins here.
fn end_of_string(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

fn end_of_value(bytes: &[u8], begin: usize) -> usize {
    let (mut at, mut depth) = (begin, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            _ => at += 1,
        }
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return at;
        }
    }
    bytes.len()
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
        let patterns = ["*password*".to_owned(), "authorization".to_owned(), "x*y".to_owned(), "token".to_owned()];
        let table = [
            (r#"{"a":1.0,"Password":"x"}"#, r#"{"a":1.0,"Password":"(hidden)"}"#),
            (
                r#"[{"db_password_2":{"a":1}}, 12345678901234567890]"#,
                r#"[{"db_password_2":"(hidden)"}, 12345678901234567890]"#,
            ),
            (
                r#"{"authorization2":1,"xzy":2,"xy":3,"xyz":4}"#,
                r#"{"authorization2":1,"xzy":"(hidden)","xy":"(hidden)","xyz":4}"#,
            ),
            (r#"{"p\u0061ssword":1 , "b":2}"#, r#"{"p\u0061ssword":"(hidden)", "b":2}"#),
            (r#"{"a":1,"a":{"password":2}}"#, r#"{"a":1,"a":{"password":"(hidden)"}}"#),
            (r#""password""#, r#""password""#),
            ("null", "null"),
            (r#"{"password" : {"a":["]}",{"b":"\\\""}]},"c":[]}"#, r#"{"password" : "(hidden)","c":[]}"#),
            (r#"{"a":"password","b":"x:y"}"#, r#"{"a":"password","b":"x:y"}"#),
            (r#"{"password2":1"#, HIDDEN),
            ("{\"to\u{212a}en\":1}", "{\"to\u{212a}en\":\"(hidden)\"}"),
        ];
        for (json, seen) in table {
            assert_eq!(hidden(json, &patterns), seen);
        }
    }
    #[test]
    fn of_json_that_ends_anywhere_nothing_is_shown_that_the_whole_would_hide() {
        let json = r#"{"id":1,"params":{"args":{"a":"\"é\"","password":["secret",{"x":"secret"}],"b":2,"my_password":"secret"}}}"#;
        let patterns = ["*password*".to_owned()];
        for (at, _) in json.char_indices() {
            for start in [json[..at].to_owned(), format!("{}…", &json[..at])] {
                let seen = hidden_in_start(&start, &patterns);
                assert!(!seen.contains("se"), "{start} {seen}");
                assert!(start.contains("password\":") || seen == start, "{start} {seen}");
            }
        }
    }
}
