//! `completions`: a completion script for a shell, and the answer to a Tab.
//!
//! The script asks the program at each Tab, by a variable and `-- WORDS`, so that names and ids on record are offered as
//! well as verbs and options. Invariant: a Tab changes nothing, and what cannot be found out is not offered.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use clap::{Arg, Command, CommandFactory, ValueHint};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter};
use clap_complete::env::{EnvCompleter, Shells};

use super::args::start::StartArgs;
use super::args::{Cli, global_in};
use super::context::Context;
use super::{known, output};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::batch::BatchRecord;
use crate::model::key_record::KeyRecord;
use crate::model::processor::ProcessorRunState;
use crate::model::{FailureRecord, JobRecord, JobState, States};
use crate::report::words;
use crate::store::{BatchFilter, FailureFilter, JobFilter, KeyFilter, ProcessorRunFilter, RunFilter};

/// Names the shell that asks; set by the script and by nobody else.
const VARIABLE: &str = "QUEUE_WORK_COMPLETE";
const NAME: &str = "queue-work";
/// Ids that are offered at most.
const MOST_IDS: u32 = 50;

pub(crate) fn run(shell: Shell) -> Result<Code, Error> {
    let own = std::env::args_os().next().unwrap_or_else(|| NAME.into());
    let mut script = Vec::new();
    let words = |e| Error::io("word the completion script", e);
    completer_of(&shell.to_string())?
        .write_registration(VARIABLE, NAME, NAME, &called_as(&own), &mut script)
        .map_err(words)?;
    output::raw(&script).map(|()| Code::DONE)
}

fn completer_of(shell: &str) -> Result<&'static dyn EnvCompleter, Error> {
    const ALL: Shells<'static> = Shells::builtins();
    let found = ALL.0.iter().copied().find(|completer| completer.is(shell));
    found.ok_or_else(|| Error::Usage(format!("`{shell}` is no shell that completion is there for")))
}

/// How the script calls the program: by its name, where it was called so, else by its path.
fn called_as(own: &OsStr) -> String {
    if Path::new(own).components().count() < 2 {
        return NAME.to_owned();
    }
    std::path::absolute(own).unwrap_or_else(|_| own.into()).to_string_lossy().into_owned()
}

/// Answers a Tab, if that is what `args` are.
pub(crate) fn answer(args: &[OsString]) -> Option<Result<Code, Error>> {
    if args.get(1).is_none_or(|word| word != "--") {
        return None;
    }
    let shell = std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())?;
    Some(complete(&shell, args[2..].to_vec()))
}

fn complete(shell: &str, mut words: Vec<OsString>) -> Result<Code, Error> {
    join_values(&mut words);
    let mut command = Cli::command();
    // Before it is built it lacks `--help`, and each verb the options of every verb.
    command.build();
    let mut command = with_completers(command, &Arc::new(context_of(&words)));
    let mut answer = Vec::new();
    let here = std::env::current_dir().ok();
    // The library fails where there is nothing to complete: no message belongs at a prompt.
    let _ = completer_of(shell)?.write_complete(&mut command, words, here.as_deref(), &mut answer);
    output::raw(&answer).map(|()| Code::DONE)
}

/// Bash takes `--queue=mail` for three words. As many are left: the shell has counted them.
fn join_values(words: &mut [OsString]) {
    for at in 1..words.len() {
        if words[at] == "=" && words[at - 1].as_encoded_bytes().starts_with(b"--") {
            words.swap(at - 1, at);
            words[at - 1] = "--quiet".into();
        }
    }
}

/// Where the names are looked up: as the words say, of which some may be missing or wrong.
fn context_of(words: &[OsString]) -> Context {
    let global = global_in(Cli::command(), words);
    Context::new(StartArgs::default().to_flags(&global, BTreeSet::new()), global)
}

/// Adds to each option and argument of a verb what it can be, by the name of its value.
fn with_completers(command: Command, context: &Arc<Context>) -> Command {
    let verb = command.get_name().to_owned();
    let command = command.mut_args(|arg| with_completer(arg, &verb, context));
    command.mut_subcommands(|verb| with_completers(verb, context))
}

fn with_completer(arg: Arg, verb: &str, context: &Arc<Context>) -> Arg {
    // Options are offered where they are begun, or where there is nothing else.
    let arg = if arg.get_long().is_some() { arg.hide(true) } else { arg };
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
    let by = |find: fn(&Context) -> Vec<CompletionCandidate>| {
        let context = Arc::clone(context);
        ArgValueCompleter::new(move |typed: &OsStr| starting_with(typed, find(&context)))
    };
    match (name.as_str(), arg.get_long().unwrap_or_default()) {
        ("FILE" | "PATH", _) => arg.add(ArgValueCompleter::new(PathCompleter::any())),
        ("DIR", _) => arg.add(ArgValueCompleter::new(PathCompleter::dir())),
        ("CMD", _) => arg.value_hint(ValueHint::CommandWithArguments),
        ("NAME", "") => arg.add(by(|context| {
            let queues = known::queues(context).unwrap_or_default();
            named(
                queues.into_iter().chain(known::pools(context)).chain(known::workers(context)).collect::<BTreeSet<_>>(),
            )
        })),
        ("PROCESSOR", _) => arg.add(by(|context| named(known::processors(context)))),
        ("RUN", _) => arg.add(by(open_runs)),
        ("FINGERPRINT", _) => arg.add(by(errors)),
        ("WORKER", _) => arg.add(by(|context| named(known::workers(context)))),
        ("NAME", "pool") | ("SERVICE", _) => arg.add(by(|context| named(known::pools(context)))),
        ("NAME" | "NAMES", "queue") | ("QUEUE", _) => {
            arg.add(by(|context| named(known::queues(context).unwrap_or_default())))
        }
        ("KEY", "key") => arg.add(if verb == "resume" { by(paused_keys) } else { by(keys) }),
        ("LENGTH", _) => arg.add(by(|_| named(["10m", "1h", "off"].map(str::to_owned)))),
        ("BATCH" | "ID|NAME", _) => arg.add(by(batches)),
        ("JOB", _) => arg.add(by(recent_jobs)),
        ("ID", _) => arg.add(match verb {
            "retry" => by(|context| jobs_in(context, &[JobState::Dead, JobState::Cancelled, JobState::Scheduled])),
            "cancel" => by(|context| jobs_in(context, &[JobState::Running, JobState::Scheduled, JobState::Blocked])),
            _ => by(recent_jobs),
        }),
        ("VERB", _) => arg.add(ArgValueCompleter::new(|typed: &OsStr| {
            let command = Cli::command();
            let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
            starting_with(typed, named(verbs.map(|verb| verb.get_name().to_owned())))
        })),
        _ => arg,
    }
}

