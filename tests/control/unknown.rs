//! Pushes of which the master does not say what became: what is said is true, and a signal ends them at once.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::peer::socket;
use crate::support::Bench;

const KEYED: &str = "of the unfinished ones twice";

/// Stands for a master that takes every request until it has heard this one, and does not answer that.
fn hear(bench: &Bench, listener: &UnixListener, last: &str) -> UnixStream {
    let about = std::fs::metadata(bench.database()).expect("a file");
    let file = json!({"device": about.dev(), "inode": about.ino()});
    let (stream, _) = listener.accept().expect("a client");
    let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
    let say = |what: Value| writeln!(&stream, "{what}").expect("it reads");
    say(json!({"method": "store", "params": {"database": "the", "file": file}}));
    let mut next_id = 11;
    loop {
        let line = lines.next().expect("a request").expect("a line");
        let request: Value = serde_json::from_str(&line).expect("JSON");
        let result = match request["method"].as_str().expect("a method") {
            method if method == last => return stream,
            "bulk.begin" => json!({"bulk": 1}),
            "bulk.add" => {
                let count = request["params"]["jobs"].as_array().expect("jobs").len();
                next_id += count;
                json!({"count": count, "first_id": next_id - count})
            }
            other => panic!("{other}"),
        };
        say(json!({"id": request["id"], "result": result}));
    }
}

/// Begins a push of lines.
fn begin(bench: &Bench, words: &[&str], input: &str) -> Child {
    std::fs::write(bench.path().join("input"), input).expect("written");
    let input = std::fs::File::open(bench.path().join("input")).expect("a file");
    let mut command = bench.command(&[&["push"], words].concat());
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be started")
}

/// All of its ways to end without an answer: its master dies, or it is told to end.
#[track_caller]
fn expect_said(words: &[&str], input: &str, last: &str, parts: &[&str]) -> String {
    let mut all = String::new();
    for signal in [None, Some(Signal::SIGTERM), Some(Signal::SIGINT)] {
        let bench = Bench::new();
        bench.push(&["there"]);
        let listener = UnixListener::bind(socket(&bench)).expect("a socket");
        let push = begin(&bench, words, input);
        let mut master = Some(hear(&bench, &listener, last));
        match signal {
            None => drop(master.take()),
            Some(signal) => kill(Pid::from_raw(push.id().cast_signed()), signal).expect("our child"),
        }
        let out = push.wait_with_output().expect("our child");
        drop(master);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(signal.map_or(1, |signal| 128 + signal as i32)), "{said}");
        assert_eq!(said.matches("it is unknown whether ").count(), 1, "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert!(!said.contains("nothing was added\n"), "{said}");
        all.push_str(&said);
    }
    all
}

fn objects(count: usize, keyed: impl Fn(usize) -> bool) -> String {
    let object = |n| if keyed(n) { json!({"type": "t", "unique": format!("k{n}")}) } else { json!({"type": "t"}) };
    (0..count).map(|n| object(n).to_string() + "\n").collect()
}

#[test]
fn a_push_of_few_jobs_whose_answer_does_not_come_says_that_their_fate_is_unknown() {
    let parts = ["the 3 jobs were added, all of them or none; see `queue-work jobs list`"];
    expect_said(&["--lines", "t"], "a\nb\nc\n", "push_many", &parts);
    expect_said(&["--jsonl"], &objects(3, |n| n > 0), "push_many", &parts);
    expect_said(&["--jsonl"], &objects(3, |_| true), "push_many", &["the 3 jobs", KEYED]);
    expect_said(&["--lines", "--stream", "t"], "a", "push_many", &["those from line 1 to line 1"]);
}

#[test]
fn a_push_of_many_jobs_whose_answer_does_not_come_names_what_tells_their_fate() {
    let (many, shown) = (3000, "`queue-work jobs show 11` tells");
    expect_said(&["--lines", "t"], &"a\n".repeat(many), "bulk.commit", &["(ids 11 to 3010)", shown]);
    // The first whose key nobody can have held.
    let mixed = objects(many, |n| n < 1500);
    expect_said(&["--jsonl"], &mixed, "bulk.commit", &["`queue-work jobs show 1511` tells"]);
    let said = expect_said(&["--jsonl"], &objects(many, |_| true), "bulk.commit", &["(ids 11 to 3010)", KEYED]);
    assert!(!said.contains("jobs show"), "{said}");
}

#[test]
fn a_push_of_one_job_whose_answer_does_not_come_says_that_its_fate_is_unknown() {
    for (words, part) in [
        (&["t"][..], "whether the job was added; see `queue-work jobs list`"),
        (&["--unique=k", "t"], "does not add it twice while it is unfinished"),
        (&["--wait", "--", "true"], "whether the job was added; see `queue-work jobs list`"),
    ] {
        let bench = Bench::new();
        bench.push(&["there"]);
        let listener = UnixListener::bind(socket(&bench)).expect("a socket");
        let push = begin(&bench, words, "");
        drop(hear(&bench, &listener, "push"));
        let out = push.wait_with_output().expect("our child");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() != Some(0) && said.contains(part), "{said}");
    }
}
