//! `autoscale --history`: how pools that scale themselves have changed, the newest first, and why.

use std::time::Duration;

use crate::cli::args::control::AutoscaleArgs;
use crate::cli::context::Context;
use crate::cli::known;
use crate::cli::output::{self, ListForm};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::autoscale::CHANGES_KEPT_FOR;
use crate::report::autoscale::{LoggedChange, changes};
use crate::store::AutoscaleFilter;

pub(super) fn run(context: &Context, args: &AutoscaleArgs, within: Duration) -> Result<Code, Error> {
    let now = clock::wall();
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let limit = form.limit(args.list.limit);
    let filter = AutoscaleFilter {
        pool: args.pool.clone(),
        since: Some(now.minus(within)),
        before: args.before,
        limit: Some(form.to_read(limit)),
    };
    let found = context.records()?.map_or(Ok(Vec::new()), |mut records| records.autoscale_log(&filter))?;
    if found.is_empty() {
        if let Some(name) = &args.pool {
            known::pool(context, name)?;
        }
        let next = if within < CHANGES_KEPT_FOR {
            "see `queue-work autoscale --history 7d`"
        } else {
            "`queue-work config show` says which may"
        };
        context.warn(&format!("no pool has scaled itself in this time; {next}"));
    }
    let mut page = Some(found.into_iter().map(LoggedChange::from).collect());
    let next = || Ok(page.take().unwrap_or_default());
    let width = output::width();
    if let Some(last) = output::pages(form, limit, next, |found| changes(found, now, width))? {
        context.warn(&format!("{limit} of many shown; go on with `--before {}`", last.id));
    }
    Ok(Code::DONE)
}
