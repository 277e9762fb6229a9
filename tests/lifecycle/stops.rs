//! How a master ends: TERM, HUP, Ctrl-C once and more often, `stop`.

use std::time::Duration;

use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
use serde_json::json;

use crate::help::{
    configure, end, expect, only_run, open, pid, push_held, records, start, start_journal, wait_ready, wait_started,
};
use crate::support::{Bench, DEADLINE, Master, eventually, now};

/// Long enough for anything that should happen at once.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn term_ends_an_idle_master_at_once_and_with_zero() {
    let bench = Bench::new();
    let mut master = start(&bench, "echo.py", "workers = 3\ngrace = \"60s\"");
    wait_ready(&bench, 3);
    let since = now();
    master.signal(SIGTERM);
    assert_eq!(master.wait_exit(SOON).code(), Some(0));
    assert!(now() - since < Duration::from_secs(5), "an idle worker was waited for");
    bench.expect_no_leftovers();
    for worker in records(&bench) {
        expect(&worker, &json!({"reason": "stopped", "exit_code": 0, "signal": null}));
    }
    bench.run(&["status"]).expect_code(3);
}

/// A master with one job in hand that ends when the gate `go` opens.
#[track_caller]
fn busy<'a>(bench: &'a Bench, more: &str) -> (Master<'a>, i64) {
    let master = start_journal(bench, 1, more);
    let job = push_held(bench, "go");
    wait_started(bench, 1);
    (master, job)
}

#[track_caller]
fn wait_draining(bench: &Bench) {
    bench.wait_for("the master to stop", DEADLINE, |b| b.status()["workers"][0]["state"] == "draining");
}

#[track_caller]
fn finishes_in_time(signals: &[nix::sys::signal::Signal]) {
    let bench = Bench::new();
    let (mut master, job) = busy(&bench, "grace = \"60s\"");
    let waiting = bench.push(&["quick"]);
    for &signal in signals {
        master.signal(signal);
        wait_draining(&bench);
    }
    let status = bench.status();
    assert_eq!(status["master"]["state"], "draining", "{status:#}");
    // Each is shown once, although it has not left its slot.
    assert_eq!(status["workers"].as_array().map(Vec::len), Some(1), "{status:#}");
    expect(&status["pools"][0], &json!({"ready": 0, "busy": 0, "starting": 0, "draining": 1}));
    assert!(status["workers"][0]["deadline_s"].as_f64().is_some_and(|s| s > 30.0), "{status:#}");
    open(&bench, "go");
    assert_eq!(master.wait_exit(SOON).code(), Some(0));
    bench.expect_no_leftovers();
    expect(&bench.job(job), &json!({"state": "succeeded", "attempts": 0, "releases": 0, "result": job}));
    expect(&only_run(&bench, job), &json!({"outcome": "succeeded"}));
    expect(&bench.job(waiting), &json!({"state": "ready", "attempts": 0, "releases": 0}));
}

#[test]
fn term_lets_a_running_job_finish_and_hands_out_no_more() {
    finishes_in_time(&[SIGTERM]);
}

/// Turns of a master in a second in which nothing happens.
fn turns_in_a_second(master: &Master<'_>) -> u64 {
    let turns = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", master.pid())).expect("it is there");
        let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:")).expect("a count");
        line.trim().parse::<u64>().expect("a number")
    };
    // The time is what is tested: past when the next look was due.
    eventually(Duration::from_secs(2), || false);
    let before = turns();
    eventually(Duration::from_secs(1), || false);
    turns() - before
}

#[test]
fn a_master_that_waits_for_its_last_job_sleeps_meanwhile() {
    let bench = Bench::new();
    // So that old records are due to be looked for all the time.
    configure(
        &bench,
        "journal.py",
        "workers = 1\nenv = { JOURNAL = \"journal\" }\ngrace = \"60s\"\n[keep]\nruns = \"1s\"\nsucceeded = \"1s\"",
    );
    let mut master = bench.start(&[]);
    push_held(&bench, "go");
    wait_started(&bench, 1);
    master.signal(SIGTERM);
    wait_draining(&bench);
    let turns = turns_in_a_second(&master);
    assert!(turns <= 3, "{turns} turns in a second in which nothing happened");
    open(&bench, "go");
    assert_eq!(master.wait_exit(SOON).code(), Some(0));
}

#[test]
fn a_drain_that_waits_for_its_last_job_sleeps_meanwhile() {
    let bench = Bench::new();
    configure(&bench, "journal.py", "workers = 1\nenv = { JOURNAL = \"journal\" }");
    push_held(&bench, "go");
    let mut master = bench.start(&["--drain"]);
    wait_started(&bench, 1);
    let turns = turns_in_a_second(&master);
    assert!(turns <= 3, "{turns} turns in a second in which nothing happened");
    open(&bench, "go");
    assert_eq!(master.wait_exit(SOON).code(), Some(0));
}

#[test]
fn hup_and_term_however_often_let_a_running_job_finish() {
    finishes_in_time(&[SIGHUP, SIGTERM, SIGHUP, SIGTERM]);
}

