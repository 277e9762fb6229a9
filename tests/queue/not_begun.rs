//! Commands that cannot be started now: nothing is charged, nothing is lost, others go on, and `status` says so.

use std::fs::{self, File, OpenOptions};
use std::process::Command;

use serde_json::{Value, json};

use super::support::{Bench, DEADLINE};
use super::{all_jobs, all_runs};

fn problem(bench: &Bench, text: &str) -> bool {
    bench.status()["master"]["problems"].to_string().contains(text)
}

fn done(bench: &Bench) -> u64 {
    bench.status()["queues"][0]["succeeded_total"].as_u64().unwrap_or(0)
}

/// Every job succeeded, and nothing was ever charged.
fn expect_all_well(bench: &Bench, jobs: usize) {
    let all = all_jobs(bench);
    assert_eq!(all.len(), jobs);
    for job in &all {
        assert_eq!((&job["state"], &job["attempts"], &job["crashes"]), (&json!("succeeded"), &json!(0), &json!(0)));
    }
    let others: Vec<Value> = all_runs(bench).into_iter().filter(|run| run["outcome"] != "succeeded").collect();
    assert!(others.iter().all(|run| run["cause"] == "not_begun"), "{others:?}");
    assert!(others.len() < 40, "{} runs of what never began", others.len());
}

/// A program that cannot be executed while the handle is open.
fn busy_program(bench: &Bench, name: &str) -> (String, File) {
    let path = bench.path().join(name);
    fs::copy("/bin/true", &path).expect("copied");
    let writer = OpenOptions::new().append(true).open(&path).expect("opened");
    (path.to_str().expect("UTF-8").to_owned(), writer)
}

#[test]
fn jobs_whose_program_is_being_written_wait_uncharged_until_it_is_there() {
    let bench = Bench::new();
    let (program, writer) = busy_program(&bench, "program");
    let lines = "x\n".repeat(200);
    bench.verb(&["push", "--lines", "--", &program]).stdin(lines).run().expect_code(0);
    let master = bench.start(&["--workers=4", "--queue=default"]);
    bench.wait_for("the problem to be named", DEADLINE, |b| problem(b, "Text file busy"));
    bench.wait_for("workers to pause", DEADLINE, |b| {
        b.status()["workers"].as_array().is_some_and(|all| all.iter().any(|w| w["state"] == "backoff"))
    });
    drop(writer);
    bench.wait_for("all to be done", DEADLINE, |b| done(b) == 200);
    expect_all_well(&bench, 200);
    bench.wait_for("the problem to be gone", DEADLINE, |b| !problem(b, "cannot run"));
    let said = master.stderr();
    assert!(said.lines().filter(|line| line.contains("Text file busy")).count() < 10, "{said}");
}

#[test]
fn jobs_wait_uncharged_while_workers_can_open_no_files() {
    let bench = Bench::new();
    if Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: no `prlimit`");
        return;
    }
    let _master = bench.start(&["--workers=2", "--queue=default"]);
    // One that has not yet begun to work would end for want of descriptors, and be replaced by one that has enough.
    bench.wait_for("both workers to have worked", DEADLINE, |b| {
        b.push(&["--", "sleep", "0.2"]);
        b.status()["workers"].as_array().is_some_and(|w| w.len() == 2 && w.iter().all(|w| w["jobs_done"] != 0))
    });
    bench.wait_for("nothing to do", DEADLINE, |b| {
        let queue = &b.status()["queues"][0];
        queue["ready"] == 0 && queue["running"] == 0
    });
    let before = done(&bench);
    let limit = |files: &str| {
        for worker in bench.status()["workers"].as_array().expect("workers") {
            let pid = worker["pid"].to_string();
            let set = Command::new("prlimit").args(["--pid", &pid, files]).status().expect("it runs");
            assert!(set.success());
        }
    };
    limit("--nofile=5:");
    let lines = "x\n".repeat(500);
    bench.verb(&["push", "--lines", "--", "true"]).stdin(lines).run().expect_code(0);
    bench.wait_for("the problem to be named", DEADLINE, |b| problem(b, "Too many open files"));
    bench.wait_for("some tries", DEADLINE, |b| !problem(b, " 1 job "));
    assert_eq!(done(&bench), before);
    limit("--nofile=1024:");
    bench.wait_for("all to be done", DEADLINE, |b| done(b) == before + 500);
    expect_all_well(&bench, before as usize + 500);
}

#[test]
fn a_program_that_stays_busy_holds_up_no_other_job_and_is_named() {
    let bench = Bench::new();
    let (program, _writer) = busy_program(&bench, "program");
    let stuck = bench.push(&["--", &program]);
    let other = bench.push(&["--", "true"]);
    let _master = bench.start(&["--workers=2", "--queue=default"]);
    bench.wait_for_job(other, "succeeded");
    // Nor, later, one that is pushed while it is tried again and again.
    for _ in 0..20 {
        bench.run(&["push", "--wait", "--timeout", "5s", "--", "true"]).expect_code(0);
    }
    let states: Vec<_> =
        bench.status()["workers"].as_array().expect("workers").iter().map(|w| w["state"].clone()).collect();
    assert!(!states.contains(&json!("backoff")), "{states:?}");
    bench.wait_for("the run that says so", DEADLINE, |b| !b.runs(stuck).is_empty());
    let run = &bench.runs(stuck)[0];
    assert_eq!(
        (&run["outcome"], &run["cause"], &run["exit_code"]),
        (&json!("released"), &json!("not_begun"), &Value::Null)
    );
    assert!(
        run["error"].as_str().is_some_and(|text| text.contains(&program) && text.contains("Text file busy")),
        "{run}"
    );
    assert_eq!(bench.job(stuck)["attempts"], 0);
    bench.ok(&["jobs", "cancel", &stuck.to_string()]);
}

#[test]
fn a_job_that_ends_every_master_goes_behind_the_others_after_five_times() {
    let bench = Bench::new();
    let bad = bench.push(&["--", "sh", "-c", "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); sleep 60"]);
    let other = bench.push(&["--", "true"]);
    for _ in 0..5 {
        let mut master = bench.launch(&["--workers=1", "--queue=default"]);
        master.wait_exit(DEADLINE);
        bench.expect_no_leftovers();
        assert_eq!(bench.job(other)["state"], "ready");
    }
    // The sixth master does the other one first.
    let mut master = bench.launch(&["--workers=1", "--queue=default"]);
    master.wait_exit(DEADLINE);
    bench.expect_no_leftovers();
    assert_eq!(bench.job(other)["state"], "succeeded");
    assert_eq!(bench.job(bad)["attempts"], 0);
}

#[test]
fn a_job_that_is_given_back_again_and_again_is_named_until_it_ends() {
    let bench = Bench::new();
    let job = bench.push(&["--", "sleep", "60"]);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    for n in 0..5 {
        assert!(!problem(&bench, "in a row"), "after {n}");
        bench.wait_for_job(job, "running");
        bench.ok(&["restart", "--all", "--now"]);
    }
    bench.wait_for("it to be named", DEADLINE, |b| problem(b, &format!("job {job} was given back 5 times in a row")));
    let shown = bench.job(job);
    assert_eq!((&shown["releases"], &shown["attempts"]), (&json!(5), &json!(0)));
    bench.ok(&["jobs", "cancel", &job.to_string()]);
    bench.wait_for("it to be forgotten", DEADLINE, |b| !problem(b, "in a row"));
}
