//! Strings of the system in JSON: arguments, folders and values of variables are bytes, and most of them are text.
//!
//! Text is a JSON string, anything else `{"b64": "…"}`, its bytes in base64. Invariant: what is written is read back byte
//! for byte.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The one member of an object that stands for bytes.
const MEMBER: &str = "b64";
/// The digits of base64 (RFC 4648, section 4).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A string of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsText(Vec<u8>);

impl OsText {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// For people: `U+FFFD` stands for what is no text.
    #[must_use]
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// As the system takes it.
    #[must_use]
    pub fn into_os_string(self) -> OsString {
        OsString::from_vec(self.0)
    }
}

impl From<&OsStr> for OsText {
    fn from(text: &OsStr) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<&OsString> for OsText {
    fn from(text: &OsString) -> Self {
        Self::from(text.as_os_str())
    }
}

impl From<&str> for OsText {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for OsText {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for OsText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(&self.0) {
            return to.serialize_str(text);
        }
        let mut map = to.serialize_map(Some(1))?;
        map.serialize_entry(MEMBER, &encode(&self.0))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for OsText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = OsText;

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("a string, or its bytes as {\"b64\": \"…\"}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OsText, E> {
        Ok(OsText::from(text))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<OsText, M::Error> {
        if map.next_key::<Cow<'_, str>>()?.as_deref() != Some(MEMBER) {
            return Err(M::Error::custom("the bytes of a string are written as {\"b64\": \"…\"}"));
        }
        let bytes = decode(map.next_value::<Cow<'_, str>>()?.as_bytes())
            .ok_or_else(|| M::Error::custom(format!("`{MEMBER}` is not base64")))?;
        match map.next_key::<Cow<'_, str>>()? {
            None => Ok(OsText(bytes)),
            Some(other) => Err(M::Error::custom(format!("`{other}` beside `{MEMBER}`"))),
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(if digit > chunk.len() { '=' } else { char::from(DIGITS[value as usize]) });
        }
    }
    text
}

/// `None` if it is no base64; the padding may be missing.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|&b| b != b'=').map_or(0, |at| at + 1);
    let (digits, padding) = text.split_at(end);
    if padding.len() > 2 || digits.len() % 4 == 1 || (!padding.is_empty() && !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut bits = 0_u32;
        for &digit in chunk {
            bits = bits << 6 | DIGITS.iter().position(|&d| d == digit)? as u32;
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_string_and_other_bytes_are_base64() {
        let table: [(&[u8], &str); 5] = [
            (b"caf\xc3\xa9 {\"b64\": 1}\n\r", "\"caf\u{e9} {\\\"b64\\\": 1}\\n\\r\""),
            (b"", "\"\""),
            (b"caf\xe9", r#"{"b64":"Y2Fm6Q=="}"#),
            (b"\xff\xfe\xfd", r#"{"b64":"//79"}"#),
            (b"ab\xff\xff\xff", r#"{"b64":"YWL///8="}"#),
        ];
        for (bytes, json) in table {
            assert_eq!(serde_json::to_string(&OsText(bytes.to_vec())).expect("JSON"), json);
            assert_eq!(serde_json::from_str::<OsText>(json).expect(json), OsText(bytes.to_vec()));
        }
    }

    #[test]
    fn every_byte_and_length_comes_back() {
        let all: Vec<u8> = (0..=255).rev().collect();
        for length in 0..all.len() {
            let text = encode(&all[..length]);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(&all[..length]));
            assert_eq!(decode(text.trim_end_matches('=').as_bytes()).as_deref(), Some(&all[..length]));
        }
    }

    #[test]
    fn what_is_neither_a_string_nor_base64_is_refused() {
        for bad in [
            "1",
            "null",
            "[]",
            "{}",
            r#"{"b64":1}"#,
            r#"{"b64":"Y"}"#,
            r#"{"b64":"Y2F="}"#.replace("F=", "F==").as_str(),
            r#"{"b64":"Y2Fm6Q="}"#,
            r#"{"b64":"===="}"#,
            r#"{"b64":"a-b_"}"#,
            r#"{"b64":"YQ==","x":1}"#,
            r#"{"text":"a"}"#,
        ] {
            assert!(serde_json::from_str::<OsText>(bad).is_err(), "{bad}");
        }
    }
}
