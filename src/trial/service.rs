//! The conversation with a worker of a service, by the decisions of [`crate::core::calls`] as a gateway has it.
//!
//! Invariant: each request of ours is answered once; what is wrong with an answer is told, and what can be used of it is used.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::life::PRINTED;
use super::{By, Conversation, GivenUp, Over, Question, Step, mistakes};
use crate::core::calls::{Call, CallAction, CallEvent, CallId, Calls, mismatch};
use crate::gateway::form::write_rpc;
use crate::gateway::metrics::Metrics;
use crate::gateway::tables::Tables;
use crate::model::service::{Body, CallError, Declared, HealthStatus, ServiceSettings, code};
use crate::model::{CancelReason, Mono, Now, PoolName, Slot, WorkerId};
use crate::wire::service::{CallLine, FromService, health_of, parse, request};
use crate::wire::worker::write_cancel;

const WORKER: WorkerId = WorkerId(1);
/// How long a call may wait for the one before it: as long as it takes.
const PATIENCE: Duration = Duration::from_hours(24);

/// A request that is not answered.
#[derive(Debug)]
enum Open {
    Call(CallId),
    Init,
    Health,
}

/// A worker of a service.
#[derive(Debug)]
pub(crate) struct Service {
    pool: PoolName,
    init: Option<Value>,
    asks_health: bool,
    calls: Calls,
    declared: Option<Declared>,
    /// The declaration of a `ready` before the answer to `init`.
    said: Option<Declared>,
    open: BTreeMap<u64, Open>,
    /// The number of the last request.
    last: u64,
    /// Names of questions that are not over.
    asked: BTreeMap<CallId, String>,
    last_call: u64,
    given_up: Option<GivenUp>,
    tables: Tables,
    metrics: Metrics,
}

impl Service {
    /// `asks_health`: as a gateway does from time to time.
    pub(crate) fn new(pool: PoolName, timeout: Duration, init: Option<Value>, asks_health: bool) -> Self {
        let settings =
            ServiceSettings { timeout, max_queue: u32::MAX, max_queue_time: PATIENCE, ..ServiceSettings::default() };
        let mut calls = Calls::new(0, 1);
        let mut out = Vec::new();
        calls.handle(CallEvent::Settings(pool.clone(), Box::new(settings)), Mono(0), &mut out);
        calls.handle(CallEvent::Started { worker: WORKER, pool: pool.clone(), slot: Slot(1) }, Mono(0), &mut out);
        Self {
            pool,
            init,
            asks_health,
            calls,
            declared: None,
            said: None,
            open: BTreeMap::new(),
            last: 0,
            asked: BTreeMap::new(),
            last_call: 0,
            given_up: None,
            tables: Tables::default(),
            metrics: Metrics::default(),
        }
    }

    fn request(&mut self, open: Open, method: &'static str, params: &Value, out: &mut Vec<Step>) {
        self.last = self.calls.next_request();
        self.open.insert(self.last, open);
        out.push(Step::Say(method, request(self.last, method, params)));
    }

    fn feed(&mut self, event: CallEvent, now: Now, is_of_worker: bool, out: &mut Vec<Step>) {
        let mut actions = Vec::new();
        self.calls.handle(event, now.mono, &mut actions);
        self.carry_out(actions, now, is_of_worker, out);
    }

    fn carry_out(&mut self, actions: Vec<CallAction>, now: Now, is_of_worker: bool, out: &mut Vec<Step>) {
        for action in actions {
            match action {
                CallAction::Send { request, call, deadline, .. } => {
                    self.last = request;
                    self.open.insert(request, Open::Call(call.id));
                    let line = CallLine {
                        name: call.method.as_deref(),
                        body: call.body.as_ref(),
                        deadline: now.wall.plus(deadline.since(now.mono)),
                        traceparent: None,
                        peer: &call.peer,
                    };
                    out.push(Step::Say("call", line.write(request)));
                }
                CallAction::Cancel { request, .. } => {
                    let mut line = Vec::new();
                    write_cancel(&mut line, request, CancelReason::Cancelled);
                    out.push(Step::Say("cancel", line));
                }
                CallAction::Reply { call, answer } => self.reply(call, answer, is_of_worker, out),
                CallAction::Replace { .. } => self.given_up = self.given_up.or(Some(GivenUp::Overdue)),
                CallAction::Warn { texts, .. } => out.extend(texts.into_iter().map(Step::Wrong)),
                CallAction::NoWorker(_) | CallAction::Drained(_) | CallAction::Log(_) => {}
            }
        }
    }

