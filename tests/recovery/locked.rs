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

/// Holds the write lock for each of these times in turn, with little in between, while `work` is done.
fn while_locked_again_and_again<T: Send>(bench: &Bench, times: &[u64], work: impl FnOnce() -> T + Send) -> T {
    let other = Connection::open(bench.database()).expect("the database");
    other.busy_timeout(DEADLINE).expect("patience");
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        for &time in times {
            other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
            eventually(Duration::from_millis(time), || false);
            other.execute_batch("ROLLBACK").expect("given back");
        }
        working.join().expect("no panic")
    })
}

#[test]
fn locks_held_again_and_again_and_past_all_patience_delay_work_and_lose_nothing() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "2"]);
    bench.wait_for_job(bench.push(&["--", "true"]), "succeeded");
    // A write waits for five seconds, and is tried again.
    let times = [100, 200, 300, 100, 1000, 100, 7000, 100, 500];
    let ids: Vec<i64> =
        while_locked_again_and_again(&bench, &times, || (0..20).map(|_| bench.push(&["--", "true"])).collect());
    for id in ids {
        let job = bench.wait_for_job(id, "succeeded");
        assert_eq!((&job["attempts"], &job["releases"]), (&json!(0), &json!(0)), "{job}");
        assert_eq!(bench.runs(id).len(), 1);
    }
    bench.wait_for("no problem to be shown", DEADLINE, |b| b.status()["master"]["problems"].is_null());
}

#[test]
fn a_push_without_a_master_gives_up_on_a_lock_that_is_held_too_long_and_adds_nothing() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    let refused = while_locked_again_and_again(&bench, &[8000], || bench.run(&["push", "--", "true"])).expect_code(1);
    assert!(refused.stderr.contains("is locked by another program"), "{}", refused.stderr);
    assert_eq!(bench.run(&["jobs", "list", "--oldest", "--json"]).json().as_array().map(Vec::len), Some(1));
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
