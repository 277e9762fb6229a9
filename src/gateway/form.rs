//! The forms in which clients ask, and are answered.
//!
//! | request | method, arguments | answer | error |
//! | --- | --- | --- | --- |
//! | `{"action": A, "parameters": P}` | A, P | `{"status":"success","data":R}` | `{"status":"error","message":…,"code":…,"data"?:…}` |
//! | `{"method": M, "params": P, "id": I}` | M, P | `{"jsonrpc":"2.0","id":I,"result":R}` | `{"jsonrpc":"2.0","id":I,"error":{"code","message","data"}}` |
//! | the same with `"jsonrpc"` and without `id` | M, P | none | none |
//! | `{"name": N, "args": P, "id"?: I}` | N, P | `{"id":I,"result":R}` | `{"id":I,"error":{…}}` |
//! | bytes that are no JSON | none, all of it | the raw bytes, or the JSON text of the result | `error: …` |
//!
//! A service that declares no methods answers the whole message, whatever its form, and
//! its answer goes out as the worker gave it; errors keep the form of the table, and that of `action` where there is none.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::service::{Body, CallError, code};
use crate::wire::object::Object;
use crate::wire::rpc::INVALID_REQUEST;
use crate::wire::worker::write_on_one_line;

/// How a client has asked.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Action,
    /// `None`: no answer is wanted.
    Rpc(Option<Box<RawValue>>),
    Named(Option<Box<RawValue>>),
    Raw,
}

/// A request of a client.
#[derive(Debug)]
pub(super) struct Asked {
    pub form: Form,
    /// Method and arguments, if it names a method.
    pub named: Option<(Arc<str>, Option<Arc<RawValue>>)>,
    pub traceparent: Option<Arc<str>>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
}

/// Reads what a client sent, which begins with a bracket.
pub(super) fn read(text: &str) -> Result<Asked, CallError> {
    if text.trim_ascii_start().starts_with('[') {
        serde_json::from_str::<&RawValue>(text).map_err(|error| not_json(&error))?;
        return Ok(Asked { form: Form::Action, named: None, traceparent: None });
    }
    let Object(m) = serde_json::from_str::<Object<Members<'_>>>(text).map_err(|error| not_json(&error))?;
    let (form, method, args) = if let Some(method) = m.action {
        (Form::Action, Some(method), m.parameters)
    } else if let Some(method) = m.method {
        let id = m.id.or_else(|| m.jsonrpc.is_none().then_some(RawValue::NULL));
        (Form::Rpc(id.map(RawValue::to_owned)), Some(method), m.params)
    } else if let Some(method) = m.name {
        (Form::Named(m.id.map(RawValue::to_owned)), Some(method), m.args)
    } else {
        (Form::Action, None, None)
    };
    let name = method.and_then(|method| serde_json::from_str::<Cow<'_, str>>(method.get()).ok());
    let named = name.map(|name| (Arc::from(name.as_ref()), args.map(shared)));
    Ok(Asked { form, named, traceparent: m.traceparent.map(|trace| Arc::from(trace.as_ref())) })
}

fn not_json(error: &serde_json::Error) -> CallError {
    CallError { code: code::NOT_JSON, message: format!("the request is no JSON: {error}"), data: None }
}

/// The error for a message that names no method, where methods are declared.
pub(super) fn names_none() -> CallError {
    let message = "the request names no method; send {\"action\": NAME, \"parameters\": ARGUMENTS}, \
                   {\"method\": NAME, \"params\": ARGUMENTS, \"id\": 1} or {\"name\": NAME, \"args\": ARGUMENTS}";
    CallError { code: INVALID_REQUEST, message: message.to_owned(), data: None }
}

pub(super) fn shared(value: &RawValue) -> Arc<RawValue> {
    Arc::from(value.to_owned())
}

impl Form {
    /// The bytes of an answer, without a newline behind; `None`: none is wanted. `is_whole`: the service answers whole
    /// messages.
    pub(super) fn answer(&self, is_whole: bool, answer: &Result<Body, CallError>) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(256);
        match (self, answer) {
            (Self::Rpc(None), _) if !is_whole => return None,
            (Self::Raw, Ok(body)) => write_verbatim(&mut out, body),
            (_, Ok(body)) if is_whole => write_verbatim(&mut out, body),
            (Self::Raw, Err(error)) => {
                out.extend_from_slice(b"error: ");
                out.extend_from_slice(error.message.as_bytes());
            }
            (Self::Action, Ok(body)) => {
                out.extend_from_slice(b"{\"status\":\"success\",\"data\":");
                write_body(&mut out, body);
                out.push(b'}');
            }
            (Self::Action, Err(error)) => {
                out.extend_from_slice(b"{\"status\":\"error\",\"message\":");
                write(&mut out, &error.message);
                out.extend_from_slice(b",\"code\":");
                write(&mut out, &error.code);
                if let Some(data) = &error.data {
                    out.extend_from_slice(b",\"data\":");
                    write(&mut out, data);
                }
                out.push(b'}');
            }
            (Self::Rpc(id), _) => {
                out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
                write_rpc(&mut out, id.as_deref().or(Some(RawValue::NULL)), answer);
            }
            (Self::Named(id), _) => {
                out.push(b'{');
                write_rpc(&mut out, id.as_deref(), answer);
            }
        }
        Some(out)
    }
}

