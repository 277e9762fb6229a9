//! `processors`: looks at processors and their runs, switches them, runs them, and records runs from outside.
//!
//! Invariant: what is configured is said by the master that runs, else by the file that this command reads.

mod begin;
mod list;
mod run;
mod runs;
pub(crate) mod switch;
mod wrap;

use std::sync::Arc;

use super::args::processors::{ProcessorsArgs, ProcessorsVerb};
use super::backend;
use super::context::{Context, Way};
use crate::client::NONE;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::ProcessorName;
use crate::model::processor::{ProcessorRecord, ProcessorSettings};
use crate::report::{ProcessorStatus, processor_lists, refusals};
use crate::store::Records;

pub(crate) fn run(context: &Context, args: &ProcessorsArgs) -> Result<Code, Error> {
    let Some(verb) = &args.verb else { return list::list(context) };
    match verb {
        ProcessorsVerb::List => list::list(context),
        ProcessorsVerb::Show { name } => list::show(context, name),
        ProcessorsVerb::Enable(args) => switch::run(context, &args.names, Some(true), args.reason.as_deref()),
        ProcessorsVerb::Disable(args) => switch::run(context, &args.names, Some(false), args.reason.as_deref()),
        ProcessorsVerb::Reset { names } => switch::run(context, names, None, None),
        ProcessorsVerb::Run(args) => run::run(context, args),
        ProcessorsVerb::Next(args) => list::next(context, args),
        ProcessorsVerb::Runs(args) => runs::run(context, args),
        ProcessorsVerb::Last { name } => runs::last(context, name),
        ProcessorsVerb::Begin(args) => begin::begin(context, args),
        ProcessorsVerb::End(args) => begin::end(context, args),
        ProcessorsVerb::Wrap(args) => wrap::run(context, args),
    }
}

/// All of them, by name.
pub(crate) fn all(context: &Context) -> Result<Vec<ProcessorStatus>, Error> {
    match context.try_connect()? {
        Some(mut client) => Ok(client.call("processors.list", &NONE)?),
        None => without_master(context),
    }
}

/// As the file and the store have them.
pub(crate) fn without_master(context: &Context) -> Result<Vec<ProcessorStatus>, Error> {
    Ok(ProcessorStatus::all(&configured(context)?, records(context)?, clock::wall()))
}

/// One of them.
pub(crate) fn one(context: &Context, name: &ProcessorName) -> Result<ProcessorStatus, Error> {
    let mut all = all(context)?;
    let found = all.iter().position(|processor| processor.name == *name);
    found.map(|at| all.swap_remove(at)).ok_or_else(|| missing(name, &all))
}

/// Processors of the file.
pub(crate) fn configured(context: &Context) -> Result<Vec<Arc<ProcessorSettings>>, Error> {
    Ok(backend::load_config(&context.flags)?.config.processors.into_iter().map(Arc::new).collect())
}

/// Processors on record.
fn records(context: &Context) -> Result<Vec<ProcessorRecord>, Error> {
    Ok(context.records()?.map_or(Ok(Vec::new()), |mut records| records.processors())?)
}

/// One line on those whose newest run went wrong.
pub(crate) fn trouble(context: &Context, records: &mut dyn Records) -> Option<String> {
    let mut on_record = records.processors().ok().filter(|all| !all.is_empty())?;
    if let Ok(configured) = configured(context)
        && !configured.is_empty()
    {
        on_record.retain(|record| configured.iter().any(|settings| settings.name == record.name));
    }
    processor_lists::trouble(&on_record, clock::wall())
}

/// The master that runs, else the store; a database is not made to record something of a processor that does not exist.
fn way_for(context: &Context, names: &[ProcessorName]) -> Result<Way, Error> {
    if let Some(way) = context.master_or_existing_store()? {
        return Ok(way);
    }
    let configured = ProcessorStatus::all(&configured(context)?, Vec::new(), clock::wall());
    match names.iter().find(|name| !configured.iter().any(|processor| processor.name == **name)) {
        Some(unknown) => Err(missing(unknown, &configured)),
        None => context.master_or_store(),
    }
}

fn missing(name: &ProcessorName, known: &[ProcessorStatus]) -> Error {
    Error::NotFound(refusals::no_processor(name.as_str(), known.iter().map(|processor| processor.name.as_str())))
}
