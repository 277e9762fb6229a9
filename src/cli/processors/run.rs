//! `processors run`: a run now, which a master is needed for.

use serde_json::value::RawValue;

use crate::cli::args::processors::RunArgs;
use crate::cli::context::Context;
use crate::cli::interrupted::Awaited;
use crate::cli::output;
use crate::client::{Client, ClientError};
use crate::error::{Code, Error};
use crate::model::done::Ran;
use crate::model::processor::{ProcessorRun, ProcessorRunState};
use crate::model::{JobId, JobRecord, ProcessorRunId};
use crate::report::words;
use crate::store::ProcessorRunFilter;
use crate::wire::control::OneJob;
use crate::wire::processors::RunProcessor;
use crate::wire::push::one_line;

/// Exit code of a refusal: there is no such job.
const NOT_FOUND: u8 = 4;

pub(super) fn run(context: &Context, args: &RunArgs) -> Result<Code, Error> {
    let json = args.args.as_deref().map(|json| RawValue::from_string(one_line(json).into_owned())).transpose();
    let json = json.map_err(|e| Error::Usage(format!("`--args` is not JSON: {e}")))?;
    let mut client = context.connect()?;
    let params = RunProcessor { processor: args.name.clone(), args: json, force: args.force };
    let Ran { run, job_id } = client.call("processors.run", &params)?;
    if !context.global.json {
        output::line(&run.to_string())?;
    }
    if args.wait {
        wait(context, &mut client, job_id)?;
    } else if !context.global.json {
        return Ok(Code::DONE);
    }
    let run = as_recorded(&mut client, run)?;
    if context.global.json {
        output::json(&run)?;
    } else {
        let note = run.note.as_deref().map(|note| format!(": {}", words::escape(note))).unwrap_or_default();
        output::line(&format!("{}{note}", run.state.as_str()))?;
    }
    Ok(if !args.wait || run.state == ProcessorRunState::Succeeded { Code::DONE } else { Code(1) })
}

/// Until the job has ended, and the run with it.
fn wait(context: &Context, client: &mut Client, job: JobId) -> Result<(), Error> {
    Awaited::Job(job).tell_when_interrupted(context.paths()?);
    match client.call::<JobRecord>("jobs.wait", &OneJob { id: job, timeout_s: None }) {
        Ok(_) => Ok(()),
        // The job is gone, and the run is over.
        Err(ClientError::Refused(error)) if error.exit_code() == NOT_FOUND => Ok(()),
        Err(ClientError::Refused(error)) => Err(ClientError::Refused(error).into()),
        Err(error) => Err(Error::WaitLost { id: job, why: error.to_string() }),
    }
}

fn as_recorded(client: &mut Client, run: ProcessorRunId) -> Result<ProcessorRun, Error> {
    let before = Some(ProcessorRunId(run.0 + 1));
    let filter = ProcessorRunFilter { before, limit: Some(1), ..ProcessorRunFilter::default() };
    let runs: Vec<ProcessorRun> = client.call("processors.runs", &filter)?;
    let found = runs.into_iter().find(|found| found.id == run);
    found.ok_or_else(|| Error::NotFound(format!("run {run} is on record no more; see `queue-work processors runs`")))
}
