//! `--exec` templates: the same command for every job, filled in from its args.

use serde_json::{Value, json};

use super::support::{Bench, fixture};
use super::{all_jobs, drain};

/// Pushes one job per args, runs `argv.py` with these words, and returns the jobs.
fn run(args: &[Value], template: &[&str]) -> Vec<Value> {
    let bench = Bench::new();
    let lines: Vec<String> =
        args.iter().map(|a| json!({"type": "t", "args": a, "max_attempts": 1}).to_string()).collect();
    bench.verb(&["push", "--jsonl"]).stdin(lines.join("\n")).run().expect_code(0);
    let words = fixture("argv.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    drain(&bench, &[&["--workers=1", "--exec", "--"], &words[..], template].concat());
    all_jobs(&bench)
}

fn said(job: &Value) -> Value {
    serde_json::from_str(job["result"].as_str().unwrap_or_else(|| panic!("no result: {job}"))).expect("JSON")
}

fn words(job: &Value) -> Vec<String> {
    let said = said(job);
    let word = |hex: &Value| {
        let hex = hex.as_str().expect("hex");
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
        String::from_utf8(bytes.collect()).expect("UTF-8")
    };
    said["argv"].as_array().expect("words").iter().map(word).collect()
}

#[test]
fn args_are_a_string_as_it_is_and_anything_else_as_json() {
    let jobs = run(&[json!("a b"), json!([1, "x"]), json!(null), json!(1.5), json!({"a": true})], &["{}"]);
    let seen: Vec<Vec<String>> = jobs.iter().map(words).collect();
    assert_eq!(seen, [["a b"], ["[1,\"x\"]"], ["null"], ["1.5"], ["{\"a\":true}"]]);
}

#[test]
fn a_name_is_a_member_of_the_args_and_one_that_is_missing_is_said() {
    let jobs = run(&[json!({"file": "a.png", "size": 7}), json!({"file": "x"}), json!([1])], &["{file}", "{size}px"]);
    assert_eq!(words(&jobs[0]), ["a.png", "7px"]);
    for (job, part) in [(&jobs[1], "have no `size`"), (&jobs[2], "not an object")] {
        assert_eq!(job["state"], "dead", "{job}");
        assert!(job["error"].as_str().expect("a text").contains(part), "{job}");
    }
}

#[test]
fn the_whole_job_is_on_stdin_as_one_line_of_json() {
    let jobs = run(&[json!({"a": "line\nbreak"})], &[]);
    let said = said(&jobs[0]);
    let stdin = said["stdin"].as_str().expect("a text");
    assert_eq!(stdin.matches('\n').count(), 1);
    let job: Value = serde_json::from_str(stdin).expect("JSON");
    assert_eq!((&job["job_id"], &job["type"], &job["args"]), (&json!(1), &json!("t"), &json!({"a": "line\nbreak"})));
    assert_eq!((&job["queue"], &job["attempt"]), (&json!("default"), &json!(1)));
}

#[test]
fn a_command_that_does_not_read_its_stdin_is_not_held_up_by_a_large_job() {
    let bench = Bench::new();
    let large = format!("\"{}\"", "a".repeat(1 << 20));
    bench.verb(&["push", "t", "-"]).stdin(large).run().expect_code(0);
    drain(&bench, &["--workers=1", "--exec", "--", "echo", "done"]);
    assert_eq!(bench.job(1)["result"], "done\n");
}

#[test]
fn exec_needs_a_command_and_excludes_opaque() {
    let bench = Bench::new();
    for words in [&["--exec"][..], &["--opaque"], &["--exec", "--opaque", "--", "x"]] {
        bench.run(words).expect_code(2);
    }
}
