//! `CLOCK_BOOTTIME` goes on meanwhile, `CLOCK_MONOTONIC` stands still.

use rustix::time::ClockId;

/// The clock that nobody sets, also while the machine sleeps.
pub(crate) const BOOT: ClockId = ClockId::Boottime;

/// When a process with this start time started, in microseconds of [`BOOT`].
pub(crate) fn started_at(start: u64) -> i64 {
    // In ticks of a hundredth of a second.
    i64::try_from(start).unwrap_or(i64::MAX).saturating_mul(10_000)
}
