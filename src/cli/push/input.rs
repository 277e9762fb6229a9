//! The lines of a bulk push, each checked and made a job.
//!
//! Invariant: a bad line is counted and named with its number; only the first few are named.

use std::fs::File;
use std::io::{self, BufReader, Read};

use super::command_of;
use super::lines::{End, Line, Lines};
use super::make::{Common, fill};
use crate::cli::args::push::PushArgs;
use crate::cli::output;
use crate::clock;
use crate::error::Error;
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::{OsText, QueueName, UnixMicros};
use crate::report::words;
use crate::wire::control::PushJob;
use crate::wire::push::to_new_job;

/// Bad lines that are reported one by one.
const REPORTED: u64 = 10;
/// Bytes read at a time.
const BUFFER: usize = 1 << 18;

/// Result of a line.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and nearly all are jobs")]
pub(super) enum Checked {
    Job(PushJob),
    Bad,
}

/// The lines.
pub(super) struct Input<'a, R> {
    lines: Lines<R>,
    args: &'a PushArgs,
    common: &'a Common,
    template: Vec<OsText>,
    end: End,
    now: UnixMicros,
    with_cr: u64,
    good: u64,
    pub(super) bad: u64,
}

/// Where the lines come from.
pub(super) fn open(args: &PushArgs) -> Result<Box<dyn Read>, Error> {
    match &args.file {
        Some(path) if path.as_os_str() != "-" => {
            let file = File::open(path).map_err(|e| Error::io(format!("open `{}`", path.display()), e))?;
            Ok(Box::new(file))
        }
        _ => Ok(Box::new(io::stdin().lock())),
    }
}

impl<'a, R: Read> Input<'a, R> {
    pub(super) fn new(reader: R, args: &'a PushArgs, common: &'a Common) -> Self {
        let end = match (args.null, args.crlf) {
            (true, _) => End::Nul,
            (false, true) => End::CrLf,
            (false, false) => End::Lf,
        };
        let lines = Lines::new(BufReader::with_capacity(BUFFER, reader), end, MAX_LINE_BYTES);
        let (template, now) = (command_of(args), clock::wall());
        Self { lines, args, common, template, end, now, with_cr: 0, good: 0, bad: 0 }
    }

    /// The next line that is not empty; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Checked>, Error> {
        loop {
            let Some(line) = self.lines.next().map_err(|e| Error::io("read the lines", e))? else { return Ok(None) };
            let job = match line {
                // White space between two objects is nothing; in a line of text it is the text.
                Line::Bytes(line) if line.is_empty() || self.args.jsonl && line.trim_ascii().is_empty() => continue,
                Line::Bytes(line) => {
                    self.with_cr += u64::from(self.args.lines && self.end == End::Lf && line.ends_with(b"\r"));
                    job(self.args, self.common, &self.template, line)
                }
                Line::Bad(why) => Err(why.to_owned()),
            };
            let checked = job.and_then(|job| to_new_job(&job, &QueueName::default(), self.now).map(|_| job));
            return Ok(Some(match checked {
                Ok(job) => {
                    self.good += 1;
                    Checked::Job(job)
                }
                Err(why) => {
                    self.bad += 1;
                    if self.bad <= REPORTED {
                        output::say(&format!("{}: {}", self.here(), words::one_line(&why, 300)));
                    }
                    Checked::Bad
                }
            }));
        }
    }

    /// `line 7`: the last one that was read.
    pub(super) fn here(&self) -> String {
        format!("{} {}", self.end.unit(), self.lines.number)
    }

    /// Whether the next line is there without waiting for it.
    pub(super) fn has_next(&self) -> bool {
        self.lines.has_next()
    }

    /// Text to print at the end.
    pub(super) fn close(&self) {
        if self.bad > REPORTED {
            output::say(&format!("… and {} more", words::count(self.bad - REPORTED, "bad line")));
        }
        // A single one may be the name of a file.
        if self.with_cr > 1 && self.with_cr == self.good {
            output::say("every line ends in a CR, which is a part of it; `--crlf` takes it away");
        }
    }
}

fn job(args: &PushArgs, common: &Common, template: &[OsText], line: &[u8]) -> Result<PushJob, String> {
    match &args.kind {
        _ if args.jsonl => common.json(line),
        Some(kind) => common.typed_line(kind, line),
        None => common.command(&fill(template, line)),
    }
}
