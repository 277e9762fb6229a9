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

use super::object::Object;
use super::rpc::FAILED;
use super::worker::{write_number, write_on_one_line, write_text};
use crate::model::service::{Body, CallError, Health, HealthStatus};
use crate::model::{UnixMicros, json_text};

/// The longest message of health that is passed on, in bytes.
const MOST_OF_MESSAGE: usize = 500;

/// Meaning of a line of a worker of a service.
#[derive(Debug)]
pub enum FromService<'a> {
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
#[must_use]
pub fn parse(line: &[u8]) -> FromService<'_> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return FromService::Printed;
    }
    let Ok(Object(members)) = serde_json::from_slice::<Object<Members<'_>>>(line) else { return FromService::Printed };
    let params = members.params.unwrap_or(RawValue::NULL);
    match (members.method.as_deref(), members.id) {
        (Some("ready"), None) => FromService::Ready(params),
        (Some("metric"), None) => FromService::Metric(params),
        (Some(_), Some(id)) => FromService::Asks { id, method: members.method.unwrap_or_default(), params },
        (None, Some(id)) => match id.get().parse() {
            Ok(request) => FromService::Answer { request, answer: answer(members) },
            Err(_) => FromService::Printed,
        },
        (_, None) => FromService::Printed,
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
#[must_use]
pub fn failed(message: &str) -> CallError {
    CallError { code: FAILED, message: message.to_owned(), data: None }
}

#[derive(Deserialize)]
struct Said {
    status: String,
    #[serde(default)]
    checks: Vec<Check>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    status: String,
    #[serde(default)]
    message: Option<String>,
}

/// The health that a worker answers.
#[must_use]
pub fn health_of(answer: Result<Body, CallError>) -> Health {
    match answer {
        Ok(Body::Json(result)) => read_health(result.get()),
        Ok(Body::Raw(text)) => unhealthy(String::from_utf8_lossy(&text).into_owned()),
        Err(error) => unhealthy(error.message),
    }
}

/// That of a worker which does not say it.
#[must_use]
pub fn unhealthy(mut message: String) -> Health {
    message.truncate(message.floor_char_boundary(MOST_OF_MESSAGE));
    Health { status: HealthStatus::Unhealthy, message }
}

/// The health that this text says.
#[must_use]
pub fn read_health(text: &str) -> Health {
    let said: Said = match serde_json::from_str(text) {
        Ok(said) => said,
        Err(error) => {
            return unhealthy(format!("its answer to `health` is not understood: {}", json_text::words(&error)));
        }
    };
    let failing = said.checks.into_iter().filter(|check| check.status != "healthy");
    let words = failing.map(|Check { name, status, message }| match message {
        Some(message) => format!("{name}: {message}"),
        None => format!("{name} is {status}"),
    });
    let message: Vec<String> = said.message.into_iter().chain(words).collect();
    let told = unhealthy(message.join("; "));
    match said.status.as_str() {
        "healthy" => Health { status: HealthStatus::Healthy, ..told },
        "degraded" => Health { status: HealthStatus::Degraded, ..told },
        "unhealthy" => told,
        other => {
            unhealthy(format!("it says that it is `{other}`, which is none of `healthy`, `degraded`, `unhealthy`"))
        }
    }
}

/// A request to a worker.
#[must_use]
pub fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    let mut out = begin(id, method);
    out.extend_from_slice(params.to_string().as_bytes());
    out.extend_from_slice(b"}\n");
    out
}

/// A call, as a worker gets it.
#[derive(Debug)]
pub struct CallLine<'a> {
    /// `None`: `body` is the whole message.
    pub name: Option<&'a str>,
    /// `None`: no arguments.
    pub body: Option<&'a Body>,
    /// By when it is to be answered.
    pub deadline: UnixMicros,
    pub traceparent: Option<&'a str>,
    pub peer: &'a str,
}

impl CallLine<'_> {
    /// The request of this number.
    #[must_use]
    pub fn write(&self, id: u64) -> Vec<u8> {
        let mut out = begin(id, "call");
        match self.body {
            None => self.write_args(&mut out, b"[]"),
            Some(Body::Json(args)) => self.write_args(&mut out, args.get().as_bytes()),
            Some(Body::Raw(bytes)) => {
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
        out.extend_from_slice(format!("{:.3}", self.deadline.to_timestamp()).as_bytes());
        out.push(b'"');
        if let Some(trace) = self.traceparent {
            out.extend_from_slice(b",\"traceparent\":");
            write_text(&mut out, trace);
        }
        out.extend_from_slice(b",\"peer\":");
        write_text(&mut out, self.peer);
        out.extend_from_slice(b"}}\n");
        out
    }

    fn write_args(&self, out: &mut Vec<u8>, args: &[u8]) {
        out.extend_from_slice(b"{\"name\":");
        match self.name {
            Some(name) => write_text(out, name),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"args\":");
        write_on_one_line(out, args);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_that_fail_are_named() {
        let text = r#"{"status":"degraded","checks":[{"name":"db","status":"healthy"},{"name":"disk","status":"unhealthy","message":"full"},{"name":"net","status":"slow"}]}"#;
        assert_eq!(
            read_health(text),
            Health { status: HealthStatus::Degraded, message: "disk: full; net is slow".into() }
        );
        assert_eq!(read_health(r#"{"status":"healthy"}"#).status, HealthStatus::Healthy);
        for bad in ["null", r#"{"status":"fine"}"#, r#"{"checks":[]}"#] {
            assert_eq!(read_health(bad).status, HealthStatus::Unhealthy, "{bad}");
        }
    }
}
