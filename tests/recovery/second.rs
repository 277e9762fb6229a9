//! One master per store, and starts that meet what others left: locks, sockets, a hundred thousand jobs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Bench, DEADLINE, now};

#[test]
fn a_second_master_is_refused_and_told_who_is_first_and_since_when() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let since = bench.status()["master"]["started_at"].as_str().expect("a time")[..16].to_owned();
    let socket = || fs::metadata(bench.path().join("q.db.sock")).map(|found| found.ino()).expect("the socket");
    let bound = socket();
    let refused = bench.run(&["--workers", "1"]).expect_code(5);
    assert_eq!(socket(), bound, "the socket is still the one of the first");
    let text = refused.stderr.replace(' ', "T");
    assert!(text.contains(&master.pid().to_string()) && text.contains(&since), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    // Another socket is no way around.
    bench.run(&["--workers", "1", "--socket", "other.sock"]).expect_code(5);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    assert_eq!(bench.status()["master"]["generation"], 1);
}

#[test]
fn of_twenty_masters_at_once_exactly_one_runs() {
    let bench = Bench::new();
    let mut masters: Vec<_> = (0..20).map(|_| bench.launch(&["--workers", "1"])).collect();
    let mut pid = 0;
    bench.wait_for("one to run", DEADLINE, |b| {
        pid = b.status()["master"]["pid"].as_i64().unwrap_or(0);
        pid != 0
    });
    let first = masters.iter().position(|m| i64::from(m.pid()) == pid).expect("one of ours");
    let mut winner = masters.swap_remove(first);
    for mut other in masters {
        assert_eq!(other.wait_exit(DEADLINE).code(), Some(5), "{}", other.stderr());
        assert!(other.stderr().contains(&pid.to_string()), "{}", other.stderr());
    }
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    assert_eq!(bench.status()["master"]["generation"], 1);
    winner.signal(Signal::SIGTERM);
    assert_eq!(winner.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn stale_files_of_a_dead_master_are_in_nobodys_way() {
    let bench = Bench::new();
    let socket = bench.path().join("q.db.sock");
    let own_pid = std::process::id();
    for lock in
        [String::new(), "garbage".to_owned(), format!("{{\"pid\":{own_pid},\"started_at\":\"2020-01-01T00:00:00Z\"}}")]
    {
        drop(UnixListener::bind(&socket).expect("a socket nobody listens at"));
        fs::write(bench.path().join("q.db.lock"), &lock).expect("written");
        assert_eq!(bench.run(&["scale", "2"]).expect_code(3).stdout, "");
        let mut master = bench.start(&["--workers", "1"]);
        let id = bench.push(&["--", "true"]);
        bench.wait_for_job(id, "succeeded");
        master.kill9();
        assert!(socket.exists(), "a killed master leaves it");
        bench.expect_no_leftovers();
        fs::remove_file(&socket).expect("removed");
    }
}

#[test]
fn what_is_no_socket_is_left_alone_and_named() {
    let bench = Bench::new();
    for name in ["mine.sock", "mine.sock.new"] {
        let file = bench.path().join(name);
        fs::write(&file, "precious").expect("written");
        let refused = bench.run(&["--workers", "1", "--socket", "mine.sock"]).expect_code(2);
        assert!(refused.stderr.contains(name) && refused.stderr.contains("--socket"), "{}", refused.stderr);
        assert_eq!(fs::read_to_string(&file).expect("it is there"), "precious");
        bench.expect_no_leftovers();
        fs::remove_file(&file).expect("removed");
    }
    // A start that failed is in nobody's way.
    let _master = bench.start(&["--workers", "1"]);
}

#[test]
fn every_push_that_was_acknowledged_while_masters_came_and_went_is_done() {
    let bench = Bench::new();
    let over = std::sync::atomic::AtomicBool::new(false);
    let ids = std::thread::scope(|scope| {
        let pusher = scope.spawn(|| {
            let mut ids = Vec::new();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                ids.push(bench.push(&["--", "true"]));
            }
            ids
        });
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGTERM, Signal::SIGINT] {
            let mut master = bench.start(&["--workers", "2"]);
            let before = bench.status()["queues"][0]["succeeded_total"].as_u64().unwrap_or(0);
            bench.wait_for("some jobs", DEADLINE, |b| {
                b.status()["queues"][0]["succeeded_total"].as_u64().unwrap_or(0) > before + 3
            });
            master.signal(signal);
            assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", master.stderr());
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        pusher.join().expect("every push is acknowledged")
    });
    let mut last = bench.launch(&["--workers", "2", "--drain"]);
    assert_eq!(last.wait_exit(DEADLINE).code(), Some(0));
    assert_eq!(bench.status()["queues"][0]["succeeded_total"], ids.len());
}

#[test]
fn a_start_with_a_hundred_thousand_jobs_waiting_is_quick() {
    let bench = Bench::new();
    let lines = (0..100_000).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
    bench.verb(&["push", "--lines", "--queue", "default", "--", "sleep", "{}"]).stdin(lines).run().expect_code(0);
    for _ in 0..2 {
        let begun = now();
        let mut master = bench.launch(&["--workers", "4"]);
        bench.wait_for("jobs to run", DEADLINE, |b| b.status()["pools"][0]["busy"] == 4);
        // 300 ms is what an optimised build is to need; the machine has other work, too.
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        master.kill9();
        bench.expect_no_leftovers();
    }
}
