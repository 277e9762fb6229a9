//! `debug`: has the master tell each step for a while, to those who look.

use super::args::control::DebugArgs;
use super::context::Context;
use super::output;
use crate::error::{Code, Error};
use crate::report::words;
use crate::wire::control::{DebugFor, DebugUntil};

pub(crate) fn run(context: &Context, args: &DebugArgs) -> Result<Code, Error> {
    let params = DebugFor { seconds: args.length.as_secs_f64() };
    let answer: DebugUntil = context.connect()?.call("debug", &params)?;
    if context.global.json {
        output::json(&answer)?;
    } else {
        context.done(&match answer.until {
            Some(until) => format!("debug until {}; see `queue-work events -f`", words::time_of_day(until)),
            None => "debug is off".to_owned(),
        })?;
    }
    Ok(Code::DONE)
}
