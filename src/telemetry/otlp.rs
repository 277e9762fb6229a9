//! Spans as the JSON of OTLP (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>): ids in hexadecimal digits,
//! integers of 64 bits as texts.

use serde::{Serialize, Serializer};

use super::conventions::SCOPE;
use super::span::{Kind, Span, Value};
use crate::model::{SpanId, TraceContext, TraceId, UnixMicros};

const SERVER: u8 = 2;
const PRODUCER: u8 = 4;
const CONSUMER: u8 = 5;
/// Status of a span that went wrong.
const ERROR: u8 = 2;

/// A request to store spans.
pub(super) fn request(resource: &[(String, String)], spans: &[Span]) -> String {
    let text = |(key, value): &'_ (String, String)| (key.clone(), Value::Text(value.clone()));
    let of_resource: Vec<(String, Value)> = resource.iter().map(text).collect();
    let request = Request {
        resource_spans: [ResourceSpans {
            resource: Resource {
                attributes: of_resource.iter().map(|(key, value)| Attribute { key, value }).collect(),
            },
            scope_spans: [ScopeSpans {
                scope: Scope { name: SCOPE, version: env!("CARGO_PKG_VERSION") },
                spans: spans.iter().map(Written::from).collect(),
            }],
        }],
    };
    serde_json::to_string(&request).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: Vec<Written<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<SpanId>,
    name: &'a str,
    kind: u8,
    #[serde(serialize_with = "nanoseconds")]
    start_time_unix_nano: UnixMicros,
    #[serde(serialize_with = "nanoseconds")]
    end_time_unix_nano: UnixMicros,
    attributes: Vec<Attribute<'a>>,
    links: Vec<Link<'a>>,
    status: Status<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_state: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: &'a Value,
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.collect_map([("stringValue", text)]),
            Self::Number(number) => serializer.collect_map([("intValue", number.to_string())]),
        }
    }
}

impl<'a> From<&'a Span> for Written<'a> {
    fn from(span: &'a Span) -> Self {
        let link = |of: &'a TraceContext| Link {
            trace_id: of.trace_id,
            span_id: of.span_id,
            trace_state: of.state.as_deref(),
        };
        Self {
            trace_id: span.context.trace_id,
            span_id: span.context.span_id,
            trace_state: span.context.state.as_deref(),
            parent_span_id: span.parent,
            name: &span.name,
            kind: match span.kind {
                Kind::Server => SERVER,
                Kind::Producer => PRODUCER,
                Kind::Consumer => CONSUMER,
            },
            start_time_unix_nano: span.start,
            end_time_unix_nano: span.end.max(span.start),
            attributes: span.attributes.iter().map(|(key, value)| Attribute { key, value }).collect(),
            links: span.link.iter().map(link).collect(),
            status: span.error.as_deref().map_or_else(Status::default, |error| Status {
                code: Some(ERROR),
                message: Some(error).filter(|error| !error.is_empty()),
            }),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn nanoseconds<S: Serializer>(at: &UnixMicros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&(i128::from(at.0.max(0)) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_numbers_are_texts_and_what_is_not_there_is_left_out() {
        let context =
            |state| TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", state).unwrap();
        let span = Span {
            context: context(None),
            parent: None,
            link: Some(context(Some("a=1"))),
            name: "process t".into(),
            kind: Kind::Consumer,
            start: UnixMicros(1_700_000_000_000_001),
            // The clock was set back meanwhile.
            end: UnixMicros(1_600_000_000_000_000),
            attributes: vec![("text", Value::from(&*"ü".repeat(2_000))), ("number", i64::MAX.into())],
            error: Some(String::new()),
        };
        let request: serde_json::Value =
            serde_json::from_str(&request(&[("service.name".into(), "s".into())], &[span])).unwrap();
        let written = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let expected = serde_json::json!({
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "name": "process t", "kind": 5,
            "startTimeUnixNano": "1700000000000001000", "endTimeUnixNano": "1700000000000001000",
            "attributes": [
                {"key": "text", "value": {"stringValue": "ü".repeat(512)}},
                {"key": "number", "value": {"intValue": "9223372036854775807"}},
            ],
            "links": [
                {"traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "traceState": "a=1"},
            ],
            "status": {"code": 2},
        });
        assert_eq!(*written, expected);
    }
}
