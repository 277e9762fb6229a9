//! Actions: each does what a verb of the command line does, and answers as that does; where no master runs, in the store, if
//! the verb does so.
//!
//! Nothing is waited for that takes as long as a job: what goes on shows on the page.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::desk::Desk;
use super::pages::live::DEBUG_S;
use super::routes::{Done, Sent};
use crate::cli::jobs::change::{self, Deed};
use crate::cli::processors::switch as cli_switch;
use crate::cli::{call as cli_call, output, pause as cli_pause};
use crate::client::calls::Request;
use crate::error::Error;
use crate::model::done::{Ran, Restarted, Scaled};
use crate::model::{JobAction, JobId, ProcessorName};
use crate::report::words;
use crate::wire::control::{DebugFor, DebugUntil, Jobs, Queues, Restart, Scale};
use crate::wire::processors::RunProcessor;
use crate::wire::push::one_line;

fn done(desk: &Desk<'_>, answer: &impl Serialize, page: &[&str]) -> Result<Done, Error> {
    Ok(Done { json: output::to_json(answer)?, page: desk.urls.to(page) })
}

/// Asks the master, and leads back to this page.
fn ask<R: Serialize + DeserializeOwned>(
    desk: &Desk<'_>,
    method: &str,
    params: &impl Serialize,
    page: &[&str],
) -> Result<Done, Error> {
    let answer: R = desk.call(method, params)?;
    done(desk, &answer, page)
}

fn job(desk: &Desk<'_>, action: JobAction, page: &[&str]) -> Result<Done, Error> {
    let id = desk.asked.name.parse().map(JobId).map_err(|_| Error::NotFound("there is no such job".to_owned()))?;
    let deed = Deed { action, params: Jobs { no_wait: true, ..Jobs::default() } };
    let changed = change::named(&desk.asker(), &deed, vec![id])?;
    if let Some(refused) = changed.refused.first() {
        let reason = refused.reason.clone();
        return Err(if refused.exit_code == 4 { Error::NotFound(reason) } else { Error::Refused(reason) });
    }
    done(desk, &changed, page)
}

pub(super) fn retry(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    job(desk, JobAction::Retry, &["jobs", &desk.asked.name])
}

pub(super) fn cancel(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    job(desk, JobAction::Cancel, &["jobs", &desk.asked.name])
}

pub(super) fn delete(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    job(desk, JobAction::Delete, &["jobs"])
}

fn queue(desk: &Desk<'_>, paused: bool) -> Result<Done, Error> {
    let params = Queues { queues: vec![desk.asked.name.clone()], ..Queues::default() };
    done(desk, &cli_pause::change(&desk.asker(), &params, paused)?, &["queues"])
}

pub(super) fn pause(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    queue(desk, true)
}

pub(super) fn resume(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    queue(desk, false)
}

/// A key has its jobs everywhere as it is written: nothing of it is cut off.
fn key(desk: &Desk<'_>, sent: &Sent, paused: bool) -> Result<Done, Error> {
    let key = sent.fields.iter().find(|(name, _)| name == "key").map(|(_, key)| key.clone());
    let key = key.ok_or_else(|| Error::Usage("say which `key`".to_owned()))?;
    let params = Queues { queues: vec![desk.asked.name.clone()], key: Some(key), ..Queues::default() };
    params.of_key().map_err(|why| Error::Usage(format!("`key`: {why}")))?;
    done(desk, &cli_pause::change(&desk.asker(), &params, paused)?, &["queues", &desk.asked.name])
}

pub(super) fn pause_key(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    key(desk, sent, true)
}

pub(super) fn resume_key(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    key(desk, sent, false)
}

pub(super) fn scale(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    let wanted = sent.get("workers").unwrap_or_default();
    let workers = wanted.parse().map_err(|why| Error::Usage(format!("`workers`: {why}")))?;
    let params = Scale { workers, pool: Some(desk.asked.name.clone()), no_wait: true, ..Scale::default() };
    ask::<Scaled>(desk, "scale", &params, &["pools", &desk.asked.name])
}

pub(super) fn restart_pool(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    let params = Restart { pool: Some(desk.asked.name.clone()), no_wait: true, ..Restart::default() };
    ask::<Restarted>(desk, "restart", &params, &["pools", &desk.asked.name])
}

pub(super) fn restart_worker(desk: &Desk<'_>, _: &Sent) -> Result<Done, Error> {
    let params = Restart { workers: vec![desk.asked.name.clone()], no_wait: true, ..Restart::default() };
    ask::<Restarted>(desk, "restart", &params, &["workers", &desk.asked.name])
}

pub(super) fn debug(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    let seconds = sent.get("seconds").map_or(Ok(DEBUG_S), str::parse);
    let seconds = seconds.map_err(|_| Error::Usage("`seconds` must be a number; 0 ends it".to_owned()))?;
    ask::<DebugUntil>(desk, "debug", &DebugFor { seconds }, &["live"])
}

fn processor(desk: &Desk<'_>) -> Result<ProcessorName, Error> {
    ProcessorName::new(&desk.asked.name).map_err(|e| Error::NotFound(e.to_string()))
}

fn switch(desk: &Desk<'_>, sent: &Sent, enabled: Option<bool>) -> Result<Done, Error> {
    let (processor, page) = (processor(desk)?, ["processors", &*desk.asked.name]);
    let switched = cli_switch::change(&desk.asker(), &[processor], enabled, sent.get("reason"))?;
    done(desk, &switched, &page)
}

pub(super) fn enable(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    switch(desk, sent, Some(true))
}

pub(super) fn disable(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    switch(desk, sent, Some(false))
}

pub(super) fn reset(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    switch(desk, sent, None)
}

pub(super) fn run_processor(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    // A run that is asked for is meant, also of a processor that is switched off.
    let params = RunProcessor { processor: processor(desk)?, args: json_of(sent.get("args"))?, force: true };
    ask::<Ran>(desk, "processors.run", &params, &["processors", &desk.asked.name])
}

fn json_of(text: Option<&str>) -> Result<Option<Box<RawValue>>, Error> {
    let read = text.map(|text| RawValue::from_string(one_line(text).into_owned())).transpose();
    read.map_err(|e| Error::Usage(format!("`args` is not JSON: {e}")))
}

/// Calls a method of a service; the answer goes back as it is.
pub(super) fn call(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        method: String,
        args: Option<Box<RawValue>>,
    }
    let written = if sent.kind == "application/json" {
        serde_json::from_slice(&sent.bytes).map_err(|e| Error::Usage(format!("the body is not a call: {e}")))?
    } else {
        let method = sent.get("method").ok_or_else(|| Error::Usage("say which `method` to call".to_owned()))?;
        Written { method: method.to_owned(), args: json_of(sent.get("args"))? }
    };
    let mut calls = cli_call::connect(desk.context, &desk.asked.name)?;
    let request = Request {
        service: Some(&desk.asked.name),
        method: Some(&written.method),
        args: written.args.as_deref(),
        ..Request::default()
    };
    let answer = calls.ask(&request)?.map_err(|error| cli_call::worded(&error))?;
    done(desk, &answer, &["services", &desk.asked.name])
        .map(|done| Done { json: words::escape_json(answer.get().to_owned()), ..done })
}
