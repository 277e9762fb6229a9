//! `processors wrap`: a command in its own right, with a run on record.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::support::DEADLINE;
use super::{array, bench, processor, runs, twice, write};

#[test]
fn the_command_has_our_streams_and_we_have_its_exit_code() {
    twice(|bench| {
        let script = "read line; echo \"out $line\"; echo err >&2";
        let run = bench.verb(&["processors", "wrap", "backup", "--", "sh", "-c", script]).stdin("hello\n").run();
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "out hello\n", "err\n"));
        let newest = runs(bench).remove(0);
        assert_eq!(
            (&newest["state"], &newest["note"], &newest["source"]),
            (&json!("succeeded"), &json!(null), &json!("foreign"))
        );
        bench.run(&["processors", "wrap", "backup", "--", "sh", "-c", "exit 3"]).expect_code(3);
        let newest = runs(bench).remove(0);
        assert_eq!((&newest["state"], &newest["note"]), (&json!("failed"), &json!("exit code 3")));
        bench
            .run(&["processors", "wrap", "backup", "--note", "nightly", "--", "sh", "-c", "kill -9 $$"])
            .expect_code(137);
        assert_eq!((&runs(bench)[0]["state"], &runs(bench)[0]["note"]), (&json!("failed"), &json!("nightly")));
        bench.run(&["processors", "wrap", "backup", "--", "sh", "-c", "kill -9 $$"]).expect_code(137);
        assert_eq!(runs(bench)[0]["note"], "SIGKILL");
    });
}

#[test]
fn a_command_that_cannot_be_started_is_a_run_that_failed() {
    twice(|bench| {
        let run = bench.run(&["processors", "wrap", "backup", "--", "/no/such/program"]).expect_code(127);
        assert!(run.stderr.starts_with("queue-work: cannot start `/no/such/program`: "), "{run:?}");
        assert_eq!(runs(bench)[0]["state"], "failed");
        bench.run(&["processors", "wrap", "backup"]).expect_code(2);
        bench.run(&["processors", "wrap", "backup", "true"]).expect_code(2);
    });
}

#[test]
fn signals_go_to_the_command_and_the_run_ends_with_it() {
    twice(|bench| {
        let script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
        let mut command = bench.command(&["processors", "wrap", "backup", "--", "sh", "-c", script]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("started");
        let mut out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).expect("read");
        assert_eq!(line, "ready\n");
        let open = processor(bench, "backup")["last_run"].clone();
        assert_eq!(open["state"], "running");
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it runs");
        let status = child.wait().expect("it ends");
        assert_eq!((status.code(), status.signal()), (Some(7), None));
        let newest = runs(bench).remove(0);
        assert_eq!((&newest["id"], &newest["state"]), (&open["id"], &json!("failed")));
    });
}

#[test]
fn a_command_runs_although_its_run_cannot_be_recorded() {
    let bench = bench();
    let wrap = ["processors", "wrap", "backup", "--", "sh", "-c", "echo did it; exit 4"];
    let all_the_same = |run: super::support::Run| {
        assert_eq!((run.code, run.stdout.as_str()), (4, "did it\n"), "{run:?}");
        assert!(run.stderr.contains("the run is not recorded, and the command is run all the same"), "{run:?}");
    };
    all_the_same(bench.verb(&wrap).env("QUEUE_WORK_DATABASE", "/no/such/folder/q.db").run());
    write(&bench, "[processors.backup\n");
    all_the_same(bench.run(&wrap));
    write(&bench, super::FILE);
    let master = bench.start(&[]);
    master.signal(Signal::SIGSTOP);
    all_the_same(bench.run(&wrap));
    master.signal(Signal::SIGCONT);
    let run = bench.run(&["processors", "wrap", "bakcup", "--", "echo", "did it"]).expect_code(4);
    assert!(run.stdout.is_empty() && run.stderr.contains("did you mean `backup`?"), "{run:?}");
}

#[test]
fn a_wrap_that_is_killed_leaves_a_run_that_is_lost() {
    let bench = bench();
    let _master = bench.start(&[]);
    let mut child = bench.command(&["processors", "wrap", "backup", "--", "sleep", "1000"]).spawn().expect("started");
    bench.wait_for("the run to begin", DEADLINE, |bench| !runs(bench).is_empty());
    child.kill().and_then(|()| child.wait()).expect("killed");
    bench.wait_for("the run to be lost", DEADLINE, |bench| runs(bench)[0]["state"] == "lost");
    for left in bench.leftovers().iter().filter(|left| left.command.contains("sleep")) {
        left.kill();
    }
    assert_eq!(array(&bench, &["runs", "--state", "lost"]).len(), 1);
}
