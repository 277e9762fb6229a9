//! `processors list`, `show` and `next`: which there are, and when they are due.

use super::{all, configured, missing, one, records};
use crate::cli::args::processors::NextArgs;
use crate::cli::context::Context;
use crate::cli::output;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::ProcessorName;
use crate::report::processors::next_ticks;
use crate::report::{ProcessorStatus, processor_lists};
use crate::store::ProcessorRunFilter;
use crate::wire::processors::{NextTick, NextTicks};

/// The most runs shown with a processor; `processors runs` shows the others.
const RUNS: u32 = 20;

pub(super) fn list(context: &Context) -> Result<Code, Error> {
    let all = all(context)?;
    if context.global.json {
        output::json(&all)?;
    } else if all.is_empty() {
        context.warn("no processor is configured; write `[processors.NAME]` into the configuration, as `queue-work config init -` shows");
    } else {
        output::print(&processor_lists::processors(&all, clock::wall(), output::width()))?;
    }
    Ok(Code::DONE)
}

pub(super) fn show(context: &Context, name: &ProcessorName) -> Result<Code, Error> {
    let processor = one(context, name)?;
    if context.global.json {
        output::json(&processor)?;
        return Ok(Code::DONE);
    }
    let filter =
        ProcessorRunFilter { processor: Some(name.clone()), limit: Some(RUNS), ..ProcessorRunFilter::default() };
    let runs = context.records()?.map_or(Ok(Vec::new()), |mut records| records.processor_runs(&filter))?;
    output::print(&processor_lists::processor(&processor, &runs, clock::wall(), output::width()))?;
    Ok(Code::DONE)
}

pub(super) fn next(context: &Context, args: &NextArgs) -> Result<Code, Error> {
    let NextArgs { name, count, from } = args.clone();
    let asked = NextTicks { processor: name, count, from };
    let now = clock::wall();
    let ticks: Vec<NextTick> = if let Some(mut client) = context.try_connect()? {
        client.call("processors.next", &asked)?
    } else {
        let (configured, records) = (configured(context)?, records(context)?);
        if let Some(name) = &asked.processor {
            let all = ProcessorStatus::all(&configured, records.clone(), now);
            all.iter().find(|processor| processor.name == *name).ok_or_else(|| missing(name, &all))?;
        }
        next_ticks(&configured, records, &asked, now)
    };
    if context.global.json {
        output::json(&ticks)?;
    } else if ticks.is_empty() {
        context.warn("no tick is to come; see `queue-work processors`");
    } else {
        output::print(&processor_lists::ticks(&ticks, now, output::width()))?;
    }
    Ok(Code::DONE)
}
