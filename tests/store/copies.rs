//! Copies of a database: each is a store of its own, also beside the master of its original.

use std::fs;

use super::support::{Bench, DEADLINE};

/// The id that the master of a bench says.
fn store_id(bench: &Bench) -> String {
    let status = bench.status();
    status["master"]["store"].as_str().unwrap_or_else(|| panic!("no id in {status}")).to_owned()
}

/// Starts a job that lasts until there is a file `go`, and waits until it runs. Its process.
fn start_job(bench: &Bench) -> i64 {
    let id = bench.push(&["--", "sh", "-c", "echo $$ >>pids; while test ! -e go; do sleep 0.05; done"]);
    bench.wait_for("the job to run", DEADLINE, |b| pids(b).len() == 1);
    id
}

fn pids(bench: &Bench) -> Vec<i32> {
    let text = fs::read_to_string(bench.path().join("pids")).unwrap_or_default();
    text.lines().map(|pid| pid.parse().expect("a number")).collect()
}

fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn a_copy_starts_beside_its_original_has_an_id_of_its_own_and_leaves_what_runs_there_alone() {
    let (bench, other) = (Bench::new(), Bench::new());
    let master = bench.start(&["--workers", "1"]);
    let id = start_job(&bench);
    let source = rusqlite::Connection::open(bench.database()).expect("the database");
    source.execute("VACUUM INTO ?1", [other.database().to_str()]).expect("a copy");
    drop(source);
    let copy = other.start(&["--workers", "1"]);
    assert_ne!(store_id(&bench), store_id(&other));
    // In the copy it was recorded as running.
    bench.wait_for("the job to run in the copy as well", DEADLINE, |b| pids(b).len() == 2);
    assert!(pids(&bench).into_iter().all(lives), "what the original runs lives on");
    fs::write(bench.path().join("go"), "").expect("written");
    for (bench, releases) in [(&bench, 0), (&other, 1)] {
        assert_eq!(bench.wait_for_job(id, "succeeded")["releases"], releases);
    }
    drop((master, copy));
}

#[test]
fn a_copy_whose_first_master_was_killed_still_leaves_the_original_alone() {
    let (bench, other) = (Bench::new(), Bench::new());
    let master = bench.start(&["--workers", "1"]);
    let id = start_job(&bench);
    let source = rusqlite::Connection::open(bench.database()).expect("the database");
    source.execute("VACUUM INTO ?1", [other.database().to_str()]).expect("a copy");
    drop(source);
    other.start(&["--workers", "1"]).kill9();
    let copy = other.start(&["--workers", "1"]);
    assert!(lives(pids(&bench)[0]));
    fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for_job(id, "succeeded");
    other.wait_for_job(id, "succeeded");
    drop((master, copy));
}

#[test]
fn a_store_that_was_moved_to_another_file_recovers_what_its_dead_master_left() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    let id = start_job(&bench);
    let before = store_id(&bench);
    master.kill9();
    fs::rename(bench.database(), bench.path().join("old.db")).expect("moved");
    fs::copy(bench.path().join("old.db"), bench.database()).expect("copied");
    let _master = bench.start(&["--workers", "1"]);
    assert_ne!(store_id(&bench), before);
    bench.wait_for("the job to run again", DEADLINE, |b| pids(b).len() == 2);
    assert!(!lives(pids(&bench)[0]), "what the dead master left is gone");
    fs::write(bench.path().join("go"), "").expect("written");
    assert_eq!(bench.wait_for_job(id, "succeeded")["releases"], 1);
}

#[test]
fn the_id_stays_while_the_file_does() {
    let bench = Bench::new();
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let mut master = bench.start(&["--workers", "1"]);
            let id = store_id(&bench);
            master.kill9();
            id
        })
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0].len(), 32);
}
