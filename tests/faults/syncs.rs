//! What an acknowledged push is worth, and what is said about one that is not safe.

use crate::support::Bench;

#[test]
fn a_push_whose_sync_fails_is_not_acknowledged_and_the_next_one_is() {
    let bench = Bench::new();
    let _master = bench.start_with(&["--workers", "1"], &[("QUEUE_WORK_FAIL", "sync.before=error@1")]);
    let refused = bench.run(&["push", "--", "true"]).expect_code(1);
    assert!(refused.stderr.contains("it is unknown whether it would survive a power cut"), "{}", refused.stderr);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    // It was written all the same, and nobody was told a lie.
    bench.wait_for_job(id - 1, "succeeded");
}

#[test]
fn a_push_that_was_acknowledged_is_there_after_a_kill_at_once() {
    let bench = Bench::new();
    // Nobody works, so nothing else is written after it.
    let mut master = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--queue", "nobodys", "--", "true"]);
    master.kill9();
    assert_eq!(bench.job(id)["state"], "ready");
}
