//! The codec of the control socket: a line becomes a question that is checked, an answer becomes a line.
//!
//! Reading takes time with the length of the line, so it needs nothing of the master and can be done in another thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::pushing;
use crate::core::Done;
use crate::master::reader::{self, AboutProcessors};
use crate::master::requests::{Answer, Question};
use crate::model::audit::By;
use crate::model::payload::{self, MAX_LINE_BYTES};
use crate::model::{JobAction, QueueName, States, UnixMicros, json_text};
use crate::report::Event;
use crate::store::JobFilter;
use crate::wire::bulk::OneBulk;
use crate::wire::control::{
    AWAITED, Awaited, DROPPED, EVENT, HAPPENED, Jobs, LOG, LogLine, NOTE, OneJob, OneOperation, RefusedJob,
};
use crate::wire::object;
use crate::wire::processors::{OneProcessor, RunProcessor};
use crate::wire::push::{one_line, to_setting};
use crate::wire::rpc::{self, RpcError};
use crate::wire::store_name::{STORE, StoreName};

/// The longest params of a method that neither pushes jobs nor names them.
const MAX_OTHER_PARAMS: usize = 1024 * 1024;
/// Methods that are carried out for somebody at another host.
const ORDERS: [&str; 4] = ["jobs.cancel", "restart", "scale", "stop"];

/// A line of a client.
#[derive(Debug)]
pub(in crate::master) enum Message {
    /// Empty.
    Nothing,
    /// No request; the error goes under this id.
    Malformed(Box<str>, RpcError),
    /// A request, or without an id a notification.
    Request {
        /// The store that is meant, where it is said.
        store: Option<Box<RawValue>>,
        /// For whom the page asks.
        by: Option<Box<By>>,
        id: Option<Box<str>>,
        question: Result<Question, RpcError>,
    },
}

/// Reads a line; one that was too long to be kept is `None`.
pub(super) fn read(line: Option<&[u8]>, now: UnixMicros) -> Message {
    let Some(line) = line else {
        return Message::Malformed(
            "null".into(),
            no_request(&format!("a line is over the limit of {MAX_LINE_BYTES} bytes")),
        );
    };
    if line.trim_ascii().is_empty() {
        return Message::Nothing;
    }
    match rpc::parse_request(line) {
        Ok(request) => {
            let by = request.by.map(|by| parse(by.get())).transpose();
            let question =
                by.clone().and_then(|_| question(&request.method, request.params.map_or("null", RawValue::get), now));
            Message::Request {
                store: request.store.map(RawValue::to_owned),
                by: by.ok().flatten(),
                id: request.id.map(|id| id.get().into()),
                question,
            }
        }
        Err(error) => Message::Malformed(rpc::id_of(line).get().into(), error),
    }
}

/// Reads an order of somebody at another host.
pub(in crate::master) fn ordered(line: &str, now: UnixMicros) -> Result<Question, RpcError> {
    let request = rpc::parse_request(line.as_bytes())?;
    if !ORDERS.contains(&&*request.method) {
        return Err(RpcError::params(format!("`{}` is not done for another host", request.method)));
    }
    question(&request.method, request.params.map_or("null", RawValue::get), now)
}

