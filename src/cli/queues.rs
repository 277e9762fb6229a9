//! `queues`: queues with their limits; `queues set` and `unset`: limits over those of the configuration. Through the master when
//! one runs, else in the store, for the next one.

use super::args::queues::{QueuesVerb, SetArgs, ShowArgs};
use super::context::{Context, Way};
use super::{audit, known, output, reach, status};
use crate::clock;
use crate::config::check_queue_limit;
use crate::error::{Code, Error};
use crate::model::QueueName;
use crate::model::change::{Op, Request};
use crate::model::queue_limits::SaidLimits;
use crate::report::status::Named;
use crate::report::{self, queue_limits, words};
use crate::store::Store;
use crate::wire::control::{SetQueue, Span};

pub(crate) fn run(context: &Context, args: &ShowArgs) -> Result<Code, Error> {
    match &args.verb {
        None => show(context, args.name.as_deref()),
        Some(QueuesVerb::Set(args)) => set(context, args),
        Some(QueuesVerb::Unset { name }) => change(context, &SetQueue { queue: name.clone(), ..SetQueue::default() }),
    }
}

fn show(context: &Context, name: Option<&str>) -> Result<Code, Error> {
    let found = status::fetch(context)?;
    let queues = match name {
        Some(name) => {
            let queues = Named::of(&found.status, name).queues;
            if queues.is_empty() {
                known::queue(context, Some(name))?;
            }
            queues
        }
        None => found.status.queues,
    };
    if context.global.json {
        output::json(&queues)?;
    } else if queues.is_empty() {
        context.warn("there is no queue yet; add a job with `queue-work push -- CMD`");
    } else {
        output::print(&queue_limits::table(&queues, clock::wall(), output::width()))?;
    }
    found.trouble.map_or(Ok(Code::DONE), Err)
}

fn set(context: &Context, args: &SetArgs) -> Result<Code, Error> {
    let given = [
        ("fair", &args.fair),
        ("concurrency", &args.concurrency),
        ("concurrency_per_key", &args.concurrency_per_key),
        ("rate", &args.rate),
        ("rate_per_key", &args.rate_per_key),
        ("rate_burst", &args.rate_burst),
        ("max_ready", &args.max_ready),
    ];
    let mut limits = SaidLimits::new();
    for (key, text) in given {
        if let Some(text) = text {
            limits.insert(key.to_owned(), check_queue_limit(key, text).map_err(Error::Usage)?);
        }
    }
    let lasts = args.lasts.map(|lasts| Span::Seconds(lasts.as_secs_f64()));
    change(context, &SetQueue { queue: args.name.clone(), limits, lasts, force: args.force })
}

fn change(context: &Context, params: &SetQueue) -> Result<Code, Error> {
    match context.master_or_existing_store()? {
        Some(Way::Master(mut client)) => drop(client.call::<bool>("queues.set", params)?),
        Some(Way::Store(mut store)) => in_store(context, store.as_mut(), params)?,
        None => return Err(reach::none_runs(context.paths()?)),
    }
    context.done(&if params.limits.is_empty() {
        format!("limits of `{}` are those of the configuration", params.queue)
    } else {
        let lasts = match &params.lasts {
            Some(Span::Seconds(seconds)) => format!(" for {}", words::seconds(*seconds)),
            Some(Span::Text(_)) | None => String::new(),
        };
        format!("set {} of `{}`{lasts}", queue_limits::worded(&params.limits), params.queue)
    })?;
    Ok(Code::DONE)
}

fn in_store(context: &Context, store: &mut dyn Store, params: &SetQueue) -> Result<(), Error> {
    let queue = QueueName::new(&params.queue).map_err(|e| Error::Usage(e.to_string()))?;
    if !params.force {
        known::queue(context, Some(queue.as_str()))?;
    }
    let (said, now) = (report::audit::limits(params), clock::wall());
    let by = context.deed(said.clone(), now).asker();
    let set = params.to_override(by, now).map_err(Error::Usage)?;
    let op: Op = Request::SetLimits { queue, set: set.map(Box::new) }.into();
    audit::apply(context, store, said, vec![op], |deed, _| deed.ended(None))?;
    Ok(())
}
