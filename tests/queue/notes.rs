//! Notes on the runs of processors: what a worker says, what a command prints.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::support::{Bench, DEADLINE};

/// A worker that says something while it works, and for some jobs again with its answer.
const WORKER: &str = r#"
import json, sys

for line in sys.stdin:
    job = json.loads(line)
    if job.get("method") != "job":
        continue
    for text in ["one of two", "two of two"]:
        print(json.dumps({"method": "note", "params": {"id": job["id"], "text": text}}), flush=True)
    run = {"run": {"note": "12 mails sent"}} if job["params"]["type"] == "answer" else {}
    print(json.dumps({"id": job["id"], "result": None, **run}), flush=True)
"#;

fn processor(name: &str, what: &str) -> String {
    format!("[processors.{name}]\nevery = \"1h\"\nrun_at_start = true\n{what}\n")
}

/// Names, states and notes of all runs that are over.
fn notes(bench: &Bench) -> BTreeMap<String, (i64, Option<String>)> {
    let open = Connection::open(bench.database()).expect("the database");
    let text =
        "SELECT name, state, note FROM processor_runs r JOIN processors p ON p.id = r.processor WHERE ended_at > 0";
    let mut read = open.prepare(text).expect("a query");
    let rows = read.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).expect("runs");
    rows.map(|row| row.expect("a run")).collect()
}

#[test]
fn a_run_keeps_what_its_worker_said_or_the_last_line_of_its_command() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("worker.py"), WORKER).expect("written");
    let config = [
        "[pools.default]\nworkers = 1\ncommand = [\"python3\", \"worker.py\"]\n".to_owned(),
        processor("said", "queue = \"default\"\ntype = \"note\""),
        processor("answered", "queue = \"default\"\ntype = \"answer\""),
        processor("printed", "command = [\"printf\", \"first\\\\n3 files\\\\n\\\\n\"]"),
        processor("failed", "command = [\"sh\", \"-c\", \"echo out; echo no disk >&2; exit 3\"]"),
        processor("silent", "command = [\"true\"]"),
    ];
    std::fs::write(bench.path().join("queue-work.toml"), config.concat()).expect("written");
    let _master = bench.start(&[]);
    bench.wait_for("the runs", DEADLINE, |bench| notes(bench).len() == 5);
    let (succeeded, failed) = (2, 3);
    let expected = [
        ("answered", (succeeded, Some("12 mails sent"))),
        ("failed", (failed, Some("no disk"))),
        ("printed", (succeeded, Some("3 files"))),
        ("said", (succeeded, Some("two of two"))),
        ("silent", (succeeded, None)),
    ];
    let expected = expected.map(|(name, (state, note))| (name.to_owned(), (state, note.map(str::to_owned))));
    assert_eq!(notes(&bench), BTreeMap::from(expected), "{}", bench.dump());
}