fn question(method: &str, params: &str, now: UnixMicros) -> Result<Question, RpcError> {
    Ok(match method {
        "push" => Question::Push(pushing::one(params, now)?),
        "push_many" => pushing::many(params, now)?,
        "bulk.add" => pushing::added(params, now)?,
        "bulk.commit" => pushing::commit(params, now)?,
        "jobs.cancel" | "jobs.retry" | "jobs.delete" | "jobs.set" => {
            change_jobs(&method["jobs.".len()..], params, now)?
        }
        _ if params.len() > MAX_OTHER_PARAMS => {
            let bytes = params.len();
            return Err(RpcError::params(format!(
                "the params are {bytes} bytes long; the limit is {MAX_OTHER_PARAMS}"
            )));
        }
        "ping" => Question::Ping,
        "status" => Question::Status,
        "metrics" => Question::Metrics,
        "autoscale" => Question::Autoscale,
        "autoscale.history" => Question::Look(reader::Question::AutoscaleLog(or_default(params)?)),
        "calls.list" => Question::Look(reader::Question::CallLog(or_default(params)?)),
        "queues.keys" => Question::Look(reader::Question::Keys(parse(params)?)),
        "batches.list" => Question::Look(reader::Question::Batches(or_default(params)?)),
        "audit.list" => Question::Look(reader::Question::Audit(or_default(params)?)),
        "bulk.begin" => Question::BeginBulk,
        "bulk.drop" => Question::DropBulk(parse::<OneBulk>(params)?.bulk),
        "scale" => Question::Scale(parse(params)?),
        "spawn" => Question::Spawn(Box::new(parse(params)?)),
        "work" => Question::Work(Box::new(parse(params)?)),
        "restart" => Question::Restart(parse(params)?),
        "stop" => Question::Stop(parse(params)?),
        "reload" => Question::Reload(or_default(params)?),
        "pause" => Question::Pause { queues: parse(params)?, paused: true },
        "resume" => Question::Pause { queues: parse(params)?, paused: false },
        "queues.set" => Question::SetQueue(parse(params)?),
        "jobs.list" => Question::Look(reader::Question::Jobs(Box::new(or_default(params)?))),
        "errors.list" => Question::Look(reader::Question::Failures(or_default(params)?)),
        "errors.set" => Question::NoteFailure(parse(params)?),
        "runs.list" => Question::Look(reader::Question::Runs(or_default(params)?)),
        "workers.list" => Question::Look(reader::Question::Workers(or_default(params)?)),
        "metrics.history" => Question::Look(reader::Question::History(Box::new(parse(params)?))),
        "processors.list" => Question::LookAtProcessors(AboutProcessors::All),
        "processors.show" => Question::LookAtProcessors(AboutProcessors::One(parse::<OneProcessor>(params)?.processor)),
        "processors.next" => Question::LookAtProcessors(AboutProcessors::Next(or_default(params)?)),
        "processors.runs" => Question::LookAtProcessors(AboutProcessors::Runs(or_default(params)?)),
        "processors.set" => Question::SwitchProcessors(parse(params)?),
        "processors.run" => run_processor(params)?,
        "processors.begin" => Question::BeginRun(parse(params)?),
        "processors.end" => Question::EndRun(parse(params)?),
        "jobs.show" => Question::Look(reader::Question::Job(parse::<OneJob>(params)?.id)),
        "jobs.graph" => Question::Look(reader::Question::Graph(parse::<OneJob>(params)?.id)),
        "jobs.wait" => Question::WaitForJob(parse(params)?),
        "operations.list" => Question::Operations,
        "operations.stop" => Question::StopOperation(parse::<OneOperation>(params)?.id),
        "logs.follow" => Question::Follow(or_default(params)?),
        "logs.written" => Question::LogWritten,
        "events.follow" => Question::FollowEvents(or_default(params)?),
        "debug" => Question::Debug(parse(params)?),
        "leaks" => Question::Leaks,
        _ => {
            let message = format!("there is no method `{method}`");
            return Err(RpcError { code: rpc::METHOD_NOT_FOUND, message, data: None });
        }
    })
}

fn run_processor(params: &str) -> Result<Question, RpcError> {
    let RunProcessor { processor, args, force } = parse(params)?;
    let args = args.map(|args| Box::from(one_line(args.get())));
    if let Some(args) = &args {
        payload::check_limits(args).map_err(|e| RpcError::params(e.to_string()))?;
    }
    Ok(Question::RunProcessor { processor, args, force })
}

/// The params of a change of jobs as they are put on record.
pub(in crate::master) fn recorded(params: &Jobs) -> serde_json::Value {
    serde_json::to_value(params).unwrap_or_default()
}

/// A change of jobs that was asked for before, as it is in the record of its operation.
pub(in crate::master) fn changed_jobs(verb: &str, params: &str, now: UnixMicros) -> Result<Question, String> {
    change_jobs(verb, params, now).map_err(|error| error.message)
}

