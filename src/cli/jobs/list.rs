//! `jobs list`: jobs on record, newest first.

use super::select;
use crate::cli::args::jobs::{Ids, JobsListArgs};
use crate::cli::context::Context;
use crate::cli::known;
use crate::cli::output::{self, ListForm, Pages};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::{JobId, JobState, QueueTotals};
use crate::report::lists;
use crate::store::{JobFilter, Records};

pub(crate) fn run(context: &Context, ids: &Ids, args: &JobsListArgs) -> Result<Code, Error> {
    let mut records = context.records()?;
    let limits = context.job_limits();
    let mut filter = JobFilter {
        after: args.after.map(JobId),
        before: args.before.map(JobId),
        newest: !args.oldest && args.after.is_none(),
        ..select::to_filter(context, &args.filter, ids)?
    };
    let (newest, total) = (filter.newest, total(records.as_mut(), &filter)?);
    let is_filtered =
        select::has_any(&args.filter) || filter.ids.is_some() || args.after.is_some() || args.before.is_some();
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let limit = form.limit(args.list.limit);
    // Where the order is that of the times, a job that is gone has no place in it.
    let cursor = filter.before.or(filter.after).filter(|_| filter.by_due().is_some());
    if let (Some(id), Some(records)) = (cursor, &mut records)
        && records.job(id)?.is_none()
    {
        return Err(Error::NotFound(format!("there is no job {id} to go on from; see `queue-work jobs list`")));
    }
    let mut pages = Pages::new(form, limit, |most| {
        filter.limit = Some(most);
        let mut page = records.as_mut().map_or(Ok(Vec::new()), |records| records.jobs(&filter))?;
        if let Some(limits) = &limits {
            limits.complete_all(&mut page);
        }
        let last = page.last().map(|job| job.id);
        if newest {
            filter.before = last;
        } else {
            filter.after = last;
        }
        Ok(page)
    })?;
    if pages.is_empty() {
        known::queue(context, args.filter.queue.as_deref())?;
        context.warn(if is_filtered {
            "no job is like that; see `queue-work jobs list`"
        } else {
            "no jobs yet; add one with `queue-work push -- CMD …`"
        });
    }
    let (now, width) = (clock::wall(), output::width());
    let last = output::pages(form, limit, || pages.next(), |jobs| lists::jobs(jobs, now, width))?;
    if let Some(last) = last {
        let all = total.map_or_else(|| "many".to_owned(), |total| total.to_string());
        let order = if newest { "before" } else { "after" };
        context.warn(&format!("{limit} of {all} shown; go on with `--{order} {}`", last.id));
    }
    Ok(Code::DONE)
}

/// How many there are, where that is known without looking at each.
fn total(records: Option<&mut Box<dyn Records>>, filter: &JobFilter) -> Result<Option<u64>, Error> {
    let JobFilter { kind, label, key, error, ids, .. } = filter;
    let is_all_of_state = [kind, label, key].into_iter().all(Option::is_none)
        && error.is_none()
        && ids.is_none()
        && !filter.is_looked_for();
    let of_state: fn(&QueueTotals) -> u64 = match (filter.states.single(), is_all_of_state) {
        (Some(JobState::Ready), true) => |queue| queue.ready,
        (Some(JobState::Scheduled), true) => |queue| queue.scheduled,
        (Some(JobState::Blocked), true) => |queue| queue.blocked,
        (Some(JobState::Running), true) => |queue| queue.running,
        (Some(JobState::Dead), true) => |queue| queue.dead,
        _ => return Ok(None),
    };
    if filter.after.is_some() || filter.before.is_some() {
        return Ok(None);
    }
    let queues = records.map_or(Ok(Vec::new()), |records| records.queue_totals())?;
    Ok(Some(
        queues.iter().filter(|queue| filter.queue.as_ref().is_none_or(|name| *name == queue.name)).map(of_state).sum(),
    ))
}
