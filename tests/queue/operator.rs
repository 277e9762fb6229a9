//! `jobs retry`, `cancel` and `delete` of jobs that do not run: the same with and without a master.

use serde_json::json;

use super::support::{Bench, Master};
use super::{all_jobs, drain};

/// Runs a test twice: on the store alone, and through a master that hands nothing out.
pub(crate) fn with_and_without_a_master(test: fn(&Bench)) {
    test(&Bench::new());
    let bench = Bench::new();
    bench.push(&["--queue=warm-up", "t"]);
    bench.ok(&["jobs", "delete", "1"]);
    let _master: Master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    test(&bench);
}

fn text(id: i64) -> String {
    id.to_string()
}

#[test]
fn a_ready_and_a_scheduled_job_can_be_cancelled_once() {
    with_and_without_a_master(|bench| {
        for options in [&["t"][..], &["--delay=1h", "t"]] {
            let id = bench.push(options);
            assert_eq!(bench.ok(&["jobs", "cancel", &text(id)]), "cancelled 1 job\n");
            let job = bench.job(id);
            assert_eq!((&job["state"], &job["cause"]), (&json!("cancelled"), &json!("cancelled")));
            assert!(job["finished_at"].is_string(), "{job}");
            let again = bench.run(&["jobs", "cancel", &text(id)]).expect_code(5);
            assert_eq!(again.stderr, format!("queue-work: job {id} is cancelled already\n"));
        }
    });
}

#[test]
fn a_cancelled_or_scheduled_job_can_be_made_ready_and_a_ready_one_not() {
    with_and_without_a_master(|bench| {
        let id = bench.push(&["--delay=1h", "t"]);
        assert_eq!(bench.ok(&["jobs", "retry", &text(id)]), "retried 1 job\n");
        assert_eq!(bench.job(id)["state"], "ready");
        let again = bench.run(&["jobs", "retry", &text(id)]).expect_code(5);
        assert!(again.stderr.contains("is ready already"), "{}", again.stderr);
        bench.ok(&["jobs", "cancel", &text(id)]);
        bench.ok(&["jobs", "retry", &text(id)]);
        let job = bench.job(id);
        assert_eq!((&job["state"], &job["cause"], &job["finished_at"]), (&json!("ready"), &json!(null), &json!(null)));
    });
}

#[test]
fn a_deleted_job_is_gone() {
    with_and_without_a_master(|bench| {
        let (a, b) = (bench.push(&["t"]), bench.push(&["--delay=1h", "t"]));
        assert_eq!(bench.ok(&["jobs", "delete", &text(a), &text(b)]), "deleted 2 jobs\n");
        for verb in
            [&["jobs", "show"][..], &["jobs", "delete"], &["jobs", "cancel"], &["jobs", "retry"], &["jobs", "wait"]]
        {
            let run = bench.run(&[verb, &[&text(a)]].concat()).expect_code(4);
            assert!(run.stderr.contains(&format!("there is no job {a}")), "{}", run.stderr);
        }
        let after = bench.push(&["t"]);
        assert!(after > b, "an id was used again");
        bench.ok(&["jobs", "delete", &text(after)]);
        assert_eq!(bench.status()["queues"].as_array().map(|q| q.iter().filter(|q| q["ready"] != 0).count()), Some(0));
    });
}

#[test]
fn of_several_jobs_those_that_can_be_are_changed_and_the_others_named() {
    with_and_without_a_master(|bench| {
        let (a, b) = (bench.push(&["t"]), bench.push(&["t"]));
        bench.ok(&["jobs", "cancel", &text(a)]);
        let run = bench.run(&["jobs", "cancel", &text(a), &text(b)]).expect_code(5);
        assert_eq!(run.stdout, "cancelled 1 job\n");
        assert!(run.stderr.contains(&format!("job {a} is cancelled already")), "{}", run.stderr);
        assert_eq!(bench.job(b)["state"], "cancelled");
        let run = bench.run(&["jobs", "retry", "--json", &text(a), "99999", &text(b)]).expect_code(4);
        assert_eq!(
            run.json(),
            json!({"count": 2, "refused": [
            {"id": 99999, "reason": "there is no job 99999", "exit_code": 4}]})
        );
        assert!(run.stderr.contains("there is no job 99999"), "{}", run.stderr);
        bench.ok(&["jobs", "delete", &text(a), &text(b)]);
    });
}

#[test]
fn every_dead_job_of_a_queue_is_retried_at_once_with_its_counters_at_zero() {
    let bench = Bench::new();
    for queue in ["default", "default", "other"] {
        bench.push(&["--queue", queue, "--max-attempts=1", "--", "false"]);
    }
    drain(&bench, &["--workers=2", "--queue=other"]);
    let states = |bench: &Bench| all_jobs(bench).iter().map(|j| j["state"].clone()).collect::<Vec<_>>();
    assert_eq!(states(&bench), ["dead", "dead", "dead"]);
    assert_eq!(bench.ok(&["jobs", "retry", "--all", "--queue", "default"]), "retried 2 jobs\n");
    assert_eq!(states(&bench), ["ready", "ready", "dead"]);
    let job = bench.job(1);
    assert_eq!((&job["attempts"], &job["finished_at"]), (&json!(0), &json!(null)), "{job}");
    drain(&bench, &["--workers=2"]);
    assert_eq!(bench.runs(1).len(), 2, "the runs before are kept");
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    assert_eq!(bench.ok(&["jobs", "retry", "--all"]), "retried 3 jobs\n");
    assert_eq!(states(&bench), ["ready", "ready", "ready"]);
    assert_eq!(bench.ok(&["jobs", "retry", "--all"]), "retried 0 jobs\n");
}

#[test]
fn a_job_that_succeeded_is_not_retried_or_cancelled_but_can_be_deleted_with_its_runs() {
    let bench = Bench::new();
    let id = bench.push(&["--", "true"]);
    drain(&bench, &["--workers=1"]);
    for verb in ["retry", "cancel"] {
        let run = bench.run(&["jobs", verb, &text(id)]).expect_code(5);
        assert_eq!(run.stderr, format!("queue-work: job {id} has succeeded\n"));
    }
    bench.ok(&["jobs", "delete", &text(id)]);
    assert_eq!(bench.ok(&["runs", "--json"]).trim(), "[]");
    bench.run(&["runs", "--job", &text(id)]).expect_code(4);
    assert_eq!(bench.status()["queues"][0]["succeeded_total"], 1, "what was done stays counted");
}

#[test]
fn a_dead_job_can_be_deleted() {
    let bench = Bench::new();
    let id = bench.push(&["--max-attempts=1", "--", "false"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.status()["queues"][0]["dead"], 1);
    bench.ok(&["jobs", "delete", &text(id)]);
    assert_eq!(bench.status()["queues"][0]["dead"], 0);
}

#[test]
fn ids_that_are_none_are_usage_errors() {
    let bench = Bench::new();
    for words in [&["jobs", "cancel", "x"][..], &["jobs", "retry"], &["jobs", "retry", "9-3"], &["jobs", "show"]] {
        bench.run(words).expect_code(2);
    }
    for words in [&["jobs", "cancel", "-1"][..], &["jobs", "show", "0"], &["jobs", "delete", "9223372036854775807"]] {
        bench.run(words).expect_code(4);
    }
    assert!(!bench.database().exists(), "a database was made to find nothing in it");
}
