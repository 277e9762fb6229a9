//! Names of queues and pools that were typed: an unknown one is refused, not answered with an empty list.
//!
//! Asked only where nothing was found, so that it costs nothing as a rule. Invariant: a name that the store, the master
//! or the configuration knows is never refused.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::Context;
use super::{backend, processors, reach};
use crate::client::{NONE, Patience};
use crate::error::Error;
use crate::model::worker::pool_of;
use crate::report::{Status, refusals};

/// How long a master may take to say what it serves.
const PATIENCE: Duration = Duration::from_millis(1500);

/// All queues that are on record, served or configured.
pub(crate) fn queues(context: &Context) -> Result<BTreeSet<String>, Error> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    if let Some(mut records) = context.records()? {
        known.extend(records.queue_totals()?.into_iter().map(|queue| queue.name.to_string()));
    }
    // A wrong configuration is no reason to doubt a name, nor is a master that does not answer.
    if let Ok(loaded) = backend::load_config(&context.flags) {
        let pools = loaded.config.pools.iter();
        known.extend(pools.flat_map(|pool| pool.settings.queues.names().map(ToString::to_string).collect::<Vec<_>>()));
    }
    let served = status(context).into_iter().flat_map(|status| status.pools).flat_map(|pool| pool.queues);
    known.extend(served.map(|queue| queue.to_string()));
    Ok(known)
}

/// All pools that run or are configured.
pub(crate) fn pools(context: &Context) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    if let Ok(loaded) = backend::load_config(&context.flags) {
        known.extend(loaded.config.pools.iter().map(|pool| pool.settings.name.to_string()));
    }
    known.extend(status(context).into_iter().flat_map(|status| status.pools).map(|pool| pool.name));
    known
}

/// All processors that are configured or on record.
pub(crate) fn processors(context: &Context) -> Vec<String> {
    let known = processors::all(context).unwrap_or_default();
    known.into_iter().map(|processor| processor.name.to_string()).collect()
}

/// The workers of the master that runs.
pub(crate) fn workers(context: &Context) -> Vec<String> {
    status(context).into_iter().flat_map(|status| status.workers).map(|worker| worker.id).collect()
}

/// Refuses a queue that is neither on record, served nor configured.
pub(crate) fn queue(context: &Context, name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let known = queues(context)?;
    if known.contains(name) {
        return Ok(());
    }
    Err(Error::NotFound(refusals::no_queue(name, known.iter().map(String::as_str))))
}

/// Refuses a pool that neither runs nor is configured.
pub(crate) fn pool(context: &Context, name: &str) -> Result<(), Error> {
    let known = pools(context);
    if known.contains(name) {
        return Ok(());
    }
    let tip = refusals::nearest(name, known.iter().map(String::as_str));
    Err(Error::NotFound(format!("there is no pool `{name}`, and no worker of one is on record{tip}")))
}

/// Refuses the name of a worker, or a pool, that neither has a log nor can come to have one.
pub(crate) fn worker_to_follow(context: &Context, name: &str) -> Result<(), Error> {
    let Some(status) = status(context) else { return Ok(()) };
    let pool = pool_of(name).unwrap_or(name);
    if status.pools.iter().any(|known| known.name == pool || known.name == name) {
        return Ok(());
    }
    let tip = refusals::nearest(name, status.workers.iter().map(|worker| worker.id.as_str()));
    Err(Error::NotFound(format!("there is no worker `{name}`{tip}")))
}

fn status(context: &Context) -> Option<Status> {
    let mut client = reach::master_if_any(context.paths().ok()?, Patience::Limited(PATIENCE)).ok()??;
    client.call("status", &NONE).ok()
}
