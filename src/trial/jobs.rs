//! The conversation with a worker of a queue, as a master has it.
//!
//! Knows one pool that takes a program as ready when it is started. Invariant: the worker has at most as many jobs as it says it
//! does at a time, each of a type that it takes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;

use super::life::PRINTED;
use super::{By, Conversation, GivenUp, Over, Question, Step, mistakes};
use crate::model::answer::NO_SUCH_TYPE;
use crate::model::job::{Counters, Holds};
use crate::model::service::{Body, CallError, code};
use crate::model::units::show_duration;
use crate::model::{Answer, CancelReason, Claimed, JobId, Mono, Now, QueueName, RunId, payload};
use crate::wire::control::PushJob;
use crate::wire::object;
use crate::wire::push::to_new_job;
use crate::wire::rpc::{FAILED, INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::wire::worker::{FromWorker, JobLines, JobTerms, answer_missing, parse, write_cancel};

/// The attempts of a job that says nothing itself.
const MAX_ATTEMPTS: u32 = 3;

/// A job that is not answered.
#[derive(Debug)]
struct Open {
    name: String,
    deadline: Mono,
}

/// A worker of a queue.
#[derive(Debug)]
pub(crate) struct Jobs {
    timeout: Duration,
    lines: JobLines,
    waiting: VecDeque<Question>,
    open: BTreeMap<u64, Open>,
    /// The number of the last request.
    last: u64,
    pushed: i64,
    concurrency: u32,
    types: Option<Vec<String>>,
    retires: bool,
    given_up: Option<GivenUp>,
}

impl Jobs {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            lines: JobLines::default(),
            waiting: VecDeque::new(),
            open: BTreeMap::new(),
            last: 0,
            pushed: 0,
            concurrency: 1,
            types: None,
            retires: false,
            given_up: None,
        }
    }

    fn dispatch(&mut self, now: Now, out: &mut Vec<Step>) {
        while self.open.len() < self.concurrency as usize && self.given_up.is_none() {
            let Some(question) = self.waiting.pop_front() else { return };
            let refused = match &self.types {
                _ if self.retires => Some("the worker takes no more jobs, as it said `retire`".to_owned()),
                Some(types) if !types.contains(&question.name) => Some(format!(
                    "the worker takes no jobs of type `{}`; its `types` are {}",
                    question.name,
                    types.join(", ")
                )),
                _ => None,
            };
            match refused {
                Some(message) => out.push(over(question.name, Err(error(NO_SUCH_TYPE, message)), By::Gateway)),
                None => self.send(question, now, out),
            }
        }
    }

    fn send(&mut self, question: Question, now: Now, out: &mut Vec<Step>) {
        self.last += 1;
        let id = self.last as i64;
        let job = Claimed {
            id: JobId(id),
            run: RunId(id),
            queue: QueueName::default(),
            kind: question.name.as_str().into(),
            args: args_of(&question).into(),
            counters: Counters::default(),
            pushed_at: now.wall,
            due_at: now.wall,
            timeout: None,
            max_attempts: None,
            holds: Holds::default(),
            is_new: true,
            state: None,
            parents: None,
            pushed_in: None,
            trace: None,
        };
        let deadline = now.wall.plus(self.timeout);
        let terms = JobTerms { request: self.last, max_attempts: MAX_ATTEMPTS, timeout: self.timeout, deadline };
        let mut line = Vec::new();
        self.lines.write(&mut line, &job, &terms);
        self.open.insert(self.last, Open { name: question.name, deadline: now.mono + self.timeout });
        out.push(Step::Say("job", line));
    }

    /// Takes in what a worker says of one of its jobs.
    fn of_job(&mut self, word: &'static str, request: u64, out: &mut Vec<Step>) -> Option<&mut Open> {
        out.push(Step::Heard(word));
        let is_old = (1..=self.last).contains(&request);
        let open = self.open.get_mut(&request);
        if open.is_none() {
            let why = if is_old { "has been answered before" } else { "nobody has asked" };
            out.push(Step::Wrong(format!("it speaks of request {request}, which {why}; this line is dropped")));
        }
        open
    }

    fn answered(&mut self, line: &[u8], request: u64, answer: Answer, now: Now, out: &mut Vec<Step>) {
        let word = if answer.verdict.is_ok() { "result" } else { "error" };
        if self.of_job(word, request, out).is_none() {
            return;
        }
        out.extend(mistakes::of_answer(line, mistakes::OF_JOBS).into_iter().map(Step::Wrong));
        let name = self.open.remove(&request).map(|open| open.name).unwrap_or_default();
        let answer = match answer.verdict {
            Ok(result) => RawValue::from_string(result.unwrap_or_else(|| "null".to_owned()))
                .map(|result| Body::Json(Arc::from(result)))
                .map_err(|why| error(FAILED, why.to_string())),
            Err(failed) => Err(error(failed.code.unwrap_or(FAILED), failed.text())),
        };
        out.push(over(name, answer, By::Worker));
        self.dispatch(now, out);
    }

    fn pushes(&mut self, id: &RawValue, params: &RawValue, now: Now, out: &mut Vec<Step>) {
        out.push(Step::Heard("push"));
        let job = object::read::<PushJob>(params.get()).map_err(|error| error.to_string());
        let pushed = job.and_then(|job| to_new_job(&job, &QueueName::default(), now.wall));
        let answer = match pushed {
            Ok(_) => {
                self.pushed += 1;
                json!({ "result": { "id": self.pushed, "job_id": self.pushed, "deduplicated": false } })
            }
            Err(why) => {
                out.push(Step::Wrong(format!("the job that it pushes is refused: {why}")));
                json!({ "error": { "code": INVALID_PARAMS, "message": why } })
            }
        };
        out.push(Step::Say("answer", response(id, answer)));
    }

    fn says_ready(&mut self, line: &[u8], concurrency: u32, types: Option<Vec<String>>, now: Now, out: &mut Vec<Step>) {
        out.push(Step::Heard("ready"));
        out.extend(mistakes::of_ready(line).into_iter().map(Step::Wrong));
        self.concurrency = concurrency.max(1);
        self.types = types;
        self.dispatch(now, out);
    }
}

