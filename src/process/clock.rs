//! Reading the monotonic clock and waiting, for threads beside the supervisor and for tests.
//!
//! Invariant: nothing that runs in the supervisor's thread waits here, except before its first and after its last
//! turn.

use std::time::{Duration, Instant};

/// The monotonic clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the threads read the clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Waits between two looks at something that nobody tells of.
#[expect(clippy::disallowed_methods, reason = "the file system and `/proc` tell nobody of changes")]
pub fn pause(d: Duration) {
    std::thread::sleep(d);
}
