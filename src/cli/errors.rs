//! `errors`: what runs failed of, the most dead first; with a fingerprint everything about one.

use super::args::records::ErrorsArgs;
use super::context::Context;
use super::known;
use super::output::{self, ListForm};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::{FailureRecord, Fingerprint, QueueName, RunId, RunRecord};
use crate::report::failures;
use crate::store::{FailureFilter, Records, RunFilter, StoreError};

pub(crate) fn run(context: &Context, args: &ErrorsArgs) -> Result<Code, Error> {
    if let Some(fingerprint) = args.fingerprint {
        return show(context, fingerprint);
    }
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let limit = form.limit(args.list.limit);
    let filter = FailureFilter {
        fingerprint: None,
        queue: args.queue.as_deref().map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?,
        kind: args.kind.clone(),
        since: args.since,
        limit: Some(form.to_read(limit)),
    };
    let now = clock::wall();
    let found = context.records()?.map_or(Ok(Vec::new()), |mut records| records.failures(&filter, now))?;
    if found.is_empty() {
        known::queue(context, args.queue.as_deref())?;
        let is_filtered = args.queue.is_some() || args.kind.is_some() || args.since.is_some();
        context.warn(if is_filtered {
            "no error is like that; see `queue-work errors`"
        } else {
            "no run has failed; see `queue-work status`"
        });
    }
    let mut page = Some(found);
    let next = || Ok(page.take().unwrap_or_default());
    let width = output::width();
    if output::pages(form, limit, next, |found| failures::table(found, now, width))?.is_some() {
        context.warn(&format!("{limit} of many shown; show more with `--limit {}`", limit.saturating_mul(2)));
    }
    Ok(Code::DONE)
}

fn show(context: &Context, fingerprint: Fingerprint) -> Result<Code, Error> {
    let mut records = context.records()?.ok_or_else(|| missing(fingerprint))?;
    let (found, sample) = find(records.as_mut(), fingerprint)?.ok_or_else(|| missing(fingerprint))?;
    if context.global.json {
        output::json(&found)?;
    } else {
        output::print(&failures::one(&found, sample.as_ref(), clock::wall()))?;
    }
    Ok(Code::DONE)
}

pub(super) fn missing(fingerprint: Fingerprint) -> Error {
    Error::NotFound(format!("there is no error `{fingerprint}`; see `queue-work errors`"))
}

/// An error, with its last run while that is on record.
pub(super) fn find(
    records: &mut dyn Records,
    fingerprint: Fingerprint,
) -> Result<Option<(FailureRecord, Option<RunRecord>)>, StoreError> {
    let filter = FailureFilter { fingerprint: Some(fingerprint), ..FailureFilter::default() };
    let Some(found) = records.failures(&filter, clock::wall())?.pop() else { return Ok(None) };
    let sample = found.sample_run.map_or(Ok(None), |id| run_of(records, id))?;
    Ok(Some((found, sample)))
}

/// A run, while it is on record.
fn run_of(records: &mut dyn Records, id: RunId) -> Result<Option<RunRecord>, StoreError> {
    let filter = RunFilter { before: Some(RunId(id.0.saturating_add(1))), limit: Some(1), ..RunFilter::default() };
    Ok(records.runs(&filter)?.pop().filter(|run| run.id == id))
}
