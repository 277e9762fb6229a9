//! What an operator does to a job that runs.

use serde_json::json;

use super::support::{Bench, DEADLINE, eventually};

/// Pushes a command that runs until it is ended, and waits until it does.
fn running(bench: &Bench, options: &[&str]) -> String {
    let id = bench.push(&[options, &["--", "sleep", "61"]].concat());
    bench.wait_for_job(id, "running");
    id.to_string()
}

fn sleeps(bench: &Bench) -> usize {
    bench.leftovers().iter().filter(|l| l.command == "sleep 61").count()
}

#[test]
fn cancel_ends_the_command_and_returns_when_it_has_ended() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = running(&bench, &[]);
    assert_eq!(sleeps(&bench), 1);
    assert_eq!(bench.ok(&["jobs", "cancel", &id]), "cancelled 1 job\n");
    assert_eq!(sleeps(&bench), 0);
    let number = id.parse().expect("a number");
    let (job, runs) = (bench.job(number), bench.runs(number));
    assert_eq!((&job["state"], &job["cause"], &job["attempts"]), (&json!("cancelled"), &json!("cancelled"), &json!(0)));
    assert_eq!((runs.len(), &runs[0]["outcome"], &runs[0]["cause"]), (1, &json!("cancelled"), &json!("cancelled")));
    let next = bench.push(&["--", "true"]);
    bench.wait_for_job(next, "succeeded");
}

#[test]
fn cancel_need_not_be_waited_for() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = running(&bench, &[]);
    bench.ok(&["jobs", "cancel", "--no-wait", &id]);
    bench.wait_for_job(id.parse().expect("a number"), "cancelled");
    assert!(eventually(DEADLINE, || sleeps(&bench) == 0));
}

#[test]
fn a_command_that_ignores_term_is_killed_after_the_grace() {
    let bench = Bench::new();
    let config = bench.path().join("queue-work.toml");
    std::fs::write(config, "[defaults]\ngrace = \"100ms\"\nkill_after = \"100ms\"\n").expect("written");
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = bench.push(&["--", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]);
    bench.wait_for_job(id, "running");
    bench.ok(&["jobs", "cancel", &id.to_string()]);
    assert_eq!(bench.job(id)["state"], "cancelled");
    assert_eq!(bench.runs(id)[0]["outcome"], "cancelled");
    let next = bench.push(&["--", "true"]);
    bench.wait_for_job(next, "succeeded");
}

#[test]
fn a_command_has_as_long_to_clean_up_as_its_pool_says() {
    let bench = Bench::new();
    let config = bench.path().join("queue-work.toml");
    std::fs::write(config, "[defaults]\nkill_after = \"30s\"\n").expect("written");
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let (up, clean) = (bench.path().join("up"), bench.path().join("clean"));
    // Longer than the five seconds that are the default.
    let script = "trap 'sleep 5.5; : >\"$2\"; exit 0' TERM; : >\"$1\"; while :; do sleep 0.05; done";
    let words = [up.to_str().expect("UTF-8"), clean.to_str().expect("UTF-8")];
    let id = bench.push(&["--", "sh", "-c", script, "sh", words[0], words[1]]);
    assert!(eventually(DEADLINE, || up.exists()));
    bench.ok(&["jobs", "cancel", &id.to_string()]);
    assert_eq!(bench.job(id)["state"], "cancelled");
    assert!(clean.exists(), "it was killed while it cleaned up");
}

#[test]
fn a_running_job_is_neither_retried_nor_deleted() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = running(&bench, &[]);
    for verb in ["retry", "delete"] {
        let run = bench.run(&["jobs", verb, &id]).expect_code(5);
        assert_eq!(run.stderr, format!("queue-work: job {id} is running; cancel it first\n"));
    }
    bench.ok(&["jobs", "cancel", &id]);
    bench.ok(&["jobs", "delete", &id]);
}

#[test]
fn a_retry_that_waits_can_be_run_now_with_its_attempts_at_zero() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default", "--backoff=1h"]);
    let mark = bench.path().join("mark");
    let id = bench.push(&["--", "test", "-e", mark.to_str().expect("UTF-8")]);
    assert_eq!(bench.wait_for_job(id, "scheduled")["attempts"], 1);
    std::fs::write(mark, "").expect("written");
    bench.ok(&["jobs", "retry", &id.to_string()]);
    assert_eq!(bench.wait_for_job(id, "succeeded")["attempts"], 0);
}

#[test]
fn a_dead_job_that_is_retried_runs_at_once() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let mark = bench.path().join("mark");
    let id = bench.push(&["--max-attempts=1", "--", "test", "-e", mark.to_str().expect("UTF-8")]);
    bench.wait_for_job(id, "dead");
    std::fs::write(mark, "").expect("written");
    bench.ok(&["jobs", "retry", &id.to_string()]);
    bench.wait_for_job(id, "succeeded");
}
