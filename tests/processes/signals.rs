//! Signals to the master: at any moment of its start, in bursts, from a terminal.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::help::{end, status_of};
use crate::support::{Bench, DEADLINE, eventually, fixture, now};

/// Delays after the start, in steps of this.
const STEP: Duration = Duration::from_millis(4);
const MOMENTS: u32 = 42;

/// Whether we were started with this signal ignored, and so is everybody that we start.
fn is_ignored(signal: Signal) -> bool {
    let mask = status_of(std::process::id().cast_signed(), "SigIgn").unwrap_or_default();
    u64::from_str_radix(&mask, 16).is_ok_and(|mask| mask >> (signal as i32 - 1) & 1 == 1)
}

#[test]
fn a_signal_at_any_moment_of_the_start_ends_the_master_and_leaves_nothing() {
    let bench = Bench::new();
    let id = bench.push(&["--", "sleep", "0.01"]);
    let socket = bench.path().join("q.db.sock");
    let mut by_signal = 0;
    for moment in 0..MOMENTS {
        let signal = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP][moment as usize % 3];
        let signal = if is_ignored(signal) { Signal::SIGTERM } else { signal };
        let mut master = bench.launch(&["--workers", "2", "--queue", "default"]);
        let delay = STEP * (moment / 3);
        // The time is what is tested.
        eventually(delay, || false);
        master.signal(signal);
        let ended = master.wait_exit(DEADLINE);
        let expected = ended.code() == Some(0) || ended.signal() == Some(signal as i32);
        assert!(expected, "{signal} after {delay:?}: {ended:?}\n{}", bench.dump());
        by_signal += u32::from(ended.signal().is_some());
        assert!(!socket.exists(), "{signal} after {delay:?} left the socket behind");
        bench.expect_no_leftovers();
    }
    println!("{by_signal} of {MOMENTS} masters were ended by a signal before they listened to it");
    assert!(by_signal < MOMENTS, "no signal came late enough");
    let master = bench.start(&["--workers", "2", "--queue", "default"]);
    let job = bench.wait_for_job(id, "succeeded");
    assert_eq!((&job["attempts"], &job["crashes"]), (&json!(0), &json!(0)), "{job}");
    end(&bench, master);
    let database = rusqlite::Connection::open(bench.database()).expect("the database");
    let found: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(found, "ok");
}

#[test]
fn a_thousand_terms_are_one_stop_and_every_running_job_finishes() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "4"]);
    let ids: Vec<i64> = (0..4)
        .map(|n| bench.push(&["--", "sh", "-c", &format!("touch begun{n}; while ! [ -e go ]; do sleep 0.01; done")]))
        .collect();
    let begun = |b: &Bench| (0..4).all(|n| b.path().join(format!("begun{n}")).exists());
    bench.wait_for("all jobs to run", DEADLINE, begun);
    for _ in 0..1000 {
        master.signal(Signal::SIGTERM);
    }
    bench.wait_for("the stop to be seen", DEADLINE, |b| b.status()["master"]["state"] == "draining");
    fs::write(bench.path().join("go"), "").expect("written");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", bench.dump());
    for id in ids {
        let job = bench.job(id);
        assert_eq!((&job["state"], &job["releases"]), (&json!("succeeded"), &json!(0)), "{job}");
    }
    let said = master.stderr();
    assert_eq!(said.matches("stopping").count(), 1, "{said}");
    bench.expect_no_leftovers();
}

#[test]
fn a_second_interrupt_ends_jobs_that_ignore_term_within_seconds_and_gives_them_back() {
    if is_ignored(Signal::SIGINT) {
        println!("skipped: SIGINT is ignored here, and so by every master that is started");
        return;
    }
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "2"]);
    let script = "trap '' TERM; touch begun$QUEUE_WORK_JOB_ID; while :; do sleep 1; done";
    let ids = [(); 2].map(|()| bench.push(&["--", "sh", "-c", script]));
    bench.wait_for("both jobs to run", DEADLINE, |b| ids.iter().all(|id| b.path().join(format!("begun{id}")).exists()));
    master.signal(Signal::SIGINT);
    bench.wait_for("the stop to be seen", DEADLINE, |b| b.status()["master"]["state"] == "draining");
    let again = now();
    master.signal(Signal::SIGINT);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(130), "{}", bench.dump());
    println!("ended {:?} after the second interrupt", again.elapsed());
    for id in ids {
        let job = bench.job(id);
        assert_eq!(
            (&job["state"], &job["attempts"], &job["releases"]),
            (&json!("ready"), &json!(0), &json!(1)),
            "{job}"
        );
    }
    bench.expect_no_leftovers();
}

#[test]
fn ctrl_c_on_the_terminal_reaches_the_master_alone_and_the_running_job_completes() {
    let bench = Bench::new();
    let script =
        "trap 'echo got INT >> interrupted' INT; touch begun; while ! [ -e go ]; do sleep 0.01; done; echo done";
    let id = bench.push(&["--", "sh", "-c", script]);
    let mut command = bench.command_as(&fixture("terminal.py"), &["--workers", "1", "--queue", "default"]);
    let mut terminal = command.stdin(std::process::Stdio::null()).spawn().expect("started");
    let exists = |name: &str| bench.path().join(name).exists();
    bench.wait_for("the job to run", DEADLINE, |_| exists("begun"));
    fs::write(bench.path().join("press"), "").expect("written");
    bench.wait_for("the stop to be seen", DEADLINE, |b| b.status()["master"]["state"] == "draining");
    fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for("the master to end", DEADLINE, |_| terminal.try_wait().expect("our child").is_some());
    assert_eq!(terminal.wait().expect("our child").code(), Some(0), "{}", bench.dump());
    let job = bench.job(id);
    assert_eq!((&job["state"], &job["result"]), (&json!("succeeded"), &json!("done\n")), "{job}");
    assert!(!exists("interrupted"), "the command got the interrupt, too");
    bench.expect_no_leftovers();
}
