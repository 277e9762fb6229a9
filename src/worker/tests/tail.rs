//! Output of a command that the master is told of before the end.

use super::*;

#[test]
fn the_master_is_told_what_a_command_has_printed_before_it_is_over() {
    let mut bench = Bench::new();
    bench.sh(1, "echo before; echo after; exec sleep 1000");
    let tail = |bench: &Bench| loop {
        let message = bench.answers.recv_timeout(DEADLINE).expect("a note in time");
        if message["method"] == "tail" {
            return message["params"].clone();
        }
    };
    assert_eq!(tail(&bench), json!({"id": 1, "stdout": "before\nafter"}));
    bench.cancel(1, "timeout");
    bench.terminate.write_all(b"x").expect("a worker");
    assert_eq!(tail(&bench), json!({"id": 1, "stdout": "before\nafter"}), "once more at its end");
    assert_eq!(bench.ended(), Ended::Terminated);
}

#[test]
fn sigterm_ends_the_command_without_an_answer() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = fifo(&dir);
    let mut bench = Bench::new();
    bench.sh(1, &format!("echo > {}; exec sleep 1000", at.display()));
    bench.exec(2, &["true"]);
    begun(&at);
    bench.terminate.write_all(b"x").expect("a worker");
    assert_eq!(bench.ended(), Ended::Terminated);
    assert!(bench.answers.recv_timeout(DEADLINE).is_err(), "no answer, and the output is closed");
}
