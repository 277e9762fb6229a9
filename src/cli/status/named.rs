//! `status NAME`: finds what has the name, and says what there is where nothing has.

use super::Found;
use crate::cli::context::Context;
use crate::cli::{backend, known};
use crate::error::Error;
use crate::model::QueueName;
use crate::model::worker::pool_of;
use crate::report::status::Named;
use crate::report::{Status, refusals, words};

/// The last lines of a worker that are shown.
const LINES: usize = 10;
/// Names of each kind that are listed where one is unknown.
const LISTED: usize = 5;

/// All that has the name.
pub(crate) fn find(context: &Context, name: &str, found: &Found) -> Result<Named, Error> {
    let mut named = Named::of(&found.status, name);
    if !named.workers.is_empty() {
        let (folder, wanted) = (&context.paths()?.logs_dir, backend::Wanted { job: None, since: None });
        let lines = backend::tail(folder, name, wanted, LINES);
        named.log = Some(lines.map_err(|e| Error::io(format!("read the output of `{name}`"), e))?);
    }
    if !named.is_empty() {
        return Ok(named);
    }
    match &found.trouble {
        // Without a master only queues are known; pools that are configured, and workers of theirs, will be there.
        Some(Error::NoMaster { database, .. }) if is_configured(context, name) => {
            Err(Error::NoMaster { database: database.clone(), start: String::new() })
        }
        Some(Error::Failed(why)) => Err(Error::Failed(why.clone())),
        Some(_) | None => Err(Error::NotFound(unknown(name, &found.status))),
    }
}

fn is_configured(context: &Context, name: &str) -> bool {
    let pool = pool_of(name);
    let pools = known::pools(context);
    pools.contains(name) || pool.is_some_and(|pool| pools.contains(pool))
}

fn unknown(name: &str, status: &Status) -> String {
    let queues = status.queues.iter().map(|queue| queue.name.as_str());
    let served = status.pools.iter().flat_map(|pool| &pool.queues).map(QueueName::as_str);
    let mut queues: Vec<&str> = queues.chain(served).collect();
    queues.sort_unstable();
    queues.dedup();
    let pools: Vec<&str> = status.pools.iter().map(|pool| pool.name.as_str()).collect();
    let mut workers: Vec<&str> = status.workers.iter().map(|worker| worker.id.as_str()).collect();
    workers.dedup();
    let all = [("queue", queues), ("pool", pools), ("worker", workers)];
    let tip = refusals::nearest(name, all.iter().flat_map(|(_, names)| names.iter().copied()));
    let listed: Vec<String> = all.iter().filter_map(|(what, names)| list(what, names)).collect();
    let known = if listed.is_empty() { String::new() } else { format!("; known: {}", listed.join("; ")) };
    format!("there is no queue, pool or worker `{name}`{known}{tip}")
}

/// One kind of names: the first of them, and how many more there are.
fn list(what: &str, names: &[&str]) -> Option<String> {
    let s = if names.len() == 1 { "" } else { "s" };
    let first = match names.split_at_checked(LISTED) {
        _ if names.is_empty() => return None,
        Some((first, rest @ [_, ..])) => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} and {} more", first.join(", "), rest.len())
        }
        Some(_) | None => words::list(names),
    };
    Some(format!("{what}{s} {first}"))
}
