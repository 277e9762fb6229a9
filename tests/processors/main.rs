//! Processors, through the real binary: the verbs and the methods of the socket, with a master and without.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod foreign;
mod list;
mod next;
mod run;
mod runs;
mod socket;
mod switch;
mod ticks;
mod wrap;

use serde_json::Value;
use support::Bench;

/// None of them is due while a test runs.
const FILE: &str = r#"
[processors.ocr]
description = "Text in images"
every = "1h"
command = ["sh", "-c", "echo nothing to do"]

[processors.mail]
enabled = false
every = "1h"
queue = "mail"
type = "send"
args = { to = "you" }

[processors.report]
cron = "30 2 * * *"
timezone = "Europe/Berlin"
command = ["sh", "-c", "echo no paper >&2; exit 3"]

[processors.backup]
timeout = "10m"
"#;

/// A bench with processors in its file.
fn bench() -> Bench {
    let bench = Bench::new();
    write(&bench, FILE);
    bench
}

fn write(bench: &Bench, file: &str) {
    std::fs::write(bench.path().join("queue-work.toml"), file).expect("written");
}

/// Without a master, and with one.
fn twice(test: impl Fn(&Bench)) {
    test(&bench());
    let bench = bench();
    let _master = bench.start(&[]);
    test(&bench);
}

#[track_caller]
fn array(bench: &Bench, words: &[&str]) -> Vec<Value> {
    let all = [&["processors"], words, &["--json"]].concat();
    bench.run(&all).expect_code(0).json().as_array().expect("an array").clone()
}

/// The processor as the list has it.
#[track_caller]
fn processor(bench: &Bench, name: &str) -> Value {
    let found = array(bench, &[]).into_iter().find(|processor| processor["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[track_caller]
fn runs(bench: &Bench) -> Vec<Value> {
    array(bench, &["runs"])
}

/// Begins a run outside, and returns its id.
#[track_caller]
fn begin(bench: &Bench, words: &[&str]) -> String {
    let printed = bench.ok(&[&["processors", "begin"], words].concat());
    let id = printed.strip_suffix('\n').expect("a line");
    assert!(id.parse::<u64>().is_ok(), "{printed:?}");
    id.to_owned()
}

#[track_caller]
fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
