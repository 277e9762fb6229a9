//! Workers that are to leave while their jobs run: scaling down, restarting, recycling and stopping wait for these, and say so.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal::{SIGINT, SIGTERM};
use serde_json::json;

use crate::help::{
    end, expect, only_run, open, pid, pids, pool, push_held, signal, start_journal, wait_ready, wait_started,
    wait_worker, workers,
};
use crate::support::{Bench, DEADLINE};

/// So short that nothing would be done in it.
const SHORT: &str = "grace = \"1ms\"";

/// A verb that waits, and what it says meanwhile.
struct Verb<'a> {
    bench: &'a Bench,
    child: Child,
}

impl<'a> Verb<'a> {
    fn begin(bench: &'a Bench, args: &[&str]) -> Self {
        let file = |name: &str| File::create(bench.path().join(name)).expect("a file");
        let mut command = bench.command(args);
        let command = command.stdin(Stdio::null()).stdout(file("verb.out")).stderr(file("verb.err"));
        Self { bench, child: command.spawn().expect("the binary can be started") }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.bench.path().join(name)).expect("it was made")
    }

    #[track_caller]
    fn wait_until_it_says(&self, line: &str) {
        let line = format!("queue-work: {line}\n");
        self.bench.wait_for(&format!("`{line}`"), DEADLINE, |_| self.read("verb.err") == line);
    }

    /// Waits for its end; its exit code and what it printed.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("our child").code();
        (code, self.read("verb.out"))
    }
}

#[test]
fn a_scale_down_waits_for_running_jobs_and_says_so_and_ctrl_c_leaves_it_going() {
    let bench = Bench::new();
    let master = start_journal(&bench, 4, SHORT);
    let jobs: Vec<i64> = (0..4).map(|_| push_held(&bench, "go")).collect();
    wait_started(&bench, 4);
    let verb = Verb::begin(&bench, &["scale", "1"]);
    verb.wait_until_it_says("3 jobs still run on leaving workers; Ctrl-C leaves it going");
    // Each is shown with its job, and without an end.
    let draining: Vec<_> = workers(&bench).into_iter().filter(|w| w["state"] == "draining").collect();
    assert!(draining.len() == 3 && draining.iter().all(|w| w["job"]["id"].is_i64()), "{draining:#?}");
    assert!(draining.iter().all(|w| w["deadline_s"].is_null()), "{draining:#?}");
    signal(verb.child.id().cast_signed(), SIGINT);
    assert_eq!(verb.end(), (None, String::new()));
    let again = Verb::begin(&bench, &["scale", "1"]);
    again.wait_until_it_says("3 jobs still run on leaving workers; Ctrl-C leaves it going");
    open(&bench, "go");
    assert_eq!(again.end(), (Some(0), "scaled `default` from 1 to 1 worker: 1 ready\n".to_owned()));
    for job in jobs {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0, "attempts": 0}));
    }
    end(&bench, master);
}

#[test]
fn a_scale_down_with_a_grace_says_how_long_it_waits_and_what_it_cost() {
    let bench = Bench::new();
    let master = start_journal(&bench, 3, "");
    let jobs: Vec<i64> = (0..3).map(|_| push_held(&bench, "go")).collect();
    wait_started(&bench, 3);
    let verb = Verb::begin(&bench, &["scale", "0", "--grace", "1s"]);
    verb.wait_until_it_says("3 jobs still run on leaving workers, for 1s at most; Ctrl-C leaves it going");
    assert_eq!(verb.end(), (Some(0), "scaled `default` from 3 to 0 workers: 0 ready, 3 jobs released\n".to_owned()));
    for &job in &jobs {
        expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "releases": 1}));
        let run = only_run(&bench, job);
        expect(&run, &json!({"outcome": "released", "cause": "scale"}));
        assert!(run["error"].as_str().is_some_and(|e| e.starts_with("past the grace, scaled")), "{run:#}");
    }
    bench.ok(&["scale", "2"]);
    wait_started(&bench, 5);
    let scaled = bench.run(&["scale", "-2", "--grace", "0s", "--json"]).expect_code(0);
    assert_eq!(scaled.stderr, "", "a grace of nothing is no wait");
    let pools = json!([{"pool": "default", "was": 2, "wanted": 0, "ready": 0}]);
    assert_eq!(scaled.json(), json!({"pools": pools, "released": 2}));
    let hasty = bench.runs(jobs[0])[0]["error"].clone();
    assert!(hasty.as_str().is_some_and(|e| e.starts_with("ended at once, scaled")), "{hasty}");
    end(&bench, master);
}

#[test]
fn a_rolling_restart_waits_for_long_jobs_but_not_before_it_renews_the_others() {
    let bench = Bench::new();
    let master = start_journal(&bench, 4, SHORT);
    let old = pids(&wait_ready(&bench, 4));
    let jobs: Vec<i64> = (0..4).map(|_| push_held(&bench, "go")).collect();
    wait_started(&bench, 4);
    let verb = Verb::begin(&bench, &["restart", "--all"]);
    verb.wait_until_it_says("4 jobs still run on leaving workers; Ctrl-C leaves it going");
    // All are new already, and work.
    bench.wait_for("four new workers", DEADLINE, |b| {
        let ready = workers(b).into_iter().filter(|w| w["state"] == "idle" && !old.contains(&pid(w)));
        ready.count() == 4
    });
    let quick = bench.push(&["quick"]);
    bench.wait_for_job(quick, "succeeded");
    expect(&pool(&bench, "default"), &json!({"ready": 4, "draining": 4}));
    open(&bench, "go");
    assert_eq!(verb.end(), (Some(0), "restarted 4 workers\n".to_owned()));
    for job in jobs {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0}));
    }
    end(&bench, master);
}

