//! Pools that come and go while the master runs, workers that are stopped by name, workers that fetch their own jobs.

use std::fs;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;

use crate::help::{
    configure, end, expect, only_run, open, pid, pids, pool, push_held, records, signal, start, start_journal,
    wait_ended, wait_ready, wait_started, wait_worker, workers,
};
use crate::support::{Bench, DEADLINE, fixture};

#[test]
fn an_opaque_pool_is_kept_alive_scaled_and_restarted() {
    let bench = Bench::new();
    configure(&bench, "own_jobs.py", "kind = \"opaque\"\nworkers = 2\nenv = { PIDS = \"pids\" }");
    let master = bench.start(&[]);
    expect(&pool(&bench, "default"), &json!({"kind": "opaque", "wanted": 2, "queues": []}));
    let old = wait_ready(&bench, 2);
    wait_pids(&bench, 2);
    signal(pid(&old[0]), SIGKILL);
    bench.wait_for("a new one", DEADLINE, |b| {
        let now = workers(b);
        now.len() == 2 && pids(&now) != pids(&old) && now.iter().all(|w| w["state"] == "running")
    });
    bench.ok(&["scale", "3"]);
    assert_eq!(wait_ready(&bench, 3).len(), 3);
    wait_pids(&bench, 4);
    let before = pids(&workers(&bench));
    bench.ok(&["restart", "--all"]);
    let after = pids(&wait_ready(&bench, 3));
    assert!(after.iter().all(|p| !before.contains(p)), "{before:?} {after:?}");
    wait_pids(&bench, 7);
    bench.ok(&["scale", "1"]);
    wait_ready(&bench, 1);
    // TERM is how it is told, and it ended in order.
    let scaled = wait_ended(&bench, "scaled", 2);
    assert_eq!(scaled.len(), 2, "{scaled:#?}");
    for w in &scaled {
        expect(w, &json!({"exit_code": 0}));
    }
    end(&bench, master);
}

/// Waits until so many opaque workers have begun, ever: only then does TERM end them in order.
#[track_caller]
fn wait_pids(bench: &Bench, count: usize) {
    bench.wait_for("the workers to have begun", DEADLINE, |b| {
        fs::read_to_string(b.path().join("pids")).unwrap_or_default().lines().count() >= count
    });
}

#[test]
fn an_opaque_worker_that_ignores_term_is_killed_after_the_grace() {
    let bench = Bench::new();
    let more = "kind = \"opaque\"\nworkers = 1\ngrace = \"200ms\"\nkill_after = \"200ms\"\nenv = { EARLY = \"1\" }";
    configure(&bench, "ignore_term.py", more);
    let master = bench.start(&[]);
    let worker = pid(&wait_ready(&bench, 1)[0]);
    bench.wait_for("it to ignore TERM", DEADLINE, |_| crate::help::ignores_term(worker));
    end(&bench, master);
    expect(&records(&bench)[0], &json!({"reason": "stopped", "signal": "SIGKILL"}));
}

#[test]
fn a_pool_is_added_to_a_running_master_and_stopped_again_with_its_queue() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 1");
    let echo = fixture("echo.py");
    let waiting = bench.push(&["--queue", "mail", "x", "[1]"]);
    let mut args = vec!["spawn", "--queue", "mail", "--workers", "2", "--"];
    args.extend(echo.iter().map(String::as_str));
    bench.ok(&args);
    expect(&pool(&bench, "mail"), &json!({"wanted": 2, "ready": 2, "queues": ["mail"], "kind": "protocol"}));
    expect(&bench.wait_for_job(waiting, "succeeded"), &json!({"result": [1]}));
    bench.ok(&["scale", "3", "--pool", "mail"]);
    expect(&pool(&bench, "mail"), &json!({"ready": 3}));

    bench.ok(&["stop", "--queue", "mail"]);
    assert!(pool(&bench, "mail").is_null(), "{}", pool(&bench, "mail"));
    let stopped: Vec<_> = records(&bench).into_iter().filter(|w| w["reason"] == "stopped").collect();
    assert_eq!(stopped.len(), 3, "{stopped:#?}");
    let later = bench.push(&["--queue", "mail", "x"]);
    let other = bench.push(&["x"]);
    bench.wait_for_job(other, "succeeded");
    expect(&bench.job(later), &json!({"state": "ready"}));
    bench.run(&["stop", "--queue", "mail"]).expect_code(4);
    end(&bench, master);
}

