//! Guests, who write to the store themselves, beside masters that start: nobody fails because of the order.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::{Bench, DEADLINE, eventually};

#[test]
fn verbs_that_run_while_a_first_master_makes_its_database_find_it_whole_or_not_at_all() {
    for _ in 0..5 {
        let bench = Bench::new();
        let mut master = bench.launch(&["--workers", "1", "--queue", "other"]);
        let mut pushed = 0;
        while bench.status()["master"]["state"] != "running" {
            for words in [&["status"][..], &["jobs", "list", "--oldest"], &["push", "t"]] {
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

#[test]
fn a_master_starts_beside_many_that_push_all_the_time() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let mut pushed = 1;
    for _ in 0..3 {
        let stop = AtomicBool::new(false);
        let before = pushed;
        pushed += std::thread::scope(|scope| {
            let push = || {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    bench.run(&["push", "t"]).expect_code(0);
                    count += 1;
                }
                count
            };
            let loops: Vec<_> = (0..12).map(|_| scope.spawn(push)).collect();
            let ready = |b: &Bench| b.status()["queues"][0]["ready"].as_u64().unwrap_or(0);
            let all_push = eventually(DEADLINE, || ready(&bench) > before + 12);
            let mut master = bench.launch(&["--workers", "1", "--queue", "other"]);
            let runs = eventually(Duration::from_secs(5), || bench.status()["master"]["state"] == "running");
            stop.store(true, Ordering::Relaxed);
            let counts: u64 = loops.into_iter().map(|one| one.join().expect("every push is taken")).sum();
            assert!(all_push && runs, "{}", master.stderr());
            master.kill9();
            counts
        });
        assert_eq!(bench.status()["queues"][0]["ready"], pushed);
    }
}

#[test]
fn what_changes_the_store_gives_way_to_a_master_that_starts_and_calls_no_guest_a_master() {
    let bench = Bench::new();
    let id = bench.push(&["t"]).to_string();
    // As a master has it that waits for the database.
    let lock = fs::File::create(lock_of(&bench)).expect("a file");
    lock.lock().expect("nobody has it");
    let begin = |words: &[&str]| {
        let mut command = bench.command(words);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary")
    };
    let verbs = [&["push", "t"][..], &["pause", "default"], &["jobs", "delete", &id]].map(begin);
    let waiting = verbs.map(|mut verb| {
        let mut said = BufReader::new(verb.stderr.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).expect("text");
        assert!(line.contains("waiting for the master"), "{line}");
        (verb, said)
    });
    let guest = fs::File::open(bench.database()).expect("a file");
    guest.lock_shared().expect("nobody writes");
    drop(lock);
    let mut master = bench.launch(&["--workers", "1", "--queue", "other"]);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(5));
    assert!(master.stderr().contains("is writing to the database"), "{}", master.stderr());
    drop(guest);
    for (mut verb, mut said) in waiting {
        let mut rest = String::new();
        said.read_to_string(&mut rest).expect("text");
        assert!(verb.wait().expect("our child").success(), "{rest}");
    }
}

fn lock_of(bench: &Bench) -> PathBuf {
    let mut path = bench.database().as_os_str().to_owned();
    path.push(".lock");
    path.into()
}
