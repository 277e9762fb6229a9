//! `pause` and `resume`: stop and go on handing out jobs of queues. Through the master when one runs, else in the store,
//! for the next one.

use super::args::control::QueuesArgs;
use super::context::{Context, Way};
use super::{known, output, reach};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::QueueName;
use crate::model::change::{Op, Request};
use crate::report::words;
use crate::store::Store;
use crate::wire::control::{PausedQueue, PausedQueues, Queues};

pub(crate) fn run(context: &Context, args: &QueuesArgs, paused: bool) -> Result<Code, Error> {
    let method = if paused { "pause" } else { "resume" };
    let queues = if args.all { known::queues(context)?.into_iter().collect() } else { args.queues.clone() };
    if queues.is_empty() {
        return Err(Error::NotFound(format!("there is no queue to {method}; see `queue-work status`")));
    }
    let params = Queues { queues, force: args.force };
    let answer = match context.master_or_existing_store()? {
        Some(Way::Master(mut client)) => client.call(method, &params)?,
        Some(Way::Store(mut store)) => in_store(context, store.as_mut(), &params, paused)?,
        None => return Err(reach::none_runs(context.paths()?)),
    };
    if context.global.json {
        output::json(&answer)?;
    } else {
        let names: Vec<_> = answer.queues.iter().map(|q| &q.name).collect();
        context.done(&format!("{method}d {}", words::list(&names)))?;
    }
    Ok(Code::DONE)
}

fn in_store(context: &Context, store: &mut dyn Store, params: &Queues, paused: bool) -> Result<PausedQueues, Error> {
    let names = params.queues.iter().map(|name| QueueName::new(name)).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|e| Error::Usage(e.to_string()))?;
    for name in names.iter().filter(|_| !params.force) {
        known::queue(context, Some(name.as_str()))?;
    }
    let ops: Vec<Op> = names.iter().cloned().map(|queue| Request::Pause { queue, paused }.into()).collect();
    store.apply(0, &ops, clock::wall())?;
    Ok(PausedQueues { queues: names.into_iter().map(|name| PausedQueue { name, paused }).collect() })
}
