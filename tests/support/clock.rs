//! The only place of the tests where time is read and passes.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How long it takes until a condition is looked at again.
const INTERVAL: Duration = Duration::from_millis(5);

/// Longer than this nobody waits: for a run that is expected to fail, which need not take as long as one that may yet
/// succeed.
static LONGEST: LazyLock<Duration> = LazyLock::new(|| {
    let seconds = std::env::var("TEST_DEADLINE_S").ok().and_then(|text| text.parse().ok());
    seconds.map_or(Duration::MAX, Duration::from_secs)
});

/// Now, monotonic.
#[expect(clippy::disallowed_methods, reason = "the one clock of the tests")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Looks at the condition until it holds (true) or the deadline is over (false).
pub(crate) fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = now() + deadline.min(*LONGEST);
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