#[test]
fn a_pool_that_the_master_began_with_stays_when_it_is_stopped_and_comes_back_as_it_is_told() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 2\n[pools.mail]\nworkers = 2");
    let said = bench.ok(&["stop", "--queue", "mail"]);
    let next = "queue-work scale 2 --pool mail";
    let told = "stopped: 2 workers ended, 0 jobs released; pool `mail` stays: ";
    assert_eq!(said, format!("{told}`{next}` starts it again\n"));
    expect(&pool(&bench, "mail"), &json!({"state": "stopped", "wanted": 0, "ready": 0}));
    expect(&pool(&bench, "default"), &json!({"state": "running"}));
    assert!(bench.ok(&["status"]).contains("mail (stopped)"), "{}", bench.ok(&["status"]));
    let job = bench.push(&["--queue", "mail", "--", "true"]);
    let words: Vec<&str> = next.split(' ').skip(1).collect();
    assert_eq!(bench.ok(&words), "scaled `mail` from 0 to 2 workers: 2 ready\n");
    bench.wait_for_job(job, "succeeded");
    expect(&pool(&bench, "mail"), &json!({"state": "running", "wanted": 2}));
    let json = bench.run(&["stop", "--pool", "mail", "--json"]).expect_code(0).json();
    let pools = json!([{"pool": "mail", "was": 2, "kept": true}]);
    assert_eq!(json, json!({"workers": 2, "released": 0, "pools": pools}));
    end(&bench, master);
}

#[test]
fn pools_that_are_spawned_for_the_same_queue_are_not_called_like_workers_of_each_other() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 2");
    for name in ["default.2", "default.3"] {
        let spawned = bench.ok(&["spawn", "--queue", "default", "--workers", "1"]);
        assert_eq!(spawned, format!("added pool `{name}` of 1 worker: 1 ready\n"));
    }
    let names: Vec<_> = workers(&bench).iter().map(|w| w["id"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(names, ["default-1", "default-2", "default.2-1", "default.3-1"]);
    let refused = bench.run(&["spawn", "--queue", "default", "--pool", "default-2"]).expect_code(5);
    assert!(refused.stderr.contains("would be taken for a worker of it"), "{refused:?}");
    let stopped = bench.ok(&["stop", "--pool", "default.2"]);
    assert_eq!(stopped, "stopped: 1 worker ended, 0 jobs released; pool `default.2` is gone: it was spawned\n");
    let spawned = bench.ok(&["spawn", "--queue", "default", "--workers", "1"]);
    assert_eq!(spawned, "added pool `default.2` of 1 worker: 1 ready\n");
    end(&bench, master);
}

#[test]
fn a_worker_that_is_stopped_by_name_finishes_its_job_and_its_slot_goes_with_it() {
    let bench = Bench::new();
    let master = start_journal(&bench, 3, "grace = \"60s\"");
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    let busy = workers(&bench).into_iter().find(|w| w["state"] == "busy").expect("one is busy");
    let name = busy["id"].as_str().expect("a name");
    bench.ok(&["stop", name, "--no-wait"]);
    wait_worker(&bench, name, "draining");
    open(&bench, "go");
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0}));
    let left = wait_ready(&bench, 2);
    assert!(!pids(&left).contains(&pid(&busy)));
    expect(&pool(&bench, "default"), &json!({"wanted": 2}));
    bench.run(&["stop", "default-77"]).expect_code(4);
    end(&bench, master);
}

#[test]
fn stop_of_a_worker_with_a_timeout_gives_its_job_back_after_that() {
    let bench = Bench::new();
    let master = start_journal(&bench, 1, "grace = \"60s\"");
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    let stopped = bench.run(&["stop", "--timeout", "100ms", "default-1"]).expect_code(0);
    assert_eq!(stopped.stdout.trim(), "stopped: 1 worker ended, 1 job released");
    expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "crashes": 0, "releases": 1}));
    expect(&only_run(&bench, job), &json!({"outcome": "released", "cause": "stop", "signal": "SIGTERM"}));
    expect(&bench.status()["master"], &json!({"state": "running"}));
    end(&bench, master);
}

