//! The clocks and waiting, for threads beside the supervisor, for the other processes and for tests.
//!
//! Invariant: nothing that runs in the supervisor's thread waits here, except before its first and after its last
//! turn.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::UnixMicros;

/// The monotonic clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the threads read the clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// The wall clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where it is read")]
pub fn wall() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Waits between two looks at something that nobody tells of.
#[expect(clippy::disallowed_methods, reason = "the file system and `/proc` tell nobody of changes")]
pub fn pause(d: Duration) {
    std::thread::sleep(d);
}