fn starting_with(typed: &OsStr, mut candidates: Vec<CompletionCandidate>) -> Vec<CompletionCandidate> {
    let typed = typed.as_encoded_bytes();
    candidates.retain(|candidate| candidate.get_value().as_encoded_bytes().starts_with(typed));
    candidates
}

fn named(names: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    names.into_iter().map(CompletionCandidate::new).collect()
}

fn jobs_in(context: &Context, states: &[JobState]) -> Vec<CompletionCandidate> {
    let Ok(Some(mut records)) = context.records() else { return Vec::new() };
    let of_state = |state: &JobState| {
        let filter =
            JobFilter { states: States::of(&[*state]), limit: Some(MOST_IDS), newest: true, ..JobFilter::default() };
        records.jobs(&filter).unwrap_or_default()
    };
    states.iter().flat_map(of_state).map(|job| candidate(&job)).collect()
}

/// Keys that wait, those with the most jobs first.
fn keys(context: &Context) -> Vec<CompletionCandidate> {
    let Ok(Some(mut records)) = context.records() else { return Vec::new() };
    let queues = records.queue_totals().unwrap_or_default();
    let mut found: Vec<KeyRecord> = Vec::new();
    for queue in queues.into_iter().filter(|queue| queue.limits.is_some()) {
        let filter = KeyFilter { queue: queue.name, key: None, limit: Some(MOST_IDS) };
        found.extend(records.keys(&filter).unwrap_or_default());
    }
    named(found.into_iter().map(|found| found.key).filter(|key| !key.is_empty()).collect::<BTreeSet<_>>())
}

fn paused_keys(context: &Context) -> Vec<CompletionCandidate> {
    let Ok(Some(mut records)) = context.records() else { return Vec::new() };
    let limits = records.queue_totals().unwrap_or_default().into_iter().filter_map(|queue| queue.limits);
    named(limits.flat_map(|limits| limits.paused.keys().cloned().collect::<Vec<_>>()).collect::<BTreeSet<_>>())
}

/// Errors that runs have failed of, the most dead first, then those that are muted.
fn errors(context: &Context) -> Vec<CompletionCandidate> {
    let Ok(Some(mut records)) = context.records() else { return Vec::new() };
    let mut found = |muted| {
        let filter = FailureFilter { muted, limit: Some(MOST_IDS), ..FailureFilter::default() };
        records.failures(&filter, clock::wall()).unwrap_or_default()
    };
    // Muted ones too: somebody may want to list them again.
    let found = found(false).into_iter().chain(found(true));
    let help = |error: &FailureRecord| Some(words::escape(&error.message).into());
    found.map(|error| CompletionCandidate::new(error.fingerprint.to_string()).help(help(&error))).collect()
}

/// The newest batches.
fn batches(context: &Context) -> Vec<CompletionCandidate> {
    let Ok(Some(mut records)) = context.records() else { return Vec::new() };
    let filter = BatchFilter { limit: Some(MOST_IDS), ..BatchFilter::default() };
    let found = records.batches(&filter).unwrap_or_default().into_iter();
    let help = |batch: &BatchRecord| Some(words::escape(batch.name.as_deref()?).into());
    found.map(|batch| CompletionCandidate::new(batch.id.to_string()).help(help(&batch))).collect()
}

/// Jobs that run, then those that ran last.
fn recent_jobs(context: &Context) -> Vec<CompletionCandidate> {
    let mut jobs = jobs_in(context, &[JobState::Running]);
    let Ok(Some(mut records)) = context.records() else { return jobs };
    let runs = records.runs(&RunFilter { limit: Some(MOST_IDS), ..RunFilter::default() }).unwrap_or_default();
    for run in runs {
        let Ok(Some(job)) = records.job(run.job_id) else { continue };
        let job = candidate(&job);
        if !jobs.contains(&job) {
            jobs.push(job);
        }
    }
    jobs
}

/// Runs of processors that are not over.
fn open_runs(context: &Context) -> Vec<CompletionCandidate> {
    let Ok(Some(mut records)) = context.records() else { return Vec::new() };
    let state = Some(ProcessorRunState::Running);
    let filter = ProcessorRunFilter { state, limit: Some(MOST_IDS), ..ProcessorRunFilter::default() };
    let runs = records.processor_runs(&filter).unwrap_or_default().into_iter();
    runs.map(|run| CompletionCandidate::new(run.id.to_string()).help(Some(run.processor.to_string().into()))).collect()
}

fn candidate(job: &JobRecord) -> CompletionCandidate {
    let help = words::escape(&format!("{} {} in {}", job.state.as_str(), job.kind, job.queue));
    CompletionCandidate::new(job.id.to_string()).help(Some(help.into()))
}