/// The ids in order, each once.
fn change_jobs(verb: &str, params: &str, now: UnixMicros) -> Result<Question, RpcError> {
    let mut jobs: Box<Jobs> = Box::new(parse(params)?);
    let refused = |text: &str| Err(RpcError::params(text.to_owned()));
    let sets = jobs.priority.is_some() || jobs.to_queue.is_some() || jobs.delay.is_some() || jobs.at.is_some();
    let action = match verb {
        "retry" => Some(JobAction::Retry),
        "cancel" => Some(JobAction::Cancel),
        "delete" => Some(JobAction::Delete),
        _ => None,
    };
    let action = match action {
        Some(_) if sets => return refused("`priority`, `to_queue`, `delay` and `at` are for `jobs.set`"),
        Some(action) => action,
        None => JobAction::Set(Arc::new(to_setting(&jobs, now).map_err(RpcError::params)?)),
    };
    if !jobs.background && jobs.spread.is_some() {
        return refused("`spread` goes with `background`");
    }
    if usize::from(jobs.filter.is_some()) + usize::from(jobs.all) + usize::from(!jobs.ids.is_empty()) != 1 {
        return refused("say which jobs: by `ids`, by a `filter`, or with `all`");
    }
    if jobs.queue.is_some() && !jobs.all {
        return refused("`queue` goes with `all`; a `filter` has a member `queue` of its own");
    }
    if jobs.all {
        let queue = jobs.queue.as_deref().map(QueueName::new).transpose();
        let queue = queue.map_err(|e| RpcError::params(e.to_string()))?;
        jobs.filter = Some(Box::new(JobFilter { queue, ..JobFilter::default() }));
    } else if let Some(filter) = &jobs.filter {
        if filter.limit.is_some() || filter.after.is_some() || filter.before.is_some() || filter.newest {
            return refused("a `filter` of what is to be changed has no `limit`, `after`, `before` or `newest`");
        }
        if **filter == JobFilter::default() {
            return refused("the `filter` lets every job through; say `all` if that is meant");
        }
    }
    if let Some(filter) = &mut jobs.filter {
        let named = filter.states != States::ALL;
        filter.states = if named { filter.states.and(action.possible()) } else { action.usual() };
    }
    jobs.ids.sort_unstable();
    jobs.ids.dedup();
    Ok(Question::ChangeJobs { action, jobs })
}

pub(super) fn parse<'a, T: Deserialize<'a>>(params: &'a str) -> Result<T, RpcError> {
    object::read(params).map_err(|e| RpcError::params(format!("the params do not fit: {}", json_text::words(&e))))
}

fn or_default<T: DeserializeOwned + Default>(params: &str) -> Result<T, RpcError> {
    if params == "null" { Ok(T::default()) } else { parse::<T>(params) }
}

/// Room for the answer of a push.
const SHORT: usize = 96;

/// Writes an answer as one line.
pub(in crate::master) fn answer(under: &str, answer: &Result<Answer, RpcError>) -> Vec<u8> {
    let written = answer.as_ref().map_err(RpcError::clone).and_then(|answer| {
        let mut line = Vec::with_capacity(SHORT);
        for part in ["{\"jsonrpc\":\"2.0\",\"id\":", under, ",\"result\":"] {
            line.extend_from_slice(part.as_bytes());
        }
        let failed = |e| RpcError::failed(1, format!("cannot write the answer: {e}"));
        write(answer, &mut line).map_err(failed)?;
        line.extend_from_slice(b"}\n");
        Ok(line)
    });
    written.unwrap_or_else(|error| refuse(under, &error))
}

/// Writes an error as one line.
pub(in crate::master) fn refuse(under: &str, error: &RpcError) -> Vec<u8> {
    let error = serde_json::to_string(error).unwrap_or_default();
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{under},\"error\":{error}}}\n").into_bytes()
}

/// Writes why a line is given up that has no end yet.
pub(in crate::master) fn give_up(why: &str) -> Vec<u8> {
    refuse("null", &no_request(why))
}

fn no_request(why: &str) -> RpcError {
    RpcError { code: rpc::INVALID_REQUEST, message: why.to_owned(), data: None }
}

/// Writes what is to be said to people before an answer.
pub(super) fn note(text: &str) -> Vec<u8> {
    rpc::notification(NOTE, &text).unwrap_or_default()
}

/// Writes which jobs an answer waits for.
pub(super) fn awaited(awaited: Awaited) -> Vec<u8> {
    rpc::notification(AWAITED, &awaited).unwrap_or_default()
}

/// Writes which store is served.
pub(in crate::master) fn greeting(store: &StoreName) -> Vec<u8> {
    rpc::notification(STORE, store).unwrap_or_default()
}

/// Writes a line of the log, for those who follow it.
pub(in crate::master) fn log_line(line: &LogLine) -> Vec<u8> {
    rpc::notification(LOG, line).unwrap_or_default()
}

/// Writes what happens at a pool, for the client to whom it is lent.
pub(in crate::master) fn event(event: &Event) -> Vec<u8> {
    rpc::notification(EVENT, event).unwrap_or_default()
}

/// Writes an event, for those who follow them.
pub(in crate::master) fn happened(event: &RawValue) -> Vec<u8> {
    rpc::notification(HAPPENED, &event).unwrap_or_default()
}

/// Writes how many lines of the log, or events, somebody has missed.
pub(in crate::master) fn lines_dropped(lines: u64) -> Vec<u8> {
    rpc::notification(DROPPED, &BTreeMap::from([("lines", lines)])).unwrap_or_default()
}

