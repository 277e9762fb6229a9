//! The only place of the benchmark where time is read and passes.
//!
//! All stamps are nanoseconds of `CLOCK_MONOTONIC`, which is one clock for all processes of the machine: a worker can
//! say when it got a job that another process pushed.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;

/// Nanoseconds since the machine started.
pub(crate) fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Seconds since then.
pub(crate) fn seconds_since(then_ns: u64) -> f64 {
    now_ns().saturating_sub(then_ns) as f64 / 1e9
}

/// Lets time pass: between two pushes, while something is idle, or as the work of a job.
#[expect(clippy::disallowed_methods, reason = "the one pause of the benchmark")]
pub(crate) fn pause(d: Duration) {
    std::thread::sleep(d);
}

/// Looks every `interval` whether the condition holds; an error that names `what` when it does not in time.
pub(crate) fn until(
    what: &str,
    deadline: Duration,
    interval: Duration,
    mut holds: impl FnMut() -> Outcome<bool>,
) -> Outcome<()> {
    let start = now_ns();
    while !holds()? {
        if seconds_since(start) > deadline.as_secs_f64() {
            return Err(format!("waited {deadline:?} for {what}").into());
        }
        if !interval.is_zero() {
            pause(interval);
        }
    }
    Ok(())
}

/// Microseconds since 1970.
pub(crate) fn wall_us() -> i64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}
