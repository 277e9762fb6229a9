//! `jobs wait`: waits for a job and prints its result; one that has ended already needs no master. Of several it waits for
//! the newest, then looks again which are left.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::missing;
use super::select::{self, Meant};
use crate::cli::args::jobs::{JobsWaitArgs, Selection};
use crate::cli::context::Context;
use crate::cli::{known, output, result};
use crate::client::{Client, ClientError, Notification};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::{IdRange, JobId, JobRecord, JobState, States, UNFINISHED};
use crate::report::words;
use crate::store::{JobFilter, Records, RunFilter, StoreError};
use crate::wire::control::OneJob;

pub(super) fn run(context: &Context, args: &JobsWaitArgs) -> Result<Code, Error> {
    match select::meant(context, &args.selection, "wait for", UNFINISHED, UNFINISHED)? {
        Meant::Named(ids) if ids.len() == 1 => one(context, ids[0], args.timeout),
        Meant::Named(ids) => {
            if let Some(mut records) = context.records()? {
                for &id in &ids {
                    records.job(id)?.ok_or_else(|| missing(id))?;
                }
            }
            let filter = Meant::Named(ids).into_filter(UNFINISHED);
            several(context, &args.selection, &filter, args.timeout)
        }
        Meant::Like(filter) => several(context, &args.selection, &filter, args.timeout),
    }
}

/// Waits until no job is like that and all that were have ended, and says how.
fn several(
    context: &Context,
    selection: &Selection,
    filter: &JobFilter,
    timeout: Option<Duration>,
) -> Result<Code, Error> {
    let by = timeout.map(|timeout| clock::instant() + timeout);
    let mut awaited: BTreeSet<JobId> = BTreeSet::new();
    let Some(mut records) = context.records()? else {
        known::queue(context, selection.filter.queue.as_deref())?;
        return conclude(context, &[]);
    };
    if filter.ids.is_some() {
        let named = JobFilter { states: States::ALL, ..filter.clone() };
        awaited.extend(records.job_ids(&named)?.into_iter().map(|(id, _)| id));
    }
    let mut client = None;
    loop {
        let left = open(records.as_mut(), filter, &mut awaited)?;
        let Some(&newest) = left.last() else { break };
        if client.is_none() {
            context.warn(&format!("waits for {}", words::count(left.len() as u64, "job")));
            client = Some(context.connect()?);
        }
        let Some(client) = &mut client else { break };
        let within = by.map(|by| by.saturating_duration_since(clock::instant()));
        let asked = OneJob { id: newest, timeout_s: within.map(|t| t.as_secs_f64()) };
        match client.call::<JobRecord>("jobs.wait", &asked) {
            Ok(job) if job.state.is_final() => {}
            Ok(_) => {
                let after = words::duration(timeout.unwrap_or_default());
                let jobs = words::count(left.len() as u64, "job");
                return Err(Error::Failed(format!("{jobs} had not ended when it was asked last, after {after}")));
            }
            // The job is gone.
            Err(ClientError::Refused(error)) if error.exit_code() == 4 => {}
            Err(ClientError::Refused(error)) => return Err(ClientError::Refused(error).into()),
            // The master is gone, perhaps as nothing was left to do.
            Err(error) if open(records.as_mut(), filter, &mut awaited)?.is_empty() => {
                log::debug!("the master ended: {error}");
                break;
            }
            Err(error) => return Err(Error::WaitLost { id: newest, why: why_lost(&error) }),
        }
    }
    if awaited.is_empty() {
        known::queue(context, selection.filter.queue.as_deref())?;
    }
    conclude(context, &records.job_ids(&of_ids(&awaited, States::ALL))?)
}

/// Jobs that are waited for and have not ended, ascending; what is like that is waited for from now on.
fn open(
    records: &mut dyn Records,
    filter: &JobFilter,
    awaited: &mut BTreeSet<JobId>,
) -> Result<Vec<JobId>, StoreError> {
    awaited.extend(records.job_ids(filter)?.into_iter().map(|(id, _)| id));
    let mut open: Vec<JobId> = records.job_ids(&of_ids(awaited, UNFINISHED))?.into_iter().map(|(id, _)| id).collect();
    open.sort_unstable();
    Ok(open)
}

