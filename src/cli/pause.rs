//! `pause` and `resume`: stop and go on handing out jobs of queues.

use super::args::control::QueuesArgs;
use super::context::Context;
use super::output;
use crate::error::{Code, Error};
use crate::report::words;
use crate::wire::control::{PausedQueues, Queues};

pub(crate) fn run(context: &Context, args: &QueuesArgs, paused: bool) -> Result<Code, Error> {
    let method = if paused { "pause" } else { "resume" };
    let params = Queues { queues: args.queues.clone() };
    let answer: PausedQueues = context.connect()?.call(method, &params)?;
    if context.global.json {
        output::json(&answer)?;
    } else {
        let names: Vec<_> = answer.queues.iter().map(|q| &q.name).collect();
        context.done(&format!("{method}d {}", words::list(&names)))?;
    }
    Ok(Code::DONE)
}
