//! The lines of a worker of a service, and the lines that are written to it.
//!
//! | worker says | meaning |
//! | --- | --- |
//! | `{"id", "result" \| "error" \| "raw" \| "raw_base64"}` | the answer to a request |
//! | `{"method": "ready", "params": {…}}` | what it is, see `Declared` |
//! | `{"method": "metric", "params": {…}}` | a value of a series |
//! | `{"id", "method": "call" \| "table.…", "params"}` | a request, which is answered |
//! | any other request | is answered with an error |
//! | anything else | printed |

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::core::calls::{Body, Call};
use crate::model::UnixMicros;
use crate::model::service::CallError;
use crate::wire::object::Object;
use crate::wire::rpc::FAILED;
use crate::wire::worker::{write_number, write_on_one_line, write_text};

/// Meaning of a line of a worker.
#[derive(Debug)]
pub(super) enum Message<'a> {
    Answer { request: u64, answer: Result<Body, CallError> },
    Ready(&'a RawValue),
    Metric(&'a RawValue),
    Asks { id: &'a RawValue, method: Cow<'a, str>, params: &'a RawValue },
    Printed,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    error: Option<Value>,
    #[serde(borrow)]
    raw: Option<Cow<'a, str>>,
    #[serde(borrow)]
    raw_base64: Option<Cow<'a, str>>,
}

/// A member that is there, also when it is `null`.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Message<'_> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Message::Printed;
    }
    let Ok(Object(members)) = serde_json::from_slice::<Object<Members<'_>>>(line) else { return Message::Printed };
    let params = members.params.unwrap_or(RawValue::NULL);
    match (members.method.as_deref(), members.id) {
        (Some("ready"), None) => Message::Ready(params),
        (Some("metric"), None) => Message::Metric(params),
        (Some(_), Some(id)) => Message::Asks { id, method: members.method.unwrap_or_default(), params },
        (None, Some(id)) => match id.get().parse() {
            Ok(request) => Message::Answer { request, answer: answer(members) },
            Err(_) => Message::Printed,
        },
        (_, None) => Message::Printed,
    }
}

fn answer(members: Members<'_>) -> Result<Body, CallError> {
    if let Some(error) = members.error {
        return Err(error_of(error));
    }
    if let Some(result) = members.result {
        return Ok(Body::Json(Arc::from(result.to_owned())));
    }
    if let Some(text) = members.raw {
        return Ok(Body::Raw(text.as_bytes().into()));
    }
    match members.raw_base64.map(|text| STANDARD.decode(text.as_bytes()).ok()) {
        Some(Some(bytes)) => Ok(Body::Raw(bytes.into())),
        Some(None) => Err(failed("the worker answered with `raw_base64` that is none")),
        None => Err(failed("the worker answered with neither `result` nor `error`")),
    }
}

fn error_of(error: Value) -> CallError {
    match error {
        Value::Object(mut members) => {
            let message = match members.remove("message") {
                Some(Value::String(text)) => text,
                other => other.map_or_else(|| "the worker gave no message".to_owned(), |value| value.to_string()),
            };
            let code = members.get("code").and_then(Value::as_i64).unwrap_or(FAILED);
            CallError { code, message, data: members.remove("data").filter(|data| !data.is_null()) }
        }
        Value::String(message) => CallError { code: FAILED, message, data: None },
        other => failed(&other.to_string()),
    }
}

/// The error of a worker that has no code of its own.
pub(super) fn failed(message: &str) -> CallError {
    CallError { code: FAILED, message: message.to_owned(), data: None }
}

/// A request to a worker.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    let mut out = begin(id, method);
    out.extend_from_slice(params.to_string().as_bytes());
    out.extend_from_slice(b"}\n");
    out
}

/// A call, to be answered by `deadline`. `whole`: the message, for a worker that declares no methods.
pub(super) fn call(id: u64, call: &Call, whole: Option<&RawValue>, deadline: UnixMicros) -> Vec<u8> {
    let mut out = begin(id, "call");
    match (&call.body, whole) {
        (_, Some(message)) => {
            out.extend_from_slice(b"{\"name\":null,\"args\":");
            write_on_one_line(&mut out, message.get().as_bytes());
        }
        (Body::Json(args), None) => {
            out.extend_from_slice(b"{\"name\":");
            match &call.method {
                Some(name) => write_text(&mut out, name),
                None => out.extend_from_slice(b"null"),
            }
            out.extend_from_slice(b",\"args\":");
            write_on_one_line(&mut out, args.get().as_bytes());
        }
        (Body::Raw(bytes), None) => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                out.extend_from_slice(b"{\"raw\":");
                write_text(&mut out, text);
            } else {
                out.extend_from_slice(b"{\"raw_base64\":\"");
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.push(b'"');
            }
        }
    }
    out.extend_from_slice(b",\"deadline\":\"");
    out.extend_from_slice(format!("{:.3}", deadline.to_timestamp()).as_bytes());
    out.push(b'"');
    if let Some(trace) = &call.traceparent {
        out.extend_from_slice(b",\"traceparent\":");
        write_text(&mut out, trace);
    }
    out.extend_from_slice(b",\"peer\":");
    write_text(&mut out, &call.peer);
    out.extend_from_slice(b"}}\n");
    out
}

fn begin(id: u64, method: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    write_number(&mut out, id);
    out.extend_from_slice(b",\"method\":");
    write_text(&mut out, method);
    out.extend_from_slice(b",\"params\":");
    out
}
