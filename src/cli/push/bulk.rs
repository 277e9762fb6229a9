//! `push --lines` and `push --jsonl`: every line is checked before the first job is added.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::thread;

use super::command_of;
use super::lines::{End, Line, Lines};
use super::make::{Common, fill};
use super::sink::{Prepared, Sink};
use super::spool::{Spool, Spooled};
use crate::cli::args::push::PushArgs;
use crate::cli::context::{self, Context};
use crate::cli::output;
use crate::error::{Code, Error};
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::{OsText, QueueName};
use crate::report::{printer, words};
use crate::wire::control::{PushJob, PushedMany};
use crate::wire::push::to_new_job;

/// Bad lines that are reported one by one.
const REPORTED: u64 = 10;

pub(super) fn run(context: &Context, args: &PushArgs, common: &Common) -> Result<Code, Error> {
    let (spool, bad) = match &args.file {
        Some(path) if path.as_os_str() != "-" => {
            let file = File::open(path).map_err(|e| Error::io(format!("open `{}`", path.display()), e))?;
            read(BufReader::with_capacity(1 << 18, file), args, common)?
        }
        _ => read(BufReader::with_capacity(1 << 18, io::stdin().lock()), args, common)?,
    };
    if bad > REPORTED {
        output::say(&format!("… and {} more", words::count(bad - REPORTED, "bad line")));
    }
    if bad > 0 && !args.skip_bad {
        let lines = words::count(bad, "bad line");
        return Err(Error::Failed(format!("nothing was added because of {lines}; leave them out with `--skip-bad`")));
    }
    let total = spool.count;
    let mut spooled = spool.rewind().map_err(spooling)?;
    let mut sink = Sink::open(context, false)?;
    let pushed = send(context, &mut sink, &mut spooled, total, args.ids)?;
    sink.close();
    conclude(context, &pushed, bad)
}

fn spooling(e: io::Error) -> Error {
    Error::io(format!("keep the jobs in a temporary file in `{}`", std::env::temp_dir().display()), e)
}

/// Checks every line; returns the good ones and the number of bad ones.
fn read(reader: impl BufRead, args: &PushArgs, common: &Common) -> Result<(Spool, u64), Error> {
    let template = command_of(args);
    let end = match (args.null, args.crlf) {
        (true, _) => End::Nul,
        (false, true) => End::CrLf,
        (false, false) => End::Lf,
    };
    let mut lines = Lines::new(reader, end, MAX_LINE_BYTES);
    let mut spool = Spool::new().map_err(spooling)?;
    let (mut bad, now) = (0, context::now());
    let (mut number, mut with_cr) = (0, 0);
    while let Some(line) = lines.next().map_err(|e| Error::io("read the lines", e))? {
        number += 1;
        let job = match line {
            // White space between two objects is nothing; in a line of text it is the text.
            Line::Bytes(line) if line.is_empty() || args.jsonl && line.trim_ascii().is_empty() => continue,
            Line::Bytes(line) => {
                with_cr += u64::from(args.lines && end == End::Lf && line.ends_with(b"\r"));
                job(args, common, &template, line)
            }
            Line::Bad(why) => Err(why.to_owned()),
        };
        let checked = job.and_then(|job| to_new_job(&job, &QueueName::default(), now).map(|_| job));
        match checked {
            Ok(job) => spool.add(&job).map_err(spooling)?,
            Err(why) => {
                bad += 1;
                if bad <= REPORTED {
                    output::say(&format!("{} {number}: {}", end.unit(), words::one_line(&why, 300)));
                }
            }
        }
    }
    // A single one may be the name of a file.
    if with_cr > 1 && with_cr == spool.count {
        output::say("every line ends in a CR, which is a part of it; `--crlf` takes it away");
    }
    Ok((spool, bad))
}

fn job(args: &PushArgs, common: &Common, template: &[OsText], line: &[u8]) -> Result<PushJob, String> {
    match &args.kind {
        _ if args.jsonl => common.json(line),
        Some(kind) => common.typed_line(kind, line),
        None => common.command(&fill(template, line)),
    }
}

fn send(context: &Context, sink: &mut Sink, spooled: &mut Spooled, total: u64, ids: bool) -> Result<PushedMany, Error> {
    let (jobs, bytes) = sink.chunk();
    let bar = (!context.global.quiet && !context.global.json).then(printer::progress_bar);
    if let Some(bar) = &bar {
        bar.set_length(total);
    }
    let mut all = PushedMany::default();
    let mut next =
        || Some(spooled.chunk(jobs, bytes).map_err(spooling)).filter(|c| !matches!(c, Ok(c) if c.is_empty()));
    let mut took = |pushed: Result<PushedMany, Error>| {
        let pushed = pushed.map_err(|e| broken_off(e, &all, total))?;
        add(&mut all, &pushed);
        if let Some(bar) = &bar {
            bar.set_position(all.count);
        }
        let list = pushed.ids.iter().flatten().fold(String::new(), |mut out, id| {
            let _ = writeln!(out, "{id}");
            out
        });
        output::raw(list.as_bytes())
    };
    match sink.as_store() {
        Some(store) => thread::scope(|scope| {
            // The next chunk is read while one is written.
            let (ready, prepared) = crossbeam_channel::bounded(0);
            scope.spawn(move || {
                while let Some(chunk) = next() {
                    let chunk = chunk.and_then(|chunk| Prepared::new(&chunk));
                    if ready.send(chunk).is_err() {
                        return;
                    }
                }
            });
            prepared.into_iter().try_for_each(|chunk| took(chunk.and_then(|chunk| chunk.push(store, ids))))
        })?,
        None => {
            while let Some(chunk) = next() {
                took(chunk.and_then(|chunk| sink.push_many(&chunk, ids)))?;
            }
        }
    }
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    Ok(all)
}