    fn reply(&mut self, call: CallId, answer: Result<Body, CallError>, is_of_worker: bool, out: &mut Vec<Step>) {
        let by = match &answer {
            _ if is_of_worker => By::Worker,
            Err(error) if matches!(error.code, code::TIMED_OUT | code::WORKER_DIED) => By::Nobody,
            _ => By::Gateway,
        };
        if let (By::Nobody, Err(error)) = (by, &answer)
            && error.code == code::TIMED_OUT
        {
            out.push(Step::Wrong(error.message.clone()));
        }
        let name = self.asked.remove(&call).unwrap_or_default();
        out.push(Step::Over(Over { name, answer, by }));
    }

    fn answered(&mut self, line: &[u8], number: u64, answer: Result<Body, CallError>, now: Now, out: &mut Vec<Step>) {
        out.push(Step::Heard(match &answer {
            Ok(Body::Json(_)) => "result",
            Ok(Body::Raw(_)) => "raw",
            Err(_) => "error",
        }));
        let Some(open) = self.open.remove(&number) else {
            let why = if (1..=self.last).contains(&number) { "has been answered before" } else { "nobody has asked" };
            return out.push(Step::Wrong(format!("it answers request {number}, which {why}; this answer is dropped")));
        };
        out.extend(mistakes::of_answer(line, mistakes::OF_SERVICE).into_iter().map(Step::Wrong));
        match open {
            Open::Call(call) => {
                let name = self.asked.get(&call).cloned().unwrap_or_default();
                let schema = self.declared.as_ref().and_then(|declared| declared.methods.get(&name)).map(|m| &m.result);
                if let (Some(schema), Ok(Body::Json(result))) = (schema, &answer)
                    && let Some(what) = mismatch(schema, result)
                {
                    out.push(Step::Wrong(format!("the result of `{name}` is not what it declares: {what}")));
                }
                self.feed(CallEvent::Answered { worker: WORKER, request: number, answer }, now, true, out);
            }
            Open::Init => self.initialised(answer, now, out),
            Open::Health => {
                let health = health_of(answer);
                if health.status == HealthStatus::Unhealthy {
                    out.push(Step::Wrong(format!("it is unhealthy: {}", health.message)));
                }
            }
        }
    }

    fn says_ready(&mut self, params: &RawValue, now: Now, out: &mut Vec<Step>) {
        out.push(Step::Heard("ready"));
        if self.declared.is_some() || self.said.is_some() {
            return out.push(Step::Wrong("it says `ready` again; the first one counts".to_owned()));
        }
        match self.declaration("ready", params, out) {
            Some(declared) if self.init.is_some() => self.said = Some(declared),
            Some(declared) => self.introduce(declared, now, out),
            None => {}
        }
    }

    fn initialised(&mut self, answer: Result<Body, CallError>, now: Now, out: &mut Vec<Step>) {
        let result = match answer {
            Ok(Body::Json(result)) => result,
            Ok(Body::Raw(_)) => return self.refuse("its answer to `init` is no result".to_owned(), out),
            Err(error) => return self.refuse(format!("`init` failed: {}", error.message), out),
        };
        let Some(declared) = self.declaration("init", &result, out) else { return };
        let said = self.said.take().filter(|_| declared == Declared::default());
        self.introduce(said.unwrap_or(declared), now, out);
    }

    fn declaration(&mut self, place: &str, params: &RawValue, out: &mut Vec<Step>) -> Option<Declared> {
        out.extend(mistakes::of_declaration(params).into_iter().map(Step::Wrong));
        Declared::read(place, params).map_err(|why| self.refuse(why, out)).ok()
    }

    fn introduce(&mut self, declared: Declared, now: Now, out: &mut Vec<Step>) {
        for (name, method) in &declared.methods {
            let warnings = mistakes::of_schema(&method.result);
            out.extend(warnings.into_iter().map(|text| Step::Wrong(format!("`result` of `{name}`: {text}"))));
        }
        self.declared = Some(declared.clone());
        if declared.health && self.asks_health {
            self.request(Open::Health, "health", &json!({}), out);
        }
        self.feed(CallEvent::Ready { worker: WORKER, declared: Box::new(declared) }, now, false, out);
    }

