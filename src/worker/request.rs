//! Messages of the master: jobs, cancels, and lines that are neither.
//!
//! Knows nothing of pipes. Invariant: args and ids stay text, so that no number is rounded and an id comes back
//! exactly as it was sent.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::verdict::Reason;
use crate::wire::rpc;

/// A job that has arrived and is not yet looked into.
#[derive(Debug)]
pub(super) struct Pending {
    /// JSON text of the request's id.
    pub(super) id: Box<str>,
    pub(super) params: Box<RawValue>,
}

/// One line from the master.
#[derive(Debug)]
pub(super) enum Message {
    Job(Pending),
    /// The job with this id is to end.
    Cancel {
        id: Box<str>,
        reason: Reason,
    },
    /// A request with an unknown method.
    UnknownMethod {
        id: Box<str>,
        method: String,
    },
    /// A notification that nobody waits for: ignored, as JSON-RPC has it.
    Ignored,
    /// Not a message.
    Garbage(String),
}

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Message {
    let request: rpc::Request<'_> = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(e) => return Message::Garbage(e.to_string()),
    };
    match (&*request.method, request.id, request.params) {
        ("job", Some(id), Some(params)) => Message::Job(Pending { id: id.get().into(), params: params.to_owned() }),
        ("job", _, _) => Message::Garbage("a job without `id` or `params`".to_owned()),
        ("cancel", _, params) => cancel(params),
        (method, Some(id), _) => Message::UnknownMethod { id: id.get().into(), method: method.to_owned() },
        (_, None, _) => Message::Ignored,
    }
}

fn cancel(params: Option<&RawValue>) -> Message {
    #[derive(Deserialize)]
    struct Cancel<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        #[serde(borrow, default)]
        reason: Option<std::borrow::Cow<'a, str>>,
    }
    match serde_json::from_str::<Cancel<'_>>(params.map_or("null", RawValue::get)) {
        Ok(c) => Message::Cancel { id: c.id.get().into(), reason: Reason::parse(c.reason.as_deref()) },
        Err(e) => Message::Garbage(format!("a cancel that cannot be read: {e}")),
    }
}

/// The id of a request whose line was too long to keep: the master writes it before the params.
pub(super) fn id_near_the_start(start: &[u8]) -> Option<Box<str>> {
    let text = String::from_utf8_lossy(start);
    let after = text.split_once("\"id\":")?.1.trim_start();
    let digits = &after[..after.find(|c: char| !c.is_ascii_digit())?];
    (!digits.is_empty()).then(|| digits.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_master_are_told_apart() {
        let table: &[(&str, &str)] = &[
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"job","params":{"job_id":1}}"#,
                r#"Job(Pending { id: "7", params: RawValue({"job_id":1}) })"#,
            ),
            (r#"{"id":"x","method":"job","params":[]}"#, r#"Job(Pending { id: "\"x\"", params: RawValue([]) })"#),
            (r#"{"method":"cancel","params":{"id":7,"reason":"timeout"}}"#, r#"Cancel { id: "7", reason: Timeout }"#),
            (r#"{"method":"cancel","params":{"id":7,"later":1}}"#, r#"Cancel { id: "7", reason: Cancelled }"#),
            (r#"{"id":1,"method":"ping"}"#, r#"UnknownMethod { id: "1", method: "ping" }"#),
            (r#"{"method":"news","params":{}}"#, "Ignored"),
            (r#"{"method":"job","params":{}}"#, "Garbage(\"a job without `id` or `params`\")"),
        ];
        for (line, expected) in table {
            assert_eq!(format!("{:?}", parse(line.as_bytes())), *expected, "{line}");
        }
        for line in ["", "hello", "[]", "{\"id\":1}", "{\"method\":\"cancel\"}", "\u{1b}[1m{}"] {
            assert!(matches!(parse(line.as_bytes()), Message::Garbage(_)), "{line}");
        }
    }

    #[test]
    fn the_id_of_a_line_that_was_too_long_is_found_at_its_start() {
        let start = br#"{"jsonrpc":"2.0","id":42,"method":"job","params":{"job_id":7,"args":"aaaa"#;
        assert_eq!(id_near_the_start(start).as_deref(), Some("42"));
        for none in ["", "\"id\":", "\"id\":12", "\"id\":\"x\",", "{\"method\":"] {
            assert_eq!(id_near_the_start(none.as_bytes()), None, "{none}");
        }
    }
}
