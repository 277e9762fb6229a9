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
use crate::model::key_record::KeyRecord;
use crate::model::queue_limits::SaidLimits;
use crate::report::queue_keys::{self, KeyStatus};
use crate::report::status::{Named, QueueStatus};
use crate::report::{self, queue_limits, words};
use crate::store::{KeyFilter, Store};
use crate::wire::control::{SetQueue, Span};

pub(crate) fn run(context: &Context, args: &ShowArgs) -> Result<Code, Error> {
    match &args.verb {
        None => show(context, args),
        Some(QueuesVerb::Set(args)) => set(context, args),
        Some(QueuesVerb::Unset { name }) => change(context, &SetQueue { queue: name.clone(), ..SetQueue::default() }),
    }
}

fn show(context: &Context, args: &ShowArgs) -> Result<Code, Error> {
    let found = status::fetch(context)?;
    let queues = match args.name.as_deref() {
        Some(name) => {
            let queues = Named::of(&found.status, name).queues;
            if queues.is_empty() {
                known::queue(context, Some(name))?;
            }
            queues
        }
        None => found.status.queues,
    };
    if args.keys {
        show_keys(context, &queues, args)?;
        return found.trouble.map_or(Ok(Code::DONE), Err);
    }
    if context.global.json {
        output::json(&queues)?;
    } else if queues.is_empty() {
        context.warn("there is no queue yet; add a job with `queue-work push -- CMD`");
    } else {
        output::print(&queue_limits::table(&queues, clock::wall(), output::width()))?;
    }
    found.trouble.map_or(Ok(Code::DONE), Err)
}

fn show_keys(context: &Context, queues: &[QueueStatus], args: &ShowArgs) -> Result<(), Error> {
    let (mut found, now) = (Vec::new(), clock::wall());
    if let Some(mut records) = context.records()? {
        for queue in queues {
            let filter = KeyFilter { queue: queue.name.clone(), key: None, limit: Some(args.limit) };
            found.extend(records.keys(&filter)?);
        }
    }
    KeyRecord::sort(&mut found);
    found.truncate(args.limit as usize);
    let keys: Vec<KeyStatus> = found.into_iter().map(|key| KeyStatus::new(key, queues, now)).collect();
    if context.global.json {
        output::json(&keys)
    } else if keys.is_empty() {
        context.warn("no job waits by its key, and none of a key runs; see `fair` and the limits per key of a queue");
        Ok(())
    } else {
        output::print(&queue_keys::table(&keys, now, output::width()))
    }
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
