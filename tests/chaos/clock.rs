//! Time that all processes share, and how it passes here.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::support::now;

/// Monotonic, in microseconds: the same in every process of this machine.
pub(crate) fn micros() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    time.tv_sec() * 1_000_000 + time.tv_nsec() / 1000
}

/// Lets time pass: the work of a job that does nothing, and the random moment before a fault.
pub(crate) fn pass(time: Duration) {
    if !time.is_zero() {
        let _ = crossbeam_channel::never::<()>().recv_timeout(time);
    }
}

/// Looks at the condition every half millisecond, where a figure depends on it: true once it holds, false after the
/// deadline.
pub(crate) fn soon(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = now() + deadline;
    while !condition() {
        if now() >= end {
            return false;
        }
        pass(Duration::from_micros(500));
    }
    true
}
