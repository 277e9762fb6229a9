//! `processors begin` and `end`: a run from outside, recorded through the master when one runs, else in the store.

use std::io::Read as _;

use super::{all, configured, missing, way_for};
use crate::cli::args::processors::{BeginArgs, EndArgs};
use crate::cli::backend;
use crate::cli::context::{Context, Way};
use crate::cli::output;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::change::{Reply, Request};
use crate::model::processor::{self, MOST_NOTE_BYTES, ProcessorRun, ProcessorRunState};
use crate::model::{ProcessorRunId, run_end};
use crate::report::refusals;
use crate::store::Store;
use crate::wire::processors::{BeginProcessorRun, EndProcessorRun};

/// So much is read of a note on stdin: more than is kept, which is said then.
const MOST_READ: u64 = 64 * 1024;

pub(super) fn begin(context: &Context, args: &BeginArgs) -> Result<Code, Error> {
    let params = BeginProcessorRun {
        processor: args.name.clone(),
        pid: args.pid,
        timeout_s: args.timeout.map(|timeout| timeout.as_secs_f64()),
    };
    let Some(run) = record_begin(context, &params)? else {
        let name = &args.name;
        return Err(Error::Refused(format!(
            "the processor `{name}` is disabled, and nothing was recorded; see `queue-work processors show {name}`, or enable \
             it with `queue-work processors enable {name}`"
        )));
    };
    if context.global.json { output::json(&run) } else { output::line(&run.id.to_string()) }.map(|()| Code::DONE)
}

/// `None`: it is disabled, and nothing was recorded.
pub(super) fn record_begin(context: &Context, params: &BeginProcessorRun) -> Result<Option<ProcessorRun>, Error> {
    match way_for(context, std::slice::from_ref(&params.processor))? {
        Way::Master(mut client) => Ok(client.call("processors.begin", params)?),
        Way::Store(mut store) => begin_in_store(context, store.as_mut(), params),
    }
}

fn begin_in_store(
    context: &Context,
    store: &mut dyn Store,
    params: &BeginProcessorRun,
) -> Result<Option<ProcessorRun>, Error> {
    let configured = configured(context)?;
    let settings = configured.iter().find(|settings| settings.name == params.processor);
    let now = clock::wall();
    let process = params.pid.map(|pid| backend::on_record(pid).ok_or_else(|| no_process(pid))).transpose()?;
    let timeout = params.timeout().map_err(Error::Usage)?;
    let begin = processor::BeginRun::new(&params.processor, settings.map(|s| &**s), process, timeout, now);
    match store.apply(0, &[Request::BeginRun(begin).into()], now)?.replies.pop() {
        Some(Reply::RunBegun(run)) => Ok(Some(*run)),
        Some(Reply::NoProcessor(name)) => Err(missing(&name, &all(context)?)),
        _ => Ok(None),
    }
}

fn no_process(pid: u32) -> Error {
    Error::Failed(refusals::no_process(pid))
}

pub(super) fn end(context: &Context, args: &EndArgs) -> Result<Code, Error> {
    let note = match args.note.as_deref() {
        Some("-") => Some(note_on_stdin()?),
        note => note.map(str::to_owned),
    };
    let params = EndProcessorRun { id: ProcessorRunId(args.run), state: args.state, note };
    let run = record_end(context, params)?;
    if context.global.json {
        output::json(&run)?;
    } else {
        context.done(&format!("run {} of `{}` {}", run.id, run.processor, run.state.as_str()))?;
    }
    Ok(Code::DONE)
}

fn note_on_stdin() -> Result<String, Error> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MOST_READ).read_to_end(&mut bytes).map_err(|e| Error::io("read the note", e))?;
    // A program that writes more is not to be killed by a pipe that nobody reads.
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).map_err(|e| Error::io("read the note", e))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// The run as it is on record now. A note that is too long is cut, which is said.
pub(super) fn record_end(context: &Context, mut params: EndProcessorRun) -> Result<ProcessorRun, Error> {
    if params.note.as_ref().is_some_and(|note| note.len() > MOST_NOTE_BYTES) {
        context.warn(&format!("the note is too long; its first {MOST_NOTE_BYTES} bytes are kept"));
        params.note = params.note.map(run_end::cut);
    }
    let id = params.id;
    match context.master_or_existing_store()? {
        Some(Way::Master(mut client)) => Ok(client.call("processors.end", &params)?),
        Some(Way::Store(mut store)) => {
            let state = params.state.unwrap_or(ProcessorRunState::Succeeded);
            let end = Request::EndRun { run: id, state, note: params.note };
            match store.apply(0, &[end.into()], clock::wall())?.replies.pop() {
                Some(Reply::RunEnded(run)) => Ok(*run),
                Some(Reply::RunIs(state)) => Err(Error::Refused(refusals::run_is(id, state))),
                _ => Err(Error::NotFound(refusals::no_run(id))),
            }
        }
        None => Err(Error::NotFound(refusals::no_run(id))),
    }
}
