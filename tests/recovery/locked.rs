//! A database that another program keeps locked for a while.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Bench, DEADLINE, eventually, now};

/// As long as the lock is held.
const LOCKED: Duration = Duration::from_secs(2);

/// Does `work` while somebody else holds the write lock for two seconds.
fn while_locked<T: Send>(bench: &Bench, work: impl FnOnce() -> T + Send) -> T {
    let other = Connection::open(bench.database()).expect("the database");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        // The time is what is tested.
        eventually(LOCKED, || false);
        other.execute_batch("ROLLBACK").expect("given back");
        working.join().expect("no panic")
    })
}

#[test]
fn a_push_without_a_master_waits_for_a_lock() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    let id = while_locked(&bench, || bench.push(&["--", "true"]));
    assert_eq!(bench.job(id)["state"], "ready");
}

#[test]
fn a_master_waits_for_a_lock_and_starts() {
    let bench = Bench::new();
    let id = bench.push(&["--", "true"]);
    let master = while_locked(&bench, || bench.start(&["--workers", "1"]));
    bench.wait_for_job(id, "succeeded");
    drop(master);
}

#[test]
fn a_master_answers_while_its_database_is_locked_and_loses_nothing() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "2"]);
    bench.wait_for_job(bench.push(&["--", "true"]), "succeeded");
    let ids = while_locked(&bench, || {
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| [(); 3].map(|()| bench.push(&["--", "true"])));
            let begun = now();
            let mut asked = 0;
            while begun.elapsed() < LOCKED / 2 {
                assert_eq!(bench.status()["master"]["state"], "running");
                asked += 1;
            }
            assert!(asked > 5, "status was asked {asked} times only");
            pushing.join().expect("each is acknowledged")
        })
    });
    for id in ids {
        let job = bench.wait_for_job(id, "succeeded");
        assert_eq!((&job["attempts"], &job["releases"]), (&json!(0), &json!(0)), "{job}");
    }
    bench.wait_for("no problem to be shown", DEADLINE, |b| b.status()["master"]["problems"].is_null());
}
