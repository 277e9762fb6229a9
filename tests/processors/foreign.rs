//! `begin` and `end`: runs from outside.

use std::process::{Child, Command};

use serde_json::json;

use super::support::{Bench, DEADLINE};
use super::{begin, bench, keys, runs, twice};

#[test]
fn a_run_outside_is_begun_and_ended_once() {
    twice(|bench| {
        assert_eq!(bench.ok(&["processors", "begin", "backup"]), "1\n");
        let run = bench.run(&["processors", "begin", "backup", "--json"]).expect_code(0).json();
        assert_eq!(run, runs(bench)[0], "as it is on record");
        assert_eq!(keys(&run).len(), 10);
        assert_eq!((&run["id"], &run["state"]), (&json!(2), &json!("running")));
        assert_eq!(bench.ok(&["processors", "end", "1", "--note", "12 files"]), "run 1 of `backup` succeeded\n");
        let ended = bench.run(&["processors", "end", "2", "--state", "failed", "--json"]).expect_code(0).json();
        assert_eq!((ended["state"].as_str(), ended["note"].as_str()), (Some("failed"), None));
        assert_eq!(ended, runs(bench)[0]);
        assert_eq!(runs(bench)[1]["note"], "12 files");
        let again = bench.run(&["processors", "end", "1", "--state", "failed"]).expect_code(5);
        assert_eq!(again.stderr, "queue-work: run 1 is over: succeeded\n");
        let none = bench.run(&["processors", "end", "77"]).expect_code(4);
        assert!(none.stderr.contains("there is no run 77"), "{none:?}");
        bench.run(&["processors", "end", "2", "--state", "lost"]).expect_code(2);
        bench.run(&["processors", "end", "two"]).expect_code(2);
    });
}

#[test]
fn a_run_of_a_job_is_not_ended_from_outside() {
    let bench = bench();
    let _master = bench.start(&[]);
    let id = bench.ok(&["processors", "run", "mail", "--force"]);
    let refused = bench.run(&["processors", "end", id.trim_end()]).expect_code(5);
    assert!(refused.stderr.contains("ends with its job"), "{refused:?}");
}

#[test]
fn a_note_comes_from_stdin_is_cut_with_a_word_and_shown_without_its_control_characters() {
    twice(|bench| {
        let note = |bytes: &[u8]| {
            let id = begin(bench, &["backup"]);
            let run = bench.verb(&["processors", "end", &id, "--note", "-"]).stdin(bytes).run().expect_code(0);
            (runs(bench).remove(0)["note"].as_str().map(str::to_owned), run.stderr)
        };
        assert_eq!(note(b"two\nlines\n"), (Some("two\nlines".to_owned()), String::new()));
        let (kept, said) = note("ü".repeat(500_000).as_bytes());
        assert_eq!(kept, Some("ü".repeat(4096)));
        assert!(said.contains("the note is too long; its first 8192 bytes are kept"), "{said}");
        let (kept, _) = note(b"a\x00b\x1b[2J\xff");
        assert_eq!(kept.as_deref(), Some("a\0b\x1b[2J\u{fffd}"));
        let text = bench.ok(&["processors", "runs"]);
        assert!(text.contains("a\\x00b\\x1b[2J") && !text.contains('\x1b'), "{text}");
    });
}

#[test]
fn a_process_that_does_not_exist_does_not_begin_a_run() {
    twice(|bench| {
        let mut gone = Command::new("true").spawn().expect("started");
        gone.wait().expect("ended");
        let run = bench.run(&["processors", "begin", "backup", "--pid", &gone.id().to_string()]).expect_code(1);
        assert!(run.stdout.is_empty() && run.stderr.contains("there is no process "), "{run:?}");
        bench.run(&["processors", "begin", "backup", "--pid", "0"]).expect_code(2);
        assert!(runs(bench).is_empty());
        begin(bench, &["backup", "--pid", &std::process::id().to_string()]);
    });
}

fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().expect("started")
}

fn is_lost(bench: &Bench) {
    bench.wait_for("the run to be lost", DEADLINE, |bench| runs(bench)[0]["state"] == "lost");
    let id = runs(bench)[0]["id"].to_string();
    let late = bench.run(&["processors", "end", &id]).expect_code(5);
    assert_eq!(late.stderr, format!("queue-work: run {id} is over: lost\n"));
}

#[test]
fn a_foreign_run_whose_process_dies_is_lost() {
    let bench = bench();
    let master = bench.start(&[]);
    let mut child = sleeper();
    begin(&bench, &["backup", "--pid", &child.id().to_string()]);
    assert_eq!(runs(&bench)[0]["state"], "running");
    child.kill().and_then(|()| child.wait()).expect("killed");
    is_lost(&bench);
    drop(master);
    let mut child = sleeper();
    begin(&bench, &["backup", "--pid", &child.id().to_string()]);
    child.kill().and_then(|()| child.wait()).expect("killed");
    let _master = bench.start(&[]);
    is_lost(&bench);
}

#[test]
fn a_foreign_run_without_a_process_is_lost_at_its_timeout() {
    let bench = bench();
    let _master = bench.start(&[]);
    begin(&bench, &["backup"]);
    begin(&bench, &["ocr", "--timeout", "100ms"]);
    is_lost(&bench);
    assert_eq!(runs(&bench)[1]["state"], "running", "it has ten minutes");
}
