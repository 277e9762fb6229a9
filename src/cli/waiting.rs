//! Says what keeps a job from running, and which command starts a master that runs what waits.
//!
//! Invariant: who types what is named here never makes a job dead by it: a master is started for what it can run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;

use super::context::Context;
use super::{backend, output};
use crate::client::{Client, NONE};
use crate::config::Loaded;
use crate::model::host::HostState;
use crate::model::serves::Serves;
use crate::model::unserved::Unserved;
use crate::model::{EXEC, Lane, QueueName, QueueTotals, Takes};
use crate::report::status::{MOST_UNSERVED, UnservedStatus};
use crate::report::why::{self, Reason};
use crate::report::{Status, refusals};
use crate::store::Records;

/// The queue of a job for which none is named.
const DEFAULT_QUEUE: &str = "default";
/// Queues that are named in the command that starts a master, and problems that are said after a push.
const MOST: usize = 5;

/// The jobs that were pushed.
pub(crate) enum Pushed<'a> {
    /// Of one queue, `default` where none is named, and of one type.
    Of(Option<&'a str>, &'a str),
    /// Of several.
    Several,
}

impl<'a> Pushed<'a> {
    fn queue_and_type(&self) -> Option<(&'a str, &'a str)> {
        match *self {
            Self::Of(queue, kind) => Some((queue.unwrap_or(DEFAULT_QUEUE), kind)),
            Self::Several => None,
        }
    }
}

/// The command that starts a master for what waits: the pools of the file, where it has some. A job of this queue and
/// type, which was just pushed, is served by it.
pub(crate) fn start(context: &Context, pushed: Option<(&str, &str)>) -> String {
    let has_own = |loaded: Loaded| loaded.names_pools || pushed.is_none() && !loaded.config.processors.is_empty();
    if backend::load_config(&context.flags).is_ok_and(has_own) {
        return "queue-work".to_owned();
    }
    let waiting = waiting(context);
    let is_command = |found: &Unserved| found.lane == Lane::Commands;
    let runs_commands = pushed.map_or_else(|| waiting.iter().any(is_command), |(_, kind)| kind == EXEC);
    // What is not served along with them is named by the master.
    let alike = waiting.iter().filter(|found| is_command(found) == runs_commands).map(|found| found.queue.as_str());
    let first = pushed.map(|(queue, _)| queue);
    let names: Vec<&str> = first.into_iter().chain(alike.filter(|name| Some(*name) != first)).take(MOST).collect();
    match (names.is_empty(), runs_commands) {
        (true, _) => format!("queue-work --queue {DEFAULT_QUEUE}"),
        (false, true) => format!("queue-work --queue {}", names.join(",")),
        (false, false) => format!("queue-work --queue {} -- CMD", names.join(",")),
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
    let elsewhere = served_by_hosts(records);
    if !loaded.names_pools && elsewhere.is_empty() {
        return Vec::new();
    }
    let mut queues: BTreeMap<&QueueName, BTreeSet<Takes>> = elsewhere.by_queue().collect();
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

/// What the masters that live serve, where several hosts share the store.
fn served_by_hosts(records: &mut dyn Records) -> Serves {
    let mut serves = Serves::default();
    let hosts = records.hosts().unwrap_or_default().into_iter();
    hosts.filter(|host| host.state == HostState::Running).for_each(|host| serves.add(host.serves));
    serves
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
        let elsewhere = context.records().ok().flatten().map(|mut records| served_by_hosts(records.as_mut()));
        if elsewhere.is_none_or(|serves| serves.is_empty()) {
            let start = start(context, pushed.queue_and_type());
            output::say(&format!("no master runs on `{database}`; start one with `{start}`"));
        }
        return say_held_back(context, pushed);
    };
    if backend::load_config(&context.flags).is_ok_and(|loaded| loaded.origins.get("database") != "default") {
        output::say(&format!("added to `{database}`"));
    }
    say_unserved(master, pushed);
}

/// Says what will keep jobs from running also when a master does that is started as the configuration says.
fn say_held_back(context: &Context, pushed: &Pushed<'_>) {
    let Ok(Some(mut records)) = context.records() else { return };
    let Ok(totals) = records.queue_totals() else { return };
    let pushed_to = |queue: &QueueName| pushed.queue_and_type().is_none_or(|(name, _)| queue.as_str() == name);
    let is_held = |totals: &&QueueTotals| {
        totals.paused && totals.blocked + totals.ready + totals.scheduled > 0 && pushed_to(&totals.name)
    };
    for totals in totals.iter().filter(is_held).take(MOST) {
        output::say(&Reason::Paused { queue: totals.name.clone() }.line());
    }
    let Ok(loaded) = backend::load_config(&context.flags) else { return };
    let pools = loaded.config.pools.iter();
    let served: Vec<&str> = pools.flat_map(|pool| pool.settings.queues.names()).map(QueueName::as_str).collect();
    let unserved = unserved(context, &totals, records.as_mut());
    for found in unserved.into_iter().filter(|found| pushed_to(&found.queue)).take(MOST) {
        output::say(&with_tip(&found.problem, found.queue.as_str(), &served));
    }
}

/// Where the queue is not served, and one with a name that is near is: that may be meant.
fn with_tip(problem: &str, queue: &str, served: &[&str]) -> String {
    let tip = refusals::near(queue, served.iter().copied()).filter(|_| !served.contains(&queue));
    tip.map_or_else(|| problem.to_owned(), |tip| format!("{problem}; {tip}"))
}

/// Says what keeps jobs from running although a master does.
pub(crate) fn say_unserved(master: &mut Client, pushed: &Pushed<'_>) {
    let Ok(status) = master.call::<Status>("status", &NONE) else { return };
    let served: Vec<&str> = status.pools.iter().flat_map(|pool| &pool.queues).map(QueueName::as_str).collect();
    let problems: Vec<(String, &str)> = if let Some((queue, kind)) = pushed.queue_and_type() {
        problem(&status, queue, kind).map(|problem| (problem, queue)).into_iter().collect()
    } else {
        let unserved = status.unserved.iter().take(MOST);
        unserved.map(|found| (found.problem.clone(), found.queue.as_str())).collect()
    };
    for (problem, queue) in problems {
        output::say(&with_tip(&problem, queue, &served));
    }
}

fn problem(status: &Status, queue: &str, kind: &str) -> Option<String> {
    why::by_queue(status, &QueueName::new(queue).ok()?, kind).map(|reason| reason.line())
}
