//! `jobs`: look at jobs on record and change them.

pub(crate) mod change;
pub(crate) mod list;
mod show;
pub(crate) mod wait;

use super::args::records::{Ids, JobsArgs, JobsVerb};
use super::context::Context;
use crate::error::{Code, Error};
use crate::model::JobId;
use crate::report::refusals::JobAction;

pub(crate) fn run(context: &Context, args: &JobsArgs) -> Result<Code, Error> {
    let Some(verb) = &args.verb else { return list::run(context, &args.list) };
    match verb {
        JobsVerb::List(args) => list::run(context, args),
        JobsVerb::Show { id } => show::run(context, JobId(*id)),
        JobsVerb::Retry(args) if args.all => change::retry_all(context, args.queue.as_deref()),
        JobsVerb::Retry(args) => change::run(context, JobAction::Retry, &args.ids, false),
        JobsVerb::Cancel { ids, wait } => change::run(context, JobAction::Cancel, &ids.ids, wait.no_wait),
        JobsVerb::Delete(ids) => delete(context, ids),
        JobsVerb::Wait(args) => wait::run(context, JobId(args.id), args.timeout),
    }
}

pub(crate) fn delete(context: &Context, ids: &Ids) -> Result<Code, Error> {
    change::run(context, JobAction::Delete, &ids.ids, false)
}

fn missing(id: JobId) -> Error {
    Error::NotFound(format!("there is no job {id}; see `queue-work jobs list`"))
}
