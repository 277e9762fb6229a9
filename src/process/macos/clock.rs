//! `CLOCK_MONOTONIC` goes on meanwhile; how long the machine has slept is not known.

use rustix::time::ClockId;

use crate::clock::{boot, wall};

/// The clock that nobody sets, also while the machine sleeps.
pub(crate) const BOOT: ClockId = ClockId::Monotonic;

/// When a process with this start time started, in microseconds of [`BOOT`].
pub(crate) fn started_at(start: u64) -> i64 {
    // In whole seconds since 1970: at the end of its second at the latest.
    let end = i64::try_from(start).unwrap_or(i64::MAX).saturating_add(1).saturating_mul(1_000_000);
    boot().saturating_sub(wall().0).saturating_add(end)
}