/// Appends the members `id` and `result` or `error`, and the bracket behind.
pub(crate) fn write_rpc(out: &mut Vec<u8>, id: Option<&RawValue>, answer: &Result<Body, CallError>) {
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":");
        write_on_one_line(out, id.get().as_bytes());
        out.push(b',');
    }
    match answer {
        Ok(body) => {
            out.extend_from_slice(b"\"result\":");
            write_body(out, body);
        }
        Err(error) => {
            out.extend_from_slice(b"\"error\":");
            write(out, error);
        }
    }
    out.push(b'}');
}

/// Appends a JSON value: bytes that are none are a string.
fn write_body(out: &mut Vec<u8>, body: &Body) {
    match body {
        Body::Json(value) => write_on_one_line(out, value.get().as_bytes()),
        Body::Raw(bytes) => write(out, &String::from_utf8_lossy(bytes)),
    }
}

fn write_verbatim(out: &mut Vec<u8>, body: &Body) {
    match body {
        Body::Json(value) => out.extend_from_slice(value.get().as_bytes()),
        Body::Raw(bytes) => out.extend_from_slice(bytes),
    }
}

fn write(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Body {
        Body::Json(RawValue::from_string(text.to_owned()).unwrap().into())
    }

    fn exchange(request: &str, is_whole: bool, answer: &Result<Body, CallError>) -> String {
        let asked = read(request).unwrap();
        let named = asked.named.map_or_else(
            || "-".to_owned(),
            |(name, args)| format!("{name} {}", args.map_or("-".to_owned(), |args| args.to_string())),
        );
        let answer =
            asked.form.answer(is_whole, answer).map_or_else(String::new, |out| String::from_utf8(out).unwrap());
        format!("{named} => {answer}")
    }

    #[test]
    fn each_form_is_answered_in_its_own() {
        let six = Ok(json("6"));
        let table = [
            (r#"{"action":"a","parameters":{"x":1}}"#, r#"a {"x":1} => {"status":"success","data":6}"#),
            (r#"{"action":"a"}"#, r#"a - => {"status":"success","data":6}"#),
            (r#"{"method":"m","params":[1],"id":"x"}"#, r#"m [1] => {"jsonrpc":"2.0","id":"x","result":6}"#),
            (r#"{"method":"m"}"#, r#"m - => {"jsonrpc":"2.0","id":null,"result":6}"#),
            (r#"{"jsonrpc":"2.0","method":"m"}"#, "m - => "),
            (r#"{"name":"n","args":[2]}"#, r#"n [2] => {"result":6}"#),
            (r#"{"name":"n","id":7}"#, r#"n - => {"id":7,"result":6}"#),
            (r#"{"other":1}"#, r#"- => {"status":"success","data":6}"#),
            (r#"{"action":5}"#, r#"- => {"status":"success","data":6}"#),
            ("[1]", r#"- => {"status":"success","data":6}"#),
        ];
        for (request, expected) in table {
            assert_eq!(exchange(request, false, &six), expected);
        }
        assert_eq!(
            exchange(r#"{"action":"a"}"#, true, &Ok(json(r#"{"status": "completed"}"#))),
            r#"a - => {"status": "completed"}"#
        );
        assert_eq!(exchange("[1]", true, &Ok(Body::Raw((*b"pong").into()))), "- => pong");
    }

    #[test]
    fn errors_keep_the_form_of_the_request() {
        let failed = Err(CallError { code: -32001, message: "too \"late\"".into(), data: None });
        let table = [
            (r#"{"action":"a"}"#, r#"a - => {"status":"error","message":"too \"late\"","code":-32001}"#),
            (
                r#"{"method":"m","id":1}"#,
                r#"m - => {"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"too \"late\""}}"#,
            ),
            (r#"{"name":"n","id":2}"#, r#"n - => {"id":2,"error":{"code":-32001,"message":"too \"late\""}}"#),
        ];
        for (request, expected) in table {
            for is_whole in [false, true] {
                assert_eq!(exchange(request, is_whole, &failed), expected);
            }
        }
        assert_eq!(Form::Raw.answer(false, &failed).unwrap(), b"error: too \"late\"");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in ["{\"a\"}", "[1,]", "{\"a\":1 \"b\":2}"] {
            assert_eq!(read(bad).unwrap_err().code, code::NOT_JSON, "{bad}");
        }
    }
}
