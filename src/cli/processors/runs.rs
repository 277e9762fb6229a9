//! `processors runs` and `last`: what is on record of their runs, newest first.

use super::one;
use crate::cli::args::processors::RunsArgs;
use crate::cli::context::Context;
use crate::cli::output::{self, ListForm, Pages};
use crate::error::{Code, Error};
use crate::model::{ProcessorName, ProcessorRunId};
use crate::report::processor_lists;
use crate::store::ProcessorRunFilter;

/// Runs read at once.
const PAGE: u32 = 500;

pub(super) fn run(context: &Context, args: &RunsArgs) -> Result<Code, Error> {
    let mut records = context.records()?;
    let RunsArgs { name, state, since, before, list } = args.clone();
    let is_filtered = state.is_some() || since.is_some() || before.is_some();
    let mut filter =
        ProcessorRunFilter { processor: name, state, since, before: before.map(ProcessorRunId), limit: None };
    let form = ListForm::new(context.global.json, list.jsonl);
    let limit = form.limit(list.limit);
    let pages = Pages::new(form, limit, |most| {
        filter.limit = Some(most);
        let page = records.as_mut().map_or(Ok(Vec::new()), |records| records.processor_runs(&filter))?;
        filter.before = page.last().map(|run| run.id).or(filter.before);
        Ok(page)
    })?;
    if pages.is_empty() {
        if let Some(name) = &args.name {
            one(context, name)?;
        }
        context.warn(if is_filtered {
            "no run is like that; see `queue-work processors runs`"
        } else {
            "nothing has run yet; see `queue-work processors`"
        });
    }
    pages.print(context, processor_lists::runs, |run| run.id)
}

/// The start of the newest run that has one: a run whose job waits has none.
pub(super) fn last(context: &Context, name: &ProcessorName) -> Result<Code, Error> {
    let mut filter =
        ProcessorRunFilter { processor: Some(name.clone()), limit: Some(PAGE), ..ProcessorRunFilter::default() };
    let mut records = context.records()?;
    while let Some(records) = &mut records {
        let page = records.processor_runs(&filter)?;
        if let Some(at) = page.iter().find_map(|run| run.started_at) {
            if context.global.json {
                output::json(&at)?;
            } else {
                output::line(&format!("{:.6}", at.to_timestamp()))?;
            }
            return Ok(Code::DONE);
        }
        match page.last() {
            Some(last) => filter.before = Some(last.id),
            None => break,
        }
    }
    one(context, name)?;
    Err(Error::NotFound(format!("`{name}` has not run yet; run it with `queue-work processors run {name}`")))
}
