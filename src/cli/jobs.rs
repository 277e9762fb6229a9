//! `jobs`: look at jobs on record and change them.

pub(crate) mod change;
mod list;
mod show;
pub(crate) mod wait;

use super::args::records::JobsVerb;
use super::context::Context;
use crate::error::{Code, Error};
use crate::model::JobId;
use crate::report::refusals::JobAction;

pub(crate) fn run(context: &Context, verb: &JobsVerb) -> Result<Code, Error> {
    match verb {
        JobsVerb::List(args) => list::run(context, args),
        JobsVerb::Show { id } => show::run(context, JobId(*id)),
        JobsVerb::Retry(args) if args.all => change::retry_all(context, args.queue.as_deref()),
        JobsVerb::Retry(args) => change::run(context, JobAction::Retry, &args.ids, false),
        JobsVerb::Cancel { ids, wait } => change::run(context, JobAction::Cancel, &ids.ids, wait.no_wait),
        JobsVerb::Delete { ids } => change::run(context, JobAction::Delete, &ids.ids, false),
        JobsVerb::Wait(args) => wait::run(context, JobId(args.id), args.timeout),
    }
}

fn missing(id: JobId) -> Error {
    Error::NotFound(format!("there is no job {id}; see `queue-work jobs list`"))
}
