//! A bulk push in stages: begun, filled a chunk at a time, committed by one small change.
//!
//! Invariants: while the commit was not sent, whatever ends the push leaves nothing behind, as nobody goes on with what was
//! begun: the master drops what a connection leaves, and the next who writes what a process leaves. So a push that loses
//! its master before can begin again, and does.

use std::collections::HashMap;
use std::thread;

use super::bulk::{AGAIN, NOTHING, print_ids, spooling, worded};
use super::input::Places;
use super::interrupt::Interrupts;
use super::sink::{Prepared, Sink, To};
use super::spool::{Spool, Spooled};
use super::ways::{Broken, IntoStore, Stager, ThroughMaster};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::Error;
use crate::model::{BulkId, JobId};
use crate::report::{printer, words};
use crate::wire::bulk::BulkDone;
use crate::wire::control::{PushBatch, PushedMany};

/// Said where it is true.
const PENDING: &str =
    "all jobs are added; some run only when the database can be written again, or the next master has started";

/// Jobs of one chunk, as their way takes them.
pub(super) enum Chunk {
    Texts(Vec<String>),
    Jobs(Prepared),
}

/// Ids that follow one another.
struct Range {
    first: JobId,
    count: u64,
}

impl Range {
    const fn last(&self) -> JobId {
        JobId(self.first.0 + self.count as i64 - 1)
    }
}

/// Common to all attempts to begin it.
struct Push<'a> {
    total: u64,
    /// Which job is the first without a unique key, from 0.
    unkeyed: Option<u64>,
    places: Places,
    ids: bool,
    batch: &'a PushBatch,
    interrupts: &'a Interrupts,
    bar: Option<indicatif::ProgressBar>,
}

/// Adds all of the jobs. `None`: a signal came first, and nothing was added.
pub(super) fn push(
    context: &Context,
    sink: &mut Sink<'_>,
    mut spool: Spool,
    (ids, batch): (bool, &PushBatch),
    interrupts: &Interrupts,
) -> Result<Option<PushedMany>, Error> {
    let (total, unkeyed, places) = (spool.count, spool.unkeyed, std::mem::take(&mut spool.places));
    let mut spooled = spool.rewind().map_err(spooling)?;
    let bar = (!context.global.quiet && !context.global.json).then(printer::progress_bar);
    if let Some(bar) = &bar {
        bar.set_length(total);
    }
    let push = Push { total, unkeyed, places, ids, batch, interrupts, bar };
    let done = loop {
        let tried = push.attempt(sink, &mut spooled);
        match tried {
            Err(Broken::Lost(error)) => {
                // The next process that writes drops what was begun.
                sink.look_again(error).inspect_err(|_| output::say(NOTHING))?;
                spooled.again().map_err(spooling)?;
            }
            other => break other,
        }
    };
    if let Some(bar) = &push.bar {
        bar.finish_and_clear();
    }
    match done {
        Ok((done, ranges)) => {
            if done.pending {
                output::say(PENDING);
            }
            let BulkDone { deduplicated, mut first_id, mut last_id, pending, batch, .. } = done;
            if pending || first_id.is_none() {
                (first_id, last_id) = (ranges.first().map(|r| r.first), ranges.last().map(Range::last));
            }
            let pushed = PushedMany { count: total, deduplicated, first_id, last_id, ids: None, batch };
            interrupts.free(&worded(&pushed, 0));
            if ids {
                print_ids(all_ids(&done, &ranges))?;
            }
            Ok(Some(pushed))
        }
        Err(Broken::Interrupted) => Ok(None),
        Err(Broken::Lost(error) | Broken::Nothing(error)) => {
            output::say(NOTHING);
            Err(error)
        }
        Err(Broken::Unknown(error)) => Err(error),
    }
}

