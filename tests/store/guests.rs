//! Guests, who write to the store themselves, beside masters that start: nobody fails because of the order.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use super::support::{Bench, DEADLINE};

#[test]
fn verbs_that_run_while_a_first_master_makes_its_database_find_it_whole_or_not_at_all() {
    for _ in 0..5 {
        let bench = Bench::new();
        let mut master = bench.launch(&["--workers", "1", "--queue", "other"]);
        let mut pushed = 0;
        while bench.status()["master"]["state"] != "running" {
            for words in [&["status"][..], &["jobs", "list"], &["push", "t"]] {
                let run = bench.run(words);
                let fine = run.code == 0 || words[0] == "status" && run.code == 3;
                assert!(fine && !run.stderr.contains("empty"), "{words:?}: {run:?}");
                pushed += u64::from(words[0] == "push");
            }
        }
        assert_eq!(bench.status()["queues"][0]["ready"].as_u64().unwrap_or(0), pushed);
        master.kill9();
    }
}

#[test]
fn a_master_starts_while_a_guest_pushes_many() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let mut guest = bench
        .command(&["push", "--lines", "t"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut lines = guest.stdin.take().expect("a pipe");
    lines.write_all(b"a\nb\n").expect("it reads");
    let mut master = bench.start(&["--workers", "1", "--queue", "other"]);
    drop(lines);
    let ended = guest.wait_with_output().expect("our child");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(bench.status()["queues"][0]["ready"], 3);
    master.kill9();
}

#[test]
fn a_guest_that_writes_is_waited_for_and_named_and_one_that_stays_is_refused() {
    let bench = Bench::new();
    bench.push(&["t"]);
    // As a guest holds it.
    let guest = fs::File::open(bench.database()).expect("a file");
    guest.lock_shared().expect("nobody else has it");
    let mut master = bench.launch(&["--workers", "1"]);
    let us = std::process::id().to_string();
    bench.wait_for("the master to say who it waits for", DEADLINE, |_| master.stderr().contains(&us));
    drop(guest);
    bench.wait_for("the master to run", DEADLINE, |b| b.status()["master"]["state"] == "running");
    // The other way round a guest is sent to the master.
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    master.kill9();
}
