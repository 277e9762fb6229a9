//! `status`: queues, pools, workers, totals; without a master, what the store says of the queues, and exit code 3; with one
//! that cannot be reached or does not answer in time, the same with exit code 1. With a name: all of that.

pub(crate) mod named;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use serde::Serialize;

use super::args::control::{StatusArgs, Watch};
use super::context::Context;
use super::{backend, output, processors, reach, waiting};
use crate::client::{Client, ClientError, NONE, Patience};
use crate::clock;
use crate::config::Paths;
use crate::error::{Code, Error};
use crate::model::host::HostRecord;
use crate::model::{Generation, QueueTotals, UnixMicros};
use crate::report;
use crate::report::status::{MasterStatus, QueueStatus, UNREACHABLE};
use crate::report::status_text::{self, View};
use crate::report::{Status, status_named, words};
use crate::store::LastMaster;

/// How long the master may take before what the store knows is shown instead.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a running master may be without a socket: just starting, or about to make a lost one again.
const WITHOUT_SOCKET: Duration = Duration::from_secs(1);
/// Exit code of what Ctrl-C ends.
const INTERRUPTED: u8 = 130;
/// Another screen, without a cursor, and the way back to the one before.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Puts the cursor to the top left and clears the screen below it.
const REDRAW: &str = "\x1b[H\x1b[J";
/// How often it is shown again, unless that is said.
const USUAL_INTERVAL: Duration = Duration::from_secs(2);
/// Errors of dead jobs that are read: one more than are shown.
const DEAD: usize = 4;
/// Jobs that run which are looked up for what they are to do.
const TASKS: usize = 200;

/// The status, and why it is not from the master.
pub(crate) struct Found {
    pub(crate) status: Status,
    pub(crate) trouble: Option<Error>,
}

pub(crate) fn run(context: &Context, args: &StatusArgs) -> Result<Code, Error> {
    let asked = Asked::of(args)?;
    let Some(interval) = asked.interval else {
        let found = fetch(context)?;
        show(context, &asked, &found)?;
        return found.trouble.map_or(Ok(Code::DONE), Err);
    };
    if context.global.json || !std::io::stdout().is_terminal() {
        loop {
            show(context, &asked, &fetch(context)?)?;
            clock::pause(interval);
        }
    }
    let (to, interrupted) = crossbeam_channel::bounded(1);
    // A handler can be set once, and there is none yet.
    let _ = ctrlc::set_handler(move || {
        let _ = to.try_send(());
    });
    output::print(ENTER)?;
    let watched = redraw(context, &asked, || interrupted.recv_timeout(interval).is_ok());
    output::print(LEAVE)?;
    watched
}

/// What was asked for.
struct Asked<'a> {
    name: Option<&'a str>,
    /// How often.
    interval: Option<Duration>,
    /// Also what does not fit on the screen.
    all: bool,
}

impl<'a> Asked<'a> {
    fn of(args: &'a StatusArgs) -> Result<Self, Error> {
        let (interval, behind) = match &args.watch {
            Some(Watch::Every(interval)) => (Some(*interval), None),
            Some(Watch::Name(name)) => (Some(USUAL_INTERVAL), Some(name.as_str())),
            None => (None, None),
        };
        let name = match (args.name.as_deref(), behind) {
            (Some(name), Some(other)) => {
                let text = format!("`{name}` and `{other}` cannot be shown at once; name one of them");
                return Err(Error::Usage(text));
            }
            (name, behind) => name.or(behind),
        };
        Ok(Self { name, interval, all: args.all })
    }
}

/// Draws the screen again and again, until an error or Ctrl-C.
fn redraw(context: &Context, asked: &Asked<'_>, is_interrupted: impl Fn() -> bool) -> Result<Code, Error> {
    loop {
        let text = worded(context, asked, &fetch(context)?)?;
        let (width, height) = output::screen().unzip();
        let mut left = height.map_or(usize::MAX, |height| height.saturating_sub(1));
        let fits = |line: &&str| {
            let rows = status_text::rows(line, width);
            let fits = rows <= left;
            left = left.saturating_sub(rows);
            fits
        };
        let fits: Vec<&str> = text.lines().take_while(fits).collect();
        output::print(&format!("{REDRAW}{}\n", fits.join("\n")))?;
        if is_interrupted() {
            return Err(Error::Said(INTERRUPTED));
        }
    }
}

