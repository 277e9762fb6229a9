//! Workers that reached a limit are replaced after their job: number of jobs, memory with children, age.

use serde_json::json;

use crate::help::{
    end, expect, only_run, pid, push_held, push_many, records, start, start_journal, wait_done, wait_ended,
};
use crate::help::{open, pids, pool, wait_ready, wait_started, wait_worker, workers};
use crate::support::{Bench, DEADLINE};

#[test]
fn a_worker_is_replaced_after_max_jobs_give_or_take_a_tenth() {
    let bench = Bench::new();
    let master = start_journal(&bench, 1, "max_jobs = 20");
    // Long enough that a worker is gone before the next one has reached its limit: only so many leave at once, and
    // one whose turn has not come goes on.
    let lines = "{\"type\":\"x\",\"args\":{\"seconds\":0.015}}\n".repeat(115);
    bench.verb(&["push", "--jsonl"]).stdin(lines).run().expect_code(0);
    wait_done(&bench);
    expect(&bench.status()["queues"][0], &json!({"succeeded_total": 115, "failed_total": 0}));
    let ended = wait_ended(&bench, "max_jobs", 5);
    for worker in &ended {
        expect(worker, &json!({"exit_code": 0, "signal": null}));
        assert!((18..=22).contains(&worker["jobs_done"].as_u64().expect("a number")), "{worker:#}");
    }
    end(&bench, master);
}

/// Pushes jobs one after the other until a worker was recycled for its memory.
#[track_caller]
fn leaks_until_recycled(env: &str) {
    let bench = Bench::new();
    crate::help::configure(&bench, "leak.py", &format!("workers = 1\nenv = {env}"));
    let master = bench.start(&["--memory", "+8M"]);
    let first = pid(&wait_ready(&bench, 1)[0]);
    let mut jobs = Vec::new();
    bench.wait_for("a worker to be recycled", DEADLINE, |b| {
        let job = b.push(&["x"]);
        b.wait_for_job(job, "succeeded");
        jobs.push(job);
        records(b).iter().any(|w| w["reason"] == "memory")
    });
    let recycled = records(&bench).into_iter().find(|w| w["pid"] == first).expect("a record");
    expect(&recycled, &json!({"reason": "memory", "exit_code": 0}));
    assert!(recycled["peak_memory_bytes"].as_u64() > Some(8 << 20), "{recycled:#}");
    for job in jobs {
        expect(&bench.job(job), &json!({"attempts": 0, "crashes": 0, "releases": 0}));
    }
    let slot = wait_worker(&bench, "default-1", "idle");
    expect(&slot["last_exit"], &json!({"reason": "memory"}));
    end(&bench, master);
}

#[test]
fn a_worker_that_grows_is_replaced_after_its_job() {
    leaks_until_recycled("{ LEAK_MB = \"4\" }");
}

#[test]
fn a_worker_that_grows_faster_than_it_is_sampled_is_replaced_after_the_first_job_over_the_limit() {
    let bench = Bench::new();
    crate::help::configure(&bench, "leak.py", "workers = 1\nenv = { LEAK_MB = \"30\" }");
    // All of them in less time than passes between two samples.
    bench.verb(&["push", "--jsonl"]).stdin("{\"type\":\"x\"}\n".repeat(12)).run().expect_code(0);
    let master = bench.start(&["--memory", "100M", "--prefetch", "1"]);
    wait_done(&bench);
    // The next one may have to wait for its turn while this one leaves.
    let first = wait_ended(&bench, "memory", 1).into_iter().min_by_key(|w| w["id"].as_i64()).expect("one");
    assert!(first["jobs_done"].as_u64() <= Some(5), "{first:#}");
    end(&bench, master);
}

#[test]
fn a_worker_whose_child_grows_is_replaced_after_its_job() {
    leaks_until_recycled("{ LEAK_MB = \"4\", LEAK_IN_CHILD = \"1\" }");
}

#[test]
fn a_limit_below_what_a_worker_needs_is_reported_once_and_not_looped_on() {
    let bench = Bench::new();
    crate::help::configure(&bench, "echo.py", "workers = 2");
    let master = bench.start(&["--memory", "1M"]);
    let old = pids(&wait_ready(&bench, 2));
    push_many(&bench, 20, "x");
    bench.wait_for("the report", DEADLINE, |_| master.stderr().contains("is below the"));
    push_many(&bench, 20, "x");
    wait_done(&bench);
    bench.wait_for("both to be measured", DEADLINE, |b| workers(b).iter().all(|w| w["memory_bytes"].is_u64()));
    assert_eq!(pids(&wait_ready(&bench, 2)), old, "a worker was replaced for a limit it cannot keep");
    let limit = pool(&bench, "default")["limits"]["memory"].clone();
    assert_eq!(limit, "1M (not applied: a worker needs more)");
    let said = master.stderr();
    assert_eq!(said.matches("is below the").count(), 1, "{said}");
    assert!(said.contains("raise it"), "{said}");
    end(&bench, master);
}

#[test]
fn a_worker_over_the_hard_limit_is_killed_with_its_job() {
    let bench = Bench::new();
    let master = start(&bench, "hog.py", "workers = 1\nmemory_max = \"60M\"\nmax_crashes = 1");
    let job = bench.push(&["hog"]);
    let good = bench.push(&["x", "1"]);
    expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "poison", "crashes": 1, "attempts": 0}));
    let run = only_run(&bench, job);
    expect(&run, &json!({"outcome": "crashed", "cause": "memory", "signal": "SIGKILL"}));
    assert!(run["peak_memory_bytes"].as_u64() > Some(60 << 20), "{run:#}");
    assert!(run["error"].as_str().is_some_and(|e| e.contains("memory")), "{run:#}");
    bench.wait_for_job(good, "succeeded");
    let killed = wait_ended(&bench, "memory_max", 1).remove(0);
    expect(&killed, &json!({"signal": "SIGKILL"}));
    end(&bench, master);
}

#[test]
fn an_old_worker_is_replaced_but_never_in_the_middle_of_a_job() {
    let bench = Bench::new();
    let master = start_journal(&bench, 1, "max_time = \"400ms\"\ngrace = \"1ms\"");
    let first = pid(&wait_ready(&bench, 1)[0]);
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    // Its time is over while it works, and nobody works beside it.
    bench.wait_for("its time to be over", DEADLINE, |b| workers(b)[0]["uptime_s"].as_f64() > Some(1.0));
    assert_eq!(pids(&workers(&bench)), [first]);
    expect(&bench.job(job), &json!({"state": "running"}));
    open(&bench, "go");
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0, "attempts": 0}));
    bench.wait_for("it to be gone", DEADLINE, |b| {
        records(b).iter().any(|w| w["reason"] == "max_time" && w["exit_code"] == 0 && w["jobs_done"] == 1)
    });
    assert!(!pids(&workers(&bench)).contains(&first));
    end(&bench, master);
}
