//! `jobs list`: jobs on record, oldest first.

use crate::cli::args::records::JobsListArgs;
use crate::cli::context::Context;
use crate::cli::known;
use crate::cli::output::{self, ListForm};
use crate::error::{Code, Error};
use crate::model::{JobId, QueueName};
use crate::report::lists;
use crate::store::JobFilter;

/// Jobs read at once.
const PAGE: u32 = 500;

pub(crate) fn run(context: &Context, args: &JobsListArgs) -> Result<Code, Error> {
    let mut records = context.records()?;
    let limits = context.job_limits();
    let mut filter = JobFilter {
        queue: args.queue.as_deref().map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?,
        state: args.state,
        kind: args.kind.clone(),
        after: args.after.map(JobId),
        limit: None,
    };
    let mut left = args.list.limit;
    let mut next = || {
        filter.limit = Some(left.min(PAGE));
        let mut page = match &mut records {
            Some(records) if left > 0 => records.jobs(&filter)?,
            _ => Vec::new(),
        };
        if let Some(limits) = &limits {
            limits.complete_all(&mut page);
        }
        left -= page.len() as u32;
        filter.after = page.last().map(|job| job.id);
        Ok(page)
    };
    let mut first = Some(next()?);
    if first.as_ref().is_some_and(Vec::is_empty) {
        known::queue(context, args.queue.as_deref())?;
    }
    let next = || first.take().map_or_else(&mut next, Ok);
    output::pages(ListForm::new(context.global.json, args.list.jsonl), next, lists::jobs)?;
    Ok(Code::DONE)
}
