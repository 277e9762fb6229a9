//! Reading a call's arguments: their value, the key of a sticky call, and the key under which an answer is kept.
//!
//! Arguments that no rule looks into are not parsed. Invariant: nesting beyond [`DEEPEST`] is refused before anything
//! recurses into it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Call;
use crate::model::service::{Method, StickyKey};

/// Levels of arguments that are looked into.
pub(super) const DEEPEST: usize = 100;
/// Digits of a number that are held exactly, whatever they are.
const EXACT: usize = 15;

/// The arguments where none were given.
pub(super) fn none(method: Option<&Method>) -> Arc<RawValue> {
    let text = if method.is_some_and(Method::takes_object) { "{}" } else { "[]" };
    RawValue::from_string(text.to_owned()).expect("BUG: brackets are JSON").into()
}

/// The value of arguments, or why they are none.
pub(super) fn parse(text: &RawValue) -> Result<Value, String> {
    if is_deeper(text.get(), DEEPEST) {
        return Err(format!("are nested more than {DEEPEST} levels deep"));
    }
    serde_json::from_str(text.get()).map_err(|error| format!("cannot be read: {error}"))
}

fn is_deeper(text: &str, most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    text.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        depth > most
    })
}

/// The same for arguments that mean the same. Numbers of more digits than are held exactly make it their text.
pub(super) fn canonical(text: &RawValue, value: &Value) -> Arc<str> {
    let text = text.get();
    let mut digits = 0;
    let has_long_number = text.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() || byte == b'.' { digits + 1 } else { 0 };
        digits > EXACT
    });
    if has_long_number { text.into() } else { value.to_string().into() }
}

/// The part of a value that a pointer names, as text.
pub(super) fn part<'v>(value: &'v Value, pointer: &str) -> Option<Cow<'v, str>> {
    Some(match value.pointer(pointer)? {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    })
}

/// The key that decides on the slot of a sticky call. A call without the part that is asked for goes by its peer.
pub(super) fn sticky_key<'c>(call: &'c Call, sticky: &StickyKey, value: Option<&'c Value>) -> Cow<'c, str> {
    let by_pointer = |pointer: &str| match (&call.method, value) {
        (None, Some(value)) => part(value, pointer),
        (None, None) => None,
        (Some(method), _) if matches!(pointer, "/action" | "/method") => Some(Cow::Borrowed(&**method)),
        (Some(_), value) => {
            let under = ["/parameters", "/params", "/args"].iter().find_map(|part| pointer.strip_prefix(part))?;
            part(value?, under)
        }
    };
    let found = match (&call.key, sticky) {
        (Some(key), _) => Some(Cow::Borrowed(&**key)),
        (None, StickyKey::Pointer(pointer)) => by_pointer(pointer),
        (None, StickyKey::Peer) => None,
    };
    found.unwrap_or(Cow::Borrowed(&call.peer))
}

/// A number for a key, the same in each gateway: FNV-1a.
pub(super) fn hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
