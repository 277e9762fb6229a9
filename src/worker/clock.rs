//! The only place of the built-in worker where time is read.

use std::time::Instant;

/// Now, monotonic.
#[expect(clippy::disallowed_methods, reason = "the one clock of the built-in worker")]
pub(super) fn now() -> Instant {
    Instant::now()
}
