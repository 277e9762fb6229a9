//! From the end of a run, or of a call, to its spans.
//!
//! Knows nothing of their form on the wire. Invariant: a text in a span has a bounded length.

use super::conventions as names;
use crate::model::call_log::{CallFailure, CallSpan};
use crate::model::change::Finish;
use crate::model::service::code;
use crate::model::{Outcome, SpanId, TraceContext, UnixMicros};

/// The longest text in a span, in bytes.
const MOST_BYTES: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Producer,
    Consumer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(cut(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A span that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(super) context: TraceContext,
    pub(super) parent: Option<SpanId>,
    pub(super) link: Option<TraceContext>,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) start: UnixMicros,
    pub(super) end: UnixMicros,
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// `None`: it succeeded, or was stopped before its end.
    pub(super) error: Option<String>,
}

/// The spans that the end of a run makes known: its own, and that of the push, if it was the first of its job or is the
/// child of the push: the end of a run before may have been lost with its master. The same span twice counts once.
pub(crate) fn spans_of(finish: &Finish) -> impl Iterator<Item = Span> {
    let trace = finish.job.trace.as_deref().filter(|trace| trace.run.is_sampled());
    let push = trace.filter(|trace| finish.job.is_new || trace.is_child()).map(|trace| {
        let (name, start) = (format!("{} {}", names::PUBLISH, finish.job.queue), finish.job.pushed_at);
        let attributes = operation(finish, names::PUBLISH, names::SEND);
        let (context, parent, kind) = (trace.push.clone(), trace.pushed_in, Kind::Producer);
        Span { context, parent, link: None, name, kind, start, end: start, attributes, error: None }
    });
    let run = trace.map(|trace| {
        let is_child = trace.is_child();
        Span {
            context: trace.run.clone(),
            parent: is_child.then_some(trace.push.span_id),
            link: (!is_child).then(|| trace.push.clone()),
            name: format!("{} {}", names::PROCESS, finish.job.kind),
            kind: Kind::Consumer,
            start: finish.started_at,
            end: finish.ended_at,
            attributes: facts(finish),
            error: failed(finish).then(|| cut(finish.detail.error.as_deref().unwrap_or_default())),
        }
    });
    push.into_iter().chain(run)
}

/// The span of a call; `None`: its context is damaged.
pub(crate) fn span_of_call(call: &CallSpan) -> Option<Span> {
    let method = call.method.as_deref();
    let mut attributes =
        vec![(names::RPC_SYSTEM.0, names::RPC_SYSTEM.1.into()), (names::RPC_SERVICE, call.service.as_str().into())];
    attributes.extend(method.map(|method| (names::RPC_METHOD, method.into())));
    let kind = |error: &CallFailure| code::word(error.code).map_or_else(|| error.code.to_string(), str::to_owned);
    attributes.extend(call.error.as_ref().map(|error| (names::ERROR_TYPE, kind(error).as_str().into())));
    Some(Span {
        context: TraceContext::new(&call.traceparent, None).ok()?,
        parent: Some(call.parent),
        link: None,
        name: cut(&method.map_or_else(|| call.service.to_string(), |method| format!("{}/{method}", call.service))),
        kind: Kind::Server,
        start: call.begun_at,
        end: call.ended_at,
        attributes,
        error: call.error.as_ref().map(|error| cut(&error.message)),
    })
}

fn operation(finish: &Finish, name: &str, kind: &str) -> Vec<(&'static str, Value)> {
    let id = finish.job.id.to_string();
    vec![
        (names::SYSTEM.0, names::SYSTEM.1.into()),
        (names::OPERATION, name.into()),
        (names::OPERATION_TYPE, kind.into()),
        (names::DESTINATION, finish.job.queue.as_str().into()),
        (names::MESSAGE, id.as_str().into()),
    ]
}

fn facts(finish: &Finish) -> Vec<(&'static str, Value)> {
    let (job, detail) = (&finish.job, &finish.detail);
    let mut facts = operation(finish, names::PROCESS, names::PROCESS);
    let waited = finish.started_at.since(job.due_at).as_micros() as i64;
    facts.extend([
        (names::JOB_TYPE, Value::from(&*job.kind)),
        (names::RUN, job.run.0.into()),
        (names::ATTEMPT, i64::from(job.attempt()).into()),
        (names::OUTCOME, finish.outcome.as_str().into()),
        (names::WAITED, waited.into()),
    ]);
    facts.extend(detail.exit_code.map(|code| (names::EXIT_CODE, i64::from(code).into())));
    facts.extend(detail.peak_memory.map(|bytes| (names::PEAK_MEMORY, (bytes as i64).into())));
    if failed(finish) {
        let cause = finish.cause.map_or(finish.outcome.as_str(), |cause| cause.as_str());
        facts.push((names::ERROR_TYPE, detail.error_type.as_deref().unwrap_or(cause).into()));
    }
    facts
}

const fn failed(finish: &Finish) -> bool {
    matches!(finish.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Crashed)
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MOST_BYTES)].to_owned()
}
