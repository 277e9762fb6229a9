//! Bytes stay bytes: names that are not text, with line breaks in them or a CR at their end, reach the command as they are.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::{Command, Stdio};

use serde_json::json;

use super::support::{Bench, fixture};
use super::{all_jobs, drain};

/// Names of files that a list of lines of text cannot hold, or that would be easy to spoil.
const NAMES: [&[u8]; 10] = [
    b"plain",
    b"caf\xe9",
    b"two\nlines",
    b"\n",
    b"Icon\r",
    b"dos\r\n",
    b"-rf",
    b" ",
    b"{}",
    b"\xff\xfe{\"b64\":\"QQ==\"}\x01",
];

/// What `argv.py` says it was given, one list of words for each job.
fn words(bench: &Bench) -> Vec<Vec<Vec<u8>>> {
    let of = |job: &serde_json::Value| {
        let said: serde_json::Value = serde_json::from_str(job["result"].as_str().expect("a text")).expect("JSON");
        let word = |hex: &serde_json::Value| {
            let hex = hex.as_str().expect("hex");
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
        };
        said["argv"].as_array().expect("words").iter().map(word).collect()
    };
    all_jobs(bench).iter().map(of).collect()
}

fn files(bench: &Bench) {
    let folder = bench.path().join("files");
    std::fs::create_dir(&folder).expect("a folder");
    for name in NAMES {
        std::fs::write(folder.join(OsStr::from_bytes(name)), name).expect("a file");
    }
}

#[test]
fn every_file_that_find_names_is_done_with_a_nul_after_each() {
    let bench = Bench::new();
    files(&bench);
    let found = Command::new("find").args(["files", "-type", "f", "-print0"]).current_dir(bench.path()).output();
    let list = found.expect("find can be run").stdout;
    let run = bench.verb(&["push", "--lines", "--null", "--", "cp", "{}", "{}.done"]).stdin(list.clone()).run();
    assert_eq!(run.expect_code(0).stderr, "queue-work: added 10 jobs, ids 1 to 10, batch 1\n");
    // From a file, without an end after the last, and with an empty record, which is none.
    std::fs::write(bench.path().join("list"), [&list[..list.len() - 1], b"\0\0"].concat()).expect("a list");
    bench.run(&["push", "-0", "--lines", "--file=list", "--", "cp", "{}", "{}.done again"]).expect_code(0);
    drain(&bench, &["--workers=2"]);
    for name in NAMES {
        for ending in [".done", ".done again"] {
            let done = OsString::from_vec([name, ending.as_bytes()].concat());
            assert_eq!(std::fs::read(bench.path().join("files").join(&done)).expect("a copy"), name, "{done:?}");
        }
    }
}

#[test]
fn what_is_not_text_passes_through_a_master_as_bytes() {
    let bench = Bench::new();
    let master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    let command = fixture("argv.py");
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let all = [&["push", "--lines", "-0", "--"], &command[..], &["a{}b"]].concat();
    bench.verb(&all).stdin(NAMES.join(&0)).run().expect_code(0);
    drop(master);
    drain(&bench, &["--workers=1"]);
    let expected: Vec<Vec<Vec<u8>>> = NAMES.iter().map(|name| vec![[b"a", *name, b"b"].concat()]).collect();
    assert_eq!(words(&bench), expected);
}

#[test]
fn arguments_folder_and_variables_of_a_command_need_not_be_text() {
    let bench = Bench::by_its_own_path();
    let odd = OsStr::from_bytes(b"caf\xe9");
    let folder = bench.path().join(odd);
    std::fs::create_dir(&folder).expect("a folder");
    let mut command = bench.command(&["push", "--env"]);
    command.arg(OsString::from_vec(b"V=\xfe=".to_vec()));
    command.args(["--", "sh", "-c", "printf '%s|%s|' \"$1\" \"$V\" | od -An -tx1 && pwd | od -An -tx1", "sh"]);
    command.arg(odd).current_dir(&folder).stdout(Stdio::null());
    assert!(command.status().expect("pushed").success());
    let args = &bench.job(1)["args"];
    assert_eq!(args["argv"][4], json!({"b64": "Y2Fm6Q=="}));
    assert_eq!(args["env"], json!({"V": {"b64": "/j0="}}));
    drain(&bench, &["--workers=1"]);
    let result = bench.job(1)["result"].as_str().expect("a text").split_whitespace().collect::<Vec<_>>().concat();
    assert!(result.starts_with("636166e97cfe3d7c") && result.contains("636166e90a"), "{result}");
    for list in [&["jobs", "list", "--oldest"][..], &["jobs", "show", "1"]] {
        let shown = bench.ok(list);
        assert!(!shown.contains("b64") && shown.contains("printf"), "{shown}");
    }
}

#[test]
fn the_same_may_be_written_in_json() {
    let bench = Bench::new();
    let line = json!({"type": "exec", "args": {"argv": ["printf", "%s", {"b64": "w6k="}]}}).to_string();
    bench.verb(&["push", "--jsonl"]).stdin(line).run().expect_code(0);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(1)["result"], "é");
    let bad = json!({"type": "exec", "args": {"argv": ["a", {"b64": "?"}]}}).to_string();
    let run = bench.verb(&["push", "--jsonl"]).stdin(bad).run().expect_code(1);
    assert!(run.stderr.contains("line 1: ") && run.stderr.contains("argv"), "{}", run.stderr);
}

#[test]
fn a_cr_at_the_end_of_a_line_stays_unless_it_is_to_go() {
    let bench = Bench::new();
    let run = bench.verb(&["push", "--lines", "t"]).stdin("Icon\r\nplain\n").run().expect_code(0);
    assert!(!run.stderr.contains("CR"), "{}", run.stderr);
    let run = bench.verb(&["push", "--lines", "t"]).stdin("a\r\nb\r\n").run().expect_code(0);
    assert!(run.stderr.contains("every line ends in a CR") && run.stderr.contains("`--crlf`"), "{}", run.stderr);
    bench.verb(&["push", "--lines", "--crlf", "t"]).stdin("a\r\nb\r\r\nc\n").run().expect_code(0);
    let args: Vec<_> = all_jobs(&bench).iter().map(|job| job["args"].clone()).collect();
    assert_eq!(args, ["Icon\r", "plain", "a\r", "b\r", "a", "b\r", "c"]);
}

#[test]
fn a_record_that_cannot_be_a_text_is_named_where_only_a_text_will_do() {
    let bench = Bench::new();
    let input = b"good\0caf\xe9\0".to_vec();
    let run = bench.verb(&["push", "--lines", "-0", "resize"]).stdin(input.clone()).run().expect_code(1);
    assert!(run.stderr.starts_with("queue-work: record 2: it is not UTF-8"), "{}", run.stderr);
    assert!(run.stderr.contains("`resize`"), "{}", run.stderr);
    let run = bench.verb(&["push", "--lines", "-0", "--skip-bad", "resize"]).stdin(input).run().expect_code(0);
    assert!(run.stderr.ends_with("added 1 job, id 1, batch 1; 1 bad line left out\n"), "{}", run.stderr);
    bench.run(&["push", "--jsonl", "--null"]).expect_code(2);
    bench.run(&["push", "--crlf", "t"]).expect_code(2);
    bench.run(&["push", "--lines", "--null", "--crlf", "t"]).expect_code(2);
}
