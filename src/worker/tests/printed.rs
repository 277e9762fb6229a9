//! What a command prints is passed on while it runs, and when it is ended.

use super::*;

#[test]
fn what_a_command_prints_is_passed_on_as_it_comes_and_without_its_line_break() {
    let mut bench = Bench::new();
    bench.sh(1, "echo before; printf after; exec sleep 1000");
    let printed = |bench: &Bench| bench.printed.recv_timeout(DEADLINE).expect("a piece in time");
    assert_eq!(printed(&bench), ">before");
    assert_eq!(printed(&bench), "+after+");
    bench.terminate.write_all(b"x").expect("a worker");
    assert_eq!(printed(&bench), ">", "the line ends with the command");
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