fn write(answer: &Answer, to: &mut Vec<u8>) -> serde_json::Result<()> {
    match answer {
        Answer::Yes => to.extend_from_slice(b"true"),
        Answer::Alive(generation) => to.extend_from_slice(format!("{{\"generation\":{generation}}}").as_bytes()),
        Answer::Status(status) => serde_json::to_writer(to, status)?,
        Answer::Debug(until) => serde_json::to_writer(to, until)?,
        Answer::Events(events) => serde_json::to_writer(to, events)?,
        Answer::Leaks(types) => serde_json::to_writer(to, types)?,
        Answer::Autoscale(pools) => serde_json::to_writer(to, pools)?,
        Answer::Pushed(pushed) => pushing::write(*pushed, to),
        Answer::PushedMany(pushed) => serde_json::to_writer(to, pushed)?,
        Answer::BulkBegun(bulk) => serde_json::to_writer(to, bulk)?,
        Answer::BulkAdded(bulk) => serde_json::to_writer(to, bulk)?,
        Answer::BulkDone(bulk) => serde_json::to_writer(to, bulk)?,
        Answer::Done(done) => write_done(done, to)?,
        Answer::Jobs { changed, refused, .. } => {
            let json = serde_json::to_string(changed)?;
            to.extend_from_slice(json.replacen("\"refused\":[]", &format!("\"refused\":[{refused}]"), 1).as_bytes());
        }
        Answer::Operations(operations, true) => serde_json::to_writer(to, &operations.first())?,
        Answer::Operations(operations, false) => serde_json::to_writer(to, operations)?,
        Answer::Queues(queues) => serde_json::to_writer(to, queues)?,
        Answer::Switched(processors) => serde_json::to_writer(to, processors)?,
        Answer::ProcessorRun(run) => serde_json::to_writer(to, run)?,
        Answer::Records(json) => to.extend_from_slice(json.as_bytes()),
    }
    Ok(())
}

fn write_done(done: &Done, to: &mut Vec<u8>) -> serde_json::Result<()> {
    match done {
        Done::Scaled(scaled) => serde_json::to_writer(to, scaled),
        Done::Restarted(restarted) => serde_json::to_writer(to, restarted),
        Done::Stopped(stopped) => serde_json::to_writer(to, stopped),
        Done::Ran(ran) => serde_json::to_writer(to, ran),
        Done::Reloaded(reloaded) => serde_json::to_writer(to, reloaded),
        Done::Cancelled | Done::Worked(_) => serde_json::to_writer(to, &true),
        Done::AtOnce(done) => write_done(done, to),
    }
}

/// Adds a job to those that were refused: written one by one, as many of them take long.
pub(in crate::master) fn add_refused(all: &mut String, job: &RefusedJob) {
    let job = serde_json::to_string(job).unwrap_or_default();
    all.extend([if all.is_empty() { "" } else { "," }, &job]);
}

/// The first of jobs that were refused.
pub(in crate::master) fn first_refused(all: &str) -> Option<RefusedJob> {
    serde_json::Deserializer::from_str(all).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobId, Pushed};

    fn text(line: Vec<u8>) -> String {
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn an_answer_and_an_error_are_a_line_each_under_the_id_as_it_was_written() {
        let pushed = Answer::Pushed(Pushed { id: JobId(7), deduplicated: false, batch: None });
        assert_eq!(
            text(answer("1.0", &Ok(pushed))),
            "{\"jsonrpc\":\"2.0\",\"id\":1.0,\"result\":{\"id\":7,\"job_id\":7,\"deduplicated\":false}}\n"
        );
        assert_eq!(
            text(answer("null", &Err(RpcError::failed(4, "there is no job 7")))),
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"there is no job 7\",\
             \"data\":{\"exit_code\":4}}}\n"
        );
    }

    #[test]
    fn jobs_that_were_refused_stand_in_the_answer_one_by_one() {
        let mut refused = String::new();
        for id in [3, 4] {
            add_refused(&mut refused, &RefusedJob { id: JobId(id), reason: "so".into(), exit_code: 4 });
        }
        let changed = crate::wire::control::ChangedJobs { count: 1, ..Default::default() };
        let line = text(answer("1", &Ok(Answer::Jobs { changed, refused, passes_over: false })));
        let answer: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(answer["result"]["count"], 1);
        assert_eq!(answer["result"]["refused"].as_array().map(Vec::len), Some(2));
        assert_eq!(answer["result"]["refused"][1]["id"], 4);
    }
}
