//! The only place of the tests where time is read and passes.

use std::time::{Duration, Instant};

/// How long it takes until a condition is looked at again.
const INTERVAL: Duration = Duration::from_millis(5);

/// Now, monotonic.
#[expect(clippy::disallowed_methods, reason = "the one clock of the tests")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Looks at the condition until it holds (true) or the deadline is over (false).
pub(crate) fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = now() + deadline;
    loop {
        if condition() {
            return true;
        }
        if now() >= end {
            return false;
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the one pause of the tests, between two looks at a condition")]
fn pause() {
    std::thread::sleep(INTERVAL);
}
