//! Unique keys: a push that is repeated because its answer was lost, and a holder whose workers die.

use std::io::Write;
use std::os::unix::net::UnixStream;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Bench, DEADLINE};

/// The ids of the jobs that were pushed with this key.
fn with_key(bench: &Bench, key: &str) -> Vec<i64> {
    let open = rusqlite::Connection::open(bench.database()).expect("the database");
    let mut found = open.prepare("SELECT id FROM jobs WHERE unique_key = ?1").expect("a table");
    let rows = found.query_map([key], |row| row.get(0)).expect("rows");
    rows.map(|id| id.expect("an id")).collect()
}

#[test]
fn a_push_that_is_repeated_with_its_key_adds_one_job_whatever_became_of_the_first_answer() {
    let bench = Bench::new();
    let mut lost_answers = 0;
    for round in 0..12 {
        let mut master = bench.start(&["--workers", "1"]);
        let key = format!("order-{round}");
        let line = json!({"id": 1, "method": "push",
            "params": {"type": "t", "queue": "nobody-serves-this", "unique": key}});
        let mut stream = UnixStream::connect(bench.path().join("q.db.sock")).expect("a master listens");
        stream.write_all(format!("{line}\n").as_bytes()).expect("the master reads");
        // Half of them die just when it is committed; the others about when the line arrives.
        if round % 2 == 0 {
            bench.wait_for("the job to be committed", DEADLINE, |b| !with_key(b, &key).is_empty());
        }
        master.kill9();
        drop(stream);
        let first = with_key(&bench, &key);
        lost_answers += first.len();
        let again = bench.run(&["push", "--json", "--queue", "nobody-serves-this", "--unique", &key, "t"]);
        let again = again.expect_code(0).json();
        let id = again["id"].as_i64().expect("an id");
        assert_eq!(with_key(&bench, &key), [id], "round {round}: {first:?}");
        assert!(first.is_empty() || (first == [id] && again["deduplicated"] == true), "round {round}: {again}");
        bench.expect_no_leftovers();
    }
    assert!(lost_answers >= 6, "the test is not what it seems: {lost_answers}");
    println!("{lost_answers} of 12 pushes were committed and never answered");
}

#[test]
fn a_key_is_held_by_its_job_however_often_its_worker_is_killed_and_free_afterwards() {
    const DEATHS: usize = 40;
    let bench = Bench::new();
    // A job of the type `hold` is never answered; others are, so that no worker dies before it has finished one.
    let worker = "n=0; while IFS= read -r line; do n=$((n+1)); case $line in *'\"type\":\"hold\"'*) \
                  echo $$ >> held; sleep 1000;; *) echo \"{\\\"id\\\":$n,\\\"result\\\":1}\";; esac; done";
    let pool = json!(["sh", "-c", worker]);
    std::fs::write(
        bench.path().join("queue-work.toml"),
        format!("[pools.default]\nworkers = 1\nmax_crashes = 1000\nkill_after = \"100ms\"\ncommand = {pool}\n"),
    )
    .expect("a configuration");
    let _master = bench.start(&[]);
    let quick = || bench.push(&["--priority", "10", "quick"]);
    bench.wait_for_job(quick(), "succeeded");
    let id = bench.push(&["--unique", "k", "hold"]);
    let held = bench.path().join("held");
    for deaths in 0..DEATHS {
        let mut pids = Vec::new();
        bench.wait_for("the job to be begun once more", DEADLINE, |_| {
            let text = std::fs::read_to_string(&held).unwrap_or_default();
            pids = text.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')?.parse::<i32>().ok()).collect();
            pids.len() == deaths + 1
        });
        quick();
        if deaths % 8 == 0 {
            assert_eq!(bench.push(&["--unique", "k", "hold"]), id, "after {deaths} deaths");
        }
        kill(Pid::from_raw(pids[deaths]), Signal::SIGKILL).expect("it is there");
    }
    bench.wait_for("it to run again", DEADLINE, |b| b.job(id)["state"] == "running" && b.job(id)["crashes"] == DEATHS);
    bench.ok(&["jobs", "cancel", &id.to_string()]);
    let next = bench.push(&["--unique", "k", "quick"]);
    assert_ne!(next, id, "the key is free when its job has ended");
    bench.wait_for_job(next, "succeeded");
    let open = rusqlite::Connection::open(bench.database()).expect("the database");
    let kept: i64 = open.query_row("SELECT count(*) FROM uniques", [], |row| row.get(0)).expect("a number");
    assert_eq!(kept, 0, "who holds a key is an unfinished job");
}
