//! A program that reads the database and does not end its transaction: the write-ahead log cannot be emptied.

use rusqlite::Connection;

use crate::support::{Bench, DEADLINE};

/// What the log keeps for itself, and some for what is being written.
const KEPT: u64 = (64 << 20) + (8 << 20);

#[test]
fn a_log_that_a_reader_holds_is_reported_and_small_again_when_it_lets_go() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    bench.wait_for_job(bench.push(&["--", "true"]), "succeeded");
    let log = || std::fs::metadata(bench.path().join("q.db-wal")).map_or(0, |found| found.len());
    let reader = Connection::open(bench.database()).expect("the database");
    reader.execute_batch("BEGIN").expect("a transaction");
    let before: i64 = reader.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).expect("a number");
    let large = serde_json::json!("x".repeat(15 << 20)).to_string();
    for _ in 0..8 {
        let pushed = bench.verb(&["push", "--queue", "nobody-serves-this", "large", "-"]).stdin(large.clone()).run();
        pushed.expect_code(0);
    }
    assert!(log() > 100 << 20, "the test is not what it seems: {}", log());
    let told = |b: &Bench| b.status()["master"]["problems"].to_string().contains("write-ahead log");
    bench.wait_for("it to be told", DEADLINE, told);
    // Work goes on meanwhile, and the reader sees what it saw.
    bench.wait_for_job(bench.push(&["--", "true"]), "succeeded");
    let after: i64 = reader.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).expect("a number");
    assert_eq!(before, after);
    reader.execute_batch("COMMIT").expect("the end of it");
    bench.wait_for("the log to be small again", DEADLINE, |b| {
        b.push(&["--", "true"]);
        log() < KEPT
    });
    bench.wait_for("nothing to be told", DEADLINE, |b| !told(b));
}
