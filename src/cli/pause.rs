//! `pause` and `resume`: stop and go on handing out jobs of queues. Through the master when one runs, else in the store,
//! for the next one.

use super::args::control::QueuesArgs;
use super::context::{Context, Way};
use super::{audit, known, output, reach};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::QueueName;
use crate::model::change::{Op, Request};
use crate::model::limit_record::PausedKey;
use crate::report::{self, words};
use crate::store::Store;
use crate::wire::control::{PausedQueue, PausedQueues, Queues};

pub(crate) fn run(context: &Context, args: &QueuesArgs, paused: bool) -> Result<Code, Error> {
    let queues = if args.all { known::queues(context)?.into_iter().collect() } else { args.queues.clone() };
    if queues.is_empty() {
        return Err(Error::NotFound(format!("there is no queue to {}; see `queue-work status`", method(paused))));
    }
    let params = Queues { queues, key: args.key.clone(), force: args.force };
    let answer = change(context, &params, paused)?;
    if context.global.json {
        output::json(&answer)?;
    } else {
        context.done(&worded(&answer))?;
    }
    Ok(Code::DONE)
}

/// Through the master when one runs, else in the store.
pub(crate) fn change(context: &Context, params: &Queues, paused: bool) -> Result<PausedQueues, Error> {
    match context.master_or_existing_store()? {
        Some(Way::Master(mut client)) => Ok(client.call(method(paused), params)?),
        Some(Way::Store(mut store)) => in_store(context, store.as_mut(), params, paused),
        None => Err(reach::none_runs(context.paths()?)),
    }
}

pub(super) const fn method(paused: bool) -> &'static str {
    if paused { "pause" } else { "resume" }
}

/// `` paused `mail` and `images` ``.
pub(super) fn worded(answer: &PausedQueues) -> String {
    let names: Vec<_> = answer.queues.iter().map(|q| &q.name).collect();
    let paused = answer.queues.iter().any(|q| q.paused);
    let key = answer.queues.iter().find_map(|q| q.key.as_deref());
    let key = key.map(|key| format!("key `{key}` of ")).unwrap_or_default();
    format!("{}d {key}{}", method(paused), words::list(&names))
}

fn in_store(context: &Context, store: &mut dyn Store, params: &Queues, paused: bool) -> Result<PausedQueues, Error> {
    let names = params.queues.iter().map(|name| QueueName::new(name)).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|e| Error::Usage(e.to_string()))?;
    for name in names.iter().filter(|_| !params.force) {
        known::queue(context, Some(name.as_str()))?;
    }
    let said = report::audit::pause(params, paused);
    let ops: Vec<Op> = match params.of_key().map_err(Error::Usage)? {
        Some((queue, key)) => {
            let limits =
                store.totals()?.into_iter().find(|totals| totals.name == queue).and_then(|totals| totals.limits);
            if let Some(why) = limits.filter(|_| paused).and_then(|limits| limits.refuses_pause(key)) {
                return Err(Error::Refused(why));
            }
            let now = clock::wall();
            let pause = paused.then(|| PausedKey { by: context.deed(said.clone(), now).asker(), at: now });
            vec![Request::PauseKey { queue, key: key.into(), pause }.into()]
        }
        None => names.iter().cloned().map(|queue| Request::Pause { queue, paused }.into()).collect(),
    };
    audit::apply(context, store, said, ops, |deed, replies| deed.ended(Some(replies.len() as u64)))?;
    Ok(PausedQueues {
        queues: names.into_iter().map(|name| PausedQueue { name, key: params.key.clone(), paused }).collect(),
    })
}
