//! `logs`: the output of workers, merged by time, each line with its worker and job.

mod elsewhere;

use std::collections::HashMap;
use std::io::ErrorKind;

use serde::de::IgnoredAny;

use super::args::records::LogsArgs;
use super::backend::{self, Wanted, whose};
use super::context::Context;
use super::jobs;
use super::known;
use super::{output, reach};
use crate::client::{Client, ClientError, NONE, Notification};
use crate::clock;
use crate::config::Paths;
use crate::error::{Code, Error};
use crate::model::worker::pool_of;
use crate::model::{JobId, UnixMicros};
use crate::report::Status;
use crate::report::events;
use crate::wire::control::{Follow, LogLine, OneJob};

/// Lines shown where no number is given: the last ones, and of a length of time.
const LINES: usize = 100;
const LINES_SINCE: usize = 10_000;

pub(crate) fn run(context: &Context, args: &LogsArgs) -> Result<Code, Error> {
    let paths = context.paths()?;
    let mut client = if args.follow { Some(context.connect()?) } else { context.try_connect()? };
    if args.follow {
        // First ask, then look which workers have written something, then read that: no line is missed in between.
        let client = client.as_mut().ok_or_else(|| reach::none_runs(paths))?;
        let follow = Follow { worker: args.worker.clone(), queue: args.queue.clone(), job: args.job.map(JobId) };
        client.call::<IgnoredAny>("logs.follow", &follow)?;
        // What was printed before may wait to be written.
        client.call::<IgnoredAny>("logs.written", &NONE)?;
    }
    let found = last(context, args, client.as_mut());
    let is_here = found.as_ref().is_ok_and(|tail| !tail.is_empty());
    if !is_here && let Some(place) = elsewhere(context, args, client.as_mut()) {
        return Err(Error::Failed(place));
    }
    let tail = found?;
    let json = context.global.json || args.jsonl;
    if context.global.json && !args.jsonl && !args.follow {
        output::json(&tail)?;
        return Ok(Code::DONE);
    }
    for line in &tail {
        print(line, args.times, json)?;
    }
    match client.filter(|_| args.follow) {
        Some(client) => follow(context, client, &tail, args, json)?,
        None if tail.is_empty() && !json => context.warn(&nothing(args)),
        None => {}
    }
    Ok(Code::DONE)
}

/// Where else the output is, of which there is none here.
fn elsewhere(context: &Context, args: &LogsArgs, client: Option<&mut Client>) -> Option<String> {
    // A file has one host, and a reader of it costs more than a look.
    if context.paths().ok()?.database.file().is_some() {
        return None;
    }
    let mut records = context.records().ok()??;
    let status = client.and_then(|client| client.call::<Status>("status", &NONE).ok());
    let ours = status.and_then(|status| status.master).map(|master| master.generation);
    elsewhere::place(records.as_mut(), ours, args.worker.as_deref(), args.job.map(JobId)).ok()?
}

/// The last lines of the output that is meant.
pub(crate) fn last(context: &Context, args: &LogsArgs, client: Option<&mut Client>) -> Result<Vec<LogLine>, Error> {
    let paths = context.paths()?;
    tail(paths, &chosen(context, args, paths, client)?, args)
}

/// Said where there is no line.
fn nothing(args: &LogsArgs) -> String {
    match args.job {
        Some(job) => format!("nothing yet; see `queue-work jobs show {job}`"),
        None => "nothing yet; see `queue-work status` for what runs".to_owned(),
    }
}

/// The workers whose output is wanted, of those that have written any.
fn chosen(
    context: &Context,
    args: &LogsArgs,
    paths: &Paths,
    client: Option<&mut Client>,
) -> Result<Vec<String>, Error> {
    if let Some(id) = args.job.map(JobId) {
        let job = context.records()?.map(|mut records| records.job(id)).transpose()?.flatten();
        job.ok_or_else(|| jobs::missing(id))?;
    }
    let mut workers = match written(paths) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            let (dir, whose) = (paths.logs_dir.display(), whose(&paths.logs_dir));
            let closed = format!("what workers have printed is in `{dir}`, which {whose}");
            if !args.follow {
                return Err(Error::Failed(format!("{closed}; see what they print now with `queue-work logs -f`")));
            }
            context.warn(&format!("{closed}; from now on:"));
            Vec::new()
        }
        written => written.map_err(|e| Error::io(format!("read the folder `{}`", paths.logs_dir.display()), e))?,
    };
    if let Some(wanted) = &args.worker {
        let is_worker = workers.contains(wanted);
        workers.retain(|w| if is_worker { w == wanted } else { pool_of(w) == Some(wanted) });
        if workers.is_empty() && args.follow {
            known::worker_to_follow(context, wanted)?;
        } else if workers.is_empty() {
            return Err(Error::NotFound(format!(
                "no worker or pool `{wanted}` has written anything; see `queue-work workers`"
            )));
        }
    }
    if let Some(queue) = &args.queue {
        let pools = pools_of(queue, client)?;
        workers.retain(|w| pool_of(w).is_some_and(|pool| pools.iter().any(|p| p == pool)));
        if workers.is_empty() {
            known::queue(context, Some(queue))?;
        }
    }
    Ok(workers)
}

/// The pools that serve a queue; without a master, the one that has its name.
fn pools_of(queue: &str, client: Option<&mut Client>) -> Result<Vec<String>, Error> {
    let Some(client) = client else { return Ok(vec![queue.to_owned()]) };
    let status: Status = client.call("status", &NONE)?;
    let serves = |p: &crate::report::status::PoolStatus| p.queues.iter().any(|q| q.as_str() == queue);
    let pools: Vec<String> = status.pools.into_iter().filter(serves).map(|p| p.name).collect();
    if pools.is_empty() {
        return Err(Error::NotFound(format!("no pool serves the queue `{queue}`; see `queue-work status`")));
    }
    Ok(pools)
}

