//! `call --with`: calls a method of a worker that is started for this call, without a master and without a database.
//!
//! Invariant: stdout has the result and nothing else; what the worker prints goes to stderr.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::time::Duration;

use super::super::args::services::CallArgs;
use super::super::context::Context;
use super::super::{output, trial};
use super::{failed, params, print};
use crate::error::{Code, Error};
use crate::model::Mono;
use crate::model::service::{Body, code};
use crate::trial::{Asked, By, Command, Happened, Over, Question, Service, run as run_trial};

/// How long the worker may take to be ready, and to answer unless `--timeout` says so.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Calls, and waits until the worker has ended.
pub(super) fn run(context: &Context, args: &CallArgs, command: &str) -> Result<Code, Error> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| Error::Usage(format!("`--with` is no command: `{command}`")))?;
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    if args.args.is_some() {
        return Err(Error::Usage("with `--with` no SERVICE is named: `call --with COMMAND METHOD [JSON]`".to_owned()));
    }
    let question = Question {
        name: args.service.clone(),
        body: params(args.method.as_deref())?.map(|args| Body::Json(args.into())),
    };
    let timeout = args.timeout.unwrap_or(TIMEOUT);
    let pool = trial::pool_of(&words);
    let command = Command { words, pool: pool.to_string() };
    let worker = Service::new(pool, timeout, trial::init(args.init.as_deref())?, false);
    let (mut wrong, mut outcome) = (None, None);
    let mut tell = |_: Mono, what: Happened<'_>| {
        match what {
            Happened::Stderr(line) | Happened::Heard("printed", line) => output::raw_error(line),
            Happened::Wrong(why) => wrong = wrong.take().or_else(|| Some(why.to_owned())),
            Happened::Over(over) => outcome = Some(answer(context, args, over, wrong.take())),
            _ => {}
        }
        if let Some(Err(Error::BrokenPipe)) = outcome { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let asked = Asked::List(vec![question]);
    run_trial(&command, Box::new(worker), asked, timeout, &mut tell).map_err(|error| trial::cannot_run(&error))?;
    outcome.unwrap_or_else(|| Err(Error::Failed("the worker was ended before it answered".to_owned())))
}

/// `wrong`: the first mistake of the program.
fn answer(context: &Context, args: &CallArgs, over: Over, wrong: Option<String>) -> Result<Code, Error> {
    match over.answer {
        Ok(Body::Json(result)) => print(args, &result),
        Ok(Body::Raw(bytes)) => output::raw(&bytes).map(|()| Code::DONE),
        Err(mut error) => {
            if over.by == By::Gateway && error.code == code::WORKER_DIED {
                error.message = wrong.unwrap_or(error.message);
            }
            Err(failed(context, &error))
        }
    }
}
