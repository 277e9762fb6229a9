//! `jobs operations`: changes of many jobs that go on by themselves, or did; and their beginning and end.

use super::change::Deed;
use crate::cli::args::jobs::OperationsArgs;
use crate::cli::context::Context;
use crate::cli::output;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::OperationId;
use crate::model::operation::Operation;
use crate::report::operations;
use crate::store::JobFilter;
use crate::wire::control::{Jobs, OneOperation};

pub(super) fn run(context: &Context, args: &OperationsArgs) -> Result<Code, Error> {
    if let Some(id) = args.stop {
        let operation: Operation = context.connect()?.call("operations.stop", &OneOperation { id: OperationId(id) })?;
        return say(context, &operation);
    }
    let mut found = context.records()?.map_or(Ok(Vec::new()), |mut records| records.operations())?;
    // The newest first.
    found.reverse();
    if context.global.json {
        output::json(&found)?;
    } else if found.is_empty() {
        context.warn("there is no operation; `jobs retry`, `cancel`, `delete` and `set` begin one with `--background`");
    } else {
        output::print(&operations::table(&found, clock::wall(), output::width()))?;
    }
    Ok(Code::DONE)
}

/// Has the master do it by itself.
pub(super) fn begin(context: &Context, deed: &Deed, filter: JobFilter) -> Result<Code, Error> {
    let params = Jobs { filter: Some(Box::new(filter)), background: true, ..deed.params.clone() };
    let operation: Operation = context.connect()?.call(&format!("jobs.{}", deed.action.verb()), &params)?;
    say(context, &operation)?;
    if operations::goes_on(&operation) && !context.global.json {
        context.warn("see `queue-work jobs operations`");
    }
    Ok(Code::DONE)
}

fn say(context: &Context, operation: &Operation) -> Result<Code, Error> {
    if context.global.json {
        output::json(operation)?;
    } else {
        context.done(&operations::line(operation))?;
    }
    Ok(Code::DONE)
}
