//! `push --stream`: jobs are added as their lines come.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::all_jobs;
use super::support::{Bench, DEADLINE};

fn begin(bench: &Bench, options: &[&str]) -> Child {
    let mut command = bench.command(&[&["push", "--lines", "--stream"], options].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary can be started")
}

fn write(child: &mut Child, text: &str) {
    child.stdin.as_mut().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
}

/// Its exit code, and what it said.
fn end(child: Child) -> (Option<i32>, String) {
    let out = child.wait_with_output().expect("our child");
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn with_and_without_a_master(test: fn(&Bench)) {
    test(&Bench::new());
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    test(&bench);
}

#[test]
fn lines_are_added_as_they_come_and_a_bad_one_ends_it_with_an_account() {
    with_and_without_a_master(|bench| {
        let mut push = begin(bench, &["--ids", "--", "echo"]);
        let mut ids = BufReader::new(push.stdout.take().expect("a pipe")).lines();
        let mut next = || ids.next().expect("an id").expect("a text");
        write(&mut push, "one\n");
        assert_eq!(next(), "1");
        assert_eq!(all_jobs(bench).len(), 1);
        write(&mut push, "two\nthree\n");
        assert_eq!([next(), next()], ["2", "3"]);
        write(&mut push, "four\nb\0d\nsix\n");
        let (code, said) = end(push);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("line 5: ") && said.contains("NUL"), "{said}");
        assert!(said.contains("added 4 jobs, ids 1 to 4; those from line 5 on were not sent"), "{said}");
        assert_eq!(all_jobs(bench).len(), 4);
        let run = bench.verb(&["push", "--lines", "--stream", "t"]).stdin("a\n\nb").run().expect_code(0);
        assert_eq!(run.stderr, "queue-work: added 2 jobs, ids 5 to 6\n");
        let run = bench.verb(&["push", "--jsonl", "--stream", "--skip-bad"]).stdin("{}\n{\"type\":\"t\"}").run();
        assert!(run.expect_code(0).stderr.ends_with("added 1 job, id 7; 1 bad line left out\n"));
    });
}

#[test]
fn a_signal_ends_it_with_an_account_also_while_it_waits_for_a_line() {
    with_and_without_a_master(|bench| {
        let mut push = begin(bench, &["t"]);
        write(&mut push, "one\ntwo\nth");
        bench.wait_for("two jobs", DEADLINE, |bench| all_jobs(bench).len() == 2);
        let stdin = push.stdin.take();
        kill(Pid::from_raw(push.id().cast_signed()), Signal::SIGTERM).expect("it is there");
        let (code, said) = end(push);
        drop(stdin);
        assert_eq!(code, Some(143), "{said}");
        assert!(said.ends_with("added 2 jobs, ids 1 to 2; nothing else was sent\n"), "{said}");
        assert_eq!(all_jobs(bench).len(), 2);
    });
}
