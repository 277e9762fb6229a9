//! Processors: which tick is due when, and what is asked of the store then.
//!
//! The store decides, in one transaction, whether a tick has a run: whether the processor is enabled, whether the run
//! before is open, whether another master was first. The core knows when to ask, and arms the next tick by the answer.
//!
//! Invariants: one question on its way for each processor; no tick before its time by the wall clock, nor while the master
//! stops; an interval waits for as long as it was to when the clock is set.

mod answers;
mod due;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Action, Core, Phase, Refusal, Tag, Ticket};
use crate::model::change::Change;
use crate::model::processor::{
    Armed, EndedRuns, Missed, OpenRun, Overlap, ProcessorSettings, RunSource, SkipCause, Tick, Timing,
};
use crate::model::{JobId, Mono, NewJob, Now, ProcessorName, ProcessorRunId, UnixMicros};
use due::{Due, Past};

/// The longest sleep while a tick is awaited: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// A tick that waits for the end of the run before asks again after so long, in case that end was not heard of.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Ticks on record that are further in the future than this were made by a clock that was wrong.
const FAR: Duration = Duration::from_hours(24);

/// A processor of the core, for as long as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessorId(u32);

/// The answer of the store to a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticked {
    Ran {
        run: ProcessorRunId,
        job: JobId,
    },
    Skipped(SkipCause),
    /// The run before is open, and is waited for.
    Occupied,
    /// Another master was first.
    Stale,
}

/// The event that a processor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// To be armed by the store.
    Arming,
    /// For its next tick.
    Tick,
    /// For the answer to this one.
    Answer(Due),
    /// For the end of the run before; asks again then, in case that end is not heard of.
    End { again: UnixMicros },
}

#[derive(Debug)]
struct Processor {
    settings: Arc<ProcessorSettings>,
    /// Its part of the jitter.
    jitter: Duration,
    waits: Waits,
    /// Its next tick has waited for the run before.
    was_held: bool,
    /// The last tick was one that was made up for, as all are that were missed.
    catches_up: bool,
    /// When the last run of a tick began.
    last_begun: Option<UnixMicros>,
    last_tick: Option<UnixMicros>,
    next_at: Option<UnixMicros>,
    open: Vec<OpenRun>,
    last_end: Option<UnixMicros>,
    /// Since the master has it.
    ended: EndedRuns,
    /// When it is in the queue of those that are due.
    due: Option<UnixMicros>,
}

impl Processor {
    /// When there is something to do for it.
    fn due(&self, watched_since: UnixMicros) -> Option<UnixMicros> {
        let next = self.next_at?;
        let jitter = if next <= watched_since { Duration::ZERO } else { self.jitter };
        let rested = self.last_end.map(|end| end.plus(self.settings.sleep));
        match self.waits {
            Waits::Tick => Some(next.plus(jitter).max(rested.unwrap_or(next))),
            Waits::End { again } => Some(again),
            Waits::Arming | Waits::Answer(_) => None,
        }
    }

    /// Whether a tick is late for another reason than the run before: it was missed, or due before that run began.
    fn makes_up_for(&self, due: &Due) -> bool {
        due.source == RunSource::Missed || self.last_begun.is_some_and(|begun| due.tick < begun)
    }

    fn has_begun(&mut self, run: ProcessorRunId, job: JobId) {
        self.open.push(OpenRun { id: run, job: Some(job), process: None, deadline: None });
    }

    /// The next tick, put on record if it is another one.
    fn set_next(&mut self, next_at: Option<UnixMicros>, out: &mut Vec<Action>) {
        if next_at != self.next_at && self.settings.job.is_some() {
            self.next_at = next_at;
            let (processor, expected) = (self.settings.name.clone(), self.last_tick);
            out.push(Action::Write(Change::SetNextTick { processor, expected, next_at }, Tag::None));
        }
    }

