//! Death without being asked: of the master with jobs in flight, of a worker, of a worker at its job, again and again.

use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
use serde_json::json;
use std::time::Duration;

use crate::help::{
    end, expect, journal, lives, only_run, open, pid, pids, push_held, push_many, signal, start, start_journal,
    wait_ended, wait_ready, wait_started, wait_worker, workers,
};
use crate::support::{Bench, DEADLINE, eventually};

#[test]
fn jobs_of_a_killed_master_are_ready_again_at_the_next_start_uncharged_and_run_once_more() {
    let bench = Bench::new();
    let mut master = start_journal(&bench, 2, "");
    let jobs = [push_held(&bench, "go"), push_held(&bench, "go")];
    let waiting = bench.push(&["quick"]);
    wait_started(&bench, 2);
    let old = pids(&wait_ready(&bench, 2));
    master.kill9();
    let dead = eventually(Duration::from_secs(2), || !old.iter().any(|&p| lives(p)));
    assert!(dead, "workers outlived their master\n{}", bench.dump());
    bench.expect_no_leftovers();
    let status = bench.run(&["status", "--json"]).expect_code(3).json();
    assert!(status["master"].is_null(), "{status:#}");

    open(&bench, "go");
    let master = bench.start(&[]);
    for job in jobs {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"attempts": 0, "crashes": 0, "releases": 1}));
        let runs = bench.runs(job);
        assert_eq!(runs.len(), 2, "{runs:#?}");
        expect(&runs[0], &json!({"outcome": "succeeded", "generation": 2}));
        expect(&runs[1], &json!({"outcome": "released", "cause": "master_lost", "generation": 1}));
        assert!(runs[1]["pid"].as_i64().is_some_and(|p| old.contains(&i32::try_from(p).unwrap())), "{runs:#?}");
        assert!(runs[1]["ended_at"].is_string(), "{runs:#?}");
    }
    bench.wait_for_job(waiting, "succeeded");
    assert!(master.stderr().contains("2 jobs it left running: ready again"), "{}", master.stderr());
    assert_eq!(bench.status()["master"]["generation"], 2);
    let lost = wait_ended(&bench, "master_lost", 2);
    assert_eq!(lost.len(), 2, "{lost:#?}");
    for w in &lost {
        expect(w, &json!({"reason": "master_lost"}));
    }
    end(&bench, master);
}

#[test]
fn a_worker_killed_while_busy_gives_its_job_back_and_is_replaced() {
    let bench = Bench::new();
    let master = start_journal(&bench, 2, "");
    let (first, second) = (push_held(&bench, "first"), push_held(&bench, "second"));
    wait_started(&bench, 2);
    let victim = journal(&bench).iter().find(|e| e.job == first).expect("it was begun").pid;
    signal(victim, SIGKILL);
    wait_started(&bench, 3);
    open(&bench, "first");
    expect(
        &bench.wait_for_job(first, "succeeded"),
        &json!({"attempts": 0, "crashes": 1, "releases": 0,
        "cause": null, "error": null}),
    );
    let runs = bench.runs(first);
    expect(&runs[0], &json!({"outcome": "succeeded", "attempt": 1}));
    let crash = json!({"outcome": "crashed", "cause": "signal", "signal": "SIGKILL", "exit_code": null, "pid": victim,
        "error": "the worker was ended by SIGKILL"});
    expect(&runs[1], &crash);
    let replaced = wait_ready(&bench, 2);
    let new = replaced.iter().find(|w| w["id"] == runs[1]["worker"]).expect("the same slot");
    assert_ne!(pid(new), victim);
    expect(new, &json!({"restarts": 1, "last_exit": {"reason": "exited", "exit_code": null, "signal": "SIGKILL"}}));
    // The other one was not touched.
    expect(&bench.job(second), &json!({"state": "running", "crashes": 0}));
    open(&bench, "second");
    bench.wait_for_job(second, "succeeded");
    expect(&only_run(&bench, second), &json!({"outcome": "succeeded"}));
    end(&bench, master);
}

#[test]
fn a_worker_killed_while_idle_is_replaced_and_nobody_is_blamed() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 2");
    let old = wait_ready(&bench, 2);
    let job = bench.push(&["x", "1"]);
    bench.wait_for_job(job, "succeeded");
    signal(pid(&old[0]), SIGKILL);
    bench.wait_for("a new process", DEADLINE, |b| {
        let now = workers(b);
        now.len() == 2 && pids(&now) != pids(&old) && now.iter().all(|w| w["state"] == "idle")
    });
    let ended = wait_ended(&bench, "exited", 1).remove(0);
    expect(&ended, &json!({"pid": old[0]["pid"], "signal": "SIGKILL", "exit_code": null}));
    let next = bench.push(&["x", "2"]);
    expect(&bench.wait_for_job(next, "succeeded"), &json!({"crashes": 0, "releases": 0}));
    end(&bench, master);
}

