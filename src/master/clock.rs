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

/// The wall clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
pub fn wall() -> UnixMicros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
