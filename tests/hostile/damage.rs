//! Databases whose bytes are not what they were.

use std::fs;

use nix::sys::signal::Signal;
use rusqlite::Connection;

use crate::support::{Bench, DEADLINE};

#[test]
fn a_job_whose_args_cannot_be_read_is_dead_and_the_others_are_done() {
    let bench = Bench::new();
    let jobs: Vec<i64> = (0..5).map(|_| bench.push(&["--", "true"])).collect();
    let conn = Connection::open(bench.database()).expect("a database");
    conn.execute("UPDATE jobs SET args = CAST(x'7b22ff' AS TEXT) WHERE id = ?1", [jobs[1]]).expect("damaged");
    drop(conn);
    let mut master = bench.start(&["--workers", "1"]);
    for &id in jobs.iter().filter(|id| **id != jobs[1]) {
        bench.wait_for_job(id, "succeeded");
    }
    let dead = bench.wait_for_job(jobs[1], "dead");
    assert!(dead["error"].as_str().expect("an error").contains("damaged"), "{dead:#}");
    assert!(bench.ok(&["jobs", "list", "--oldest"]).contains("damaged"));
    assert_eq!(bench.status()["queues"][0]["dead"], 1);
    master.signal(Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn a_damaged_database_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    let lines = "{\"type\":\"t\",\"args\":\"some text\"}\n".repeat(2000);
    bench.verb(&["push", "--jsonl"]).stdin(lines).run().expect_code(0);
    let whole = fs::read(bench.database()).expect("a database");
    let mut flipped = whole.clone();
    // In the middle of pages that hold rows, and in the words that make the tables.
    for page in 3..whole.len() / 4096 {
        flipped[page * 4096 + 3] ^= 0xff;
    }
    let mut renamed = whole.clone();
    let places: Vec<usize> = (0..whole.len() - 11).filter(|&at| &whole[at..at + 11] == b"runs_by_job").collect();
    for at in places {
        renamed[at] = b'R';
    }
    for (what, bytes) in [("cut", &whole[..whole.len() / 2]), ("flipped", &flipped), ("renamed", &renamed)] {
        fs::write(bench.database(), bytes).expect("written");
        let run = bench.run(&["--workers", "1", "--drain"]);
        assert_eq!(run.code, 1, "{what}: {run:?}");
        assert!(run.stderr.contains("damaged") || run.stderr.contains("malformed"), "{what}: {run:?}");
        assert_eq!(fs::read(bench.database()).expect("it is there").len(), bytes.len(), "{what}");
    }
    fs::write(bench.database(), &whole).expect("put back");
    let mut master = bench.start(&["--workers", "1", "--queue", "other"]);
    assert_eq!(bench.status()["queues"][0]["ready"], 2000);
    master.signal(Signal::SIGTERM);
    master.wait_exit(DEADLINE);
}
