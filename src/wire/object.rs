//! Members that are read from a JSON object, and from nothing else.
//!
//! Invariant: an array is never taken for the members in the order of their declaration, as serde does by itself: that
//! order is no part of the protocol.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// A value that was written as an object.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object with members by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// Reads an object.
pub fn read<'a, T: Deserialize<'a>>(json: &'a str) -> serde_json::Result<T> {
    serde_json::from_str(json).map(|Object(value)| value)
}

/// For a member that is a list of objects.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Vec::<Object<T>>::deserialize(from).map(|all| all.into_iter().map(|Object(value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::{PushJob, PushMany};

    #[test]
    fn an_array_is_no_object_at_any_depth_and_the_text_of_a_member_is_kept() {
        let job = read::<PushJob>(r#"{"type":"t","args":[1.0, 2]}"#).expect("an object");
        assert_eq!(job.args.expect("args").get(), "[1.0, 2]");
        for text in [r#"["t",[1]]"#, "null", "1", r#""t""#] {
            let error = read::<PushJob>(text).expect_err(text).to_string();
            assert!(error.contains("expected an object with members by name"), "{error}");
        }
        let many = r#"{"jobs":[{"type":"t"},["t",[1]]]}"#;
        assert!(read::<PushMany>(many).expect_err("an array").to_string().contains("expected an object"), "{many}");
    }
}
