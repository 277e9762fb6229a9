//! Workers that break the protocol: what they print is log, what they answer wrongly is dropped, the master stays small.

use serde_json::json;

use crate::help::{configure, end, expect, only_run, pid, push_many, start, wait_done, wait_ready};
use crate::support::{Bench, DEADLINE};

fn memory(bench: &Bench) -> u64 {
    bench.status()["master"]["memory_bytes"].as_u64().expect("a number")
}

#[test]
fn garbage_on_stdout_is_log_and_no_answer() {
    let bench = Bench::new();
    let master = start(&bench, "garbage.py", "workers = 1");
    let worker = pid(&wait_ready(&bench, 1)[0]);
    for n in 0..3 {
        let args = json!([n]);
        let job = bench.push(&["x", &args.to_string()]);
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"result": args, "attempts": 0, "crashes": 0}));
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded", "cause": null, "error": null}));
    }
    assert_eq!(pid(&wait_ready(&bench, 1)[0]), worker, "it was replaced");
    bench.wait_for("the litter to be in the log", DEADLINE, |b| {
        b.ok(&["logs", "default-1"]).contains("Welcome to Garbage")
    });
    // Nothing that could take over a terminal gets through.
    let logs = bench.ok(&["logs", "default-1"]);
    assert!(!logs.contains('\u{1b}') && !logs.contains('\r'), "{logs:?}");
    end(&bench, master);
}

#[test]
fn half_an_answer_is_no_answer_and_the_job_is_ready_again() {
    let bench = Bench::new();
    let master = start(&bench, "half_line.py", "workers = 1\nmax_crashes = 2");
    for kind in ["half", "whole"] {
        let job = bench.push(&[kind]);
        let after = bench.push(&["good", "1"]);
        let dead = bench.wait_for_job(job, "dead");
        expect(&dead, &json!({"cause": "poison", "crashes": 2, "attempts": 0, "result": null}));
        for run in bench.runs(job) {
            let wanted = json!({"outcome": "crashed", "cause": "worker_exited", "exit_code": 0, "signal": null,
                "error": "the worker exited with status 0"});
            expect(&run, &wanted);
        }
        expect(&bench.wait_for_job(after, "succeeded"), &json!({"crashes": 0, "result": 1}));
    }
    end(&bench, master);
}

#[test]
fn a_hundred_mebibytes_without_a_newline_leave_the_master_small_and_the_stream_in_step() {
    let bench = Bench::new();
    let master = start(&bench, "no_newline.py", "workers = 1");
    let before = bench.push(&["x", "1"]);
    bench.wait_for_job(before, "succeeded");
    let small = memory(&bench);
    let job = bench.push(&["endless", "[5]"]);
    let mut most = 0;
    bench.wait_for("the flood to be over", DEADLINE, |b| {
        most = most.max(memory(b));
        b.job(job)["state"] == "succeeded"
    });
    expect(&bench.job(job), &json!({"result": [5], "attempts": 0, "crashes": 0}));
    // A line may have 16 MiB before it is known to be too long.
    assert!(most.max(memory(&bench)) < small + (40 << 20), "{small} grew to {most}");
    let after = bench.push(&["x", "2"]);
    expect(&bench.wait_for_job(after, "succeeded"), &json!({"result": 2}));
    expect(&wait_ready(&bench, 1)[0], &json!({"restarts": 0, "jobs_done": 3}));
    end(&bench, master);
}

#[test]
fn a_second_answer_is_dropped_and_said_so() {
    let bench = Bench::new();
    let master = start(&bench, "twice.py", "workers = 1");
    let jobs = push_many(&bench, 5, "x");
    wait_done(&bench);
    for job in jobs {
        expect(&bench.job(job), &json!({"state": "succeeded", "result": "first", "attempts": 0, "error": null}));
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded", "error": null}));
    }
    expect(&wait_ready(&bench, 1)[0], &json!({"jobs_done": 5, "restarts": 0}));
    end(&bench, master);
}

#[test]
fn an_answer_without_result_or_error_fails_the_run_at_once_and_is_charged() {
    let bench = Bench::new();
    let master = start(&bench, "says_nothing.py", "workers = 1\nmax_attempts = 1");
    for said in ["{}", "{\"resul\": 1}", "{\"error\": null}", "{\"params\": {\"result\": 1}}"] {
        let job = bench.push(&["x", said]);
        expect(&bench.wait_for_job(job, "dead"), &json!({"attempts": 1, "crashes": 0, "cause": "max_attempts"}));
        let run = only_run(&bench, job);
        expect(&run, &json!({"outcome": "failed", "cause": "protocol"}));
        let error = run["error"].as_str().expect("a text");
        assert!(error.starts_with("the worker answered without `result` or `error`: {"), "{error}");
    }
    // A result that is `null` is one, and an id that is not open is no answer.
    for said in ["{\"result\": null}", "{\"result\": null, \"error\": null}", "[{\"id\": 1000}, {\"result\": null}]"] {
        let job = bench.push(&["x", said]);
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"result": null, "attempts": 0, "error": null}));
    }
    expect(&wait_ready(&bench, 1)[0], &json!({"restarts": 0}));
    end(&bench, master);
}

#[test]
fn an_answer_to_an_unknown_id_is_dropped_and_said_so() {
    let bench = Bench::new();
    configure(&bench, "unknown_id.py", "workers = 1");
    let master = bench.start(&["-v"]);
    let jobs = push_many(&bench, 5, "x");
    wait_done(&bench);
    for job in jobs {
        expect(&bench.job(job), &json!({"state": "succeeded", "result": null, "attempts": 0}));
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded"}));
    }
    expect(&wait_ready(&bench, 1)[0], &json!({"jobs_done": 5, "restarts": 0}));
    let said = master.stderr();
    assert!(said.contains("worker `default-1` answered request 1001, which it does not hold; ignored"), "{said}");
    assert!(!said.contains("rusqlite"), "libraries chat: {said}");
    end(&bench, master);
}
