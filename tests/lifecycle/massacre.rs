//! Workers that are killed from outside: all at once and again and again, and with jobs waiting in their pipes.

use std::fs;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::{Value, json};

use crate::help::{
    end, expect, journal, only_run, open, pids, pool, push_held, push_many, signal, start_journal, wait_done,
    wait_ready, wait_started, workers,
};
use crate::support::{Bench, DEADLINE, now};

const ROUNDS: usize = 50;
const WORKERS: usize = 4;

#[test]
fn a_pool_whose_workers_are_all_killed_at_once_is_whole_again_each_time() {
    let bench = Bench::new();
    let worker = "n=0; while read -r line; do n=$((n+1)); sleep 0.02; echo \"{\\\"id\\\":$n,\\\"result\\\":$$}\"; done";
    let command = json!(["sh", "-c", worker]);
    let config = format!("[pools.default]\nworkers = {WORKERS}\nprefetch = 1\ncommand = {command}\n");
    fs::write(bench.path().join("queue-work.toml"), config).expect("a configuration");
    let master = bench.start(&[]);
    let mut slowest = std::time::Duration::ZERO;
    for _ in 0..ROUNDS {
        // One job each: a worker that dies before it has done anything is replaced more slowly.
        let jobs = push_many(&bench, WORKERS, "x");
        bench.wait_for("each worker to have done a job", DEADLINE, |b| {
            let all = workers(b);
            all.len() == WORKERS && all.iter().all(|w| w["jobs_done"].as_u64() > Some(0) && w["state"] == "idle")
        });
        assert_eq!(jobs.len(), WORKERS);
        let old = pids(&wait_ready(&bench, WORKERS));
        let begun = now();
        for &pid in &old {
            signal(pid, SIGKILL);
        }
        bench.wait_for("as many new ones", DEADLINE, |b| {
            let all = workers(b);
            all.len() == WORKERS
                && all.iter().all(|w| w["state"] == "idle")
                && pids(&all).iter().all(|pid| !old.contains(pid))
        });
        slowest = slowest.max(begun.elapsed());
    }
    println!("{ROUNDS} times {WORKERS} workers killed; the slowest return, as `status` shows it, took {slowest:?}");
    wait_done(&bench);
    let status = bench.status();
    let queue = &status["queues"][0];
    let done: Value = (ROUNDS * WORKERS).into();
    assert_eq!((&queue["succeeded_total"], &queue["failed_total"]), (&done, &json!(0)), "{status:#}");
    end(&bench, master);
}

#[test]
fn a_pool_without_a_living_worker_says_so_and_why() {
    let bench = Bench::new();
    let config = "[pools.default]\nworkers = 2\ncommand = [\"sh\", \"-c\", \"echo no licence >&2; exit 9\"]\n";
    fs::write(bench.path().join("queue-work.toml"), config).expect("a configuration");
    let master = bench.start(&[]);
    bench.wait_for("the pool to be down", DEADLINE, |b| {
        let pool = pool(b, "default");
        pool["ready"] == 0 && pool["problem"].as_str().is_some_and(|p| p.contains("no licence"))
    });
    end(&bench, master);
}

/// One worker that holds a job, and three more in its pipe.
fn with_three_waiting(bench: &Bench) -> (crate::support::Master<'_>, i64, Vec<i64>) {
    let held = push_held(bench, "go");
    let waiting = push_many(bench, 3, "quick");
    let master = start_journal(bench, 1, "prefetch = 4");
    wait_started(bench, 1);
    bench.wait_for("all to be sent", DEADLINE, |b| b.status()["queues"][0]["running"] == 4);
    (master, held, waiting)
}

#[test]
fn jobs_in_the_pipe_of_a_worker_that_is_killed_are_neither_charged_nor_recorded() {
    let bench = Bench::new();
    let (master, held, waiting) = with_three_waiting(&bench);
    signal(journal(&bench)[0].pid, SIGKILL);
    open(&bench, "go");
    expect(&bench.wait_for_job(held, "succeeded"), &json!({"crashes": 1, "attempts": 0, "releases": 0}));
    for job in waiting {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"crashes": 0, "attempts": 0, "releases": 0}));
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded"}));
    }
    end(&bench, master);
}

#[test]
fn jobs_in_the_pipe_of_a_worker_whose_master_is_killed_are_not_said_to_have_run() {
    let bench = Bench::new();
    let (mut master, held, waiting) = with_three_waiting(&bench);
    let status = bench.status();
    assert_eq!(status["workers"][0]["job"]["id"], held, "{status:#}");
    master.kill9();
    bench.expect_no_leftovers();
    open(&bench, "go");
    let master = bench.start(&[]);
    let error_of = |job: i64| {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"crashes": 0, "attempts": 0, "releases": 1}));
        let runs = bench.runs(job);
        expect(&runs[1], &json!({"outcome": "released", "cause": "master_lost"}));
        runs[1]["error"].as_str().expect("a text").to_owned()
    };
    assert_eq!(error_of(held), "the master died while this ran");
    for job in waiting {
        assert_eq!(error_of(job), "the master died while this was on its way to a worker, or had just begun");
    }
    end(&bench, master);
}