fn response(id: &RawValue, mut answer: serde_json::Value) -> Vec<u8> {
    answer["jsonrpc"] = "2.0".into();
    answer["id"] = serde_json::from_str(id.get()).unwrap_or_default();
    format!("{answer}\n").into()
}

fn error(code: i64, message: String) -> CallError {
    CallError { code, message, data: None }
}

fn args_of(question: &Question) -> &str {
    if let Some(Body::Json(args)) = &question.body { args.get() } else { "null" }
}

fn over(name: String, answer: Result<Body, CallError>, by: By) -> Step {
    Step::Over(Over { name, answer, by })
}

impl Conversation for Jobs {
    fn begin(&mut self, _: Now, _: &mut Vec<Step>) {}

    fn ask(&mut self, question: Question, now: Now, out: &mut Vec<Step>) {
        let args = args_of(&question);
        let checked = payload::check_type(&question.name).and_then(|()| payload::check_limits(args));
        if let Err(why) = checked {
            return out.push(over(question.name, Err(error(INVALID_PARAMS, why.to_string())), By::Gateway));
        }
        self.waiting.push_back(question);
        self.dispatch(now, out);
    }

    fn hear(&mut self, line: &[u8], now: Now, out: &mut Vec<Step>) {
        match parse(line) {
            FromWorker::Answer { request, answer } => self.answered(line, request, answer, now, out),
            FromWorker::NoAnswer { request } if self.open.contains_key(&request) => {
                self.answered(line, request, answer_missing(line), now, out);
            }
            FromWorker::Ready { concurrency, types } => self.says_ready(line, concurrency, types, now, out),
            FromWorker::Progress { request, .. } => drop(self.of_job("progress", request, out)),
            FromWorker::Note { request, .. } => drop(self.of_job("note", request, out)),
            FromWorker::Extend { request, by } => {
                if let Some(open) = self.of_job("extend", request, out) {
                    open.deadline = now.mono + by;
                }
            }
            FromWorker::Retire => {
                self.retires = true;
                out.push(Step::Heard("retire"));
                self.dispatch(now, out);
            }
            FromWorker::Push { id, params } => self.pushes(id, params, now, out),
            FromWorker::Unknown { id, method } => {
                out.push(Step::Heard("request"));
                let message = mistakes::nobody_hears(&method, mistakes::OF_JOBS);
                let answer = json!({ "error": { "code": METHOD_NOT_FOUND, "message": message } });
                out.push(Step::Wrong(message));
                out.push(Step::Say("answer", response(id, answer)));
            }
            FromWorker::NoAnswer { .. } | FromWorker::Output => {
                out.push(Step::Heard(PRINTED));
                out.extend(mistakes::of_printed(line, mistakes::OF_JOBS).map(Step::Wrong));
            }
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        self.open.values().map(|open| open.deadline).min()
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Step>) {
        let due: Vec<u64> = self.open.iter().filter(|(_, open)| open.deadline <= now.mono).map(|(&id, _)| id).collect();
        for request in due {
            let Some(open) = self.open.remove(&request) else { continue };
            let mut line = Vec::new();
            write_cancel(&mut line, request, CancelReason::Timeout);
            out.push(Step::Say("cancel", line));
            let message = format!("it did not answer a job of type `{}` in {}", open.name, show_duration(self.timeout));
            out.push(Step::Wrong(message.clone()));
            out.push(over(open.name, Err(error(code::TIMED_OUT, message)), By::Nobody));
            self.given_up = Some(GivenUp::Overdue);
        }
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn is_idle(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty()
    }

    fn given_up(&self) -> Option<GivenUp> {
        self.given_up
    }

    fn retires(&self) -> bool {
        self.retires
    }

    fn close(&mut self, _: &mut Vec<Step>) {}

    fn ended(&mut self, how: &str, _: Now, out: &mut Vec<Step>) {
        let open = std::mem::take(&mut self.open).into_values().map(|open| (open.name, By::Nobody));
        let left: Vec<_> = open.chain(self.waiting.drain(..).map(|question| (question.name, By::Gateway))).collect();
        for (name, by) in left {
            out.push(over(name, Err(error(code::WORKER_DIED, format!("the worker is gone: {how}"))), by));
        }
    }
}
