//! Workers that are alive and silent: asked to end their job, then TERM, then KILL.

use serde_json::json;

use crate::help::{end, expect, only_run, pid, start, wait_ended, wait_ready, wait_worker};
use crate::support::{Bench, DEADLINE};

#[test]
fn a_silent_worker_is_ended_by_term_at_the_timeout_and_its_job_charged() {
    let bench = Bench::new();
    let limits = "workers = 1\ntimeout = \"300ms\"\nkill_after = \"200ms\"\nmax_attempts = 2\nbackoff = \"50ms\"";
    let master = start(&bench, "hang.py", limits);
    let first = pid(&wait_ready(&bench, 1)[0]);
    let job = bench.push(&["x"]);
    let dead = bench.wait_for_job(job, "dead");
    expect(&dead, &json!({"cause": "max_attempts", "attempts": 2, "crashes": 0, "releases": 0}));
    let runs = bench.runs(job);
    assert_eq!(runs.len(), 2, "{runs:#?}");
    for (run, attempt) in runs.iter().zip([2, 1]) {
        let wanted = json!({"outcome": "timed_out", "cause": "timeout", "signal": "SIGTERM", "attempt": attempt});
        expect(run, &wanted);
        let took = run["duration_s"].as_f64().expect("a number");
        assert!((0.3..5.0).contains(&took), "{took}");
        assert!(
            run["error"].as_str().is_some_and(|e| e.contains("past its deadline; the worker was ended by SIGTERM")),
            "{run:#}"
        );
    }
    assert_ne!(pid(&wait_worker(&bench, "default-1", "idle")), first);
    for worker in wait_ended(&bench, "job_timeout", 2) {
        expect(&worker, &json!({"signal": "SIGTERM"}));
    }
    end(&bench, master);
}

#[test]
fn a_worker_that_ignores_term_is_killed_and_the_next_job_gets_a_new_one() {
    let bench = Bench::new();
    let limits = "workers = 1\ntimeout = \"200ms\"\nkill_after = \"200ms\"\nmax_attempts = 1\ngrace = \"100ms\"";
    let master = start(&bench, "ignore_term.py", limits);
    let jobs = [bench.push(&["x"]), bench.push(&["x"])];
    for job in jobs {
        expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "max_attempts", "attempts": 1, "crashes": 0}));
        expect(&only_run(&bench, job), &json!({"outcome": "timed_out", "cause": "timeout", "signal": "SIGKILL"}));
    }
    let ended = wait_ended(&bench, "job_timeout", 2);
    assert_eq!(ended.len(), 2, "{ended:#?}");
    end(&bench, master);
}

#[test]
fn a_worker_that_never_reads_costs_its_job_an_attempt_and_holds_nobody_up() {
    let bench = Bench::new();
    let limits =
        "workers = 1\ntimeout = \"300ms\"\nkill_after = \"200ms\"\nmax_attempts = 1\ngrace = \"200ms\"\n[pools.good]\n";
    let master = start(&bench, "never_reads.py", limits);
    // More than a pipe holds: the master must not wait for it to be read.
    let args = json!("x".repeat(1 << 20)).to_string();
    let pushed = bench.verb(&["push", "--json", "x", "-"]).stdin(args).run().expect_code(0).json();
    let job = pushed["id"].as_i64().expect("an id");
    let good = bench.push(&["--queue", "good", "--", "true"]);
    bench.wait_for_job(good, "succeeded");
    expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "max_attempts", "attempts": 1, "crashes": 0}));
    let run = json!({"outcome": "timed_out", "cause": "timeout", "signal": "SIGTERM", "exit_code": null});
    expect(&only_run(&bench, job), &run);
    wait_worker(&bench, "default-1", "idle");
    end(&bench, master);
}

#[test]
fn a_timeout_of_the_job_itself_goes_before_that_of_the_pool() {
    let bench = Bench::new();
    let limits = "workers = 1\ntimeout = \"1h\"\nkill_after = \"100ms\"";
    let master = start(&bench, "hang.py", limits);
    let job = bench.push(&["--timeout", "200ms", "--max-attempts", "1", "x"]);
    expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "max_attempts", "attempts": 1, "timeout_s": 0.2}));
    expect(&only_run(&bench, job), &json!({"outcome": "timed_out", "cause": "timeout"}));
    end(&bench, master);
}

#[test]
fn a_cancelled_job_ends_with_its_worker_where_it_does_not_listen() {
    let bench = Bench::new();
    let master = start(&bench, "hang.py", "workers = 1\nkill_after = \"20ms\"");
    for _ in 0..5 {
        let job = bench.push(&["x"]);
        wait_worker(&bench, "default-1", "busy");
        bench.ok(&["jobs", "cancel", &job.to_string()]);
        // It is on record when the verb returns.
        expect(&bench.job(job), &json!({"state": "cancelled", "cause": "cancelled", "attempts": 0, "crashes": 0}));
        expect(&only_run(&bench, job), &json!({"outcome": "cancelled", "cause": "cancelled"}));
    }
    wait_worker(&bench, "default-1", "idle");
    wait_ended(&bench, "job_cancelled", 5);
    end(&bench, master);
}

#[test]
fn a_job_beside_one_that_timed_out_in_the_same_worker_is_given_back() {
    let bench = Bench::new();
    let limits = "workers = 1\nready = \"message\"\nkill_after = \"100ms\"\ngrace = \"100ms\"";
    // It answers only when it holds three.
    let master = start(&bench, "many_at_once.py", limits);
    let beside = bench.push(&["x"]);
    let late = bench.push(&["--timeout", "300ms", "--max-attempts", "1", "x"]);
    expect(&bench.wait_for_job(late, "dead"), &json!({"cause": "max_attempts", "attempts": 1}));
    expect(&only_run(&bench, late), &json!({"outcome": "timed_out", "cause": "timeout"}));
    bench.wait_for("it to be given back", DEADLINE, |b| b.job(beside)["releases"] == 1);
    expect(&bench.job(beside), &json!({"attempts": 0, "crashes": 0}));
    let run = bench.runs(beside).pop().expect("a run");
    let error = "ended with another job; the worker was ended by SIGTERM";
    expect(&run, &json!({"outcome": "released", "cause": "worker_exited", "error": error}));
    end(&bench, master);
}
