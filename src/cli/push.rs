//! `push`: adds jobs, one or many.
//!
//! Through the master when one runs, else into the store. What a job may be is checked by `wire::push`, before
//! anything is sent.

mod bulk;
mod input;
mod interrupt;
mod lines;
mod make;
mod sink;
mod spool;
mod staged;
mod stream;
mod ways;

use std::io::Read;

use super::args::push::PushArgs;
use super::context::Context;
use super::interrupted::Awaited;
use super::waiting::{self, Pushed};
use super::{jobs, output, reach};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::payload::MAX_ARGS_BYTES;
use crate::model::{JobId, OsText, QueueName};
use crate::wire::control::{PushBatch, PushJob};
use crate::wire::push::to_new_job;
use make::Common;
use sink::{Sink, say_if_unknown};

pub(crate) fn run(context: &Context, args: &PushArgs) -> Result<Code, Error> {
    check(args)?;
    let common = Common::new(args)?;
    if args.stream && matches!(common.batch, Some(PushBatch::New(_))) {
        return Err(Error::Usage(
            "jobs that are streamed join a batch that is open (`--batch ID`): a new one could end before the last line comes"
                .to_owned(),
        ));
    }
    if args.lines || args.jsonl {
        return bulk::run(context, args, &common);
    }
    let job = PushJob { batch: common.batch.clone(), ..single(args, &common)? };
    to_new_job(&job, &QueueName::default(), clock::wall()).map_err(Error::Usage)?;
    if job.kind.contains(char::is_whitespace) && args.args.is_none() {
        context
            .warn(&format!("`{0}` is taken for a job type; a command is pushed by `queue-work push -- {0}`", job.kind));
    }
    let mut sink = Sink::open(context, args.wait)?;
    let next = if job.unique.is_some() {
        "pushing it again does not add it twice while it is unfinished, as it has a unique key"
    } else {
        "see `queue-work jobs list` before you push it again"
    };
    let unknown = format!("it is unknown whether the job was added; {next}");
    let pushed = sink.push(&job).inspect_err(|error| say_if_unknown(error, &unknown))?;
    let what = Pushed::Of(job.queue.as_deref(), &job.kind);
    if args.wait {
        return wait(context, sink, pushed.id, &what);
    }
    if context.global.json {
        output::json(&pushed)?;
    } else {
        output::line(&pushed.id.to_string())?;
    }
    waiting::say_after_push(context, sink.master(), &what);
    sink.close();
    Ok(Code::DONE)
}

fn wait(context: &Context, sink: Sink<'_>, id: JobId, what: &Pushed<'_>) -> Result<Code, Error> {
    match sink.into_master() {
        Some(mut client) => {
            if !context.global.quiet {
                waiting::say_unserved(&mut client, what);
            }
            Awaited::Job(id).tell_when_interrupted(context.paths()?);
            jobs::wait::with_master(context, &mut client, id, None)
        }
        None => Err(reach::none_runs(context.paths()?)),
    }
}

/// Checks that clap cannot make.
fn check(args: &PushArgs) -> Result<(), Error> {
    let bulk = args.lines || args.jsonl;
    let only_bulk = [
        (args.file.is_some(), "--file"),
        (args.skip_bad, "--skip-bad"),
        (args.ids, "--ids"),
        (args.stream, "--stream"),
    ];
    if let Some((_, option)) = only_bulk.iter().find(|(given, _)| *given && !bulk) {
        return Err(Error::Usage(format!("`{option}` goes with `--lines` or `--jsonl`")));
    }
    if let Some((_, option)) = [(args.null, "--null"), (args.crlf, "--crlf")].iter().find(|o| o.0 && !args.lines) {
        return Err(Error::Usage(format!("`{option}` goes with `--lines`")));
    }
    let only_command = [(!args.env.is_empty(), "--env"), (args.cwd.is_some(), "--cwd")];
    if let Some((_, option)) = only_command.iter().find(|(given, _)| *given && args.command.is_empty()) {
        return Err(Error::Usage(format!("`{option}` goes with a command after `--`")));
    }
    if args.kind.is_none() && args.command.is_empty() && !args.jsonl {
        return Err(Error::Usage(
            "say what to do: `queue-work push TYPE [JSON]` or `queue-work push -- CMD …`".to_owned(),
        ));
    }
    Ok(())
}

fn single(args: &PushArgs, common: &Common) -> Result<PushJob, Error> {
    match &args.kind {
        Some(kind) => {
            let text = match args.args.as_deref() {
                Some("-") => Some(stdin()?),
                other => other.map(str::to_owned),
            };
            common.typed(kind, text.as_deref().unwrap_or("null")).map_err(Error::Usage)
        }
        None => common.command(&command_of(args)).map_err(Error::Usage),
    }
}

/// The command that was typed.
fn command_of(args: &PushArgs) -> Vec<OsText> {
    args.command.iter().map(OsText::from).collect()
}

fn stdin() -> Result<String, Error> {
    let mut bytes = Vec::new();
    let limit = MAX_ARGS_BYTES as u64 + 1;
    std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(|e| Error::io("read stdin", e))?;
    // Before anything else: what was not read to its end would be reported as broken.
    if bytes.len() > MAX_ARGS_BYTES {
        return Err(Error::Usage(format!(
            "the args on stdin are too long; the limit is {MAX_ARGS_BYTES} bytes: put large data in a file and pass its path"
        )));
    }
    String::from_utf8(bytes).map_err(|_| Error::Usage("args are not valid JSON: stdin is not UTF-8".to_owned()))
}
