//! The grammar shared by both protocols: requests, answers, errors.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::store_name::StoreName;
use crate::model::audit::By;

/// Not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON, but not a request.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method, or no such job type.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The params do not fit the method.
pub const INVALID_PARAMS: i64 = -32602;
/// Code of a failure; `data.exit_code` says of which kind.
pub const FAILED: i64 = -32000;

/// The store cannot be written now: the message says whether anything was changed. Later it may go.
pub const UNAVAILABLE: i64 = -32001;

/// A request or notification as it arrives.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    /// Absent: a notification. Kept as text: a client may use any id, `null` too.
    #[serde(borrow, default, deserialize_with = "some")]
    pub id: Option<&'a RawValue>,
    pub method: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    pub params: Option<&'a RawValue>,
    /// The store that is meant, in the first request of a client that says so.
    #[serde(borrow, default)]
    pub store: Option<&'a RawValue>,
    /// Whom the page asks for, a [`crate::model::audit::By`].
    #[serde(borrow, default)]
    pub by: Option<&'a RawValue>,
}

fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Reads a line as a request. An array is none, although serde would take it for the members in order.
pub fn parse_request(line: &[u8]) -> Result<Request<'_>, RpcError> {
    let refused = |code: i64, why: &str| RpcError { code, message: format!("not a request: {why}"), data: None };
    match serde_json::from_slice::<Request<'_>>(line) {
        Err(error) if !error.is_data() => Err(refused(PARSE_ERROR, &error.to_string())),
        _ if !is_object(line) => Err(refused(INVALID_REQUEST, "it is no object; one request a line is taken")),
        result => result.map_err(|error| refused(INVALID_REQUEST, &error.to_string())),
    }
}

fn is_object(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{")
}

/// The id of something that is JSON but no request, where it has one.
#[must_use]
pub fn id_of(line: &[u8]) -> &RawValue {
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let only = if is_object(line) { serde_json::from_slice::<OnlyId<'_>>(line).ok() } else { None };
    only.map_or(RawValue::NULL, |only| only.id)
}

/// An error as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcError {
    /// One of the constants of this module.
    pub code: i64,
    /// For people.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// The part of an error for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// The exit code the command line ends with: 1, 2, 4 or 5.
    pub exit_code: u8,
}

impl RpcError {
    /// A failure: the command line ends with `exit_code`.
    #[must_use]
    pub fn failed(exit_code: u8, message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into(), data: Some(ErrorData { exit_code }) }
    }

    /// The params do not fit.
    #[must_use]
    pub fn params(message: impl Into<String>) -> Self {
        Self { code: INVALID_PARAMS, message: message.into(), data: Some(ErrorData { exit_code: 2 }) }
    }

    /// The exit code of the command line for this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.data.as_ref().map_or(1, |d| d.exit_code)
    }
}

/// Writes a request as one line, and which store is meant and who asks for it, if that is to be said.
pub fn request(
    id: u64,
    store: Option<&StoreName>,
    by: Option<&By>,
    method: &str,
    params: &impl Serialize,
) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Out<'a, P> {
        jsonrpc: &'a str,
        id: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        store: Option<&'a StoreName>,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a By>,
        method: &'a str,
        params: &'a P,
    }
    let mut line = serde_json::to_vec(&Out { jsonrpc: "2.0", id, store, by, method, params })?;
    line.push(b'\n');
    Ok(line)
}

/// Writes a notification as one line.
pub fn notification(method: &str, params: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Out<'a, P> {
        jsonrpc: &'a str,
        method: &'a str,
        params: &'a P,
    }
    let mut line = serde_json::to_vec(&Out { jsonrpc: "2.0", method, params })?;
    line.push(b'\n');
    Ok(line)
}
