//! Files that a deleted database has left beside its name: the next database there is a clean new one.

use std::fs;
use std::path::PathBuf;

use super::support::{Bench, DEADLINE};

fn beside(bench: &Bench, ending: &str) -> PathBuf {
    let mut path = bench.database().as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Jobs of a kilobyte each, through the master: their pages are still in the log.
fn push_many(bench: &Bench) {
    let line = format!("{}\n", "x".repeat(1000));
    bench.verb(&["push", "--lines", "big"]).stdin(line.repeat(3000)).run().expect_code(0);
}

/// One job, and every page in order.
fn is_clean(bench: &Bench, kind: &str) {
    let open = rusqlite::Connection::open(bench.database()).expect("the database");
    let sound: String = open.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(sound, "ok");
    let jobs = bench.run(&["jobs", "list", "--oldest", "--json"]).expect_code(0).json();
    let kinds: Vec<_> = jobs.as_array().expect("an array").iter().map(|job| job["type"].clone()).collect();
    assert_eq!(kinds, [kind]);
}

#[test]
fn a_push_after_a_killed_master_and_a_deleted_database_begins_anew_and_keeps_the_old_log() {
    let bench = Bench::new();
    for round in 1..=2 {
        let mut master = bench.start(&["--workers", "1", "--queue", "other"]);
        push_many(&bench);
        master.kill9();
        let log = fs::read(beside(&bench, "-wal")).expect("a log");
        assert!(log.len() > 400 * 4096, "{}", log.len());
        fs::remove_file(bench.database()).expect("it is there");
        let run = bench.run(&["push", "new"]).expect_code(0);
        let kept = if round == 1 { "-wal.lost" } else { "-wal.lost.2" };
        assert!(run.stderr.contains(kept), "{run:?}");
        assert!(fs::read(beside(&bench, kept)).expect("it is kept") == log, "{kept} is not the log");
        is_clean(&bench, "new");
    }
}

#[test]
fn a_master_that_starts_after_one_whose_database_was_deleted_begins_anew() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1", "--queue", "other"]);
    push_many(&bench);
    fs::remove_file(bench.database()).expect("it is there");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1));
    drop(master);
    let mut master = bench.start(&["--workers", "1", "--queue", "other"]);
    bench.push(&["new"]);
    is_clean(&bench, "new");
    master.kill9();
    is_clean(&bench, "new");
}

#[test]
fn many_that_begin_anew_at_a_time_take_nothing_from_each_other() {
    let bench = Bench::new();
    bench.push(&["old"]);
    fs::remove_file(bench.database()).expect("it is there");
    fs::write(beside(&bench, "-wal"), [1; 5000]).expect("written");
    fs::write(beside(&bench, "-shm"), "").expect("written");
    fs::write(beside(&bench, "-journal"), "").expect("written");
    let pushes: Vec<_> = (0..12).map(|_| bench.command(&["push", "t"]).spawn().expect("the binary")).collect();
    for mut push in pushes {
        assert!(push.wait().expect("our child").success());
    }
    let jobs = bench.run(&["jobs", "list", "--oldest", "--json"]).expect_code(0).json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(12));
    assert_eq!(fs::read(beside(&bench, "-wal.lost")).expect("it is kept"), [1; 5000]);
    assert!(!beside(&bench, "-wal.lost.2").exists());
}
