//! What a worker may say of itself: ready, how many at once, how far, more time, no more.

use serde_json::json;

use crate::help::{
    end, expect, only_run, pid, pool, push_many, start, wait_done, wait_ended, wait_ready, wait_trouble, wait_worker,
    workers,
};
use crate::support::{Bench, DEADLINE};

#[test]
fn a_worker_that_says_when_it_is_ready_gets_no_job_before() {
    let bench = Bench::new();
    let more = "workers = 1\nready = \"message\"\nenv = { START_SECONDS = \"0.7\" }";
    let job = bench.push(&["x", "1"]);
    let master = start(&bench, "slow_start.py", more);
    wait_worker(&bench, "default-1", "starting");
    expect(&pool(&bench, "default"), &json!({"ready": 0, "starting": 1, "busy": 0}));
    expect(&bench.job(job), &json!({"state": "ready"}));
    bench.wait_for_job(job, "succeeded");
    // The time it needed to start is not the job's.
    let took = only_run(&bench, job)["duration_s"].as_f64().expect("a number");
    assert!(took < 0.5, "{took}");
    end(&bench, master);
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_replaced_with_backoff_and_no_job_is_blamed() {
    let bench = Bench::new();
    let job = bench.push(&["x", "1"]);
    // It answers jobs, but never says `ready`.
    let master = start(&bench, "echo.py", "workers = 1\nready = \"message\"\nready_timeout = \"200ms\"");
    let (_, worker) = wait_trouble(&bench, "is not ready in time");
    expect(&worker["last_exit"], &json!({"reason": "ready_timeout"}));
    wait_ended(&bench, "ready_timeout", 2);
    expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "crashes": 0, "releases": 0}));
    assert!(bench.runs(job).is_empty());
    end(&bench, master);
}

#[test]
fn a_worker_that_can_do_several_jobs_at_once_gets_as_many() {
    let bench = Bench::new();
    let master = start(&bench, "many_at_once.py", "workers = 1\nready = \"message\"");
    // It answers only when it holds three.
    let jobs = push_many(&bench, 6, "x");
    for job in jobs {
        bench.wait_for_job(job, "succeeded");
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded", "worker": "default-1"}));
    }
    expect(&wait_ready(&bench, 1)[0], &json!({"jobs_done": 6, "restarts": 0}));
    end(&bench, master);
}

#[test]
fn a_worker_that_retires_is_replaced_and_no_job_is_lost() {
    let bench = Bench::new();
    let master = start(&bench, "retire.py", "workers = 2\nenv = { RETIRE_AFTER = \"3\" }");
    for job in push_many(&bench, 12, "x") {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"crashes": 0, "attempts": 0}));
    }
    let retired = wait_ended(&bench, "retired", 3);
    for w in &retired {
        expect(w, &json!({"jobs_done": 3, "exit_code": 0}));
    }
    end(&bench, master);
}

#[test]
fn a_worker_that_asks_for_more_time_gets_it() {
    let bench = Bench::new();
    let limits = "workers = 1\ntimeout = \"600ms\"\nkill_after = \"100ms\"\nmax_attempts = 1";
    let master = start(&bench, "extend.py", limits);
    let args = json!({"steps": 4, "seconds": 0.3, "extend": 5}).to_string();
    let long = bench.push(&["x", &args]);
    bench.wait_for_job(long, "succeeded");
    let took = only_run(&bench, long)["duration_s"].as_f64().expect("a number");
    assert!(took > 1.1, "{took}");
    // As much as it asked for, and no more.
    let args = json!({"steps": 1, "seconds": 30, "extend": 0.1}).to_string();
    let short = bench.push(&["x", &args]);
    bench.wait_for_job(short, "dead");
    expect(&only_run(&bench, short), &json!({"outcome": "timed_out", "cause": "timeout"}));
    end(&bench, master);
}

#[test]
fn progress_is_shown_while_the_job_runs_and_kept_with_it() {
    let bench = Bench::new();
    let master = start(&bench, "progress.py", "workers = 1");
    let job = bench.push(&["x", "{\"seconds\": 0.3}"]);
    let step = |percent: f64| json!({"percent": percent, "message": format!("step {} of 4", percent / 25.0)});
    bench.wait_for("status to show the first step", DEADLINE, |b| {
        workers(b).iter().any(|w| w["job"]["id"] == job && w["job"]["progress"] == step(25.0))
    });
    bench.wait_for("the job to show a step", DEADLINE, |b| b.job(job)["progress"]["percent"].as_f64() >= Some(50.0));
    bench.wait_for_job(job, "succeeded");
    expect(&bench.job(job), &json!({"progress": step(100.0)}));
    end(&bench, master);
}

#[test]
fn a_worker_keeps_its_process_from_job_to_job() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 1");
    let first = pid(&wait_ready(&bench, 1)[0]);
    push_many(&bench, 50, "x");
    wait_done(&bench);
    let worker = &wait_ready(&bench, 1)[0];
    assert_eq!(pid(worker), first);
    expect(worker, &json!({"jobs_done": 50, "restarts": 0, "last_exit": null}));
    end(&bench, master);
}