#[test]
fn a_job_whose_worker_dies_three_times_is_dead_as_poison_and_others_go_on() {
    let bench = Bench::new();
    let master = start(&bench, "crash.py", "workers = 1");
    let poison = bench.push(&["exit"]);
    let good = bench.push(&["good", "[7]"]);
    let job = bench.wait_for_job(poison, "dead");
    expect(&job, &json!({"cause": "poison", "crashes": 3, "attempts": 0, "releases": 0}));
    let runs = bench.runs(poison);
    assert_eq!(runs.len(), 3, "{runs:#?}");
    for run in &runs {
        let wanted = json!({"outcome": "crashed", "cause": "worker_exited", "exit_code": 3, "signal": null,
            "error": "the worker exited with status 3: last words of exit", "stderr_tail": "last words of exit", "attempt": 1});
        expect(run, &wanted);
    }
    expect(&bench.wait_for_job(good, "succeeded"), &json!({"crashes": 0, "result": [7]}));
    assert!(master.stderr().contains("is dead (poison)"), "{}", master.stderr());
    // Retried by hand, it starts from nothing.
    bench.ok(&["jobs", "retry", &poison.to_string()]);
    bench.wait_for("it to be poison again", DEADLINE, |b| b.runs(poison).len() == 6);
    expect(&bench.wait_for_job(poison, "dead"), &json!({"crashes": 3}));
    end(&bench, master);
}

#[test]
fn the_signal_a_worker_died_of_is_on_record() {
    let bench = Bench::new();
    let master = start(&bench, "crash.py", "workers = 2\nmax_crashes = 1");
    for (kind, name) in [("segv", "SIGSEGV"), ("abort", "SIGABRT"), ("kill", "SIGKILL")] {
        let job = bench.push(&[kind]);
        expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "poison", "crashes": 1}));
        let tail = format!("last words of {kind}");
        let run =
            json!({"outcome": "crashed", "cause": "signal", "signal": name, "exit_code": null, "stderr_tail": tail});
        expect(&only_run(&bench, job), &run);
    }
    end(&bench, master);
}

#[test]
fn a_worker_that_was_suspended_is_ended_with_its_job_at_the_deadline() {
    let bench = Bench::new();
    let more = "timeout = \"300ms\"\nkill_after = \"300ms\"\nmax_attempts = 1";
    let master = start_journal(&bench, 1, more);
    let job = bench.push(&["held", "{\"gate\": \"never\"}", "--timeout", "1s"]);
    wait_started(&bench, 1);
    signal(journal(&bench)[0].pid, SIGSTOP);
    expect(&bench.wait_for_job(job, "dead"), &json!({"cause": "max_attempts", "attempts": 1, "crashes": 0}));
    expect(&only_run(&bench, job), &json!({"outcome": "timed_out", "cause": "timeout", "signal": "SIGTERM"}));
    wait_worker(&bench, "default-1", "idle");
    end(&bench, master);
}

#[test]
fn jobs_on_their_way_to_a_worker_that_dies_are_not_blamed() {
    let bench = Bench::new();
    let bad = bench.push(&["exit"]);
    let good = push_many(&bench, 8, "good");
    let master = start(&bench, "crash.py", "workers = 1\nprefetch = 16");
    expect(&bench.wait_for_job(bad, "dead"), &json!({"cause": "poison", "crashes": 3}));
    for job in good {
        let done = bench.wait_for_job(job, "succeeded");
        expect(&done, &json!({"attempts": 0, "crashes": 0, "releases": 0}));
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded"}));
    }
    end(&bench, master);
}

#[test]
fn a_built_in_worker_that_is_killed_takes_its_command_with_it_and_the_job_runs_again() {
    let bench = Bench::new();
    let master = bench.start(&["--workers=1"]);
    // The first time it lasts, the second time it ends.
    let script = "if [ -e seen ]; then echo again; else echo $$ > seen.new; mv seen.new seen; exec sleep 1000; fi";
    let job = bench.push(&["--", "sh", "-c", script]);
    let seen = bench.path().join("seen");
    bench.wait_for("the command to run", DEADLINE, |_| seen.exists());
    let command: i32 = std::fs::read_to_string(&seen).expect("a file").trim().parse().expect("a pid");
    signal(pid(&wait_worker(&bench, "default-1", "busy")), SIGKILL);
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"crashes": 1, "attempts": 0, "result": "again\n"}));
    assert!(!lives(command), "the command outlived its worker");
    let runs = bench.runs(job);
    expect(&runs[1], &json!({"outcome": "crashed", "cause": "signal", "signal": "SIGKILL"}));
    end(&bench, master);
}
