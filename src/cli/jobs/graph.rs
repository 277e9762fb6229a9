//! `jobs graph`: the jobs that hang together with one.

use super::missing;
use crate::cli::args::jobs::GraphArgs;
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Code, Error};
use crate::model::JobId;
use crate::model::graph::MOST_JOBS;

pub(super) fn run(context: &Context, args: &GraphArgs) -> Result<Code, Error> {
    let id = JobId(args.id);
    let mut records = context.records()?.ok_or_else(|| missing(id))?;
    records.job(id)?.ok_or_else(|| missing(id))?;
    let graph = records.graph(id, MOST_JOBS)?;
    if context.global.json {
        output::json(&graph)?;
    } else if args.dot {
        output::print(&graph.dot())?;
    } else {
        output::print(&graph.text(id, output::width()))?;
        if graph.more {
            context.warn(&format!("these are the {MOST_JOBS} nearest jobs; there are more"));
        }
    }
    Ok(Code::DONE)
}
