//! A tick of a processor that is due, and what becomes of it by what is on record.

use super::processor::{Overlap, RunSource, SkipCause};
use super::{NewJob, ProcessorName, UnixMicros};

/// A processor that is armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    pub name: ProcessorName,
    pub schedule: String,
    /// The next tick, where none is on record for this schedule; `None`: it is reckoned from the end of a run.
    pub next_at: Option<UnixMicros>,
}

/// A tick, or a run without one, that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    pub processor: ProcessorName,
    /// Asks for a run without a tick.
    pub tick: Option<UnixMicros>,
    /// The last tick on record, else somebody else was first. Of no meaning without a tick.
    pub expected: Option<UnixMicros>,
    /// The tick after this one, where it is known.
    pub next_at: Option<UnixMicros>,
    /// So many ticks before this one are passed over, for this reason.
    pub passed_over: (u64, SkipCause),
    /// Passes over this one, too.
    pub skip: Option<SkipCause>,
    pub source: RunSource,
    pub overlap: Overlap,
    /// The word of the file.
    pub enabled: bool,
    /// Runs it although it is disabled.
    pub force: bool,
    /// Its unique key, if it has one, is left out: `overlap` decides.
    pub job: NewJob,
}

/// The record that a [`Tick`] depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnRecord {
    pub last_tick: Option<UnixMicros>,
    /// The word of an operator.
    pub enabled: Option<bool>,
    /// Whether a run is not over.
    pub is_open: bool,
    /// Whether the tick has its run already: from before the clock was set back.
    pub has_run: bool,
}

/// Fate of a [`Tick`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickFate {
    Run,
    Skip(SkipCause),
    /// The run before is open, and this one is to follow it.
    Occupied,
    /// Another master was first.
    Stale,
}

impl Tick {
    /// Its fate; `None`: the processor is not on record.
    #[must_use]
    pub fn fate(&self, on_record: Option<OnRecord>) -> TickFate {
        if self.tick.is_some() && on_record.is_none_or(|found| found.last_tick != self.expected) {
            return TickFate::Stale;
        }
        if on_record.is_some_and(|found| found.has_run) {
            return TickFate::Skip(SkipCause::Overlap);
        }
        let (enabled, is_open) = on_record.map_or((None, false), |found| (found.enabled, found.is_open));
        if let Some(cause) = self.skip {
            return TickFate::Skip(cause);
        }
        if !enabled.unwrap_or(self.enabled) && !self.force {
            return TickFate::Skip(SkipCause::Disabled);
        }
        match self.overlap {
            Overlap::Skip if is_open => TickFate::Skip(SkipCause::Overlap),
            Overlap::Queue | Overlap::Replace if is_open => TickFate::Occupied,
            Overlap::Skip | Overlap::Queue | Overlap::Replace | Overlap::Allow => TickFate::Run,
        }
    }

    /// How many ticks have no run in the end, and why the last of them.
    #[must_use]
    pub fn skips(&self, fate: TickFate) -> (u64, Option<SkipCause>) {
        match fate {
            TickFate::Skip(cause) => (self.passed_over.0 + 1, Some(cause)),
            _ if self.passed_over.0 > 0 => (self.passed_over.0, Some(self.passed_over.1)),
            _ => (0, None),
        }
    }
}