#[test]
fn with_drain_the_master_ends_when_nothing_is_left_and_retries_are_waited_for() {
    let bench = Bench::new();
    configure(&bench, "crash.py", "workers = 2\nmax_crashes = 2");
    for kind in ["good", "exit", "good"] {
        bench.push(&[kind]);
    }
    let drained = bench.run(&["--drain"]).expect_code(1);
    assert!(drained.stderr.contains("nothing left to do"), "{drained:?}");
    assert!(drained.stderr.ends_with("queue-work: 1 job died; see `queue-work jobs --state dead`\n"), "{drained:?}");
    bench.expect_no_leftovers();
    let jobs = bench.run(&["jobs", "list", "--oldest", "--json"]).expect_code(0).json();
    let states: Vec<&str> = jobs.as_array().expect("an array").iter().filter_map(|j| j["state"].as_str()).collect();
    assert_eq!(states.iter().filter(|s| **s == "succeeded").count(), 2, "{states:?}");
    assert_eq!(states.iter().filter(|s| **s == "dead").count(), 1, "{states:?}");
}

#[test]
fn a_drain_whose_worker_program_cannot_be_started_ends_and_says_so_with_what_is_left() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.push(&["t"]);
    }
    let here = bench.path().join("gone.py");
    let gone = here.to_str().expect("UTF-8");
    for (program, why) in [(&["pyton3", "w.py"][..], "pyton3"), (&["python3", gone], "exits at once with status 2")] {
        let args = [&["--drain", "--workers", "2", "--queue", "default", "--"][..], program].concat();
        let run = bench.run(&args).expect_code(1);
        let last = run.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("queue-work: no worker of pool `default` can be started: "), "{run:?}");
        assert!(last.contains(why) && last.ends_with("; 3 jobs left"), "{run:?}");
        assert!(run.stderr.contains("\nstopped: 0 jobs in ") && !run.stderr.contains("nothing left"), "{run:?}");
    }
    let jobs = bench.run(&["jobs", "--json"]).expect_code(0).json();
    let states: Vec<&str> = jobs.as_array().expect("an array").iter().filter_map(|j| j["state"].as_str()).collect();
    assert_eq!(states, ["ready"; 3]);
}

#[test]
fn a_drain_ends_though_another_pool_of_the_queue_is_well_and_one_was_stopped() {
    let bench = Bench::new();
    let file = "[pools.good]\nqueues = [\"q\"]\nworkers = 1\n\n[pools.bad]\nqueues = [\"q\"]\nworkers = 1\ncommand = [\"false\"]\n";
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    bench.push(&["--queue", "q", "mail"]);
    let run = bench.run(&["--drain"]).expect_code(1);
    let last = run.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("queue-work: no worker of pool `bad` can be started: "), "{run:?}");

    fs::write(bench.path().join("queue-work.toml"), "[pools.a]\nworkers = 1\n\n[pools.b]\nworkers = 1\n")
        .expect("written");
    let go = format!("until test -e {}; do sleep 0.01; done", bench.path().join("go").display());
    let first = bench.push(&["--queue", "a", "--", "sh", "-c", &go]);
    let mut master = bench.start(&["--drain"]);
    bench.wait_for_job(first, "running");
    bench.ok(&["stop", "--pool", "b"]);
    let left = bench.push(&["--queue", "b", "--", "true"]);
    bench.wait_for("the job to be named", DEADLINE, |b| b.status()["unserved"].to_string().contains("`b`"));
    fs::write(bench.path().join("go"), "").expect("written");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1), "{}", master.stderr());
    assert!(master.stderr().contains("1 job left that no pool takes"), "{}", master.stderr());
    assert_eq!(bench.job(left)["state"], "ready");
}

#[test]
fn a_drain_that_is_stopped_or_leaves_a_paused_queue_alone_says_what_is_left() {
    let bench = Bench::new();
    bench.push(&["--queue", "held", "--", "true"]);
    bench.ok(&["pause", "held"]);
    let run = bench.run(&["--drain", "--queue", "held", "--workers", "1"]).expect_code(1);
    let last = "queue-work: 1 job left in paused queues; go on with `queue-work resume held`\n";
    assert!(run.stderr.ends_with(last), "{}", run.stderr);

    let jobs = [bench.push(&["--", "sleep", "60"]), bench.push(&["--", "true"])];
    let mut master = bench.start(&["--drain", "--queue", "default", "--workers", "1"]);
    bench.wait_for_job(jobs[0], "running");
    bench.ok(&["stop", "--timeout", "0s"]);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1), "{}", master.stderr());
    assert!(master.stderr().contains("stopped before the end; 2 jobs left"), "{}", master.stderr());
    assert!(!master.stderr().contains("nothing left to do"), "{}", master.stderr());
}