    fn refuse(&mut self, why: String, out: &mut Vec<Step>) {
        self.given_up = Some(GivenUp::Refused);
        out.push(Step::Wrong(why));
    }

    fn asks(&mut self, id: &RawValue, method: &str, params: &RawValue, out: &mut Vec<Step>) {
        let (word, answer) = match method {
            "call" => ("call", Err(refused("there are no other services here"))),
            _ if method.starts_with("table.") => ("table", self.tables.answer(method, params).map(Body::Json)),
            _ => ("request", Err(refused(&mistakes::nobody_hears(method, mistakes::OF_SERVICE)))),
        };
        out.push(Step::Heard(word));
        if let Err(error) = &answer
            && method != "call"
        {
            out.push(Step::Wrong(error.message.clone()));
        }
        let mut line = b"{\"jsonrpc\":\"2.0\",".to_vec();
        write_rpc(&mut line, Some(id), &answer);
        line.push(b'\n');
        out.push(Step::Say("answer", line));
    }
}

fn refused(message: &str) -> CallError {
    CallError { code: code::NO_SUCH_METHOD, message: message.to_owned(), data: None }
}

impl Conversation for Service {
    fn begin(&mut self, _: Now, out: &mut Vec<Step>) {
        if let Some(config) = self.init.clone() {
            self.request(Open::Init, "init", &json!({ "config": config, "services": {} }), out);
        }
    }

    fn ask(&mut self, question: Question, now: Now, out: &mut Vec<Step>) {
        self.last_call += 1;
        let id = CallId(self.last_call);
        self.asked.insert(id, question.name.clone());
        let call = Call {
            id,
            pool: self.pool.clone(),
            method: (!matches!(question.body, Some(Body::Raw(_)))).then(|| question.name.into()),
            body: question.body,
            peer: "queue-work call".into(),
            is_outside: false,
            deadline: None,
            key: None,
            traceparent: None,
        };
        self.feed(CallEvent::Called(Box::new(call)), now, false, out);
    }

    fn hear(&mut self, line: &[u8], now: Now, out: &mut Vec<Step>) {
        match parse(line) {
            FromService::Answer { request, answer } => self.answered(line, request, answer, now, out),
            FromService::Ready(params) => self.says_ready(params, now, out),
            FromService::Metric(params) => {
                out.push(Step::Heard("metric"));
                let taken = self.metrics.take(params.get());
                out.extend(taken.err().map(|why| Step::Wrong(format!("the metric is dropped: {why}"))));
            }
            FromService::Asks { id, method, params } => self.asks(id, &method, params, out),
            FromService::Printed => {
                out.push(Step::Heard(PRINTED));
                out.extend(mistakes::of_printed(line, mistakes::OF_SERVICE).map(Step::Wrong));
            }
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        self.calls.next_deadline()
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Step>) {
        let mut actions = Vec::new();
        self.calls.tick(now.mono, &mut actions);
        self.carry_out(actions, now, false, out);
    }

    fn is_ready(&self) -> bool {
        self.declared.is_some()
    }

    fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.open.is_empty()
    }

    fn given_up(&self) -> Option<GivenUp> {
        self.given_up
    }

    fn retires(&self) -> bool {
        false
    }

    fn close(&mut self, out: &mut Vec<Step>) {
        if self.declared.as_ref().is_some_and(|declared| declared.shutdown) {
            let params = json!({ "reason": "the trial is over", "grace_s": super::life::ENDS_IN.as_secs_f64() });
            let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"shutdown\",\"params\":{params}}}\n");
            out.push(Step::Say("shutdown", line.into()));
        }
    }

    fn ended(&mut self, how: &str, now: Now, out: &mut Vec<Step>) {
        self.feed(CallEvent::Gone { worker: WORKER, how: how.to_owned() }, now, false, out);
        for (_, name) in std::mem::take(&mut self.asked) {
            let message = format!("the worker is gone: {how}");
            let answer = Err(CallError { code: code::WORKER_DIED, message, data: None });
            out.push(Step::Over(Over { name, answer, by: By::Gateway }));
        }
    }
}