fn of_ids(ids: &BTreeSet<JobId>, states: States) -> JobFilter {
    let ids = ids.iter().map(|&id| IdRange { first: id, last: id }).collect();
    JobFilter { ids: Some(ids), states, ..JobFilter::default() }
}

/// Says how many ended in which way; the code is 1 where one did not succeed.
fn conclude(context: &Context, ended: &[(JobId, JobState)]) -> Result<Code, Error> {
    let count = |wanted: JobState| ended.iter().filter(|(_, state)| *state == wanted).count();
    let [succeeded, dead, cancelled] = [JobState::Succeeded, JobState::Dead, JobState::Cancelled].map(count);
    if context.global.json {
        let ended = ended.len();
        output::json(&json!({"count": ended, "succeeded": succeeded, "dead": dead, "cancelled": cancelled}))?;
    } else if ended.is_empty() {
        context.done("no job is left to wait for")?;
    } else {
        let jobs = words::count(ended.len() as u64, "job");
        context.done(&format!("{jobs} ended: {succeeded} succeeded, {dead} dead, {cancelled} cancelled"))?;
    }
    Ok(if dead + cancelled > 0 { Code(1) } else { Code::DONE })
}

fn one(context: &Context, id: JobId, timeout: Option<Duration>) -> Result<Code, Error> {
    let mut records = context.records()?.ok_or_else(|| missing(id))?;
    let job = records.job(id)?.ok_or_else(|| missing(id))?;
    if job.state.is_final() {
        let run = records.runs(&last_run_of(id))?.pop();
        return result::conclude(context.global.json, &job, run.as_ref());
    }
    drop(records);
    with_master(context, &mut context.connect()?, id, timeout)
}

/// Waits at the master, which must run.
pub(crate) fn with_master(
    context: &Context,
    client: &mut Client,
    id: JobId,
    timeout: Option<Duration>,
) -> Result<Code, Error> {
    let asked = OneJob { id, timeout_s: timeout.map(|t| t.as_secs_f64()) };
    let mut tell = |heard: Notification| {
        // Each attempt that failed, at once.
        if let Some(text) = heard.note() {
            context.warn(&text);
        }
        Ok(())
    };
    let ended = client.call_hearing::<JobRecord>("jobs.wait", &asked, Some(&mut tell)).and_then(|job| {
        let runs = if job.state.is_final() { client.call("runs.list", &last_run_of(id))? } else { Vec::new() };
        Ok((job, runs))
    });
    match ended {
        Ok((job, mut runs)) if job.state.is_final() => result::conclude(context.global.json, &job, runs.pop().as_ref()),
        Ok((job, _)) => {
            let after = words::duration(timeout.unwrap_or_default());
            Err(Error::Failed(format!("job {id} is still {} after {after}", job.state.as_str())))
        }
        // The job is gone.
        Err(ClientError::Refused(error)) if error.exit_code() != 1 => Err(ClientError::Refused(error).into()),
        Err(error) => lost(context, id, &error),
    }
}

/// The master is gone, or cannot say what came of the job; it may be on record.
fn lost(context: &Context, id: JobId, error: &ClientError) -> Result<Code, Error> {
    if let Ok(Some(mut records)) = context.records()
        && let Ok(Some(job)) = records.job(id)
        && job.state.is_final()
    {
        let run = records.runs(&last_run_of(id))?.pop();
        return result::conclude(context.global.json, &job, run.as_ref());
    }
    Err(Error::WaitLost { id, why: why_lost(error) })
}

fn why_lost(error: &ClientError) -> String {
    match error {
        ClientError::Closed | ClientError::Unheard => "the master ended".to_owned(),
        other => other.to_string(),
    }
}

fn last_run_of(id: JobId) -> RunFilter {
    RunFilter { job: Some(id), limit: Some(1), ..RunFilter::default() }
}
