//! Databases of earlier releases, and the way back from a newer one.

use rusqlite::Connection;
use serde_json::Value;

use super::support::{Bench, DEADLINE};

/// Each release with its schema, and a database as it left it.
const RELEASES: [(&str, i64, &str); 1] = [("0.1.0", 1, include_str!("released/0.1.0.sql"))];
/// The states of the jobs in each of them.
const STATES: [&str; 7] = ["succeeded", "dead", "scheduled", "scheduled", "ready", "cancelled", "running"];

fn change(bench: &Bench, sql: &str) {
    Connection::open(bench.database()).and_then(|database| database.execute_batch(sql)).expect(sql);
}

#[test]
fn a_database_of_each_release_is_brought_up_to_date_with_all_that_is_in_it() {
    for (release, schema, dump) in RELEASES {
        let bench = Bench::new();
        change(&bench, dump);
        let listed = bench.run(&["jobs", "list", "--oldest", "--json"]).expect_code(0).json();
        let states: Vec<&Value> = listed.as_array().into_iter().flatten().map(|job| &job["state"]).collect();
        assert_eq!(states, STATES, "{release}");
        let kept = Connection::open(bench.path().join(format!("q.db.schema-{schema}"))).expect("a copy");
        let found: i64 = kept.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a database");
        assert_eq!(found, schema, "{release}");
        // The job of a master that was killed runs again, one that failed is tried again, a key is still taken.
        let _master = bench.start(&["--queue", "default", "--workers", "1", "--backoff", "1h"]);
        bench.wait_for_job(7, "succeeded");
        bench.wait_for("another try", DEADLINE, |bench| bench.job(3)["attempts"] == 2);
        bench.ok(&["stop"]);
        assert_eq!(bench.push(&["mail", "--queue", "mail", "--unique", "welcome-7"]), 4, "{release}");
        let queues = bench.run(&["queues", "--json"]).expect_code(3).json();
        assert!(queues.to_string().contains("\"paused\":true"), "{release}: {queues}");
    }
}

#[test]
fn who_goes_back_to_an_older_program_is_told_how_and_it_works() {
    let bench = Bench::new();
    let job = bench.push(&["t"]);
    let copy = bench.path().join("q.db.schema-1").to_string_lossy().into_owned();
    bench.ok(&["backup", &copy]);
    bench.push(&["t"]);
    change(&bench, "PRAGMA user_version = 99");
    let said = bench.run(&["status"]).expect_code(1).stderr;
    assert!(said.contains("install a newer queue-work, or") && said.contains("queue-work restore FILE"), "{said}");
    bench.ok(&["restore", &copy]);
    assert_eq!(bench.job(job)["state"], "ready");
    bench.run(&["jobs", "show", "2"]).expect_code(4);
}
