//! `calls`: calls of services that failed or were slow, newest first.

use super::args::services::CallsArgs;
use super::context::Context;
use super::known;
use super::output::{self, ListForm};
use crate::clock;
use crate::error::{Code, Error};
use crate::report::lists;
use crate::store::CallFilter;

/// Calls read at once.
const PAGE: u32 = 500;

pub(crate) fn run(context: &Context, args: &CallsArgs) -> Result<Code, Error> {
    let mut records = context.records()?;
    let mut filter = CallFilter {
        service: args.service.clone(),
        failed: args.failed,
        since: args.since.map(|within| clock::wall().minus(within)),
        before: args.before,
        limit: None,
    };
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let limit = form.limit(args.list.limit);
    let mut left = form.to_read(limit);
    let mut next = || {
        filter.limit = Some(left.min(PAGE));
        let page = match &mut records {
            Some(records) if left > 0 => records.call_log(&filter)?,
            _ => Vec::new(),
        };
        left -= page.len() as u32;
        filter.before = page.last().map(|call| call.id);
        Ok(page)
    };
    let mut first = Some(next()?);
    if first.as_ref().is_some_and(Vec::is_empty) {
        if let Some(name) = &args.service {
            known::pool(context, name)?;
        }
        let what = if args.failed { "no call has failed" } else { "no call has failed or was slow" };
        context.warn(&format!("{what} in this time; `queue-work services` has the figures of all"));
    }
    let next = || first.take().map_or_else(&mut next, Ok);
    let (now, width) = (clock::wall(), output::width());
    if let Some(last) = output::pages(form, limit, next, |calls| lists::calls(calls, now, width))? {
        context.warn(&format!("{limit} of many shown; go on with `--before {}`", last.id));
    }
    Ok(Code::DONE)
}
