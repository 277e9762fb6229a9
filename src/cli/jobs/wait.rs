//! `jobs wait`: waits for a job and prints its result; one that has ended already needs no master.

use std::time::Duration;

use super::missing;
use crate::cli::context::Context;
use crate::cli::result;
use crate::client::Client;
use crate::error::{Code, Error};
use crate::model::{JobId, JobRecord, RunRecord};
use crate::report::words;
use crate::store::RunFilter;
use crate::wire::control::OneJob;

pub(super) fn run(context: &Context, id: JobId, timeout: Option<Duration>) -> Result<Code, Error> {
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
    let job: JobRecord = client.call("jobs.wait", &OneJob { id, timeout_s: timeout.map(|t| t.as_secs_f64()) })?;
    if !job.state.is_final() {
        let after = words::duration(timeout.unwrap_or_default());
        return Err(Error::Failed(format!("job {id} is still {} after {after}", job.state.as_str())));
    }
    let run = client.call::<Vec<RunRecord>>("runs.list", &last_run_of(id))?.pop();
    result::conclude(context.global.json, &job, run.as_ref())
}

fn last_run_of(id: JobId) -> RunFilter {
    RunFilter { job: Some(id), limit: Some(1), ..RunFilter::default() }
}
