//! `runs`: the history of runs, newest first.

use super::args::records::RunsArgs;
use super::context::Context;
use super::jobs;
use super::known;
use super::output::{ListForm, Pages};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::{JobId, QueueName, RunId};
use crate::report::lists;
use crate::store::RunFilter;

pub(crate) fn run(context: &Context, args: &RunsArgs) -> Result<Code, Error> {
    let mut records = context.records()?;
    if let (Some(id), Some(records)) = (args.job.map(JobId), &mut records)
        && records.job(id)?.is_none()
    {
        return Err(jobs::missing(id));
    }
    let mut filter = RunFilter {
        job: args.job.map(JobId),
        queue: args.queue.as_deref().map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?,
        outcome: args.outcome,
        since: args.since.map(|d| clock::wall().minus(d)),
        text: args.text.clone(),
        before: args.before.map(RunId),
        ..RunFilter::default()
    };
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let limit = form.limit(args.list.limit);
    let pages = Pages::new(form, limit, |most| {
        filter.limit = Some(most);
        let page = records.as_mut().map_or(Ok(Vec::new()), |records| records.runs(&filter))?;
        filter.before = page.last().map(|run| run.id);
        Ok(page)
    })?;
    if pages.is_empty() {
        known::queue(context, args.queue.as_deref())?;
        let filtered = args.job.is_some()
            || args.queue.is_some()
            || args.outcome.is_some()
            || args.since.is_some()
            || !args.text.is_empty()
            || args.before.is_some();
        context.warn(if filtered {
            "no run is like that; see `queue-work runs`"
        } else {
            "nothing has run yet; see `queue-work status`"
        });
    }
    pages.print(context, lists::runs, |run| run.id)
}
