//! `errors`: what runs failed of, the most dead first; with a fingerprint everything about one, or what
//! is said of it from now on.

use super::args::records::ErrorsArgs;
use super::context::{Context, Way};
use super::output::{self, ListForm};
use super::{audit, known};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::change::{Reply, Request};
use crate::model::{FailureRecord, Fingerprint, QueueName, RunId, RunRecord, UnixMicros};
use crate::report::{self, failures, refusals};
use crate::store::{FailureFilter, Records, RunFilter, Store, StoreError};
use crate::wire::control::NoteFailure;

/// Muted errors are counted up to this.
const MOST_COUNTED: u32 = 1000;

pub(crate) fn run(context: &Context, args: &ErrorsArgs) -> Result<Code, Error> {
    if let Some(fingerprint) = args.fingerprint {
        let muted_until = if args.unmute { Some(UnixMicros(0)) } else { args.mute };
        if args.note.is_some() || muted_until.is_some() {
            let said = NoteFailure { error: fingerprint, note: args.note.clone(), muted_until };
            return print(context, &set(context, &said)?, None);
        }
        return show(context, fingerprint);
    }
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let limit = form.limit(args.list.limit);
    let filter = FailureFilter {
        fingerprint: None,
        queue: args.queue.as_deref().map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?,
        kind: args.kind.clone(),
        since: args.since,
        muted: args.muted,
        limit: Some(form.to_read(limit)),
    };
    let now = clock::wall();
    let mut records = context.records()?;
    let mut find = |filter| records.as_mut().map_or(Ok(Vec::new()), |records| records.failures(filter, now));
    let found = find(&filter)?;
    let others = find(&FailureFilter { muted: true, limit: Some(MOST_COUNTED), ..filter.clone() })?.len();
    let muted = (!args.muted && others > 0).then(|| format!("{others} muted; see `queue-work errors --muted`"));
    if found.is_empty() {
        known::queue(context, args.queue.as_deref())?;
        let is_filtered = args.queue.is_some() || args.kind.is_some() || args.since.is_some() || args.muted;
        context.warn(match &muted {
            Some(muted) => muted,
            None if is_filtered => "no error is like that; see `queue-work errors`",
            None => "no run has failed; see `queue-work status`",
        });
    }
    let is_empty = found.is_empty();
    let mut page = Some(found);
    let next = || Ok(page.take().unwrap_or_default());
    let width = output::width();
    if output::pages(form, limit, next, |found| failures::table(found, now, width))?.is_some() {
        context.warn(&format!("{limit} of many shown; show more with `--limit {}`", limit.saturating_mul(2)));
    } else if let Some(muted) = muted.filter(|_| !is_empty) {
        context.warn(&muted);
    }
    Ok(Code::DONE)
}

fn show(context: &Context, fingerprint: Fingerprint) -> Result<Code, Error> {
    let mut records = context.records()?.ok_or_else(|| missing(fingerprint))?;
    let (found, sample) = find(records.as_mut(), fingerprint)?.ok_or_else(|| missing(fingerprint))?;
    print(context, &found, sample.as_ref())
}

fn print(context: &Context, found: &FailureRecord, sample: Option<&RunRecord>) -> Result<Code, Error> {
    if context.global.json {
        output::json(found)?;
    } else {
        output::print(&failures::one(found, sample, clock::wall()))?;
    }
    Ok(Code::DONE)
}

/// Keeps what is said of an error: through the master when one runs, else in the store. The error as it is then.
pub(crate) fn set(context: &Context, said: &NoteFailure) -> Result<FailureRecord, Error> {
    match context.master_or_existing_store()? {
        Some(Way::Master(mut client)) => drop(client.call::<bool>("errors.set", said)?),
        Some(Way::Store(mut store)) => in_store(context, store.as_mut(), said)?,
        None => return Err(missing(said.error)),
    }
    let mut records = context.records()?.ok_or_else(|| missing(said.error))?;
    let filter = FailureFilter { fingerprint: Some(said.error), ..FailureFilter::default() };
    records.failures(&filter, clock::wall())?.pop().ok_or_else(|| missing(said.error))
}

fn in_store(context: &Context, store: &mut dyn Store, said: &NoteFailure) -> Result<(), Error> {
    let op = Request::NoteFailure { fingerprint: said.error, said: said.said() };
    let replies =
        audit::apply(context, store, report::audit::note(said), vec![op.into()], |deed, replies| match replies {
            [Reply::Missing] => deed.refused(&refusals::no_error(said.error)),
            _ => deed.ended(None),
        })?;
    if matches!(replies[..], [Reply::Missing]) { Err(missing(said.error)) } else { Ok(()) }
}

pub(super) fn missing(fingerprint: Fingerprint) -> Error {
    Error::NotFound(refusals::no_error(fingerprint))
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