fn show(context: &Context, asked: &Asked<'_>, found: &Found) -> Result<(), Error> {
    match asked.name {
        _ if !context.global.json => output::print(&worded(context, asked, found)?),
        Some(name) => output::json(&named::find(context, name, found)?),
        None => output::json(&Document { status: &found.status, hosts: hosts(context)? }),
    }
}

/// The status, and where several hosts share the store, those.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<HostRecord>,
}

fn hosts(context: &Context) -> Result<Vec<HostRecord>, Error> {
    // A file has one, and a reader of it costs more than a look.
    if context.paths()?.database.file().is_some() {
        return Ok(Vec::new());
    }
    Ok(context.records()?.map_or(Ok(Vec::new()), |mut records| records.hosts())?)
}

/// As people read it: with what the records say beside the document.
fn worded(context: &Context, asked: &Asked<'_>, found: &Found) -> Result<String, Error> {
    let status = &found.status;
    let named = asked.name.map(|name| named::find(context, name, found)).transpose()?;
    let (queues, workers) = named.as_ref().map_or((&status.queues, &status.workers), |named| {
        // Of a pool all its workers are shown.
        (&named.queues, if named.pools.is_empty() { &named.workers } else { &status.workers })
    });
    let mut records = context.records()?;
    let (mut dead, mut dead_groups) = (Vec::new(), 0);
    if queues.iter().any(|queue| queue.dead > 0)
        && let Some(records) = &mut records
    {
        let queue = named.as_ref().and_then(|named| named.queues.first()).map(|queue| &queue.name);
        (dead, dead_groups) = records.dead_groups(queue, DEAD)?;
    }
    let mut tasks = BTreeMap::new();
    for job in workers.iter().filter_map(|worker| worker.job.as_ref()).take(TASKS) {
        if let Some(Ok(Some(found))) = records.as_mut().map(|records| records.job(job.id)) {
            tasks.insert(job.id, words::task(&found));
        }
    }
    let processors = records.as_deref_mut().and_then(|records| processors::trouble(context, records));
    let processors = processors.as_deref();
    let (width, height) = output::screen().unzip();
    let height = height.filter(|_| !asked.all);
    let view = View { processors, width, height, dead: &dead, dead_groups, tasks: Some(&tasks), now: clock::wall() };
    let text = match &named {
        Some(named) => status_named::named(named, status, view),
        None => status_text::status(status, view),
    };
    let hosts = if named.is_none() { hosts(context)? } else { Vec::new() };
    let text = match &*hosts {
        [] => text,
        hosts => format!("{}\n\n{}", text.trim_end(), report::hosts::table(hosts, clock::wall(), width)),
    };
    let text = crate::report::hint::complete(&text);
    Ok(match asked.interval {
        Some(_) if status.master.is_none() => format!("no master runs on `{}`\n\n{text}", context.paths()?.database),
        Some(_) | None => text.into_owned(),
    })
}

/// From the master; where it does not answer, what the store knows.
pub(crate) fn fetch(context: &Context) -> Result<Found, Error> {
    let paths = context.paths()?;
    match ask(paths, |client| client.call("status", &NONE))? {
        Ok(status) => Ok(Found { status, trouble: None }),
        Err(holder) => of_records(context, holder),
    }
}

