//! The time of the master: its clock and its timers, and how it notices that the clock was set, or that it was held up
//! itself.

use std::time::Duration;

use super::timers::{Timer, Timers};
use crate::clock::{Clock, Steps};
use crate::model::{Mono, Now};

/// A master whose turn comes so much later than it was to was held up: stopped, or left without processor time.
const HELD_UP: Duration = Duration::from_secs(2);
/// For so long after that it hears what was said meanwhile: a turn or two, and what it had begun before.
const CATCHES_UP: Duration = Duration::from_secs(1);

/// Time, which starts with it.
#[derive(Debug)]
pub(super) struct Time {
    clock: Clock,
    steps: Steps,
    timers: Timers,
    /// When this turn began.
    turn: Mono,
    /// Until then what comes may have waited while the master was held up.
    late_until: Mono,
}

impl Time {
    pub(super) fn start() -> Self {
        let (clock, steps, timers) = (Clock::start(), Steps::start(), Timers::default());
        Self { clock, steps, timers, turn: Mono(0), late_until: Mono(0) }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn mono(&self) -> Mono {
        self.clock.mono()
    }

    /// How old a process is, by the ticks at which it started ([`Clock::age`]).
    pub(super) fn age(&self, start_ticks: u64) -> Duration {
        self.clock.age(start_ticks)
    }

    /// By how much the wall clock was set since the last call, in microseconds.
    pub(super) fn step(&mut self) -> Option<i64> {
        self.steps.step()
    }

    /// Sets a timer in place of what it was set to; `None`: it does not ring.
    pub(super) fn ring_at(&mut self, timer: Timer, at: Option<Mono>) {
        self.timers.set(timer, at);
    }

    /// Sets a timer by the time from now.
    pub(super) fn ring_in(&mut self, timer: Timer, time: Duration) {
        self.timers.set(timer, Some(self.mono() + time));
    }

    /// Takes out the timers that ring now.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Timer> {
        self.timers.due(now)
    }

    /// The time until the next timer rings.
    pub(super) fn until_next(&self) -> Option<Duration> {
        // Rounded up: a timer that rings early would turn for nothing.
        self.timers.next().map(|at| at.since(self.mono()) + Duration::from_micros(50))
    }

    /// The first turn begins.
    pub(super) fn begin(&mut self) {
        self.turn = self.mono();
    }

    /// A turn begins that was to come after `timeout` at the latest.
    pub(super) fn begin_turn(&mut self, timeout: Duration) {
        let now = self.mono();
        let before = std::mem::replace(&mut self.turn, now);
        if now.since(before) > timeout + HELD_UP {
            self.late_until = now + CATCHES_UP;
        }
    }

    /// How long this turn has taken until now, without its wait.
    pub(super) fn turned_for(&self) -> Duration {
        self.mono().since(self.turn)
    }

    /// Whether what comes now may have waited while the master was held up.
    pub(super) fn is_late(&self) -> bool {
        self.mono() < self.late_until
    }
}
