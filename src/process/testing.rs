//! What the tests of processes share: waiting for a condition, and running a test in a process of its own.
//!
//! Invariant: nothing waits longer than [`DEADLINE`].

use std::process::Command;
use std::time::{Duration, Instant};

/// The longest a condition may take on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for a condition; panics with `what` when it does not come true.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "did not happen in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// True inside the process made for the test `name`; otherwise makes it, runs the test there and returns false.
/// For tests that wait for any child, which would disturb those that run beside them.
pub(crate) fn in_own_process(name: &str) -> bool {
    const MARK: &str = "QUEUE_WORK_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let out = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("1 passed"), "no test is called {name}");
    false
}