/// The workers that have written something.
fn written(paths: &Paths) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(&paths.logs_dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut workers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        workers.extend(name.to_str().and_then(|n| n.strip_suffix(".log")).map(str::to_owned));
    }
    workers.sort();
    Ok(workers)
}

fn tail(paths: &Paths, workers: &[String], args: &LogsArgs) -> Result<Vec<LogLine>, Error> {
    let mut lines = Vec::new();
    let most = args.lines.unwrap_or(if args.since.is_some() { LINES_SINCE } else { LINES });
    let wanted = Wanted { job: args.job.map(JobId), since: args.since.map(|since| clock::wall().minus(since)) };
    for worker in workers {
        let of_worker = backend::tail(&paths.logs_dir, worker, wanted, most)
            .map_err(|e| Error::io(format!("read the output of `{worker}`"), e))?;
        lines.extend(of_worker);
        // Kept small: with a thousand workers most lines are not among the last.
        if lines.len() > most.saturating_mul(4) {
            keep_last(&mut lines, most);
        }
    }
    keep_last(&mut lines, most);
    Ok(lines)
}

/// The last lines by time; lines of one worker keep their order.
fn keep_last(lines: &mut Vec<LogLine>, most: usize) {
    lines.sort_by_key(|line| line.at);
    lines.drain(..lines.len().saturating_sub(most));
}

/// The time of the last line of each worker in the tail, and its lines of that time, which may be announced again: lines come
/// in order of time, and several that were read at once have the same.
pub(crate) struct Seen(HashMap<String, (UnixMicros, Vec<LogLine>)>);

impl Seen {
    pub(crate) fn new(tail: &[LogLine]) -> Self {
        let mut last: HashMap<String, (UnixMicros, Vec<LogLine>)> = HashMap::new();
        for line in tail {
            let (at, lines) = last.entry(line.worker.clone()).or_insert((line.at, Vec::new()));
            if *at != line.at {
                (*at, *lines) = (line.at, Vec::new());
            }
            lines.push(line.clone());
        }
        Self(last)
    }

    /// Whether this line was shown; each once.
    pub(crate) fn has(&mut self, line: &LogLine) -> bool {
        let Some((at, lines)) = self.0.get_mut(line.worker.as_str()) else { return false };
        let shown = lines.iter().position(|shown| shown == line).map(|at| lines.remove(at));
        line.at < *at || shown.is_some()
    }
}

/// Prints what comes until the master ends, or the job does.
fn follow(context: &Context, mut client: Client, tail: &[LogLine], args: &LogsArgs, json: bool) -> Result<(), Error> {
    let mut seen = Seen::new(tail);
    let mut show = |heard: &Notification| {
        let line = serde_json::from_str::<LogLine>(heard.params.get()).ok().filter(|_| heard.method == "log");
        match line.filter(|line| !seen.has(line)) {
            Some(line) => print(&line, args.times, json),
            None => Ok(()),
        }
    };
    let Some(id) = args.job.map(JobId) else {
        for heard in client.notifications() {
            show(&heard?)?;
        }
        context.warn("the master has ended");
        return Ok(());
    };
    let mut failed = None;
    let mut each = |heard: Notification| {
        show(&heard).map_err(|error| {
            failed = Some(error);
            ClientError::Closed
        })
    };
    let ended = client.call_hearing::<IgnoredAny>("jobs.wait", &OneJob { id, timeout_s: None }, Some(&mut each));
    match (failed, ended) {
        (Some(error), _) => return Err(error),
        (None, Err(ClientError::Closed)) => context.warn("the master has ended"),
        (None, ended) => drop(ended?),
    }
    Ok(())
}

fn print(line: &LogLine, times: bool, json: bool) -> Result<(), Error> {
    if json {
        return output::json(line);
    }
    output::line(&events::log_line(line, times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_merged_by_time() {
        let line = |at, worker: &str| LogLine {
            at: UnixMicros(at),
            worker: worker.into(),
            stream: "out".into(),
            job: None,
            text: String::new(),
        };
        let mut lines = vec![line(1, "a-1"), line(4, "a-1"), line(2, "b-1"), line(3, "b-1")];
        keep_last(&mut lines, 3);
        assert_eq!(lines.iter().map(|l| l.at.0).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn a_line_is_shown_once_also_where_several_have_the_same_time() {
        let line = |at, text: &str| LogLine {
            at: UnixMicros(at),
            worker: "a-1".into(),
            stream: "out".into(),
            job: None,
            text: text.into(),
        };
        // The file had the first of two that were read at once.
        let tail = [line(1, "x"), line(2, "y")];
        let mut seen = Seen::new(&tail);
        let announced = [line(1, "x"), line(2, "y"), line(2, "y"), line(2, "z"), line(3, "x")];
        assert_eq!(announced.each_ref().map(|line| seen.has(line)), [true, true, false, false, false]);
    }

    #[test]
    fn workers_are_found_by_their_current_files() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["b-1.log", "a-1.log", "a-1.log.1", "notes.txt"] {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        let paths = |logs_dir| Paths {
            database: crate::model::StoreUrl::File("x".into()),
            socket: "x".into(),
            logs_dir,
            network_fs: false,
            shared_folder: false,
            makes_folder: false,
        };
        assert_eq!(written(&paths(dir.path().into())).expect("read"), ["a-1", "b-1"]);
        assert_eq!(written(&paths(dir.path().join("none"))).expect("read"), [""; 0]);
    }
}
