//! Rolling restarts: a new worker is ready before the old one leaves, one of four at a time, and no job is lost.

use std::collections::BTreeSet;

use serde_json::json;

use crate::help::{
    end, expect, journal, only_run, open, pid, pids, pool, push_held, push_many, start, start_journal, wait_done,
    wait_ended, wait_ready, wait_started, wait_trouble, wait_worker, workers,
};
use crate::support::{Bench, DEADLINE};

#[test]
fn a_rolling_restart_gives_new_processes_and_loses_no_job() {
    let bench = Bench::new();
    let master = start_journal(&bench, 4, "");
    let old = pids(&wait_ready(&bench, 4));
    let lines: String = (0..200).map(|_| "{\"type\":\"x\",\"args\":{\"seconds\":0.01}}\n").collect();
    bench.verb(&["push", "--jsonl"]).stdin(lines).run().expect_code(0);
    bench.ok(&["restart", "--all"]);
    let new = pids(&wait_ready(&bench, 4));
    assert!(new.iter().all(|p| !old.contains(p)), "{old:?} {new:?}");
    wait_done(&bench);
    let queue = &bench.status()["queues"][0];
    expect(queue, &json!({"succeeded_total": 200, "failed_total": 0, "dead": 0}));
    // Each ran once.
    let ended: Vec<i64> = journal(&bench).iter().filter(|e| e.word == "END").map(|e| e.job).collect();
    assert_eq!((ended.len(), ended.iter().collect::<BTreeSet<_>>().len()), (200, 200));
    let restarted = wait_ended(&bench, "restarted", 4);
    assert_eq!(restarted.len(), 4, "{restarted:#?}");
    for w in &restarted {
        expect(w, &json!({"exit_code": 0}));
    }
    end(&bench, master);
}

#[test]
fn of_four_workers_one_at_a_time_is_replaced_and_four_are_always_ready() {
    let bench = Bench::new();
    let more = "workers = 4\nready = \"message\"\nenv = { START_SECONDS = \"0.2\" }";
    let master = start(&bench, "slow_start.py", more);
    let old = pids(&wait_ready(&bench, 4));
    bench.ok(&["restart", "--all", "--no-wait"]);
    let mut seen_starting = 0;
    bench.wait_for("four new workers", DEADLINE, |b| {
        let now = workers(b);
        let starting = now.iter().filter(|w| w["state"] == "starting").count();
        let ready = now.iter().filter(|w| w["state"] == "idle").count();
        assert!(starting <= 1, "{starting} at once: {now:#?}");
        assert!(ready >= 4, "only {ready} ready: {now:#?}");
        seen_starting += starting;
        now.len() == 4 && pids(&now).iter().all(|p| !old.contains(p))
    });
    assert!(seen_starting > 0);
    end(&bench, master);
}

#[test]
fn one_worker_is_restarted_by_name_when_its_job_is_done() {
    let bench = Bench::new();
    let master = start_journal(&bench, 2, "grace = \"60s\"");
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    let busy = workers(&bench).into_iter().find(|w| w["state"] == "busy").expect("one is busy");
    let other = workers(&bench).into_iter().find(|w| w["state"] == "idle").expect("one is idle");
    let name = busy["id"].as_str().expect("a name");
    bench.ok(&["restart", name, "--no-wait"]);
    bench.wait_for("the old one to drain", DEADLINE, |b| pool(b, "default")["draining"] == 1);
    // The new one is there already.
    expect(&pool(&bench, "default"), &json!({"ready": 2}));
    open(&bench, "go");
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0, "attempts": 0}));
    let left = pids(&wait_ready(&bench, 2));
    assert!(left.contains(&pid(&other)) && !left.contains(&pid(&busy)), "{left:?}");
    let refused = bench.run(&["restart", "default-9"]).expect_code(4);
    assert!(refused.stderr.contains("`default-9`"), "{refused:?}");
    end(&bench, master);
}

