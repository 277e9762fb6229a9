//! JSON that is kept as text, for serde: it stands in a document as it was written.

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
