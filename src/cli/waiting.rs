//! Says what keeps a job from running, and which command starts a master that runs what waits.
//!
//! Invariant: who types what is named here never makes a job dead by it: a master is started for what it can run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::Path;

use super::context::Context;
use super::{backend, output};
use crate::client::{Client, NONE};
use crate::model::unserved::Unserved;
use crate::model::{EXEC, Lane, QueueName, QueueTotals, Takes};
use crate::report::Status;
use crate::report::status::{MOST_UNSERVED, UnservedStatus};
use crate::store::Records;

/// Queues that are named in the command that starts a master, and problems that are said after a push.
const MOST: usize = 5;

/// The jobs that were pushed.
pub(crate) enum Pushed<'a> {
    /// Of one queue, `default` where none is named, and of one type.
    Of(Option<&'a str>, &'a str),
    /// Of several.
    Several,
}

/// The command that starts a master for what waits: the pools of the file, where it has some.
pub(crate) fn start(context: &Context) -> String {
    let program = format!("queue-work{}", typed(context));
    if backend::load_config(&context.flags).is_ok_and(|loaded| loaded.names_pools) {
        return program;
    }
    let waiting = waiting(context);
    let commands: Vec<&Unserved> = waiting.iter().filter(|found| found.lane == Lane::Commands).collect();
    // What is not served along with them is named by the master.
    let served = if commands.is_empty() { waiting.iter().collect() } else { commands };
    let names: Vec<&str> = served.iter().map(|found| found.queue.as_str()).take(MOST).collect();
    match served.first() {
        Some(first) => format!("{program} --queue {}{}", names.join(","), first.program()),
        None => format!("{program} --queue default"),
    }
}

/// Ready jobs by queue, as if no pool served any.
fn waiting(context: &Context) -> Vec<Unserved> {
    let totals = context.records().ok().flatten().and_then(|mut records| records.queue_totals().ok());
    totals.into_iter().flatten().flat_map(|totals| Unserved::of(&totals, None)).collect()
}

/// Ready jobs that none of the pools takes which a master would have, where these are named.
pub(crate) fn unserved(context: &Context, totals: &[QueueTotals], records: &mut dyn Records) -> Vec<UnservedStatus> {
    let Ok(loaded) = backend::load_config(&context.flags) else { return Vec::new() };
    if !loaded.names_pools {
        return Vec::new();
    }
    let mut queues: BTreeMap<&QueueName, BTreeSet<Takes>> = BTreeMap::new();
    for settings in loaded.config.pools.iter().map(|pool| &pool.settings) {
        for queue in settings.queues.names() {
            queues.entry(queue).or_default().insert(settings.takes.clone());
        }
    }
    let found = totals.iter().flat_map(|totals| Unserved::of(totals, queues.get(&totals.name)));
    let with_first = |found: Unserved| {
        let first = records.first_other(&found.queue).ok().flatten();
        UnservedStatus::from(&found.with_first(first.map(Into::into)))
    };
    found.take(MOST_UNSERVED).map(with_first).collect()
}

/// The options with which this command was told where things are, to be typed again.
fn typed(context: &Context) -> String {
    let flags = &context.flags;
    let options = [("config", &flags.config), ("database", &flags.database), ("socket", &flags.socket)];
    let given = options.into_iter().filter(|(name, _)| !flags.from_env.contains(*name));
    given.filter_map(|(name, path)| Some(format!(" --{name} {}", quoted(path.as_deref()?)))).collect()
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%=,".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// On a terminal: which store took the jobs, where that is not the default, and what keeps them from running.
pub(crate) fn say_after_push(context: &Context, master: Option<&mut Client>, pushed: &Pushed<'_>) {
    let global = &context.global;
    let is_watched = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    if !is_watched || global.quiet || global.json {
        return;
    }
    let Ok(database) = context.paths().map(|paths| paths.database.to_string()) else { return };
    let Some(master) = master else {
        return output::say(&format!("no master runs on `{database}`; start one with `{}`", start(context)));
    };
    if backend::load_config(&context.flags).is_ok_and(|loaded| loaded.origins.get("database") != "default") {
        output::say(&format!("added to `{database}`"));
    }
    say_unserved(master, pushed);
}

/// Says what keeps jobs from running although a master does.
pub(crate) fn say_unserved(master: &mut Client, pushed: &Pushed<'_>) {
    let Ok(status) = master.call::<Status>("status", &NONE) else { return };
    let problems = match pushed {
        Pushed::Of(queue, kind) => {
            let queue = queue.map_or_else(|| QueueName::default().to_string(), str::to_owned);
            problem(&status, &queue, kind).into_iter().collect()
        }
        Pushed::Several => status.unserved.into_iter().take(MOST).map(|found| found.problem).collect::<Vec<_>>(),
    };
    for problem in problems {
        output::say(&problem);
    }
}

fn problem(status: &Status, queue: &str, kind: &str) -> Option<String> {
    let totals = status.queues.iter().find(|totals| totals.name.as_str() == queue);
    if totals.is_some_and(|totals| totals.paused) {
        return Some(format!("queue `{queue}` is paused; let it go on with `queue-work resume {queue}`"));
    }
    let pools: Vec<_> = status.pools.iter().filter(|p| p.queues.iter().any(|name| name.as_str() == queue)).collect();
    if pools.iter().any(|pool| Takes::is_among(&pool.takes, kind)) {
        return None;
    }
    let is_command = |found: &UnservedStatus| found.kind.as_deref() == Some(EXEC);
    let of_queue = |found: &&UnservedStatus| {
        found.queue.as_str() == queue && (pools.is_empty() || is_command(found) == (kind == EXEC))
    };
    // A job that is due later is not among those that wait.
    let later = || {
        let lane = if kind == EXEC { Lane::Commands } else { Lane::Others };
        let (queue, first) = (QueueName::new(queue).ok()?, Some(kind.into()));
        let found = Unserved { queue, lane, jobs: 0, first: None, is_queue_served: !pools.is_empty() };
        Some(found.with_first(first).to_string())
    };
    status.unserved.iter().find(of_queue).map(|found| found.problem.clone()).or_else(later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_read_it_otherwise() {
        for (path, text) in [("/var/q.db", "/var/q.db"), ("my q.db", "'my q.db'"), ("it's", r"'it'\''s'")] {
            assert_eq!(quoted(Path::new(path)), text);
        }
    }
}
