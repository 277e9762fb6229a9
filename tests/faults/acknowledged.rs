//! What an acknowledged push is worth.

use crate::support::Bench;

#[test]
fn a_push_that_was_acknowledged_is_there_after_a_kill_at_once() {
    let bench = Bench::new();
    // Nobody works, so nothing else is written after it.
    let mut master = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--queue", "nobodys", "--", "true"]);
    master.kill9();
    assert_eq!(bench.job(id)["state"], "ready");
}
