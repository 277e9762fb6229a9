//! Copies of the store: made while jobs run, put in its place, and refused where they cannot be used.

use std::io::{Seek, SeekFrom, Write as _};
use std::path::PathBuf;

use crate::support::{Bench, DEADLINE};

const JOBS: usize = 400;

fn copy_of(bench: &Bench) -> PathBuf {
    bench.path().join("copy.db")
}

/// The states of all jobs of a database.
fn states(bench: &Bench, database: &str) -> Vec<String> {
    let listed = bench.run(&["--database", database, "jobs", "--json", "--limit", "10000"]).json();
    let state = |job: &serde_json::Value| job["state"].as_str().unwrap_or_default().to_owned();
    listed.as_array().into_iter().flatten().map(state).collect()
}

#[test]
fn a_copy_that_is_made_while_jobs_run_has_each_job_once_and_runs_what_was_left() {
    let bench = Bench::new();
    let lines = "a line\n".repeat(JOBS);
    bench.verb(&["push", "--lines", "--", "sh", "-c", "sleep 0.02"]).stdin(lines).run().expect_code(0);
    let mut master = bench.start(&["--queue", "default", "--workers", "4"]);
    bench.wait_for("some jobs to be done", DEADLINE, |bench| bench.status()["queues"][0]["succeeded_total"] != 0);
    let said = bench.run(&["backup", "copy.db", "--json"]).expect_code(0).json();
    assert_eq!((&said["ok"], &said["damage"]), (&true.into(), &serde_json::json!([])), "{said}");
    let copied = states(&bench, "copy.db");
    let left = copied.iter().filter(|state| *state != "succeeded").count();
    assert!(copied.len() == JOBS && (1..JOBS).contains(&left), "{left} of {}", copied.len());
    master.kill9();
    let kept = bench.run(&["restore", "copy.db", "--json"]).expect_code(0).json()["replaced"].clone();
    let kept = kept.as_str().expect("the store that was replaced");
    assert_eq!(states(&bench, kept).len(), JOBS, "with what was in its log only");
    assert_eq!(states(&bench, &bench.database().to_string_lossy()).len(), JOBS);
    let _master = bench.start(&["--queue", "default", "--workers", "4"]);
    bench.wait_for("the others to be done", DEADLINE, |bench| {
        states(bench, &bench.database().to_string_lossy()).iter().all(|state| state == "succeeded")
    });
    let runs = bench.run(&["runs", "--json", "--outcome", "succeeded", "--limit", "10000"]).json();
    assert_eq!(runs.as_array().map(Vec::len), Some(JOBS), "each once, by what this store knows");
    bench.ok(&["stop"]);
}

#[test]
fn a_store_that_is_gone_comes_back_and_no_file_is_written_over() {
    let bench = Bench::new();
    let job = bench.push(&["t"]);
    bench.ok(&["backup", "copy.db"]);
    let again = bench.run(&["backup", "copy.db"]).expect_code(1).stderr;
    assert!(again.contains("it exists; name another file"), "{again}");
    let missing = bench.run(&["backup", "none/copy.db"]).expect_code(1).stderr;
    assert!(missing.contains("mkdir -p 'none'"), "{missing}");
    let itself = bench.run(&["restore", &bench.database().to_string_lossy()]).expect_code(1).stderr;
    assert!(itself.contains("this is the copy itself"), "{itself}");
    std::fs::remove_file(bench.database()).expect("the database");
    let said = bench.ok(&["restore", "copy.db"]);
    assert!(said.contains("restored") && !said.contains("kept as"), "{said}");
    assert_eq!(bench.job(job)["state"], "ready");
    let files = std::fs::read_dir(bench.path()).expect("the folder");
    let names: Vec<String> = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name.starts_with(".queue-work-")), "{names:?}");
}

#[test]
fn a_copy_that_cannot_be_used_is_refused_and_the_store_stays_as_it_is() {
    let bench = Bench::new();
    let job = bench.push(&["t"]);
    bench.ok(&["backup", "copy.db"]);
    assert!(bench.ok(&["restore", "copy.db", "--check"]).contains("can be used"));
    let refused = |what: &str| {
        bench.run(&["restore", "copy.db", "--check"]).expect_code(1);
        let said = bench.run(&["restore", "copy.db"]).expect_code(1).stderr;
        assert!(said.contains(what), "{said}");
        assert_eq!(bench.job(job)["state"], "ready");
    };
    let change = |sql: &str| {
        let copy = rusqlite::Connection::open(copy_of(&bench)).expect("the copy");
        copy.execute_batch(sql).expect(sql);
    };
    change("PRAGMA user_version = 9999");
    refused("schema 9999");
    change("PRAGMA user_version = 1");
    let mut file = std::fs::OpenOptions::new().write(true).open(copy_of(&bench)).expect("the copy");
    for page in 2..60 {
        file.seek(SeekFrom::Start(page * 4096)).and_then(|_| file.write_all(&[0xa5; 4000])).expect("written");
    }
    refused("copy.db` cannot be read");
    std::fs::write(copy_of(&bench), "no database").expect("written");
    refused("copy.db");
    std::fs::remove_file(copy_of(&bench)).expect("the copy");
    bench.ok(&["backup", "copy.db"]);
    let reader = rusqlite::Connection::open(bench.database()).expect("the database");
    reader.execute_batch("BEGIN; SELECT count(*) FROM jobs").expect("a reader");
    bench.push(&["t"]);
    let said = bench.run(&["restore", "copy.db"]).expect_code(1).stderr;
    assert!(said.contains("is locked by another program"), "{said}");
    drop(reader);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let said = bench.run(&["restore", "copy.db"]).expect_code(5).stderr;
    assert!(said.contains("another master (pid"), "{said}");
    bench.ok(&["stop"]);
}