fn add(all: &mut PushedMany, chunk: &PushedMany) {
    all.count += chunk.count;
    all.deduplicated += chunk.deduplicated;
    all.first_id = all.first_id.into_iter().chain(chunk.first_id).min();
    all.last_id = all.last_id.max(chunk.last_id);
}

/// Says how far it came, so that nothing is added twice by trying again.
fn broken_off(error: Error, all: &PushedMany, total: u64) -> Error {
    if all.count > 0 {
        let (first, last) = (all.first_id.unwrap_or_default(), all.last_id.unwrap_or_default());
        let done = all.count;
        output::say(&format!(
            "the first {done} of {total} jobs were added (ids {first} to {last}), the others were not"
        ));
    }
    error
}

fn conclude(context: &Context, pushed: &PushedMany, bad: u64) -> Result<Code, Error> {
    if context.global.json {
        let (first_id, last_id) = (pushed.first_id.map(|i| i.0), pushed.last_id.map(|i| i.0));
        output::json(&Summary { count: pushed.count, deduplicated: pushed.deduplicated, first_id, last_id })?;
    } else if !context.global.quiet {
        output::say(&worded(pushed, bad));
    }
    Ok(Code::DONE)
}

#[derive(serde::Serialize)]
struct Summary {
    /// Jobs that were asked for.
    count: u64,
    /// How many of them were there already.
    deduplicated: u64,
    first_id: Option<i64>,
    last_id: Option<i64>,
}

fn worded(pushed: &PushedMany, bad: u64) -> String {
    let mut text = format!("added {}", words::count(pushed.count - pushed.deduplicated, "job"));
    if let (Some(first), Some(last)) = (pushed.first_id, pushed.last_id) {
        if first == last {
            let _ = write!(text, ", id {first}");
        } else {
            let _ = write!(text, ", ids {first} to {last}");
        }
    }
    if pushed.deduplicated > 0 {
        let _ = write!(text, "; {} there already", pushed.deduplicated);
    }
    if bad > 0 {
        let _ = write!(text, "; {} left out", words::count(bad, "bad line"));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Verb};
    use crate::model::JobId;

    fn spooled(typed: &[&str], input: &str) -> (u64, u64) {
        let cli = Cli::try_parse_from(["queue-work", "push"].iter().chain(typed)).expect("it parses");
        let Some(Verb::Push(args)) = cli.verb else { panic!("{cli:?}") };
        let (spool, bad) = read(input.as_bytes(), &args, &Common::new(&args).expect("here")).expect("read");
        (spool.count, bad)
    }

    #[test]
    fn good_and_bad_lines_are_counted_and_empty_ones_skipped() {
        assert_eq!(spooled(&["--lines", "resize"], "a\n\nb\n"), (2, 0));
        assert_eq!(spooled(&["--lines", "--", "echo", "{}"], "a\r\nb\0\nc"), (2, 1));
        assert_eq!(spooled(&["--lines", "-0", "--", "echo", "{}"], "a\r\nb\0\0\n"), (2, 0));
        assert_eq!(spooled(&["--jsonl"], "{\"type\":\"t\"}\n  \n{\"type\":\"t\",\"x\":1}\nnull\n"), (1, 2));
        assert_eq!(spooled(&["--jsonl"], "{\"type\":\"exec\"}"), (0, 1));
        assert_eq!(spooled(&["--jsonl"], ""), (0, 0));
    }

    #[test]
    fn the_chunks_add_up_and_are_worded() {
        let chunk = |count, first, last| PushedMany {
            count,
            first_id: Some(JobId(first)),
            last_id: Some(JobId(last)),
            ..PushedMany::default()
        };
        let mut all = PushedMany::default();
        assert_eq!(worded(&all, 0), "added 0 jobs");
        add(&mut all, &chunk(1000, 1, 1000));
        add(&mut all, &chunk(500, 1001, 1500));
        assert_eq!(worded(&all, 2), "added 1500 jobs, ids 1 to 1500; 2 bad lines left out");
        let summary = Summary { count: all.count, deduplicated: 0, first_id: Some(1), last_id: None };
        assert_eq!(
            serde_json::to_string(&summary).expect("JSON"),
            r#"{"count":1500,"deduplicated":0,"first_id":1,"last_id":null}"#
        );
    }
}