    fn job(&self, expires_at: Option<UnixMicros>) -> Option<NewJob> {
        Some(NewJob { expires_at, ..self.settings.job.clone()? })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Processors {
    all: BTreeMap<ProcessorId, Processor>,
    names: BTreeMap<ProcessorName, ProcessorId>,
    due: BTreeSet<(UnixMicros, ProcessorId)>,
    /// Runs outside that are open.
    foreign: BTreeMap<ProcessorRunId, (ProcessorName, OpenRun)>,
    next_id: u32,
    /// Since when a master looks after them; `None`: the first ones are still to be armed.
    watched_since: Option<UnixMicros>,
    /// Some are to be armed.
    unarmed: bool,
}

impl Processors {
    fn rearm(&mut self, id: ProcessorId) {
        let Some(processor) = self.all.get_mut(&id) else { return };
        if let Some(before) = processor.due.take() {
            self.due.remove(&(before, id));
        }
        processor.due = processor.due(self.watched_since.unwrap_or_default());
        self.due.extend(processor.due.map(|at| (at, id)));
    }

    fn change(&mut self, id: ProcessorId, change: impl FnOnce(&mut Processor)) {
        self.all.get_mut(&id).map(change);
        self.rearm(id);
    }

    /// Runs outside that are open.
    fn foreign(&self) -> impl Iterator<Item = &OpenRun> {
        self.foreign.values().map(|(_, run)| run)
    }
}

impl Core {
    /// Replaces the processors, each with its part of the jitter.
    pub fn set_processors(&mut self, processors: Vec<(ProcessorSettings, Duration)>) {
        let known = &mut self.processors;
        // Also where there are none: the store may have runs outside that are open.
        known.unarmed |= known.watched_since.is_none();
        let mut gone = std::mem::take(&mut known.names);
        for (settings, jitter) in processors {
            let (name, settings) = (settings.name.clone(), Arc::new(settings));
            let id = gone.remove(&name).unwrap_or_else(|| {
                known.next_id += 1;
                ProcessorId(known.next_id)
            });
            known.names.insert(name, id);
            let new = Processor {
                settings: Arc::clone(&settings),
                jitter,
                waits: Waits::Arming,
                was_held: false,
                catches_up: false,
                last_begun: None,
                last_tick: None,
                next_at: None,
                open: Vec::new(),
                last_end: None,
                ended: EndedRuns::default(),
                due: None,
            };
            let processor = known.all.entry(id).or_insert(new);
            if processor.settings.schedule != settings.schedule {
                processor.waits = Waits::Arming;
            }
            (processor.settings, processor.jitter) = (settings, jitter);
            known.unarmed |= processor.waits == Waits::Arming;
            known.rearm(id);
        }
        for id in gone.into_values() {
            known.change(id, |processor| processor.next_at = None);
            known.all.remove(&id);
        }
    }

    /// The processors, by name.
    pub fn processors(&self) -> impl Iterator<Item = &Arc<ProcessorSettings>> {
        self.processors.names.values().filter_map(|id| Some(&self.processors.all.get(id)?.settings))
    }

    /// The runs of each processor that have ended since the master has it.
    pub fn ended_runs(&self) -> impl Iterator<Item = (&ProcessorName, &EndedRuns)> {
        self.processors.all.values().map(|processor| (&processor.settings.name, &processor.ended))
    }

    /// A processor by its name.
    #[must_use]
    pub fn processor(&self, name: &str) -> Option<&Arc<ProcessorSettings>> {
        let name = ProcessorName::new(name).ok()?;
        Some(&self.processors.all.get(self.processors.names.get(&name)?)?.settings)
    }

    /// Runs outside that are open.
    pub fn foreign_runs(&self) -> impl Iterator<Item = &OpenRun> {
        self.processors.foreign()
    }

    /// When the next tick is due, or a run outside counts as lost.
    pub(super) fn next_tick(&self, now: Now) -> Option<Mono> {
        if self.phase != Phase::Running || self.is_out_of_time() {
            return None;
        }
        if self.processors.unarmed {
            return Some(now.mono);
        }
        let tick = self.processors.due.first().map(|(at, _)| *at);
        let lost = self.processors.foreign().filter_map(|run| run.deadline).min();
        let at = tick.into_iter().chain(lost).min()?;
        Some(now.mono + at.since(now.wall).min(LONGEST_SLEEP))
    }

    /// Asks for what is due.
    pub(super) fn tick(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.next_tick(now).is_none_or(|at| at > now.mono) {
            return;
        }
        if std::mem::take(&mut self.processors.unarmed) {
            self.arm(now, out);
        }
        while let Some(&(_, id)) = self.processors.due.first().filter(|(at, _)| *at <= now.wall) {
            self.ask(id, now, out);
        }
        let late = |run: &&OpenRun| run.deadline.is_some_and(|at| at <= now.wall);
        let lost: Vec<_> = self.processors.foreign().filter(late).map(|run| run.id).collect();
        for run in lost {
            self.lose_run(run, out);
        }
    }

    fn arm(&self, now: Now, out: &mut Vec<Action>) {
        let unarmed = self.processors.all.values().filter(|processor| processor.waits == Waits::Arming);
        let armed = unarmed.map(|Processor { settings, .. }| Armed {
            name: settings.name.clone(),
            schedule: settings.schedule.clone(),
            next_at: settings.timing.first(now.wall),
        });
        out.push(Action::Write(Change::ArmProcessors(armed.collect()), Tag::ArmProcessors));
    }

    /// Asks for the run of a tick that is due.
    fn ask(&mut self, id: ProcessorId, now: Now, out: &mut Vec<Action>) {
        let watched_since = self.processors.watched_since.unwrap_or_default();
        self.processors.change(id, |processor| {
            let settings = &processor.settings;
            let Some(next) = processor.next_at else { return };
            let has_rested = processor.last_end.is_some_and(|end| end <= next && end.plus(settings.sleep) > next);
            // With jitter a tick is due that much later, and so are those after it.
            let jitter = if next <= watched_since { Duration::ZERO } else { processor.jitter };
            let was_held = processor.was_held || has_rested;
            let past = Past { watched_since, was_held, catches_up: processor.catches_up };
            let due = Due::of(settings, next, past, now.wall.minus(jitter));
            let all = settings.missed == Missed::All;
            let Some(job) = processor.job(due.next_at.filter(|at| !all && *at > now.wall)) else {
                processor.next_at = None;
                return;
            };
            // One after the other: ticks that are made up for must not pass over each other.
            let follows = all && settings.overlap == Overlap::Skip && processor.makes_up_for(&due);
            let tick = Tick {
                processor: settings.name.clone(),
                tick: Some(due.tick),
                expected: processor.last_tick,
                next_at: due.next_at,
                passed_over: due.passed_over,
                skip: due.skip,
                source: due.source,
                overlap: if follows { Overlap::Queue } else { settings.overlap },
                enabled: settings.enabled,
                force: false,
                job,
            };
            processor.waits = Waits::Answer(due);
            out.push(Action::Write(Change::Tick(Box::new(tick)), Tag::Tick(id)));
        });
    }

    /// Asks for a run without a tick. `args`: instead of those of the file, for a job of a queue.
    pub(super) fn run_processor(
        &mut self,
        ticket: Option<Ticket>,
        name: &str,
        (args, force): (Option<Box<str>>, bool),
        source: RunSource,
        out: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        let no_such = || Refusal::NoSuchProcessor(name.to_owned());
        let id = ProcessorName::new(name).ok().and_then(|name| self.processors.names.get(&name).copied());
        let id = id.ok_or_else(no_such)?;
        let processor = self.processors.all.get(&id).ok_or_else(no_such)?;
        let mut job = processor.job(None).ok_or_else(|| Refusal::NothingToRun(processor.settings.name.clone()))?;
        job.args = args.unwrap_or(job.args);
        let tick = Tick {
            processor: processor.settings.name.clone(),
            tick: None,
            expected: None,
            next_at: None,
            passed_over: (0, SkipCause::Missed),
            skip: None,
            source,
            overlap: processor.settings.overlap,
            enabled: processor.settings.enabled,
            force,
            job,
        };
        out.push(Action::Write(Change::Tick(Box::new(tick)), Tag::Run { processor: id, ticket }));
        Ok(())
    }
}

impl Timing {
    /// The first tick of a processor that has none on record.
    fn first(&self, now: UnixMicros) -> Option<UnixMicros> {
        match self {
            Self::External | Self::Every(_) => None,
            Self::Grid(step) => Some(now.plus(*step)),
            Self::Calendar(schedule) => schedule.after(now),
        }
    }
}
