//! A master whose own output goes nowhere.

use crate::support::{Bench, DEADLINE};
use nix::sys::signal::Signal;

#[test]
fn jobs_go_on_when_nobody_can_hear_the_master() {
    for redirected in [">&- 2>&-", ">/dev/full 2>/dev/full", "<&- >&- 2>&-", "> >(true) 2>&1"] {
        let bench = Bench::new();
        let mut master = bench.start_redirected(&["-v", "--workers", "2"], redirected);
        let id = bench.push(&["--", "sh", "-c", "echo said >&2; echo result"]);
        assert_eq!(bench.wait_for_job(id, "succeeded")["result"], "result\n", "{redirected}");
        let failed = bench.push(&["--max-attempts", "1", "--", "false"]);
        bench.wait_for_job(failed, "dead");
        assert!(bench.ok(&["logs"]).contains("said"), "{redirected}");
        master.signal(Signal::SIGTERM);
        assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{redirected}");
        bench.expect_no_leftovers();
    }
}
