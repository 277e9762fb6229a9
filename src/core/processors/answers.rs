//! News of processors for the core: how a tick was answered, which runs have begun and ended, that the clock was set.
//!
//! Invariant: after each of them a processor whose runs are over has a next tick, unless its schedule has none.

use super::{ASK_AGAIN, FAR, Processor, Ticked, Waits};
use crate::core::commands::Asker;
use crate::core::{Action, Core, Done, ProcessorId, Refusal, Tag, Ticket};
use crate::model::change::Change;
use crate::model::done::Ran;
use crate::model::processor::{EndedRun, Missed, OpenRun, Overlap, ProcessorRecord, RunSource, SkipCause, Timing};
use crate::model::{Notice, Now, ProcessorName, ProcessorRunId, States, UnixMicros};

impl Core {
    /// The records of processors that were to be armed, and of others with runs outside that are open.
    pub(in crate::core) fn armed(&mut self, records: Vec<ProcessorRecord>, now: Now, out: &mut Vec<Action>) {
        let begins = self.processors.watched_since.is_none();
        self.processors.watched_since.get_or_insert(now.wall);
        for record in records {
            let outside = record.open.iter().filter(|run| run.job.is_none());
            self.processors.foreign.extend(outside.map(|run| (run.id, (record.name.clone(), run.clone()))));
            let Some(&id) = self.processors.names.get(&record.name) else { continue };
            let mut at_start = None;
            self.processors.change(id, |processor| {
                processor.waits = Waits::Tick;
                processor.last_tick = record.last_tick;
                processor.last_end = record.last_run.and_then(|run| run.ended_at).map(|end| end.min(now.wall));
                processor.next_at = record.next_at;
                at_start = (begins && processor.settings.run_at_start).then(|| processor.settings.name.clone());
            });
            self.processors.change(id, |processor| processor.open = record.open);
            self.see_to_next(id, 0, now, out);
            if let Some(name) = at_start {
                // One with nothing to run was refused when the file was read.
                let _ = self.run_processor(None, name.as_str(), (None, false), RunSource::Start, out);
            }
        }
    }

    /// The answer to a tick.
    pub(in crate::core) fn ticked(&mut self, id: ProcessorId, answer: Ticked, now: Now, out: &mut Vec<Action>) {
        let mut cancel = Vec::new();
        let mut stale = false;
        self.processors.change(id, |processor| {
            let Waits::Answer(due) = processor.waits else { return };
            processor.waits = Waits::Tick;
            let skip = match answer {
                Ticked::Ran { run, job } => {
                    processor.has_begun(run, job);
                    processor.last_begun = Some(now.wall);
                    None
                }
                Ticked::Skipped(cause) => Some(cause),
                Ticked::Occupied => {
                    processor.waits = Waits::End { again: now.wall.plus(ASK_AGAIN) };
                    processor.was_held = !processor.makes_up_for(&due);
                    if processor.settings.overlap == Overlap::Replace {
                        cancel.extend(processor.open.iter().filter_map(|run| run.job));
                    }
                    return;
                }
                Ticked::Stale => {
                    processor.waits = Waits::Arming;
                    stale = true;
                    return;
                }
            };
            (processor.last_tick, processor.next_at, processor.was_held) = (Some(due.tick), due.next_at, false);
            processor.catches_up = due.source == RunSource::Missed && processor.settings.missed == Missed::All;
            if let (Some(_), Timing::Every(length)) = (skip, &processor.settings.timing) {
                processor.set_next(Some(now.wall.plus((*length).max(processor.settings.sleep))), out);
            }
            let before = if due.passed_over.1 == SkipCause::Missed { due.passed_over.0 } else { 0 };
            let missed = before + u64::from(skip == Some(SkipCause::Missed));
            if missed > 0 {
                let (processor, ran) = (processor.settings.name.clone(), skip.is_none());
                out.push(Action::Tell(Notice::TicksMissed { processor, missed, ran }));
            }
        });
        self.processors.unarmed |= stale;
        self.hear_of_job(id, answer);
        self.see_to_next(id, 0, now, out);
        for job in cancel {
            let asker = Asker { waits: false, caller: None, grace: None };
            self.cancel(Ticket(0), (job, States::ALL), asker, now, out);
        }
    }

    /// A run has put a job into its queue.
    fn hear_of_job(&mut self, id: ProcessorId, answer: Ticked) {
        let job = self.processors.all.get(&id).and_then(|processor| processor.settings.job.as_ref());
        if let Ticked::Ran { .. } = answer {
            // Of one that is gone from the file meanwhile it may be any queue.
            let queues: Vec<_> = job.map(|job| job.queue.clone()).into_iter().collect();
            self.news(&queues);
        }
    }

