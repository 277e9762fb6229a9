//! JSON that is kept as text, for serde: it stands in a document as it was written; and what is wrong with JSON, in its own words.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub fn serialize<S: Serializer>(text: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
    // What is damaged on record must not make the whole document so.
    let json = text.as_deref().map(|text| serde_json::from_str::<&RawValue>(text).unwrap_or(RawValue::NULL));
    json.serialize(to)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<str>>, D::Error> {
    Ok(Option::<Box<RawValue>>::deserialize(from)?.map(|json| json.get().into()))
}

/// Why JSON is not understood, without the names of what it is read into.
#[must_use]
pub fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let Some((found, expected)) = text.rsplit_once(", expected ") else { return text };
    let (expected, place) = expected.split_once(" at line ").unwrap_or((expected, ""));
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        "a sequence" => "an array",
        "a boolean" => "`true` or `false`",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    let found = match found {
        "invalid type: map" => "invalid type: object",
        "invalid type: sequence" => "invalid type: array",
        other => other,
    };
    let place = if place.is_empty() { String::new() } else { format!(" at line {place}") };
    format!("{found}, expected {expected}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::service::Declared;

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_json() {
        let table = [
            (r#""x""#, r#"invalid type: string "x", expected an object at line 1 column 3"#),
            (r#"{"concurrency":"2"}"#, r#"invalid type: string "2", expected a whole number at line 1 column 18"#),
            (r#"{"methods":["add"]}"#, "invalid type: array, expected an object at line 1 column 11"),
            (r#"{"methods":{"add":{"cache":7}}}"#, "invalid type: integer `7`, expected an object at line 1 column 28"),
            (r#"{"health":{}}"#, "invalid type: object, expected `true` or `false` at line 1 column 10"),
            (r#"{"methods":{"add":{"cache":{}}}}"#, "missing field `ttl_s` at line 1 column 29"),
        ];
        for (text, expected) in table {
            let error = serde_json::from_str::<Declared>(text).unwrap_err();
            assert_eq!(words(&error), expected);
        }
    }
}
