//! Mistakes in a line of a worker, in words that say what to write instead.
//!
//! Knows lines, not what was asked. Invariant: a line that a master or a gateway understands in full gets no word here, and neither
//! does text that is no attempt at a message.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::life::shown;
use crate::core::calls;
use crate::model::service::{Declared, Method};

/// The messages of one kind of worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Members of an answer.
    answer: &'static [&'static str],
    /// A list in words.
    messages: &'static str,
}

pub(super) const OF_SERVICE: Kind = Kind {
    answer: &["jsonrpc", "id", "result", "error", "raw", "raw_base64"],
    messages: "a worker of a service says `ready` and `metric`, and asks for `call` and `table.…`",
};
pub(super) const OF_JOBS: Kind = Kind {
    answer: &["jsonrpc", "id", "result", "error", "run"],
    messages: "a worker of a queue says `ready`, `progress`, `note`, `extend` and `retire`, and asks for `push`",
};
const OF_READY: [&str; 4] = ["concurrency", "types", "name", "version"];

/// A message that is none of this kind of worker.
pub(super) fn nobody_hears(method: &str, kind: Kind) -> String {
    format!("`{method}` means nothing here; {}", kind.messages)
}

/// Of a line that is taken for printed text.
pub(super) fn of_printed(line: &[u8], kind: Kind) -> Option<String> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let members = match serde_json::from_slice::<Value>(line) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return None,
        Err(error) => {
            let quotes = if line.contains(&b'\'') { "; names and texts stand in double quotes" } else { "" };
            return Some(format!("it begins like a message, and is no JSON: {error}{quotes}"));
        }
    };
    let has = |name: &str| members.contains_key(name);
    match (members.get("method"), members.get("id")) {
        (Some(Value::String(method)), _) if method == "job" || method == "init" || method == "health" => {
            Some(format!("`{method}` is said to a worker, not by one"))
        }
        (Some(Value::String(method)), None) if method == "call" || method == "push" || method.starts_with("table.") => {
            Some(format!("`{method}` is a request, and needs an `id`"))
        }
        (Some(Value::String(method)), _) => Some(if kind.messages.contains(&format!("`{method}`")) {
            format!("the params of `{method}` are not as they must be: {}", params(&members))
        } else {
            nobody_hears(method, kind)
        }),
        (Some(other), _) => Some(format!("`method` must be a text, and is {other}")),
        (None, Some(id)) => Some(format!("`id` must be that of the request, a whole number; it is {id}")),
        (None, None) if has("result") || has("error") => Some("an answer needs the `id` of its request".to_owned()),
        (None, None) => None,
    }
}

fn params(members: &Map<String, Value>) -> String {
    members.get("params").map_or("they are missing".to_owned(), |params| shown(params.to_string().as_bytes()))
}

/// Of an answer, which counts.
pub(super) fn of_answer(line: &[u8], kind: Kind) -> Vec<String> {
    let Ok(Value::Object(members)) = serde_json::from_slice(line) else { return Vec::new() };
    let mut wrong = unknown(&members, kind.answer, "the answer");
    let error = members.get("error").filter(|error| !error.is_null());
    let others = kind.answer[2..].iter().filter(|name| **name != "error" && **name != "run");
    let results = others.filter(|name| members.contains_key(**name)).count();
    match (results, error) {
        (0, None) => wrong.push("the answer has neither `result` nor `error`".to_owned()),
        (1.., Some(_)) => wrong.push("the answer has a result and an `error`; the error counts".to_owned()),
        (2.., None) => wrong.push("the answer has several results; one counts".to_owned()),
        _ => {}
    }
    match error {
        Some(Value::Object(error)) => {
            if !error.get("message").is_some_and(Value::is_string) {
                wrong.push("an `error` needs a `message`, a text".to_owned());
            }
            if error.get("code").is_some_and(|code| !code.is_i64()) {
                wrong.push("the `code` of an `error` is a whole number".to_owned());
            }
            wrong.extend(unknown(error, &["code", "message", "data"], "the error"));
        }
        Some(_) => wrong.push("`error` must be an object: {\"code\": -32000, \"message\": \"…\"}".to_owned()),
        None => {}
    }
    wrong
}

/// Of the params of `ready`, or the result of `init`, of a service.
pub(super) fn of_declaration(text: &RawValue) -> Vec<String> {
    let Ok(Value::Object(members)) = serde_json::from_str(text.get()) else { return Vec::new() };
    let mut wrong = unknown(&members, &names(&Declared::default()), "the declaration");
    let methods = members.get("methods").and_then(Value::as_object);
    for (name, method) in methods.into_iter().flatten() {
        if let Some(method) = method.as_object() {
            wrong.extend(unknown(method, &names(&Method::default()), &format!("method `{name}`")));
        }
    }
    wrong
}

/// Of a schema of results; the core checks those of arguments.
pub(super) fn of_schema(schema: &Value) -> Vec<String> {
    if schema.is_null() { Vec::new() } else { calls::unchecked(schema) }
}

/// Of the `ready` of a worker of a queue.
pub(super) fn of_ready(line: &[u8]) -> Vec<String> {
    let Ok(Value::Object(members)) = serde_json::from_slice(line) else { return Vec::new() };
    let Some(params) = members.get("params") else { return Vec::new() };
    let Some(params) = params.as_object() else { return vec!["the params of `ready` must be an object".to_owned()] };
    if params.contains_key("methods") {
        return vec!["it declares `methods`: it is a service; leave `--job` and `--jobs` out".to_owned()];
    }
    let mut wrong = unknown(params, &OF_READY, "`ready`");
    if params.get("concurrency").is_some_and(|n| n.as_u64().is_none_or(|n| n == 0)) {
        wrong.push("`concurrency` must be a whole number from 1 on".to_owned());
    }
    let is_text = |kind: &Value| kind.is_string();
    if params.get("types").is_some_and(|types| !types.as_array().is_some_and(|types| types.iter().all(is_text))) {
        wrong.push("`types` must be a list of texts".to_owned());
    }
    wrong
}

/// Names of the members of a value.
fn names(value: &impl serde::Serialize) -> Vec<String> {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

fn unknown<T: AsRef<str>>(members: &Map<String, Value>, known: &[T], place: &str) -> Vec<String> {
    let unknown = members.keys().filter(|name| !known.iter().any(|known| known.as_ref() == *name));
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    unknown.map(|name| format!("`{name}` in {place} means nothing; there are {}", known.join(", "))).collect()
}
