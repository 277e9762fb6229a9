//! `jobs`: look at jobs on record and change them.

pub(crate) mod change;
mod graph;
pub(crate) mod list;
mod operations;
mod select;
mod show;
pub(crate) mod wait;

use std::sync::Arc;

use self::change::Deed;
use super::args::jobs::{Change, Ids, JobsArgs, JobsDeleteArgs, JobsRetryArgs, JobsSetArgs, JobsVerb};
use super::context::Context;
use super::known;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::JobAction;
use crate::model::JobId;
use crate::wire::control::{Jobs, Span};
use crate::wire::push::to_setting;

pub(crate) fn run(context: &Context, args: &JobsArgs) -> Result<Code, Error> {
    let Some(verb) = &args.verb else { return list::run(context, &Ids::default(), &args.list) };
    match verb {
        JobsVerb::List { ids, args } => list::run(context, ids, args),
        JobsVerb::Show { id } => show::run(context, JobId(*id)),
        JobsVerb::Graph(args) => graph::run(context, args),
        JobsVerb::Retry(args) => retry(context, args),
        JobsVerb::Cancel { selection, change, wait } => {
            let mut deed = Deed::new(JobAction::Cancel);
            deed.params.no_wait = wait.no_wait;
            change::run(context, &deed, selection, change)
        }
        JobsVerb::Delete(args) => delete(context, args),
        JobsVerb::Set(args) => set(context, args),
        JobsVerb::Wait(args) => wait::run(context, args),
        JobsVerb::Operations(args) => operations::run(context, args),
    }
}

fn retry(context: &Context, args: &JobsRetryArgs) -> Result<Code, Error> {
    let mut deed = Deed::new(JobAction::Retry);
    deed.params.spread = args.spread.map(|spread| Span::Seconds(spread.as_secs_f64()));
    let background = args.change.background || args.spread.is_some();
    change::run(context, &deed, &args.selection, &Change { background, ..args.change.clone() })
}

pub(crate) fn delete(context: &Context, args: &JobsDeleteArgs) -> Result<Code, Error> {
    change::run(context, &Deed::new(JobAction::Delete), &args.selection, &args.change)
}

fn set(context: &Context, args: &JobsSetArgs) -> Result<Code, Error> {
    let params = Jobs {
        priority: args.priority,
        to_queue: args.to_queue.clone(),
        delay: args.delay.map(|delay| Span::Seconds(delay.as_secs_f64())),
        at: args.at,
        ..Jobs::default()
    };
    if params.priority.is_none() && params.to_queue.is_none() && params.delay.is_none() && params.at.is_none() {
        return Err(Error::Usage("say what to set: `--priority`, `--to-queue`, `--delay` or `--at`".to_owned()));
    }
    let setting = to_setting(&params, clock::wall()).map_err(Error::Usage)?;
    // The change makes it known.
    let known_before = known::queue(context, params.to_queue.as_deref());
    let deed = Deed { action: JobAction::Set(Arc::new(setting)), params };
    let code = change::run(context, &deed, &args.selection, &args.change)?;
    if let Err(Error::NotFound(unknown)) = known_before {
        context.warn(&format!("{unknown}; what was put there waits until one does"));
    }
    Ok(code)
}

pub(super) fn missing(id: JobId) -> Error {
    Error::NotFound(format!("there is no job {id}; see `queue-work jobs list`"))
}
