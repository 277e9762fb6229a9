//! `jobs show`: everything about one job; for people with its runs.

use super::missing;
use crate::cli::context::Context;
use crate::cli::output;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::JobId;
use crate::report::lists;
use crate::store::RunFilter;

/// The most runs shown with a job; `runs --job` shows the others.
const RUNS: u32 = 20;

pub(super) fn run(context: &Context, id: JobId) -> Result<Code, Error> {
    let mut records = context.records()?.ok_or_else(|| missing(id))?;
    let mut job = records.job(id)?.ok_or_else(|| missing(id))?;
    if let Some(limits) = context.job_limits() {
        limits.complete(&mut job);
    }
    if context.global.json {
        output::json(&job)?;
    } else {
        let filter = RunFilter { job: Some(id), limit: Some(RUNS), ..RunFilter::default() };
        output::print(&lists::job(&job, &records.runs(&filter)?, clock::wall(), output::width()))?;
    }
    Ok(Code::DONE)
}
