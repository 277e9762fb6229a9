//! Which tick of a processor is due, and what becomes of those that were missed.
//!
//! Invariants: ticks are taken in order, each once; how many were missed is counted up to a bound, and never run without
//! one.

use std::time::Duration;

use crate::model::UnixMicros;
use crate::model::processor::{Missed, ProcessorSettings, RunSource, SkipCause, Timing};

/// A tick that is later than this was missed: the machine slept, or the clock was set.
const LATE: Duration = Duration::from_mins(1);
/// So many ticks are counted, when they are passed over; then it is "at least".
const MOST_COUNTED: u64 = 1000;

/// The tick that is due, and its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) tick: UnixMicros,
    pub(super) next_at: Option<UnixMicros>,
    /// Ticks before it that have no run, and why.
    pub(super) passed_over: (u64, SkipCause),
    /// The tick itself has none, either.
    pub(super) skip: Option<SkipCause>,
    pub(super) source: RunSource,
}

/// The time before a tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    /// Ticks up to then were missed, as no master ran.
    pub(super) watched_since: UnixMicros,
    /// Ticks after that waited for the run before, or for the pause after it.
    pub(super) was_held: bool,
    /// The tick before was one that was made up for: how many there are to be was decided then.
    pub(super) catches_up: bool,
}

impl Due {
    /// Of a processor whose next tick is this one, which is not later than `now`.
    pub(super) fn of(settings: &ProcessorSettings, first: UnixMicros, past: Past, now: UnixMicros) -> Self {
        let Past { watched_since, was_held, catches_up } = past;
        let timing = &settings.timing;
        let is_late = |tick| !was_held && now.since(tick) > LATE.saturating_add(settings.jitter);
        let is_missed = |tick| tick <= watched_since || is_late(tick);
        let oldest = now.minus(settings.missed_within);
        let last = timing.last_until(first, now);
        let was_held = was_held && first > watched_since;
        let policy = if was_held { Missed::Once } else { settings.missed };
        let (tick, runs) = match policy {
            Missed::All => {
                let tick =
                    timing.earliest(first.max(oldest), last, if catches_up { u32::MAX } else { settings.missed_max });
                (tick, tick >= oldest || !is_missed(tick))
            }
            Missed::Once => (last, last >= oldest || !is_missed(last)),
            Missed::Skip => (last, !is_missed(last)),
        };
        Self {
            tick,
            next_at: timing.next(tick),
            passed_over: (timing.count(first, tick), if was_held { SkipCause::Overlap } else { SkipCause::Missed }),
            skip: (!runs).then_some(SkipCause::Missed),
            source: if is_missed(tick) { RunSource::Missed } else { RunSource::Schedule },
        }
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1)
}

impl Timing {
    /// The tick after this one, where it is known.
    pub(super) fn next(&self, tick: UnixMicros) -> Option<UnixMicros> {
        match self {
            Self::External | Self::Every(_) => None,
            Self::Grid(step) => Some(tick.plus(*step)),
            Self::Calendar(schedule) => schedule.after(tick),
        }
    }

    /// The last tick until now, from this one on.
    fn last_until(&self, first: UnixMicros, now: UnixMicros) -> UnixMicros {
        match self {
            Self::External | Self::Every(_) => first,
            Self::Grid(step) => {
                let step = micros(*step);
                UnixMicros(first.0 + now.0.saturating_sub(first.0).max(0) / step * step)
            }
            Self::Calendar(schedule) => schedule.until(now).filter(|tick| *tick > first).unwrap_or(first),
        }
    }

    /// The earliest of the last `most` ticks that is not before `from`, or the last one. `u32::MAX`: however many they are.
    fn earliest(&self, from: UnixMicros, last: UnixMicros, most: u32) -> UnixMicros {
        match self {
            Self::External | Self::Every(_) => last,
            Self::Grid(step) => {
                let step = micros(*step);
                let before = (last.0.saturating_sub(from.0) / step).clamp(0, i64::from(most.max(1) - 1));
                UnixMicros(last.0 - before * step)
            }
            Self::Calendar(schedule) if most == u32::MAX => {
                schedule.after(UnixMicros(from.0.saturating_sub(1))).filter(|tick| *tick < last).unwrap_or(last)
            }
            Self::Calendar(schedule) => {
                let before = |tick: &UnixMicros| schedule.until(UnixMicros(tick.0.saturating_sub(1)));
                let ticks = std::iter::successors(Some(last), before).take(most as usize);
                ticks.take_while(|tick| *tick >= from).last().unwrap_or(last)
            }
        }
    }

    /// The number of ticks from `first` on, before `end`; at most [`MOST_COUNTED`].
    fn count(&self, first: UnixMicros, end: UnixMicros) -> u64 {
        match self {
            Self::External | Self::Every(_) => 0,
            Self::Grid(step) => u64::try_from((end.0 - first.0) / micros(*step)).unwrap_or(0),
            Self::Calendar(schedule) => {
                let ticks = std::iter::successors(Some(first), |tick| schedule.after(*tick));
                ticks.take_while(|tick| *tick < end).take(MOST_COUNTED as usize).count() as u64
            }
        }
    }
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
