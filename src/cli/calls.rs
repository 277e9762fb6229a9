//! `calls`: calls of services that failed or were slow, newest first.

use super::args::services::CallsArgs;
use super::context::Context;
use super::known;
use super::output::{ListForm, Pages};
use crate::clock;
use crate::error::{Code, Error};
use crate::report::lists;
use crate::store::CallFilter;

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
    let pages = Pages::new(form, limit, |most| {
        filter.limit = Some(most);
        let page = records.as_mut().map_or(Ok(Vec::new()), |records| records.call_log(&filter))?;
        filter.before = page.last().map(|call| call.id);
        Ok(page)
    })?;
    if pages.is_empty() {
        if let Some(name) = &args.service {
            known::pool(context, name)?;
        }
        let what = if args.failed { "no call has failed" } else { "no call has failed or was slow" };
        context.warn(&format!("{what} in this time; `queue-work services` has the figures of all"));
    }
    pages.print(context, lists::calls, |call| call.id)
}
