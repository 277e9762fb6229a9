//! The command line: one file per verb.
//!
//! Two steps: `args` is what was typed, the verbs decide what it means. Knows the client and the seams in `backend`;
//! SQL, processes and the protocol are elsewhere. Invariant: data goes to stdout and messages to stderr, and a reader
//! that goes away ends the command without an error.

pub(crate) mod args;
mod audit;
mod autoscale;
pub(crate) mod backend;
mod backup;
mod batches;
pub(crate) mod call;
mod calls;
mod completions;
pub(crate) mod config;
pub(crate) mod context;
mod debug;
mod doctor;
pub(crate) mod errors;
mod events;
mod export;
mod health;
mod hosts;
mod import;
mod interrupted;
pub(crate) mod jobs;
mod known;
mod leaks;
mod left;
mod logging;
pub(crate) mod logs;
mod man;
pub(crate) mod metrics;
mod migrate;
mod new_file;
pub(crate) mod output;
pub(crate) mod pause;
pub(crate) mod processors;
mod push;
mod queues;
mod reach;
mod reload;
mod remote;
mod restart;
mod result;
mod running;
mod runs;
mod scale;
pub(crate) mod services;
mod spawn;
mod start;
pub(crate) mod status;
mod stop;
mod tables;
#[cfg(feature = "top")]
mod top;
mod trial;
pub(crate) mod waiting;
mod web;
pub(crate) mod why;
mod work;
mod workers;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use args::{Parsed, Verb};
use context::Context;

use crate::error::{self, Code, Error};
use crate::process::guardian::VERB as GUARDIAN_VERB;
use crate::process::inherited;
use crate::process::start_step::VERB as START_VERB;
use crate::report::{hint, words};
use crate::wire::gateway::VERB as GATEWAY_VERB;
use crate::worker::VERB as WORKER_VERB;

/// Runs the command line and says what came of it.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Children of the master skip the parser of options: they are started often, and their memory counts.
    match args.get(1).and_then(|verb| verb.to_str()) {
        Some(WORKER_VERB) => return backend::run_worker(&args[2..]),
        Some(START_VERB) => return crate::process::start_step::run(&args[2..]),
        Some(GATEWAY_VERB) => return error::report(&backend::run_gateway(&args[2..])),
        Some(GUARDIAN_VERB) => return error::report(&backend::run_guardian()),
        Some(_) | None => {}
    }
    if let Some(outcome) = completions::answer(&args) {
        return error::report(&outcome);
    }
    let outcome = match args::parse(&args) {
        Ok(parsed) => run(parsed),
        Err(error) => {
            hint::remember(args::as_typed(&args).typed(&BTreeSet::new()));
            usage(&error)
        }
    };
    error::report(&outcome)
}

fn run(parsed: Parsed) -> Result<Code, Error> {
    let Parsed { cli, from_env } = parsed;
    logging::init(&cli.global);
    inherited::survive_file_limit();
    let start = match &cli.verb {
        Some(Verb::Start(start)) => start.as_ref(),
        _ => &cli.start,
    };
    hint::remember(cli.global.typed(&from_env));
    let context = Context::new(start.to_flags(&cli.global, from_env), cli.global);
    match carry_out(&context, cli.verb.as_ref()) {
        Err(Error::NoMaster { database, .. }) => {
            Err(Error::NoMaster { database, start: waiting::start(&context, None) })
        }
        outcome => outcome,
    }
}

fn carry_out(context: &Context, verb: Option<&Verb>) -> Result<Code, Error> {
    let Some(verb) = verb else { return start::run(context) };
    match verb {
        Verb::Start(_) => start::run(context),
        Verb::Push(args) => push::run(context, args),
        Verb::Call(args) => call::run(context, args),
        Verb::Try(args) => trial::run(context, args),
        Verb::Services(args) => services::run(context, args),
        Verb::Tables(args) => tables::run(context, args),
        Verb::Calls(args) => calls::run(context, args),
        Verb::Running(args) => running::run(context, args),
        Verb::Status(args) => status::run(context, args),
        #[cfg(feature = "top")]
        Verb::Top => top::run(context),
        #[cfg(not(feature = "top"))]
        Verb::Top => status::run(context, &args::control::StatusArgs::default()),
        Verb::Debug(args) => debug::run(context, args),
        Verb::Doctor(args) => doctor::run(context, args),
        Verb::Health(args) => health::run(context, args),
        Verb::Why(args) => why::run(context, args),
        Verb::Scale(args) => scale::run(context, args),
        Verb::Autoscale(args) => autoscale::run(context, args),
        Verb::Spawn(args) => spawn::run(context, args),
        Verb::Work(args) => work::run(context, args),
        Verb::Restart(args) => restart::run(context, args),
        Verb::Reload(args) => reload::run(context, args),
        Verb::Stop(args) => stop::run(context, args),
        Verb::Pause(args) => pause::run(context, args, true),
        Verb::Resume(args) => pause::run(context, args, false),
        Verb::Queues(args) => queues::run(context, args),
        Verb::Jobs(args) => jobs::run(context, args),
        Verb::Batches(args) => batches::run(context, args),
        Verb::Ls(args) => jobs::list::run(context, &args::jobs::Ids::default(), args),
        Verb::Rm(args) => jobs::delete(context, args),
        Verb::Processors(args) => processors::run(context, args),
        Verb::Errors(args) => errors::run(context, args),
        Verb::Runs(args) => runs::run(context, args),
        Verb::Audit(args) => audit::run(context, args),
        Verb::Workers(args) => workers::run(context, args),
        Verb::Events(args) => events::run(context, args),
        Verb::Leaks => leaks::run(context),
        Verb::Metrics(args) => metrics::run(context, args),
        Verb::Logs(args) => logs::run(context, args),
        Verb::Backup(args) => backup::backup(context, args),
        Verb::Restore(args) => backup::restore(context, args),
        Verb::Migrate(args) => migrate::run(context, args),
        Verb::Web(args) => web::run(context, args),
        Verb::Config(verb) => config::run(context, verb),
        Verb::Import(args) => import::run(context, args),
        Verb::Export(args) => export::run(context, args),
        Verb::Completions(args) => completions::run(args.shell),
        Verb::Man(args) => man::run(&args.verb),
        Verb::Help(args) => help(&args.topic),
    }
}

fn help(topic: &[String]) -> Result<Code, Error> {
    let page = if topic == ["options"] { args::help::options() } else { args::help::page(topic)? };
    output::print(&page.ansi().to_string()).map(|()| Code::DONE)
}

/// Prints messages of clap: help and version on stdout, errors on stderr in our form.
fn usage(error: &clap::Error) -> Result<Code, Error> {
    if !error.use_stderr() {
        return output::print(&error.render().ansi().to_string()).map(|()| Code::DONE);
    }
    let text = error.render().to_string();
    let text = format!("queue-work: {}", text.strip_prefix("error: ").unwrap_or(&text));
    // Where stderr is gone, the exit code still speaks.
    let _ = writeln!(std::io::stderr().lock(), "{}", words::escape(&hint::complete(text.trim_end())));
    Err(Error::Said(u8::try_from(error.exit_code()).unwrap_or(2)))
}
