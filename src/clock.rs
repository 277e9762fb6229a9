//! The clocks: of threads and processes, of the master, and how it notices that one was set; and waiting.
//!
//! Invariant: nothing that runs in the supervisor's thread waits here, except before its first and after its last
//! turn.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Mono, Now, UnixMicros};
use crate::process::clock::{BOOT, started_at};

/// The monotonic clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the threads read the clock")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// The wall clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where it is read")]
pub(crate) fn wall() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Microseconds since the machine started, those in which it slept included.
#[must_use]
pub(crate) fn boot_micros() -> u64 {
    u64::try_from(boot()).unwrap_or(0)
}

/// Waits between two looks at something that nobody tells of.
#[expect(clippy::disallowed_methods, reason = "the file system and `/proc` tell nobody of changes")]
pub(crate) fn pause(d: Duration) {
    std::thread::sleep(d);
}

/// The kernel counts the start of a process in ticks of this length, on every machine that Rust knows.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Both clocks; monotonic time counts from when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// How long the machine had slept by then, in microseconds.
    slept: i64,
}

impl Clock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), slept: slept() }
    }

    /// Reads both clocks.
    #[must_use]
    pub(crate) fn now(&self) -> Now {
        Now { mono: self.mono(), wall: wall() }
    }

    /// Reads the monotonic clock alone.
    #[must_use]
    pub(crate) fn mono(&self) -> Mono {
        Mono(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// How old a process is that started then, as its identity says; less what the machine may have slept
    /// meanwhile.
    #[must_use]
    pub(crate) fn age(&self, start: u64) -> Duration {
        let age = boot().saturating_sub(started_at(start)).saturating_sub(slept() - self.slept);
        Duration::from_micros(u64::try_from(age).unwrap_or(0))
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
pub(crate) struct Steps {
    /// How far the wall clock is before the other one, in microseconds.
    ahead: i64,
}

impl Steps {
    pub(crate) fn start() -> Self {
        Self { ahead: ahead().unwrap_or_default() }
    }

    /// By how much the wall clock was set since the last call, in microseconds.
    pub(crate) fn step(&mut self) -> Option<i64> {
        self.compare(ahead()?)
    }

    fn compare(&mut self, ahead: i64) -> Option<i64> {
        let by = ahead.saturating_sub(std::mem::replace(&mut self.ahead, ahead));
        (by.saturating_abs() > STEP_US).then_some(by)
    }
}

/// How far the wall clock is before the one that nobody sets; `None` where they could not be read together.
fn ahead() -> Option<i64> {
    (0..TRIES).find_map(|_| {
        let (before, wall, after) = (boot(), wall(), boot());
        (after - before < TOGETHER_US).then(|| wall.0.saturating_sub(after))
    })
}

/// The clock that stands still while the machine sleeps, in microseconds, as a service manager reads it.
#[must_use]
pub(crate) fn monotonic_micros() -> u64 {
    u64::try_from(micros(rustix::time::ClockId::Monotonic)).unwrap_or(0)
}

/// The same, for the core and the store; not the clock of a master, which begins with it.
#[must_use]
pub(crate) fn monotonic() -> Mono {
    Mono(monotonic_micros())
}

/// The clock that goes on while the machine sleeps, in microseconds.
#[must_use]
pub(crate) fn boot() -> i64 {
    micros(BOOT)
}

/// How long the machine has slept since it started, in microseconds.
fn slept() -> i64 {
    boot().saturating_sub(micros(rustix::time::ClockId::Monotonic))
}

fn micros(clock: rustix::time::ClockId) -> i64 {
    let since = rustix::time::clock_gettime(clock);
    since.tv_sec.saturating_mul(1_000_000).saturating_add(since.tv_nsec / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_goes_a_little_wrong() {
        let mut steps = Steps { ahead: 0 };
        let told: Vec<Option<i64>> =
            [400_000, 900_000, 3_900_000, 3_900_000, -6_100_000].map(|ahead| steps.compare(ahead)).into();
        assert_eq!(told, [None, None, Some(3_000_000), None, Some(-10_000_000)]);
    }

    #[test]
    fn the_age_of_a_process_is_told_by_its_start() {
        let clock = Clock::start();
        let start = crate::process::identity::start_time(std::process::id()).unwrap();
        let age = clock.age(start);
        assert!(age < Duration::from_hours(1), "{age:?}");
        assert_eq!(clock.age(start.saturating_sub(100)).saturating_sub(age).as_secs(), 1);
    }

    #[test]
    fn both_clocks_go_on_together() {
        let mut steps = Steps::start();
        assert_eq!(steps.step(), None);
    }
}
