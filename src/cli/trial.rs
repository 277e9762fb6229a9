//! `try`: runs the program of a worker as a master and a gateway would, and shows what both say.
//!
//! Invariant: what is wrong with the program is said where it shows, and counted for the exit code.

mod transcript;

use std::ffi::OsString;
use std::io::{IsTerminal as _, stdin};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use self::transcript::Transcript;
use super::args::services::TryArgs;
use super::context::Context;
use crate::error::{Code, Error};
use crate::model::{Mono, PoolName};
use crate::process::spawn::SpawnError;
use crate::trial::{self, Asked, Command, Conversation, Happened, Jobs, Question, Service};

const TIMEOUT: Duration = Duration::from_secs(10);
/// The name of a pool whose program has none that it could have.
const POOL: &str = "worker";

pub(crate) fn run(context: &Context, args: &TryArgs) -> Result<Code, Error> {
    let timeout = args.timeout.unwrap_or(TIMEOUT);
    let is_queue = args.jobs || !args.job.is_empty();
    let pool = pool_of(&args.command);
    let init = init(args.init.as_deref())?;
    let worker: Box<dyn Conversation> =
        if is_queue { Box::new(Jobs::new(timeout)) } else { Box::new(Service::new(pool.clone(), timeout, init, true)) };
    let asked = if args.call.is_empty() && args.raw.is_empty() && args.job.is_empty() {
        if stdin().is_terminal() {
            context.warn("type a name and JSON, such as `add [5, 3]`; Ctrl-D ends it");
        }
        Asked::Typed
    } else {
        let raw = args.raw.iter().map(|text| Ok(Question::raw(text)));
        let list = raw.chain(args.call.iter().chain(&args.job).map(|text| Question::read(text)));
        Asked::List(list.collect::<Result<_, _>>().map_err(Error::Usage)?)
    };
    let command = Command { words: args.command.clone(), pool: pool.to_string() };
    let what = if is_queue { "job" } else { "call" };
    let mut transcript = Transcript::new(&command, what, context.global.json, context.global.quiet);
    let mut printed = Ok(());
    let mut tell = |at: Mono, what: Happened<'_>| {
        printed = transcript.take(at, what);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    trial::run(&command, worker, asked, timeout, &mut tell).map_err(|error| cannot_run(&error))?;
    printed?;
    transcript.end().map(Code)
}

/// The value of `--init`.
pub(super) fn init(text: Option<&str>) -> Result<Option<serde_json::Value>, Error> {
    let value = text.map(serde_json::from_str).transpose();
    value.map_err(|error| Error::Usage(format!("`--init` is not JSON: {error}")))
}

pub(super) fn cannot_run(error: &SpawnError) -> Error {
    Error::Failed(error.to_string())
}

/// The name of the service that this command would be: that of its file, else of its program.
pub(super) fn pool_of(words: &[OsString]) -> PoolName {
    let named = |word: &OsString| PoolName::new(&Path::new(word).file_stem()?.to_string_lossy()).ok();
    let has_ending = |word: &&OsString| Path::new(word).extension().is_some();
    let file = words.iter().skip(1).find(has_ending).and_then(named);
    let name = file.or_else(|| words.first().and_then(named));
    name.unwrap_or_else(|| PoolName::new(POOL).expect("BUG: the name is valid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_by_its_file() {
        let table = [
            ("python3 -u lib/calculator.py --fast", "calculator"),
            ("./calculator", "calculator"),
            ("node", "node"),
            ("'' x", POOL),
        ];
        for (command, name) in table {
            let words: Vec<OsString> = shlex::split(command).unwrap().into_iter().map(Into::into).collect();
            assert_eq!(pool_of(&words).as_str(), name, "{command}");
        }
    }
}
