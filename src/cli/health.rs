//! `health`: whether everything works, for a container's HEALTHCHECK and for people: exit code 0 where all is well, 1 where
//! something is not, 3 without a master.

use super::context::Context;
use super::{backend, output, processors, status};
use crate::clock;
use crate::error::{Code, Error};
use crate::report::health::{Facts, Health, Verdict};

/// The exit code of what is degraded or unhealthy.
const NOT_WELL: u8 = 1;

pub(crate) fn run(context: &Context) -> Result<Code, Error> {
    let found = status::fetch(context)?;
    let has_answered = found.trouble.is_none();
    // A file that is wrong by now does not make the master that runs unhealthy.
    let max_wait = backend::load_config(&context.flags).ok().and_then(|loaded| loaded.config.max_wait);
    let processors = if has_answered { processors::all(context)? } else { Vec::new() };
    let health = Health::of(Facts { status: &found.status, processors: &processors, max_wait, now: clock::wall() });
    if context.global.json {
        output::json(&health)?;
    } else if found.status.master.is_some() && !context.global.quiet {
        output::print(&crate::report::hint::complete(&health.text()))?;
    }
    let is_well = health.status == Verdict::Healthy;
    match found.trouble {
        None if is_well => Ok(Code::DONE),
        // The checks say it.
        None | Some(Error::Failed(_)) => Err(Error::Said(NOT_WELL)),
        Some(trouble) => Err(trouble),
    }
}
