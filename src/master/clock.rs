//! The only place of the master that reads the clocks.

use std::time::{Duration, Instant};

use crate::model::{Mono, Now, UnixMicros};

/// Both clocks; monotonic time counts from when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Reads both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { mono: Mono(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)), wall: wall() }
    }

    /// How long from `now` until `at`; zero if that is past.
    #[must_use]
    pub fn until(now: Now, at: Mono) -> Duration {
        at.since(now.mono)
    }
}

/// A wall clock that is off by more than this from one look to the next was set.
const STEP_US: i64 = 1_000_000;
/// Both clocks are read within this, or again: a process may be held up in between.
const TOGETHER_US: i64 = 50_000;
/// So often.
const TRIES: u32 = 10;

/// Notices that the wall clock was set, by the clock that goes on, also while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// How far the wall clock is before the other one, in microseconds.
    ahead: i64,
    /// It was set forward: by then it is believed.
    pub(super) doubtful_until: Mono,
}

impl Steps {
    pub(super) fn start() -> Self {
        Self { ahead: ahead().unwrap_or_default(), doubtful_until: Mono(0) }
    }

    /// By how much the wall clock was set since the last call, in microseconds.
    pub(super) fn step(&mut self) -> Option<i64> {
        self.compare(ahead()?)
    }

    fn compare(&mut self, ahead: i64) -> Option<i64> {
        let by = ahead.saturating_sub(std::mem::replace(&mut self.ahead, ahead));
        (by.saturating_abs() > STEP_US).then_some(by)
    }
}

/// How far the wall clock is before the one that nobody sets; `None` where they could not be read together.
fn ahead() -> Option<i64> {
    let boot = || {
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        since.tv_sec.saturating_mul(1_000_000).saturating_add(since.tv_nsec / 1000)
    };
    (0..TRIES).find_map(|_| {
        let (before, wall, after) = (boot(), wall(), boot());
        (after - before < TOGETHER_US).then(|| wall.0.saturating_sub(after))
    })
}

/// The wall clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
pub fn wall() -> UnixMicros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_goes_a_little_wrong() {
        let mut steps = Steps { ahead: 0, doubtful_until: Mono(0) };
        let told: Vec<Option<i64>> =
            [400_000, 900_000, 3_900_000, 3_900_000, -6_100_000].map(|ahead| steps.compare(ahead)).into();
        assert_eq!(told, [None, None, Some(3_000_000), None, Some(-10_000_000)]);
    }

    #[test]
    fn both_clocks_go_on_together() {
        let mut steps = Steps::start();
        assert_eq!(steps.step(), None);
    }
}
