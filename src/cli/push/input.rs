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
use crate::client::ClientError;
use crate::clock;
use crate::error::Error;
use crate::model::after::{Links, Parent};
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::{OsText, QueueName, UnixMicros};
use crate::report::words;
use crate::wire::batch::OneBatch;
use crate::wire::control::{PushBatch, PushJob};
use crate::wire::push::to_new_job;
use crate::wire::rpc::RpcError;

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
    links: Links,
    /// The batch that lines name.
    pub(super) batch: OneBatch,
    pub(super) places: Places,
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
        Self {
            lines,
            args,
            common,
            template,
            end,
            now,
            with_cr: 0,
            good: 0,
            bad: 0,
            links: Links::default(),
            batch: OneBatch::default(),
            places: Places::default(),
        }
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
            let checked = job.and_then(|job| self.check(job));
            return Ok(Some(match checked {
                Ok(job) => {
                    self.places.note(self.good, self.lines.number);
                    self.good += 1;
                    Checked::Job(job)
                }
                Err(why) => {
                    self.say_bad(self.lines.number, &why);
                    Checked::Bad
                }
            }));
        }
    }

    /// The batch that was asked for by options.
    pub(super) const fn batch(&self) -> Option<&'a PushBatch> {
        self.common.batch.as_ref()
    }

    fn check(&mut self, mut job: PushJob) -> Result<PushJob, String> {
        if self.args.stream && job.batch.is_some() {
            return Err("jobs that are streamed join a batch by `--batch ID`".to_owned());
        }
        if let Some(batch) = &job.batch {
            batch.to_model(self.now)?;
        }
        self.batch.take(&mut job)?;
        let new = to_new_job(&job, &QueueName::default(), self.now)?;
        if self.args.stream && job.after.iter().any(|parent| matches!(parent, Parent::Ref(_))) {
            return Err(
                "a job that is streamed comes after ids only: the others may have been added long before".to_owned()
            );
        }
        self.links.add(self.good as usize, &new).map_err(|bad| bad.why.to_string())?;
        Ok(job)
    }

    fn say_bad(&mut self, line: u64, why: &str) {
        self.bad += 1;
        if self.bad <= REPORTED {
            output::say(&format!("{} {line}: {}", self.end.unit(), words::one_line(why, 300)));
        }
    }

    /// Checks, of all lines together, after which jobs they come; false: they cannot all be pushed.
    pub(super) fn is_in_order(&mut self) -> bool {
        let Err(bad) = self.links.end(true) else { return true };
        let line = self.places.line_of(bad.nth as u64);
        self.say_bad(line, &bad.why.to_string());
        false
    }

    /// `line 7`: the last one that was read.
    pub(super) fn here(&self) -> String {
        format!("{} {}", self.end.unit(), self.lines.number)
    }

    /// Jobs so far.
    pub(super) const fn good(&self) -> u64 {
        self.good
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

/// In which lines the good jobs stand.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Jobs, from 0, whose line does not follow that of the job before, with their lines.
    leaps: Vec<(u64, u64)>,
}

impl Places {
    fn note(&mut self, nth: u64, line: u64) {
        if self.leaps.last().is_none_or(|(of, at)| line - at != nth - of) {
            self.leaps.push((nth, line));
        }
    }

    fn line_of(&self, nth: u64) -> u64 {
        let before = self.leaps.partition_point(|(of, _)| *of <= nth);
        let last = before.checked_sub(1).and_then(|at| self.leaps.get(at));
        last.map_or(nth + 1, |(of, line)| line + nth - of)
    }

    /// An error that names a job of a request by its number (`job 3: …`), with its line instead. `before`: so many jobs stand
    /// before those of the request.
    pub(super) fn name_line(&self, error: Error, before: u64) -> Error {
        let worded = |text: &str| {
            let (nth, why) = text.strip_prefix("job ")?.split_once(": ")?;
            Some(format!("line {}: {why}", self.line_of(before + nth.parse::<u64>().ok()?.checked_sub(1)?)))
        };
        match error {
            Error::Client(ClientError::Refused(refused)) => {
                let message = worded(&refused.message).unwrap_or_else(|| refused.message.clone());
                Error::Client(ClientError::Refused(RpcError { message, ..refused }))
            }
            Error::NotFound(text) => Error::NotFound(worded(&text).unwrap_or(text)),
            Error::Refused(text) => Error::Refused(worded(&text).unwrap_or(text)),
            Error::Usage(text) => Error::Usage(worded(&text).unwrap_or(text)),
            other => other,
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
