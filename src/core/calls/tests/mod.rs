//! What the gateway's decisions promise, sentence by sentence: events in, actions out, time as an argument.
//!
//! A [`Bench`] is one service, `calc`. Actions are read as short lines (`send 1 to 2`); requests have the numbers 1, 2, ….

mod ends;
mod methods;
mod properties;
mod queue;
mod sample;
mod schema;
mod strategies;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::model::service::code;

const SECOND: Duration = Duration::from_secs(1);

fn pool() -> PoolName {
    PoolName::new("calc").expect("a name")
}

fn raw(value: &Value) -> Body {
    Body::Json(serde_json::value::to_raw_value(value).expect("JSON").into())
}

/// A declaration with these methods.
fn declared(methods: &Value) -> Declared {
    serde_json::from_value(json!({ "methods": methods })).expect("a declaration")
}

struct Bench {
    calls: Calls,
    now: Mono,
    settings: ServiceSettings,
    declared: Declared,
    out: Vec<CallAction>,
    /// Calls that were put on record.
    logged: Vec<CallSample>,
}

impl Bench {
    fn new(settings: ServiceSettings, methods: &Value) -> Self {
        let mut bench = Self {
            calls: Calls::new(7, 1),
            now: Mono(1_000_000_000),
            settings: settings.clone(),
            declared: declared(methods),
            out: Vec::new(),
            logged: Vec::new(),
        };
        bench.event(CallEvent::Settings(pool(), Box::new(settings)));
        bench
    }

    /// A service without methods, with workers 1, 2, … in slots of these numbers.
    fn plain(workers: i64, settings: ServiceSettings) -> Self {
        Self::with(workers, settings, &json!({}))
    }

    fn with(workers: i64, settings: ServiceSettings, methods: &Value) -> Self {
        let mut bench = Self::new(settings, methods);
        for worker in 1..=workers {
            bench.start(worker, worker as u32);
        }
        bench.out.clear();
        bench
    }

    fn event(&mut self, event: CallEvent) {
        self.calls.handle(event, self.now, &mut self.out);
        self.sort_out();
    }

    fn sort_out(&mut self) {
        let logged = self.out.extract_if(.., |action| matches!(action, CallAction::Log(_)));
        self.logged.extend(logged.filter_map(|action| match action {
            CallAction::Log(call) => Some(*call),
            _ => None,
        }));
    }

    fn start(&mut self, worker: i64, slot: u32) {
        self.event(CallEvent::Started { worker: WorkerId(worker), pool: pool(), slot: Slot(slot) });
        self.ready(worker);
    }

    fn ready(&mut self, worker: i64) {
        let declared = Box::new(self.declared.clone());
        self.event(CallEvent::Ready { worker: WorkerId(worker), declared });
    }

    fn drain(&mut self, worker: i64) {
        self.event(CallEvent::Drain { worker: WorkerId(worker) });
    }

    fn gone(&mut self, worker: i64) {
        self.event(CallEvent::Gone { worker: WorkerId(worker), how: "exit code 1".into() });
    }

    fn call(&mut self, id: u64, method: &str, args: &Value) {
        self.call_as(id, method, args, |_| ());
    }

    fn call_as(&mut self, id: u64, method: &str, args: &Value, change: impl FnOnce(&mut Call)) {
        let mut call = Call {
            id: CallId(id),
            pool: pool(),
            method: Some(method.into()),
            body: Some(raw(args)),
            peer: "127.0.0.1".into(),
            is_outside: true,
            deadline: None,
            key: None,
            traceparent: None,
        };
        change(&mut call);
        self.event(CallEvent::Called(Box::new(call)));
    }

    fn load(&self) -> CallLoad {
        self.calls.loads(self.now).remove(&pool()).expect("a service")
    }

    fn stats(&self) -> &Stats {
        self.calls.service(&pool()).expect("a service").stats
    }

    /// A call without anything of note.
    fn any(&mut self, id: u64) {
        self.call(id, "do", &json!([]));
    }

    fn answer(&mut self, worker: i64, request: u64, value: &Value) {
        self.event(CallEvent::Answered { worker: WorkerId(worker), request, answer: Ok(raw(value)) });
    }

    fn fail(&mut self, worker: i64, request: u64) {
        let error = CallError { code: -1, message: "division by zero".into(), data: None };
        self.event(CallEvent::Answered { worker: WorkerId(worker), request, answer: Err(error) });
    }

    /// Time passes, with all that is due on the way.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.calls.next_deadline().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.calls.tick(self.now, &mut self.out);
            self.sort_out();
        }
        self.now = until;
    }

    /// What was done since this was asked last.
    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out).iter().map(line).collect()
    }

    #[track_caller]
    fn says(&mut self, expected: &[&str]) {
        assert_eq!(self.said(), expected);
    }

    /// The error that a call got.
    #[track_caller]
    fn refused(&mut self, id: u64) -> CallError {
        let found = self.out.iter().find_map(|action| match action {
            CallAction::Reply { call: CallId(call), answer: Err(error) } if *call == id => Some(error.clone()),
            _ => None,
        });
        self.out.clear();
        found.expect("the call is refused")
    }

    /// The workers that calls were sent to since this was asked last.
    fn sent(&mut self) -> Vec<i64> {
        let workers = std::mem::take(&mut self.out).into_iter().filter_map(|action| match action {
            CallAction::Send { worker, .. } => Some(worker.0),
            _ => None,
        });
        workers.collect()
    }
}

fn line(action: &CallAction) -> String {
    match action {
        CallAction::Send { worker, request, call, .. } => format!("send {} to {worker} as {request}", call.id.0),
        CallAction::Cancel { worker, request } => format!("cancel {request} of {worker}"),
        CallAction::Reply { call, answer: Ok(Body::Json(text)) } => format!("reply {}: {}", call.0, text.get()),
        CallAction::Reply { call, answer: Ok(Body::Raw(bytes)) } => format!("reply {}: {} bytes", call.0, bytes.len()),
        CallAction::Reply { call, answer: Err(error) } => format!("refuse {}: {}", call.0, error.code),
        CallAction::NoWorker(pool) => format!("no worker of {pool}"),
        CallAction::Drained(worker) => format!("drained {worker}"),
        CallAction::Replace { worker, .. } => format!("replace {worker}"),
        CallAction::Log(call) => format!("log a call of {}", call.service),
        CallAction::Warn { worker, texts } => format!("warn of {worker}: {}", texts.join("; ")),
    }
}
