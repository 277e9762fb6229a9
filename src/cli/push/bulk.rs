//! `push --lines` and `push --jsonl`: every line is checked before the first job is sent, and all of them are added or none.

use std::fmt::Write as _;
use std::io::{self, Read};

use super::input::{Checked, Input, open};
use super::interrupt::Interrupts;
use super::make::Common;
use super::sink::{Sink, say_if_unknown};
use super::spool::Spool;
use super::{staged, stream};
use crate::cli::args::push::PushArgs;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::waiting::{self, Pushed};
use crate::error::{Code, Error};
use crate::model::{BatchId, EXEC, JobId};
use crate::report::words;
use crate::wire::control::{PushBatch, PushedMany};

/// Said when a push ends before its end.
pub(super) const NOTHING: &str = "nothing was added";
/// Said of jobs that all have a unique key, where it is unknown whether they were added.
pub(super) const AGAIN: &str = "pushing again adds none of the unfinished ones twice, as each has a unique key";

pub(super) fn run(context: &Context, args: &PushArgs, common: &Common) -> Result<Code, Error> {
    let input = Input::new(open(args)?, args, common);
    let interrupts = Interrupts::watch(NOTHING)?;
    if args.stream {
        return stream::run(context, args, input, &interrupts);
    }
    let nothing = |_: &Error| output::say(NOTHING);
    let (spool, bad, batch) = read(input).inspect_err(nothing)?;
    let batch = common.batch.clone().or(batch).unwrap_or_default();
    if bad > 0 && !args.skip_bad {
        let lines = words::count(bad, "bad line");
        return Err(Error::Failed(format!("{NOTHING} because of {lines}; leave them out with `--skip-bad`")));
    }
    let mut sink = Sink::open(context, false).inspect_err(nothing)?;
    let pushed = if spool.count == 0 {
        Some(PushedMany::default())
    } else if spool.fits(sink.chunk()) {
        one_chunk(&mut sink, spool, (args.ids, &batch), &interrupts)?
    } else {
        staged::push(context, &mut sink, spool, (args.ids, &batch), &interrupts)?
    };
    let Some(pushed) = pushed else {
        output::say(NOTHING);
        return interrupts.outcome();
    };
    conclude(context, &pushed, bad)?;
    if pushed.count > 0 {
        let kind = args.kind.as_deref().unwrap_or(EXEC);
        let what = if args.jsonl { Pushed::Several } else { Pushed::Of(args.queue.as_deref(), kind) };
        waiting::say_after_push(context, sink.master(), &what);
    }
    sink.close();
    Ok(Code::DONE)
}

pub(super) fn spooling(e: io::Error) -> Error {
    Error::io(format!("keep the jobs in a temporary file in `{}`", std::env::temp_dir().display()), e)
}

/// Checks every line; returns the good ones, the number of bad ones, and the batch that lines name.
fn read(mut input: Input<'_, impl Read>) -> Result<(Spool, u64, Option<PushBatch>), Error> {
    let mut spool = Spool::new().map_err(spooling)?;
    while let Some(checked) = input.next()? {
        if let Checked::Job(job) = checked {
            spool.add(&job).map_err(spooling)?;
        }
    }
    if !input.is_in_order() {
        return Err(Error::Failed(
            "a job cannot come after what it names; `--skip-bad` does not leave it out".to_owned(),
        ));
    }
    input.close();
    let bad = input.bad;
    spool.places = input.places;
    Ok((spool, bad, input.batch.found()))
}

/// Pushes in one transaction, without stages, what fits one. `None`: a signal came first.
fn one_chunk(
    sink: &mut Sink<'_>,
    mut spool: Spool,
    (ids, batch): (bool, &PushBatch),
    interrupts: &Interrupts,
) -> Result<Option<PushedMany>, Error> {
    let keyed = spool.unkeyed.is_none();
    let places = std::mem::take(&mut spool.places);
    let chunk = spool.rewind().and_then(|mut spooled| spooled.chunk(usize::MAX, usize::MAX)).map_err(spooling)?;
    let jobs = words::count(chunk.len() as u64, "job");
    let next = if keyed { AGAIN } else { "see `queue-work jobs list` before you push again" };
    let unknown = format!("it is unknown whether the {jobs} were added, all of them or none; {next}");
    let pushed =
        sink.push_many(&chunk, (ids, Some(batch)), interrupts, &unknown).map_err(|error| places.name_line(error, 0));
    let Some(pushed) = pushed.inspect_err(|error| say_if_unknown(error, &unknown))? else { return Ok(None) };
    interrupts.free(&worded(&pushed, 0));
    print_ids(pushed.ids.iter().flatten().copied())?;
    Ok(Some(pushed))
}

/// Prints ids, one a line.
pub(super) fn print_ids(ids: impl IntoIterator<Item = JobId>) -> Result<(), Error> {
    let mut text = String::new();
    for id in ids {
        let _ = writeln!(text, "{id}");
        if text.len() > 1 << 16 {
            output::raw(text.as_bytes())?;
            text.clear();
        }
    }
    output::raw(text.as_bytes())
}

pub(super) fn add(all: &mut PushedMany, chunk: &PushedMany) {
    all.count += chunk.count;
    all.deduplicated += chunk.deduplicated;
    all.first_id = all.first_id.into_iter().chain(chunk.first_id).min();
    all.last_id = all.last_id.max(chunk.last_id);
    all.batch = all.batch.or(chunk.batch);
}

pub(super) fn conclude(context: &Context, pushed: &PushedMany, bad: u64) -> Result<(), Error> {
    if context.global.json {
        let (first_id, last_id) = (pushed.first_id.map(|i| i.0), pushed.last_id.map(|i| i.0));
        let (count, deduplicated, batch) = (pushed.count, pushed.deduplicated, pushed.batch);
        output::json(&Summary { count, deduplicated, first_id, last_id, batch })?;
    } else if !context.global.quiet {
        output::say(&worded(pushed, bad));
    }
    Ok(())
}

#[derive(serde::Serialize)]
struct Summary {
    count: u64,
    deduplicated: u64,
    first_id: Option<i64>,
    last_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchId>,
}

pub(super) fn worded(pushed: &PushedMany, bad: u64) -> String {
    let mut text = format!("added {}", words::count(pushed.count - pushed.deduplicated, "job"));
    if let (Some(first), Some(last)) = (pushed.first_id, pushed.last_id) {
        if first == last {
            let _ = write!(text, ", id {first}");
        } else {
            let _ = write!(text, ", ids {first} to {last}");
        }
    }
    if let Some(batch) = pushed.batch {
        let _ = write!(text, ", batch {batch}");
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

    fn spooled(typed: &[&str], input: &str) -> (u64, u64) {
        let cli = Cli::try_parse_from(["queue-work", "push"].iter().chain(typed)).expect("it parses");
        let Some(Verb::Push(args)) = cli.verb else { panic!("{cli:?}") };
        let common = Common::new(&args).expect("here");
        let (spool, bad, _) = read(Input::new(input.as_bytes(), &args, &common)).expect("read");
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
    }
}