impl Push<'_> {
    fn attempt(&self, sink: &mut Sink<'_>, spooled: &mut Spooled) -> Result<(BulkDone, Vec<Range>), Broken> {
        let (jobs, bytes) = sink.step();
        let (mut master, mut store);
        let (stager, for_store): (&mut dyn Stager, bool) = match sink.to() {
            To::Master(client) => {
                // The end may wait for the master; what was begun is dropped with the connection.
                if !self.interrupts.free(NOTHING) {
                    return Err(Broken::Interrupted);
                }
                master = ThroughMaster(client);
                (&mut master, false)
            }
            To::Store(there) => {
                self.interrupts.busy(NOTHING);
                store = IntoStore::new(there.as_mut());
                (&mut store, true)
            }
        };
        thread::scope(|scope| {
            // The next chunk is read while one is written.
            let (ready, chunks) = crossbeam_channel::bounded(0);
            scope.spawn(move || {
                loop {
                    let chunk = spooled.chunk(jobs, bytes).map_err(spooling);
                    if matches!(&chunk, Ok(chunk) if chunk.is_empty()) {
                        return;
                    }
                    let chunk = chunk.and_then(|texts| {
                        if for_store { Prepared::new(&texts).map(Chunk::Jobs) } else { Ok(Chunk::Texts(texts)) }
                    });
                    if ready.send(chunk).is_err() {
                        return;
                    }
                }
            });
            let bulk = stager.begin()?;
            let filled = self.fill(stager, bulk, chunks.into_iter());
            let ready = filled.and_then(|ranges| self.may_commit(&ranges, !for_store).map(|()| ranges));
            let ranges = ready.inspect_err(|_| stager.discard(bulk))?;
            let done = stager.commit(bulk, self.ids, self.batch).map_err(|broken| self.doubt(broken, &ranges))?;
            Ok((done, ranges))
        })
    }

    fn fill(
        &self,
        stager: &mut dyn Stager,
        bulk: BulkId,
        chunks: impl Iterator<Item = Result<Chunk, Error>>,
    ) -> Result<Vec<Range>, Broken> {
        let (mut ranges, mut done) = (Vec::<Range>::new(), 0);
        for chunk in chunks {
            if self.interrupts.told() {
                return Err(Broken::Interrupted);
            }
            let answer = stager.stage(bulk, chunk.map_err(Broken::Nothing)?);
            let (first, count) = answer.map_err(|broken| match broken {
                Broken::Nothing(error) => Broken::Nothing(self.places.name_line(error, done)),
                other => other,
            })?;
            match ranges.last_mut() {
                Some(last) if last.first.0 + last.count as i64 == first.0 => last.count += count,
                _ => ranges.push(Range { first, count }),
            }
            done += count;
            if let Some(bar) = &self.bar {
                bar.set_position(done);
            }
        }
        Ok(ranges)
    }

    fn may_commit(&self, ranges: &[Range], asking: bool) -> Result<(), Broken> {
        if self.interrupts.go_ahead(&self.unknown(ranges), asking) { Ok(()) } else { Err(Broken::Interrupted) }
    }

    fn unknown(&self, ranges: &[Range]) -> String {
        let first = ranges.first().map_or(0, |range| range.first.0);
        let last = ranges.last().map_or(0, |range| range.last().0);
        // A job with a unique key that was held is not there in either case.
        let next = match self.unkeyed.and_then(|n| id_of(ranges, n)) {
            Some(id) => format!("`queue-work jobs show {id}` tells"),
            None => AGAIN.to_owned(),
        };
        let jobs = words::count(self.total, "job");
        format!("it is unknown whether the {jobs} (ids {first} to {last}) were added, all of them or none; {next}")
    }

    /// An error that may have come before or after the jobs were added.
    fn doubt(&self, broken: Broken, ranges: &[Range]) -> Broken {
        if matches!(broken, Broken::Unknown(_)) {
            output::say(&self.unknown(ranges));
        }
        broken
    }
}

/// The id of a job, counted from 0.
fn id_of(ranges: &[Range], mut nth: u64) -> Option<JobId> {
    for Range { first, count } in ranges {
        if nth < *count {
            return Some(JobId(first.0 + nth as i64));
        }
        nth -= count;
    }
    None
}

/// The ids of all jobs, in the order of the lines.
fn all_ids<'a>(done: &'a BulkDone, ranges: &'a [Range]) -> impl Iterator<Item = JobId> + 'a {
    let instead: HashMap<JobId, JobId> = done.duplicates.iter().map(|&[id, holder]| (id, holder)).collect();
    let ids = ranges.iter().flat_map(|range| range.first.0..range.first.0 + range.count as i64);
    ids.map(JobId).map(move |id| instead.get(&id).copied().unwrap_or(id))
}
