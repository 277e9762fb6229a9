//! `health`: whether everything works, for a container's HEALTHCHECK and for people: exit code 0 where all is well, 1 where
//! something is not, 3 without a master.

use super::args::control::HealthArgs;
use super::context::Context;
use super::{backend, output, processors, services, status};
use crate::clock;
use crate::error::{Code, Error};
use crate::report::health::{Facts, Health, Verdict};

/// The exit code of what is degraded or unhealthy.
const NOT_WELL: u8 = 1;

pub(crate) fn run(context: &Context, args: &HealthArgs) -> Result<Code, Error> {
    let found = status::fetch(context)?;
    let has_answered = found.trouble.is_none();
    if let Some(name) = &args.service {
        let service = found.status.pools.iter().find(|pool| pool.name == *name && pool.is_service());
        return match service {
            Some(service) => say(context, &Health::of_service(service, &found.status), found.trouble.is_none()),
            None if has_answered => Err(services::unknown(name)),
            None => Err(found.trouble.expect("BUG: there is trouble")),
        };
    }
    // A file that is wrong by now does not make the master that runs unhealthy.
    let max_wait = backend::load_config(&context.flags).ok().and_then(|loaded| loaded.config.max_wait);
    let processors = if has_answered { processors::all(context)? } else { Vec::new() };
    let health = Health::of(Facts { status: &found.status, processors: &processors, max_wait, now: clock::wall() });
    let said = say(context, &health, found.status.master.is_some());
    match found.trouble {
        // The checks say it.
        None | Some(Error::Failed(_)) => said,
        Some(trouble) => Err(trouble),
    }
}

/// `is_shown`: to people, too.
fn say(context: &Context, health: &Health, is_shown: bool) -> Result<Code, Error> {
    if context.global.json {
        output::json(health)?;
    } else if is_shown && !context.global.quiet {
        output::print(&crate::report::hint::complete(&health.text()))?;
    }
    if health.status == Verdict::Healthy { Ok(Code::DONE) } else { Err(Error::Said(NOT_WELL)) }
}
