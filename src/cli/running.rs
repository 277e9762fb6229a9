//! `running`: whether a service, a pool or a worker runs, by the exit code.

use serde::Serialize;

use super::args::services::RunningArgs;
use super::context::Context;
use super::output;
use crate::client::NONE;
use crate::error::{Code, Error};
use crate::report::{Status, refusals};

/// The answer as JSON.
#[derive(Serialize)]
struct Found<'a> {
    name: &'a str,
    running: bool,
    pids: Vec<u32>,
}

pub(crate) fn run(context: &Context, args: &RunningArgs) -> Result<Code, Error> {
    let name = args.name.as_str();
    let status: Option<Status> = context.try_connect()?.map(|mut master| master.call("status", &NONE)).transpose()?;
    let workers = status.iter().flat_map(|status| &status.workers);
    let pids: Vec<u32> =
        workers.filter(|worker| worker.id == name || worker.pool == name).filter_map(|worker| worker.pid).collect();
    let is_running = !pids.is_empty();
    if context.global.json {
        output::json(&Found { name, running: is_running, pids })?;
    } else if !context.global.quiet {
        pids.iter().try_for_each(|pid| output::line(&pid.to_string()))?;
    }
    match status {
        _ if is_running => Ok(Code::DONE),
        None => Err(Error::NotFound(format!("`{name}` does not run, and neither does a master"))),
        Some(status) => {
            let known = || {
                let pools = status.pools.iter().map(|pool| pool.name.as_str());
                pools.chain(status.workers.iter().map(|worker| worker.id.as_str()))
            };
            let tip = if known().any(|known| known == name) { String::new() } else { refusals::nearest(name, known()) };
            Err(Error::NotFound(format!("`{name}` does not run{tip}")))
        }
    }
}