#[test]
fn restart_now_skips_the_grace_and_gives_the_job_back_uncharged() {
    let bench = Bench::new();
    let master = start_journal(&bench, 1, "grace = \"60s\"");
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    let old = pid(&wait_ready(&bench, 1)[0]);
    bench.ok(&["restart", "--all", "--now"]);
    wait_started(&bench, 2);
    open(&bench, "go");
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"attempts": 0, "crashes": 0, "releases": 1}));
    let runs = bench.runs(job);
    expect(&runs[0], &json!({"outcome": "succeeded", "attempt": 1}));
    expect(&runs[1], &json!({"outcome": "released", "cause": "restart", "signal": "SIGTERM", "pid": old}));
    assert_eq!(runs.len(), 2, "{runs:#?}");
    end(&bench, master);
}

#[test]
fn a_restart_whose_new_workers_do_not_come_up_leaves_the_old_ones_at_work() {
    let bench = Bench::new();
    let program = bench.path().join("worker");
    let words: Vec<String> = crate::support::fixture("echo.py").into_iter().map(|w| format!("'{w}'")).collect();
    write_script(&program, &format!("exec {}", words.join(" ")));
    let text = format!("[pools.default]\ncommand = {}\nworkers = 2\nready = \"spawned\"\n", json!([program]));
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
    let master = bench.start(&[]);
    let old = pids(&wait_ready(&bench, 2));
    // Ready as soon as it is spawned, which may be before it has become the program.
    let runs = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.contains("echo.py"));
    bench.wait_for("both to run the program", DEADLINE, |_| old.iter().all(runs));
    std::fs::remove_file(&program).expect("it is there");
    let failed = bench.run(&["restart", "--all"]).expect_code(1);
    assert!(failed.stderr.contains("no such file"), "{failed:?}");
    assert_eq!(pids(&wait_ready(&bench, 2)), old);
    let job = bench.push(&["x", "1"]);
    bench.wait_for_job(job, "succeeded");
    expect(&only_run(&bench, job), &json!({"outcome": "succeeded"}));
    end(&bench, master);
}

#[test]
fn a_restart_tries_workers_again_that_did_not_come_up_and_says_what_came_of_it() {
    let bench = Bench::new();
    let program = bench.path().join("worker");
    write_script(&program, "echo no luck >&2; exit 2");
    let text = format!("[pools.default]\ncommand = {}\nworkers = 1\n", json!([program]));
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
    let master = bench.start(&[]);
    wait_trouble(&bench, "no luck");
    for target in ["--all", "default-1"] {
        let failed = bench.run(&["restart", target]).expect_code(1);
        // It may be tried just now by itself.
        let said = "worker `default-1` does not come up: exits at once with status 2: no luck";
        assert!(failed.stderr.contains(said), "{failed:?}");
    }
    assert_eq!(bench.ok(&["logs", "default-1"]).lines().next(), Some("default-1 no luck"));
    let words: Vec<String> = crate::support::fixture("echo.py").into_iter().map(|w| format!("'{w}'")).collect();
    write_script(&program, &format!("exec {}", words.join(" ")));
    let restarted = bench.ok(&["restart", "--all"]);
    assert!(
        ["restarted 0 workers, 1 worker tried again\n", "restarted 1 worker\n"].contains(&&*restarted),
        "{restarted}"
    );
    let job = bench.push(&["x", "1"]);
    bench.wait_for_job(job, "succeeded");
    end(&bench, master);
}

fn write_script(path: &std::path::Path, line: &str) {
    use std::os::unix::fs::PermissionsExt;
    let draft = path.with_extension("draft");
    std::fs::write(&draft, format!("#!/bin/sh\n{line}\n")).expect("a script");
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).expect("ours");
    std::fs::rename(draft, path).expect("the same folder");
}

#[test]
fn a_restart_of_a_pool_leaves_the_others_alone() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 2\n[pools.other]\nworkers = 1");
    let old = wait_ready(&bench, 3);
    let other = pid(old.iter().find(|w| w["pool"] == "other").expect("it is there"));
    push_many(&bench, 3, "x");
    bench.ok(&["restart", "--pool", "default"]);
    let new = wait_ready(&bench, 3);
    assert_eq!(pid(&wait_worker(&bench, "other-1", "idle")), other);
    let kept = pids(&new).into_iter().filter(|p| pids(&old).contains(p)).collect::<Vec<_>>();
    assert_eq!(kept, [other]);
    wait_done(&bench);
    end(&bench, master);
}
