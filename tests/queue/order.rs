//! In which order jobs run: priority, time due, id; and those that are due later or not at all.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::support::{Bench, DEADLINE, eventually};
use super::{drain, micros, order};

/// A time that far from now, as `--at` takes it.
fn from_now(d: SignedDuration) -> String {
    (Timestamp::now() + d).to_string()
}

#[test]
fn a_higher_priority_goes_first_and_equals_go_by_id() {
    let bench = Bench::new();
    for priority in ["0", "-100", "100", "5", "5", "-1", "0"] {
        bench.push(&["--priority", priority, "--", "true"]);
    }
    drain(&bench, &["--workers=1", "--prefetch=1"]);
    assert_eq!(order(&bench), [3, 4, 5, 1, 7, 6, 2]);
}

#[test]
fn a_priority_out_of_range_is_refused_and_nothing_is_added() {
    let bench = Bench::new();
    for priority in ["101", "-101", "high", ""] {
        let run = bench.run(&["push", "--priority", priority, "t"]).expect_code(2);
        assert!(run.stderr.contains("--priority"), "{}", run.stderr);
    }
    assert!(!bench.database().exists());
}

#[test]
fn a_delayed_job_is_scheduled_and_does_not_start_before_it_is_due() {
    let bench = Bench::new();
    let delayed = bench.push(&["--delay", "400ms", "--", "true"]);
    let at = bench.push(&["--at", &from_now(SignedDuration::from_millis(300)), "--", "true"]);
    let past = bench.push(&["--at", "2001-02-03T04:05:06+01:00", "--", "true"]);
    assert_eq!([delayed, at, past].map(|id| bench.job(id)["state"].clone()), ["scheduled", "scheduled", "ready"]);
    let job = bench.job(delayed);
    assert_eq!(micros(&job["due_at"]) - micros(&job["pushed_at"]), 400_000);
    assert_eq!(bench.status()["queues"][0]["scheduled"], 2);
    let _master = bench.start(&["--workers=2", "--queue=default"]);
    for id in [delayed, at] {
        let (job, run) = (bench.wait_for_job(id, "succeeded"), &bench.runs(id)[0]);
        let late = micros(&run["started_at"]) - micros(&job["due_at"]);
        assert!((0..5_000_000).contains(&late), "started {late} µs after it was due");
    }
    assert_eq!(order(&bench)[0], past);
}

#[test]
fn a_drain_waits_for_retries_but_not_for_jobs_that_were_pushed_for_later() {
    let bench = Bench::new();
    let later = bench.push(&["--delay=1h", "--", "true"]);
    let retried = bench.push(&["--max-attempts=2", "--", "false"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!([later, retried].map(|id| bench.job(id)["state"].clone()), ["scheduled", "dead"]);
}

#[test]
fn a_delayed_job_starts_on_time_in_a_master_that_has_nothing_else_to_do() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = bench.push(&["--delay", "200ms", "--", "true"]);
    bench.wait_for_job(id, "succeeded");
    let late = micros(&bench.runs(id)[0]["started_at"]) - micros(&bench.job(id)["due_at"]);
    assert!((0..1_000_000).contains(&late), "started {late} µs after it was due");
}

#[test]
fn a_job_that_did_not_start_in_time_is_cancelled_and_never_runs() {
    let bench = Bench::new();
    let id = bench.push(&["--expires", "50ms", "--", "true"]);
    let job = bench.job(id);
    let expires = micros(&job["expires_at"]);
    assert_eq!(expires - micros(&job["pushed_at"]), 50_000);
    assert!(eventually(DEADLINE, || Timestamp::now().as_microsecond() > expires));
    drain(&bench, &["--workers=1"]);
    let job = bench.job(id);
    assert_eq!((&job["state"], &job["cause"]), (&json!("cancelled"), &json!("expired")));
    assert!(job["finished_at"].is_string(), "{job}");
    assert_eq!(bench.runs(id), [json!(null); 0]);
}

#[test]
fn a_job_expires_while_it_waits_behind_another_or_in_a_paused_queue() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default,other"]);
    bench.ok(&["pause", "other"]);
    let long = bench.push(&["--", "sleep", "60"]);
    bench.wait_for_job(long, "running");
    let behind = bench.push(&["--expires", "200ms", "--", "true"]);
    let paused = bench.push(&["--queue=other", "--expires", "200ms", "--", "true"]);
    let started = bench.push(&["--queue=other", "--expires", "1h", "--", "true"]);
    for id in [behind, paused] {
        let job = bench.wait_for_job(id, "cancelled");
        assert_eq!(job["cause"], "expired");
    }
    assert_eq!(bench.job(started)["state"], "ready");
    bench.ok(&["jobs", "cancel", &long.to_string()]);
}

#[test]
fn a_job_that_started_in_time_may_run_past_its_expiry() {
    let bench = Bench::new();
    let id = bench.push(&["--expires", "2s", "--", "sleep", "2.2"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(id)["state"], "succeeded");
}

#[test]
fn times_that_make_no_sense_are_refused() {
    let bench = Bench::new();
    let table: [(&[&str], &str); 8] = [
        (&["--delay", "10"], "no unit"),
        (&["--delay=-5s"], "--delay"),
        (&["--at", "tomorrow"], "2026-12-31T23:59:00Z"),
        (&["--at", "2030-01-01T25:00:00"], "zone"),
        (&["--delay", "1s", "--at", "2030-01-01T00:00:00Z"], "exclude each other"),
        (&["--expires", "0s"], "--expires"),
        (&["--delay", "10s", "--expires", "5s"], "expire before it is due"),
        (&["--timeout", "0s"], "--timeout"),
    ];
    for (options, part) in table {
        let all: Vec<&str> = ["push"].iter().chain(options).chain(&["t"]).copied().collect();
        let run = bench.run(&all).expect_code(2);
        assert!(run.stderr.contains(part), "{options:?}: {}", run.stderr);
    }
    assert!(!bench.database().exists());
}
