//! Pipes that are flooded, closed, or held by somebody else: nothing waits for them, nothing is left behind.

use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;

use crate::help::{
    end, expect, lives, only_run, pid, pool, push_many, signal, start, wait_ended, wait_ready, wait_worker,
};
use crate::support::{Bench, DEADLINE, eventually};

/// The children that `forks.py` answered with.
#[track_caller]
fn children(result: &serde_json::Value) -> Vec<i32> {
    let pids = result.as_array().unwrap_or_else(|| panic!("no children in {result}"));
    pids.iter().map(|p| i32::try_from(p.as_i64().expect("a pid")).expect("a pid")).collect()
}

#[track_caller]
fn flooded(fixture: &str) {
    let bench = Bench::new();
    let more = "workers = 1\nenv = { FLOOD_MB = \"48\" }\n[pools.good]\nworkers = 1";
    let master = start(&bench, fixture, more);
    let jobs = push_many(&bench, 2, "x");
    let mut beside = 0;
    bench.wait_for("the flood to be over", DEADLINE, |b| {
        // Others go on meanwhile, and `status` answers.
        let job = b.push(&["--queue", "good", "--", "true"]);
        b.wait_for_job(job, "succeeded");
        beside += 1;
        assert!(b.status()["master"]["memory_bytes"].as_u64() < Some(200 << 20), "{}", b.status()["master"]);
        jobs.iter().all(|&job| b.job(job)["state"] == "succeeded")
    });
    assert!(beside > 0);
    for job in jobs {
        expect(&bench.job(job), &json!({"result": "done", "attempts": 0, "crashes": 0}));
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded"}));
    }
    expect(&wait_worker(&bench, "default-1", "idle"), &json!({"jobs_done": 2, "restarts": 0}));
    end(&bench, master);
}

#[test]
fn a_flood_on_stdout_holds_nobody_up_and_leaves_the_master_small() {
    flooded("flood_stdout.py");
}

#[test]
fn a_flood_on_stderr_holds_nobody_up_and_leaves_the_master_small() {
    flooded("flood_stderr.py");
}

#[test]
fn a_worker_that_closes_its_stdout_and_lives_on_is_ended_at_the_timeout() {
    let bench = Bench::new();
    let limits = "workers = 1\ntimeout = \"400ms\"\nkill_after = \"200ms\"\nmax_attempts = 1";
    let master = start(&bench, "close_stdout.py", limits);
    let job = bench.push(&["x"]);
    expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "max_attempts", "attempts": 1, "crashes": 0}));
    expect(&only_run(&bench, job), &json!({"outcome": "timed_out", "cause": "timeout", "signal": "SIGTERM"}));
    wait_worker(&bench, "default-1", "idle");
    end(&bench, master);
}

#[test]
fn a_worker_that_closes_its_stdin_and_lives_on_is_replaced_and_holds_no_job_up() {
    let bench = Bench::new();
    let master = start(&bench, "close_stdin.py", "workers = 1\ngrace = \"200ms\"");
    let first = bench.push(&["x", "1"]);
    expect(&bench.wait_for_job(first, "succeeded"), &json!({"result": 1}));
    // What it is sent now it never reads; an hour of timeout is not waited for.
    let second = bench.push(&["x", "2"]);
    expect(&bench.wait_for_job(second, "succeeded"), &json!({"result": 2, "attempts": 0, "crashes": 0, "releases": 0}));
    expect(&only_run(&bench, second), &json!({"outcome": "succeeded"}));
    expect(&wait_ended(&bench, "protocol", 1)[0], &json!({"jobs_done": 1}));
    end(&bench, master);
}

#[test]
fn the_exit_of_a_worker_ends_the_run_though_its_children_hold_the_pipes_and_they_go_too() {
    let bench = Bench::new();
    let master = start(&bench, "forks.py", "workers = 1\nmax_crashes = 1");
    let job = bench.push(&["leave"]);
    let good = bench.push(&["stay"]);
    expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "poison", "crashes": 1, "attempts": 0}));
    expect(&only_run(&bench, job), &json!({"outcome": "crashed", "cause": "worker_exited", "exit_code": 4}));
    // The next worker is not bothered; those of the dead one are gone, also the one in a session of its own.
    let result = bench.wait_for_job(good, "succeeded")["result"].clone();
    let kept = children(&result);
    bench.wait_for("the children of the dead worker to be gone", DEADLINE, |b| {
        let sleepers = b.leftovers().into_iter().filter(|l| l.command == "sleep 1000");
        sleepers.map(|l| l.pid).all(|p| kept.contains(&p))
    });
    assert!(kept.iter().all(|&p| lives(p)), "{result}");
    end(&bench, master);
    assert!(!kept.iter().any(|&p| lives(p)), "{result}");
}

#[test]
fn children_that_ignore_term_go_with_their_worker_also_in_a_session_of_their_own() {
    let bench = Bench::new();
    let master = start(&bench, "forks.py", "workers = 1");
    let job = bench.push(&["ignore"]);
    let kept = children(&bench.wait_for_job(job, "succeeded")["result"]);
    let worker = &wait_ready(&bench, 1)[0];
    bench.ok(&["restart", "default-1"]);
    assert_ne!(pid(&wait_ready(&bench, 1)[0]), pid(worker));
    let gone = eventually(DEADLINE, || !kept.iter().any(|&p| lives(p)));
    assert!(gone, "{}", bench.dump());
    end(&bench, master);
}

#[test]
fn grandchildren_do_not_outlive_a_master_that_is_killed() {
    let bench = Bench::new();
    let mut master = start(&bench, "forks.py", "workers = 2");
    for job in push_many(&bench, 4, "ignore") {
        bench.wait_for_job(job, "succeeded");
    }
    signal(master.pid(), SIGKILL);
    master.wait_exit(DEADLINE);
    bench.expect_no_leftovers();
}

#[test]
fn output_of_a_worker_that_died_is_in_the_log_up_to_its_last_word() {
    let bench = Bench::new();
    let master = start(&bench, "crash.py", "workers = 1\nmax_crashes = 1");
    let job = bench.push(&["exit"]);
    bench.wait_for_job(job, "dead");
    bench.wait_for("the last words", DEADLINE, |b| b.ok(&["logs", "default-1"]).contains("last words of exit"));
    assert_eq!(pool(&bench, "default")["wanted"], 1);
    end(&bench, master);
}