#[test]
fn a_restart_that_waits_can_be_hastened_by_another_one() {
    let bench = Bench::new();
    let master = start_journal(&bench, 1, "");
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    let verb = Verb::begin(&bench, &["restart", "--all"]);
    verb.wait_until_it_says("1 job still runs on a leaving worker; Ctrl-C leaves it going");
    wait_worker(&bench, "default-1", "draining");
    let hasty = bench.run(&["restart", "--all", "--grace", "100ms"]).expect_code(0);
    assert!(hasty.stdout.starts_with("restarted 1 worker: 1 job released"), "{hasty:?}");
    assert_eq!(verb.end(), (Some(0), "restarted 1 worker: 1 job released\n".to_owned()));
    open(&bench, "go");
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 1, "attempts": 0}));
    end(&bench, master);
}

#[test]
fn a_worker_that_is_recycled_does_its_job_and_no_other_runs_in_its_place() {
    let bench = Bench::new();
    let master = start_journal(&bench, 2, &format!("max_time = \"300ms\"\n{SHORT}"));
    let jobs = [push_held(&bench, "a"), push_held(&bench, "b")];
    let waiting = bench.push(&["quick"]);
    wait_started(&bench, 2);
    bench.wait_for("both to be older than they may be", DEADLINE, |b| {
        let busy: Vec<_> = workers(b).into_iter().filter(|w| w["state"] == "busy").collect();
        busy.len() == 2 && busy.iter().all(|w| w["uptime_s"].as_f64() > Some(1.0))
    });
    assert_eq!(workers(&bench).len(), 2);
    expect(&bench.job(waiting), &json!({"state": "ready"}));
    open(&bench, "a");
    open(&bench, "b");
    for job in [jobs[0], jobs[1], waiting] {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0, "attempts": 0}));
    }
    end(&bench, master);
}

#[test]
fn a_pool_that_is_stopped_waits_for_its_jobs_and_a_worker_that_leaves_can_be_ended_by_its_name() {
    let bench = Bench::new();
    let master = start_journal(&bench, 2, SHORT);
    let jobs = [push_held(&bench, "go"), push_held(&bench, "go")];
    wait_started(&bench, 2);
    let verb = Verb::begin(&bench, &["stop", "--pool", "default"]);
    verb.wait_until_it_says("2 jobs still run on leaving workers; Ctrl-C leaves it going");
    wait_worker(&bench, "default-2", "draining");
    let ended = bench.ok(&["stop", "default-2", "--grace", "0s"]);
    assert_eq!(ended, "stopped: 1 worker ended, 1 job released\n");
    open(&bench, "go");
    let (code, said) = verb.end();
    assert_eq!(code, Some(0));
    assert!(said.starts_with("stopped: 2 workers ended, 1 job released; pool `default` stays: "), "{said}");
    let states: Vec<_> = jobs.iter().map(|job| bench.job(*job)["releases"].clone()).collect();
    assert!(states.contains(&json!(0)) && states.contains(&json!(1)), "{states:?}");
    end(&bench, master);
}

#[test]
fn a_stop_of_the_master_says_its_grace_and_holds_it_also_for_workers_that_were_leaving() {
    let bench = Bench::new();
    let mut master = start_journal(&bench, 2, "grace = \"2s\"");
    let jobs = [push_held(&bench, "go"), push_held(&bench, "go")];
    wait_started(&bench, 2);
    bench.ok(&["scale", "1", "--no-wait"]);
    bench.wait_for("one to drain", DEADLINE, |b| pool(b, "default")["draining"] == 1);
    let verb = Verb::begin(&bench, &["stop"]);
    verb.wait_until_it_says("2 jobs still run on leaving workers, for 2s at most; Ctrl-C leaves it going");
    assert_eq!(verb.end(), (Some(0), "stopped: 2 workers ended, 2 jobs released\n".to_owned()));
    assert_eq!(master.wait_exit(Duration::from_secs(5)).code(), Some(0));
    assert!(master.stderr().contains("stopping: 2 running jobs may go on for 2s\n"), "{}", master.stderr());
    bench.expect_no_leftovers();
    for job in jobs {
        expect(&bench.job(job), &json!({"state": "ready", "releases": 1}));
    }
}

#[test]
fn a_stop_at_once_is_not_called_a_grace_nor_is_ctrl_c_spoken_of_where_there_was_none() {
    let bench = Bench::new();
    let mut master = start_journal(&bench, 1, "");
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    let stopped = bench.run(&["stop", "--timeout", "0s"]).expect_code(0);
    assert_eq!((stopped.stdout.trim(), stopped.stderr.as_str()), ("stopped: 1 worker ended, 1 job released", ""));
    master.wait_exit(DEADLINE);
    let said = master.stderr();
    assert!(said.contains("stopping: ending 1 running job now\n"), "{said}");
    assert!(said.contains("was given back (ended at once, stopped; "), "{said}");
    assert!(!said.contains("Ctrl-C") && !said.contains("grace,") && !said.contains("µs"), "{said}");
    expect(&bench.job(job), &json!({"state": "ready", "releases": 1}));

    // A second Ctrl-C is one where there was a first.
    let mut master = bench.start(&[]);
    wait_started(&bench, 2);
    master.signal(SIGTERM);
    bench.wait_for("it to say so", DEADLINE, |_| master.stderr().contains("1 running job may go on for 30s\n"));
    master.signal(SIGINT);
    open(&bench, "go");
    master.wait_exit(DEADLINE);
    bench.expect_no_leftovers();
}
