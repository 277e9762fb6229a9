//! Answers that come when their run is over, in part, or not at all because they wait in a buffer.

use serde_json::json;

use crate::help::{configure, end, expect, only_run, start, wait_ready, wait_worker};
use crate::support::{Bench, DEADLINE};

#[test]
fn an_answer_of_a_run_that_is_over_does_not_end_the_next_run_of_the_job() {
    let bench = Bench::new();
    let limits = "workers = 1\ntimeout = \"1s\"\nkill_after = \"100ms\"\nmax_attempts = 2\nbackoff = \"10ms\"";
    configure(&bench, "late.py", limits);
    let master = bench.start(&["-v"]);
    let job = bench.push(&["x"]);
    bench.wait_for("the first run to be over", DEADLINE, |b| b.runs(job).len() == 1);
    let done = bench.wait_for_job(job, "succeeded");
    expect(&done, &json!({"result": "of the second run", "attempts": 1, "crashes": 0, "releases": 0}));
    let runs = bench.runs(job);
    assert_eq!(runs.len(), 2, "{runs:#?}");
    expect(&runs[0], &json!({"outcome": "succeeded", "attempt": 2}));
    expect(&runs[1], &json!({"outcome": "timed_out", "attempt": 1, "signal": "SIGKILL"}));
    // The pipe of the first worker is closed, so whoever else holds its end learns that nobody listens.
    let told = std::fs::read_to_string(bench.path().join("told")).expect("the second run waited for it");
    assert_eq!(told, "BrokenPipeError");
    end(&bench, master);
}

#[test]
fn an_answer_that_was_cut_at_any_byte_by_the_death_of_its_worker_is_none() {
    let bench = Bench::new();
    let line = "{\"id\":2,\"result\":\"whole\"}\n";
    // The last one was written whole.
    let jobs = (0..=line.len()).map(|n| json!({"type": "x", "args": {"cut": n}}).to_string()).collect::<Vec<_>>();
    bench.verb(&["push", "--jsonl"]).stdin(jobs.join("\n")).run().expect_code(0);
    let master = start(&bench, "cut.py", "workers = 1");
    for (cut, id) in (0..=line.len()).zip(1..) {
        let job = bench.wait_for_job(id, "succeeded");
        let runs = bench.runs(id);
        if cut < line.len() {
            expect(&job, &json!({"result": "whole", "crashes": 1, "attempts": 0}));
            assert_eq!(runs.len(), 2, "cut at {cut}: {runs:#?}");
            expect(
                &runs[1],
                &json!({"outcome": "crashed", "signal": "SIGKILL", "error": "the worker was ended by SIGKILL"}),
            );
        } else {
            expect(&job, &json!({"result": "whole", "crashes": 0, "attempts": 0}));
        }
        expect(&runs[0], &json!({"outcome": "succeeded"}));
    }
    end(&bench, master);
}

#[test]
fn an_answer_that_waits_in_the_buffer_of_its_worker_shows_as_a_job_that_runs_and_costs_an_attempt() {
    let bench = Bench::new();
    let limits =
        "workers = 1\ntimeout = \"2s\"\nkill_after = \"100ms\"\nmax_attempts = 1\nenv = { PYTHONUNBUFFERED = \"\" }";
    let master = start(&bench, "buffered.py", limits);
    wait_ready(&bench, 1);
    let job = bench.push(&["x"]);
    bench.wait_for("it to run for a second", DEADLINE, |b| {
        b.status()["workers"][0]["job"]["running_s"].as_f64().is_some_and(|s| s > 1.0)
    });
    expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "max_attempts", "result": null}));
    expect(&only_run(&bench, job), &json!({"outcome": "timed_out", "cause": "timeout"}));
    wait_worker(&bench, "default-1", "idle");
    end(&bench, master);

    let bench = Bench::new();
    let master = start(&bench, "buffered.py", "workers = 1\nenv = { PYTHONUNBUFFERED = \"1\" }");
    let job = bench.push(&["x"]);
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"result": "printed", "attempts": 0}));
    end(&bench, master);
}
