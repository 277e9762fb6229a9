//! `batches`: batches on record, how far they are, and what is done with all of their jobs.

use std::time::Duration;

use super::args::batches::{BatchesArgs, BatchesListArgs, BatchesVerb, BatchesWaitArgs};
use super::args::jobs::{Filter, Selection};
use super::context::Context;
use super::jobs::change::{self, Deed};
use super::output::{self, ListForm, Pages};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::batch::BatchRecord;
use crate::model::{BatchId, JobAction};
use crate::report::batches::Shown;
use crate::report::{batches, printer, words};
use crate::store::{BatchFilter, Records};

/// Between two looks at a batch that is waited for, at least: the longer a look takes, the fewer there are.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

pub(crate) fn run(context: &Context, args: &BatchesArgs) -> Result<Code, Error> {
    let Some(verb) = &args.verb else { return list(context, &args.list) };
    match verb {
        BatchesVerb::List(args) => list(context, args),
        BatchesVerb::Show(args) => show(context, &args.batch),
        BatchesVerb::Wait(args) => wait(context, args),
        BatchesVerb::Cancel { batch, change, wait } => {
            let mut deed = Deed::new(JobAction::Cancel);
            deed.params.no_wait = wait.no_wait;
            change::run(context, &deed, &jobs_of(&batch.batch), change)
        }
        BatchesVerb::Retry { batch, change } => {
            change::run(context, &Deed::new(JobAction::Retry), &jobs_of(&batch.batch), change)
        }
    }
}

/// The jobs of a batch, as they are chosen by `jobs --batch`.
fn jobs_of(batch: &str) -> Selection {
    Selection { filter: Filter { batch: Some(batch.to_owned()), ..Filter::default() }, ..Selection::default() }
}

fn list(context: &Context, args: &BatchesListArgs) -> Result<Code, Error> {
    let mut records = context.records()?;
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let mut filter = BatchFilter { before: args.before.map(BatchId), ..BatchFilter::default() };
    let now = clock::wall();
    let pages = Pages::new(form, form.limit(args.list.limit), |most| {
        filter.limit = Some(most);
        let page = records.as_mut().map_or(Ok(Vec::new()), |records| records.batches(&filter))?;
        filter.before = page.last().map(|batch| batch.id);
        Ok(page.into_iter().map(|batch| Shown::of(batch, now)).collect())
    })?;
    if pages.is_empty() {
        context.warn("there is no batch; a push of many jobs is one, such as `queue-work push --jsonl`");
    }
    pages.print(context, batches::table, |shown: &Shown| shown.batch.id)
}

/// The batch with this id, else the newest with this name.
pub(super) fn find(records: &mut dyn Records, text: &str) -> Result<BatchRecord, Error> {
    let found = records.batches(&BatchFilter { limit: Some(1), ..BatchFilter::named(text) })?.pop();
    found.ok_or_else(|| missing(text))
}

pub(super) fn missing(text: &str) -> Error {
    let named = if text.bytes().all(|b| b.is_ascii_digit()) { text.to_owned() } else { format!("`{text}`") };
    Error::NotFound(format!("there is no batch {}; see `queue-work batches`", words::escape(&named)))
}

fn show(context: &Context, text: &str) -> Result<Code, Error> {
    let mut records = context.records()?.ok_or_else(|| missing(text))?;
    let batch = find(records.as_mut(), text)?;
    if context.global.json {
        output::json(&Shown::of(batch, clock::wall()))?;
        return Ok(Code::DONE);
    }
    let followers: Vec<_> = batch.then.into_iter().chain(batch.then_failed).collect();
    let followers = followers.into_iter().map(|id| records.job(id)).collect::<Result<Vec<_>, _>>()?;
    output::print(&batches::text(&batch, &followers.into_iter().flatten().collect::<Vec<_>>(), clock::wall()))?;
    Ok(Code::DONE)
}

fn wait(context: &Context, args: &BatchesWaitArgs) -> Result<Code, Error> {
    let text = &args.batch.batch;
    let by = args.timeout.map(|timeout| clock::instant() + timeout);
    let mut batch = find(context.records()?.ok_or_else(|| missing(text))?.as_mut(), text)?;
    if batch.counts.open() > 0 {
        let mut client = context.connect()?;
        context.warn(&format!("waits for {}", words::count(batch.counts.open(), "job")));
        let bar = (!context.global.quiet && !context.global.json).then(printer::progress_bar);
        while batch.counts.open() > 0 {
            if let Some(bar) = &bar {
                bar.set_length(batch.counts.all());
                bar.set_position(batch.counts.all() - batch.counts.open());
            }
            if by.is_some_and(|by| clock::instant() >= by) {
                let (open, after) = (words::count(batch.counts.open(), "job"), args.timeout.unwrap_or_default());
                let (id, after) = (batch.id, words::duration(after));
                return Err(Error::Failed(format!("{open} of batch {id} had not ended after {after}")));
            }
            let began = clock::instant();
            batch = look(context, &mut client, batch.id)?;
            let pause = BETWEEN_LOOKS.max(4 * began.elapsed());
            let left = by.map_or(pause, |by| by.saturating_duration_since(clock::instant()));
            if batch.counts.open() > 0 {
                clock::pause(pause.min(left));
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }
    let dead = batch.counts.dead;
    if context.global.json {
        output::json(&Shown::of(batch, clock::wall()))?;
    } else {
        context.done(&batches::ended(&batch))?;
    }
    Ok(if dead > 0 { Code(1) } else { Code::DONE })
}

/// Looks at a batch through the master, without which it goes no further.
fn look(context: &Context, client: &mut Client, id: BatchId) -> Result<BatchRecord, Error> {
    let filter = BatchFilter { id: Some(id), ..BatchFilter::default() };
    let gone = || missing(&id.to_string());
    match client.call::<Vec<BatchRecord>>("batches.list", &filter) {
        Ok(mut found) => found.pop().ok_or_else(gone),
        Err(ClientError::Refused(error)) => Err(ClientError::Refused(error).into()),
        // The master is gone, perhaps as nothing was left to do.
        Err(error) => {
            let batch = context.records()?.map(|mut records| find(records.as_mut(), &id.to_string())).transpose()?;
            batch.filter(|batch| batch.counts.open() == 0).ok_or_else(|| error.into())
        }
    }
}