#[test]
fn a_hangup_under_nohup_stops_nothing() {
    let bench = Bench::new();
    let mut master = bench.start_by_shell(&["--workers", "1"], "exec nohup \"$0\" \"$@\"");
    master.signal(SIGHUP);
    let job = bench.push(&["--", "true"]);
    bench.wait_for_job(job, "succeeded");
    expect(&bench.status()["master"], &json!({"state": "running", "pid": master.pid()}));
    master.signal(SIGTERM);
    assert_eq!(master.wait_exit(SOON).code(), Some(0));
}

#[test]
fn ctrl_c_once_and_then_term_let_a_running_job_finish() {
    finishes_in_time(&[SIGINT, SIGTERM]);
}

#[test]
fn a_job_that_exceeds_the_grace_is_ended_and_given_back_uncharged() {
    let bench = Bench::new();
    let (mut master, job) = busy(&bench, "grace = \"200ms\"");
    master.signal(SIGTERM);
    assert_eq!(master.wait_exit(SOON).code(), Some(0));
    bench.expect_no_leftovers();
    expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "crashes": 0, "releases": 1}));
    let run = json!({"outcome": "released", "cause": "stop", "signal": "SIGTERM", "exit_code": null});
    expect(&only_run(&bench, job), &run);
}

#[test]
fn a_worker_that_ignores_term_is_killed_after_the_grace_and_its_job_given_back() {
    let bench = Bench::new();
    let limits = "workers = 1\ngrace = \"100ms\"\nkill_after = \"300ms\"";
    let mut master = start(&bench, "ignore_term.py", limits);
    let job = bench.push(&["x"]);
    bench.wait_for("the job to run", DEADLINE, |b| b.status()["workers"][0]["state"] == "busy");
    let worker = pid(&bench.status()["workers"][0]);
    bench.wait_for("the job to be read", DEADLINE, |_| crate::help::ignores_term(worker));
    master.signal(SIGTERM);
    assert_eq!(master.wait_exit(SOON).code(), Some(0));
    bench.expect_no_leftovers();
    expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "crashes": 0, "releases": 1}));
    expect(&only_run(&bench, job), &json!({"outcome": "released", "cause": "stop", "signal": "SIGKILL"}));
    expect(&records(&bench)[0], &json!({"reason": "stopped", "signal": "SIGKILL"}));
}

#[test]
fn a_second_ctrl_c_ends_at_once_with_130_and_gives_the_job_back() {
    let bench = Bench::new();
    let (mut master, job) = busy(&bench, "grace = \"60s\"\nkill_after = \"60s\"");
    master.signal(SIGINT);
    wait_draining(&bench);
    bench.wait_for("it to say so", DEADLINE, |_| master.stderr().contains("press Ctrl-C again"));
    master.signal(SIGINT);
    assert_eq!(master.wait_exit(SOON).code(), Some(130));
    bench.expect_no_leftovers();
    expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "releases": 1}));
    expect(&only_run(&bench, job), &json!({"outcome": "released", "cause": "stop"}));
}

#[test]
fn ctrl_c_three_times_ends_also_workers_that_ignore_term_and_leaves_nothing() {
    let bench = Bench::new();
    let limits = "workers = 2\ngrace = \"60s\"\nkill_after = \"60s\"";
    let mut master = start(&bench, "ignore_term.py", limits);
    let jobs = [bench.push(&["x"]), bench.push(&["x"])];
    bench.wait_for("both to run", DEADLINE, |b| b.status()["queues"][0]["running"] == 2);
    for worker in wait_ready(&bench, 2) {
        bench.wait_for("the job to be read", DEADLINE, |_| crate::help::ignores_term(pid(&worker)));
    }
    for _ in 0..3 {
        master.signal(SIGINT);
        bench.wait_for("it to be noticed", SOON, |_| !crate::help::pending(master.pid(), SIGINT));
    }
    assert_eq!(master.wait_exit(SOON).code(), Some(130));
    bench.expect_no_leftovers();
    for job in jobs {
        expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "crashes": 0, "releases": 1}));
    }
}

#[test]
fn stop_returns_when_the_master_has_ended_and_says_what_was_given_back() {
    let bench = Bench::new();
    let (mut master, job) = busy(&bench, "grace = \"60s\"");
    let stopped = bench.run(&["stop", "--timeout", "200ms"]).expect_code(0);
    assert_eq!(stopped.stdout.trim(), "stopped: 1 worker ended, 1 job released", "{stopped:?}");
    // It has ended already: no deadline is needed.
    assert_eq!(master.wait_exit(Duration::from_millis(500)).code(), Some(0));
    bench.expect_no_leftovers();
    expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "releases": 1}));
    let again = bench.run(&["stop"]).expect_code(3);
    assert!(again.stderr.contains("no master runs on"), "{again:?}");
}

#[test]
fn a_job_that_was_given_back_runs_first_when_a_master_starts_again() {
    let bench = Bench::new();
    let (mut master, job) = busy(&bench, "grace = \"100ms\"");
    let later = bench.push(&["quick"]);
    master.signal(SIGTERM);
    assert_eq!(master.wait_exit(SOON).code(), Some(0));
    open(&bench, "go");
    let master = bench.start(&[]);
    bench.wait_for_job(job, "succeeded");
    bench.wait_for_job(later, "succeeded");
    let ended: Vec<i64> = crate::help::journal(&bench).iter().filter(|e| e.word == "END").map(|e| e.job).collect();
    assert_eq!(ended, [job, later]);
    end(&bench, master);
}