/// What the store knows, where the master does not answer: its process, if there is one, and what keeps it from it.
pub(crate) fn of_records(context: &Context, holder: Option<(u32, String)>) -> Result<Found, Error> {
    let paths = context.paths()?;
    let (pid, trouble) = holder.unzip();
    let trouble = trouble.unwrap_or_default();
    let mut records = context.records()?;
    let totals = records.as_mut().map_or(Ok(Vec::new()), |records| records.queue_totals())?;
    let unserved = records.as_mut().map(|records| waiting::unserved(context, &totals, records.as_mut()));
    let unserved = unserved.filter(|_| pid.is_none()).unwrap_or_default();
    let last = records.as_mut().map_or(Ok(None), |records| records.last_master())?;
    let store = records.and_then(|mut records| records.store_id().ok()).unwrap_or_default();
    let now = clock::wall();
    let master = pid.map(|pid| unreached(paths, pid, store, last.as_ref(), &trouble, now));
    let trouble = if pid.is_some() { Error::Failed(trouble) } else { reach::none_runs(paths) };
    let mut status = of_store(master, &totals, now);
    status.unserved = unserved;
    Ok(Found { status, trouble: Some(trouble) })
}

/// The answer of a master that answers soon; else the process that should, if there is one, and what keeps it from it.
pub(crate) fn ask<R>(
    paths: &Paths,
    asked: impl FnOnce(&mut Client) -> Result<R, ClientError>,
) -> Result<Result<R, Option<(u32, String)>>, Error> {
    let client = reach::wait_for_socket(paths, Patience::Limited(PATIENCE), WITHOUT_SOCKET);
    match client.and_then(|mut client| asked(&mut client)) {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => missed(paths, error).map(Err),
    }
}

/// Why there is no answer, if it is the master's fault: its process, if there is one, and what keeps it from answering.
pub(crate) fn missed(paths: &Paths, error: ClientError) -> Result<Option<(u32, String)>, Error> {
    match error {
        ClientError::Silent { pid, .. } => {
            let pid = if pid == 0 { holder_of(paths).unwrap_or(0) } else { pid };
            Ok(Some((pid, reach::silent(pid))))
        }
        ClientError::NoMaster { .. } | ClientError::Unheard | ClientError::Closed => {
            Ok(holder_of(paths).map(|pid| (pid, reach::unreachable(paths, pid))))
        }
        other => Err(other.into()),
    }
}

/// The process that holds the lock of the store.
fn holder_of(paths: &Paths) -> Option<u32> {
    backend::holder(paths).map(|holder| holder.pid)
}

/// Facts about a master that does not answer.
fn unreached(
    paths: &Paths,
    pid: u32,
    store: String,
    last: Option<&LastMaster>,
    trouble: &str,
    now: UnixMicros,
) -> MasterStatus {
    let last = last.filter(|last| last.master.pid == pid);
    let started_at = last.map_or(now, |last| last.started_at);
    MasterStatus {
        pid,
        generation: last.map_or(Generation(0), |last| last.generation),
        state: UNREACHABLE.to_owned(),
        version: last.map(|last| last.master.version.clone()).unwrap_or_default(),
        started_at,
        store,
        uptime_s: now.since(started_at).as_secs_f64(),
        database: paths.database.to_string(),
        config: None,
        durability: "unknown".to_owned(),
        traces: None,
        web: None,
        single: false,
        containment: "unknown".to_owned(),
        memory_bytes: backend::memory_of(pid).unwrap_or(0),
        debug_until: None,
        problems: vec![trouble.to_owned()],
        problem_topics: Vec::new(),
    }
}

pub(crate) fn of_store(master: Option<MasterStatus>, totals: &[QueueTotals], now: UnixMicros) -> Status {
    let queues = totals.iter().map(|totals| QueueStatus::new(totals, None, now)).collect();
    Status { master, queues, ..Status::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_master_the_document_has_the_queues_of_the_store() {
        let totals = QueueTotals { ready: 2, oldest_ready_at: Some(UnixMicros(1_000_000)), ..QueueTotals::default() };
        let status = of_store(None, &[totals], UnixMicros(3_500_000));
        let json = serde_json::to_value(&status).expect("JSON");
        assert_eq!(json["master"], serde_json::Value::Null);
        assert_eq!((&json["queues"][0]["name"], &json["queues"][0]["ready"]), (&"default".into(), &2.into()));
        assert_eq!(json["queues"][0]["oldest_ready_s"], 2.5);
        let text = status_text::status(&status, View::default());
        assert!(text.contains("default      2") && !text.contains("master"), "{text}");
    }
}
