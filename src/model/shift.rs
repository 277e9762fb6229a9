//! Moving what waits for a length of time when the clock was set.
//!
//! Invariant: a wait for a point in time is never moved.

use super::{JobId, UnixMicros};

/// Waits of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// For a retry, or for the end of a delay.
    Due,
    /// For the expiry of what has not started.
    Expiry,
}

/// A step of moving what waits for a length of time. What began to wait between `from` and now is right already; nothing
/// waits for longer from now than it was to wait in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    pub waits: Waits,
    /// By so many microseconds.
    pub by: i64,
    /// The wall clock just after it was set.
    pub from: UnixMicros,
    /// Where the step before stopped.
    pub after: Option<(UnixMicros, JobId)>,
    /// Bound on the rows looked at.
    pub limit: u32,
}

impl Shift {
    /// Where to begin or go on: later ones first where they move to later, so that none is met again.
    #[must_use]
    pub fn cursor(&self) -> (UnixMicros, JobId) {
        let (first, last) = ((UnixMicros(i64::MIN), JobId(0)), (UnixMicros(i64::MAX), JobId(i64::MAX)));
        self.after.unwrap_or(if self.by > 0 { last } else { first })
    }

    /// When something is due that was due `at`, and was to wait for `wait` microseconds; what is not above zero is no such
    /// length any more, as the clock was set in between.
    #[must_use]
    pub fn moved(&self, at: UnixMicros, wait: i64, now: UnixMicros) -> UnixMicros {
        let began = at.0.saturating_sub(wait);
        if self.by != 0 && (self.from.0..=now.0).contains(&began) {
            return at;
        }
        let longest = if wait > 0 { now.0.saturating_add(wait) } else { i64::MAX };
        UnixMicros(at.0.saturating_add(self.by).min(longest))
    }
}

/// In place of the length of a wait: the job waits for a point in time, whatever becomes of the clock.
pub const FIXED_US: i64 = 0;

/// The longest wait for a retry of which it is not on record how long it was to be, in microseconds.
pub const LONGEST_RETRY_US: i64 = 72 * 60 * 1_000_000;