    /// The answer to a run without a tick, for which somebody may wait.
    pub(in crate::core) fn ran(
        &mut self,
        id: ProcessorId,
        ticket: Option<Ticket>,
        answer: Ticked,
        out: &mut Vec<Action>,
    ) {
        if let Ticked::Ran { run, job } = answer {
            self.processors.change(id, |processor| processor.has_begun(run, job));
        }
        self.hear_of_job(id, answer);
        let Some(ticket) = ticket else { return };
        let name = self.processors.all.get(&id).map(|processor| processor.settings.name.clone());
        let reply = match (answer, name) {
            (Ticked::Ran { run, job }, _) => Ok(Done::Ran(Ran { run, job_id: job })),
            (_, None) => Err(Refusal::ProcessorGone),
            (Ticked::Skipped(SkipCause::Disabled), Some(name)) => Err(Refusal::Disabled(name)),
            (Ticked::Skipped(_) | Ticked::Occupied | Ticked::Stale, Some(name)) => Err(Refusal::RunOpen(name)),
        };
        out.push(Action::Reply(ticket, reply));
    }

    /// A run outside has begun.
    pub(in crate::core) fn run_begun(&mut self, name: &ProcessorName, run: OpenRun) {
        self.processors.foreign.insert(run.id, (name.clone(), run.clone()));
        if let Some(&id) = self.processors.names.get(name) {
            self.processors.change(id, |processor| processor.open.push(run));
        }
    }

    /// Runs have ended, by what is committed.
    pub(in crate::core) fn runs_ended(&mut self, ended: &[EndedRun], now: Now, out: &mut Vec<Action>) {
        for run in ended {
            self.processors.foreign.remove(&run.id);
            let Some(&id) = self.processors.names.get(&run.processor) else { continue };
            self.processors.change(id, |processor| {
                processor.open.retain(|open| open.id != run.id);
                processor.ended[run.state as usize] += 1;
                processor.last_end = processor.last_end.max(Some(run.ended_at.min(now.wall)));
                if matches!(processor.waits, Waits::End { .. }) {
                    processor.waits = Waits::Tick;
                }
            });
            self.see_to_next(id, 0, now, out);
        }
    }

    /// A run outside is gone without having said so. Its end is heard of when it is committed.
    pub(in crate::core) fn lose_run(&mut self, run: ProcessorRunId, out: &mut Vec<Action>) {
        if let Some((processor, _)) = self.processors.foreign.remove(&run) {
            out.push(Action::Write(Change::LoseRun(run), Tag::None));
            out.push(Action::Tell(Notice::RunLost { processor, run }));
        }
    }

    /// The clock was set: intervals wait for as long as they were to, dates do not.
    pub(in crate::core) fn shift_ticks(&mut self, by: i64, now: Now, out: &mut Vec<Action>) {
        let shifted = |at: &mut UnixMicros| *at = UnixMicros(at.0.saturating_add(by)).min(now.wall);
        self.processors.watched_since.iter_mut().for_each(shifted);
        for (_, run) in self.processors.foreign.values_mut() {
            run.deadline = run.deadline.map(|at| UnixMicros(at.0.saturating_add(by)));
        }
        for id in self.processors.all.keys().copied().collect::<Vec<_>>() {
            self.processors.change(id, |Processor { last_end, last_begun, .. }| {
                last_end.iter_mut().chain(last_begun).for_each(shifted);
            });
            self.see_to_next(id, by, now, out);
        }
    }

    /// Sees to it that a processor that has nothing to wait for has a next tick, and none that a wrong clock has made.
    fn see_to_next(&mut self, id: ProcessorId, shift: i64, now: Now, out: &mut Vec<Action>) {
        self.processors.change(id, |processor| {
            if processor.waits != Waits::Tick {
                return;
            }
            let Processor { last_tick, last_end, next_at, .. } = *processor;
            let shifted = |at: UnixMicros, length| UnixMicros(at.0.saturating_add(shift)).min(now.wall.plus(length));
            let next = match (&processor.settings.timing, next_at) {
                (Timing::Every(length), Some(at)) => Some(shifted(at, (*length).max(processor.settings.sleep))),
                (Timing::Grid(length), Some(at)) => Some(shifted(at, *length)),
                (Timing::Every(length), None) if processor.open.is_empty() => {
                    Some(last_end.unwrap_or(now.wall).plus(*length))
                }
                (Timing::External, _) | (Timing::Every(_) | Timing::Grid(_), None) => None,
                (Timing::Calendar(schedule), at) => {
                    // Not later than the first after the last one, unless a wrong clock has made that one.
                    let last = last_tick.filter(|tick| *tick <= now.wall.plus(FAR));
                    let latest = schedule.after(last.unwrap_or(now.wall).max(now.wall));
                    if latest.is_some_and(|latest| at.is_none_or(|at| at > latest)) { latest } else { at }
                }
            };
            processor.set_next(next, out);
        });
    }
}
