//! Never a shell: whatever a word contains, the command gets it byte by byte, as one word.

use serde_json::{Value, json};

use super::support::{Bench, fixture};
use super::{all_jobs, drain};

/// Words that a shell would not leave alone.
const CORPUS: [&str; 24] = [
    "$(id)",
    "`id`",
    ";id",
    "a && b",
    "| cat",
    "> /tmp/x",
    "&",
    "$HOME",
    "~",
    "*",
    "?",
    "[a-z]",
    "{a,b}",
    "a b",
    " ",
    "'",
    "\"",
    "\\",
    "-n",
    "--help",
    "--",
    "tab\there",
    "ümläut 😀",
    "%s\\n",
];

/// What `argv.py` says it was given.
fn words(result: &Value) -> Vec<String> {
    let said: Value = serde_json::from_str(result.as_str().expect("a text")).expect("JSON");
    let word = |hex: &Value| {
        let hex = hex.as_str().expect("hex");
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
        String::from_utf8(bytes.collect()).expect("UTF-8")
    };
    said["argv"].as_array().expect("words").iter().map(word).collect()
}

fn command() -> Vec<String> {
    fixture("argv.py")
}

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn every_argument_of_a_pushed_command_arrives_byte_by_byte() {
    let bench = Bench::new();
    let odd: Vec<&str> = CORPUS.iter().copied().chain(["line\nbreak", "\r\n", "", "\u{1b}[31m", "\u{7f}"]).collect();
    let command = command();
    bench.push(&[&["--"], &refs(&command)[..], &odd].concat());
    drain(&bench, &["--workers=1"]);
    assert_eq!(words(&bench.job(1)["result"]), odd);
}

#[test]
fn every_line_arrives_as_one_argument_wherever_it_stands() {
    let bench = Bench::new();
    let command = command();
    let all = [&["push", "--lines", "--"], &refs(&command)[..], &["{}", "pre{}post", "{x}"]].concat();
    bench.verb(&all).stdin(CORPUS.join("\n")).run().expect_code(0);
    drain(&bench, &["--workers=2"]);
    let jobs = all_jobs(&bench);
    assert_eq!(jobs.len(), CORPUS.len());
    for (word, job) in CORPUS.iter().zip(&jobs) {
        assert_eq!(words(&job["result"]), [(*word).to_owned(), format!("pre{word}post"), "{x}".to_owned()]);
    }
}

#[test]
fn every_value_fills_a_template_as_one_argument() {
    let bench = Bench::new();
    let values: Vec<&str> = CORPUS.iter().copied().chain(["line\nbreak", "{}", "{name}", ""]).collect();
    let lines: Vec<String> = values.iter().map(|v| json!({"type": "t", "args": {"name": v}}).to_string()).collect();
    bench.verb(&["push", "--jsonl"]).stdin(lines.join("\n")).run().expect_code(0);
    let command = command();
    drain(&bench, &[&["--workers=2", "--exec", "--"], &refs(&command)[..], &["{name}", "--x={name}", "{}"]].concat());
    for (value, job) in values.iter().zip(all_jobs(&bench)) {
        let args = json!({"name": value}).to_string();
        assert_eq!(words(&job["result"]), [(*value).to_owned(), format!("--x={value}"), args]);
    }
}

#[test]
fn a_job_cannot_choose_the_program_of_a_template() {
    let bench = Bench::new();
    let run = bench.run(&["--workers=1", "--queue=default", "--drain", "--exec", "--", "{}", "x"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("placeholder"), "{}", run.stderr);
}
