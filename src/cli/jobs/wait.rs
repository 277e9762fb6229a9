//! `jobs wait`: waits for a job and prints its result; one that has ended already needs no master.

use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::missing;
use crate::cli::context::Context;
use crate::cli::{output, result};
use crate::client::{Client, ClientError, Notification};
use crate::error::{Code, Error};
use crate::model::{JobId, JobRecord};
use crate::process::inherited::Ignored;
use crate::report::words;
use crate::store::RunFilter;
use crate::wire::control::OneJob;

pub(super) fn run(context: &Context, id: JobId, timeout: Option<Duration>) -> Result<Code, Error> {
    let mut records = context.records()?.ok_or_else(|| missing(id))?;
    let job = records.job(id)?.ok_or_else(|| missing(id))?;
    if job.state.is_final() {
        let run = records.runs(&last_run_of(id))?.pop();
        return result::conclude(context.global.json, &job, run.as_ref());
    }
    drop(records);
    with_master(context, &mut context.connect()?, id, timeout)
}

/// Waits at the master, which must run.
pub(crate) fn with_master(
    context: &Context,
    client: &mut Client,
    id: JobId,
    timeout: Option<Duration>,
) -> Result<Code, Error> {
    let asked = OneJob { id, timeout_s: timeout.map(|t| t.as_secs_f64()) };
    let mut tell = |heard: Notification| {
        // Each attempt that failed, at once.
        if let Some(text) = heard.note() {
            context.warn(&text);
        }
        Ok(())
    };
    let ended = client.call_hearing::<JobRecord>("jobs.wait", &asked, Some(&mut tell)).and_then(|job| {
        let runs = if job.state.is_final() { client.call("runs.list", &last_run_of(id))? } else { Vec::new() };
        Ok((job, runs))
    });
    match ended {
        Ok((job, mut runs)) if job.state.is_final() => result::conclude(context.global.json, &job, runs.pop().as_ref()),
        Ok((job, _)) => {
            let after = words::duration(timeout.unwrap_or_default());
            Err(Error::Failed(format!("job {id} is still {} after {after}", job.state.as_str())))
        }
        // The job is gone.
        Err(ClientError::Refused(error)) if error.exit_code() != 1 => Err(ClientError::Refused(error).into()),
        Err(error) => lost(context, id, &error),
    }
}

/// Ctrl-C, SIGTERM and SIGHUP end a wait, not its job: says so with the id of the job, which may not be known yet.
pub(crate) fn tell_when_interrupted(id: JobId) {
    let ignored = Ignored::of_this_process();
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&s| !ignored.has(s))) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            output::say(&format!("job {id} goes on; wait for it with `queue-work jobs wait {id}`"));
            let _ = emulate_default_handler(signal);
        }
    });
}

/// The master is gone, or cannot say what came of the job; it may be on record.
fn lost(context: &Context, id: JobId, error: &ClientError) -> Result<Code, Error> {
    if let Ok(Some(mut records)) = context.records()
        && let Ok(Some(job)) = records.job(id)
        && job.state.is_final()
    {
        let run = records.runs(&last_run_of(id))?.pop();
        return result::conclude(context.global.json, &job, run.as_ref());
    }
    let why = match error {
        ClientError::Closed | ClientError::Unheard => "the master ended".to_owned(),
        other => other.to_string(),
    };
    Err(Error::WaitLost { id, why })
}

fn last_run_of(id: JobId) -> RunFilter {
    RunFilter { job: Some(id), limit: Some(1), ..RunFilter::default() }
}
