//! Workers and masters that do not come up: programs that are missing or end at once, a store that is taken.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal::SIGTERM;
use serde_json::{Value, json};

use crate::help::{configure, end, expect, only_run, pool, records, start, wait_ready, wait_trouble, workers};
use crate::support::{Bench, DEADLINE, fixture};

fn write_pool(bench: &Bench, command: &Value, more: &str) {
    let text = format!("[pools.default]\ncommand = {command}\n{more}\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
}

#[test]
fn a_worker_that_fails_at_boot_backs_off_says_so_and_no_job_is_blamed() {
    let bench = Bench::new();
    let job = bench.push(&["x"]);
    let master = start(&bench, "boot_fail.py", "workers = 2");
    let said = "exits at once with status 1: the database of this program is not there";
    let (_, worker) = wait_trouble(&bench, said);
    expect(&worker, &json!({"pid": null, "last_exit": {"reason": "exited", "exit_code": 1, "signal": null}}));
    assert!(worker["restarts"].as_u64() >= Some(2), "{worker:#}");
    assert!(worker["deadline_s"].as_f64().is_some(), "{worker:#}");
    expect(&bench.job(job), &json!({"attempts": 0, "crashes": 0, "releases": 0}));
    assert!(bench.runs(job).is_empty(), "{:#?}", bench.runs(job));
    // What the program said is at hand.
    let logs = bench.ok(&["logs", "default-1"]);
    assert!(logs.contains("the database of this program is not there"), "{logs}");
    let told = format!("does not come up: {said}; it is tried again, see `queue-work status`\n");
    bench.wait_for("six tries", DEADLINE, |b| records(b).len() >= 6);
    // Both say the same: it is said once, and nothing of their ends.
    assert_eq!(master.stderr().matches(&told).count(), 1, "{}", master.stderr());
    assert!(!master.stderr().contains("ended by itself"), "{}", master.stderr());
    end(&bench, master);
    expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "crashes": 0, "releases": 0}));
}

#[test]
fn why_no_worker_comes_up_is_said_again_when_that_changes() {
    let bench = Bench::new();
    let script = bench.path().join("worker.sh");
    let write = |why: &str| fs::write(&script, format!("echo {why} at $$ >&2; exit 3\n")).expect("a script");
    write("bad_luck");
    write_pool(&bench, &json!(["sh", script]), "workers = 3");
    let master = bench.start(&[]);
    wait_trouble(&bench, "bad_luck");
    let tries = records(&bench).len();
    bench.wait_for("more tries", DEADLINE, |b| records(b).len() >= tries + 3);
    write("worse_luck");
    bench.wait_for("it to be said", DEADLINE, |_| master.stderr().contains("worse_luck at"));
    let said = master.stderr();
    assert_eq!(said.matches("bad_luck").count(), 1, "{said}");
    end(&bench, master);
}

#[test]
fn the_wait_between_two_tries_grows() {
    let bench = Bench::new();
    let master = start(&bench, "exits_at_once.py", "workers = 1");
    // It may be meant as one that runs once for each job.
    wait_trouble(&bench, "exits at once with status 0; to run its program once for each job, set `kind = \"exec\"`");
    bench.wait_for("a wait of a second", DEADLINE, |b| {
        workers(b).iter().any(|w| w["state"] == "backoff" && w["deadline_s"].as_f64() > Some(0.7))
    });
    // 0, 0.1, 0.2, 0.4, 0.8 s: no more than a handful were started.
    let started = records(&bench).len();
    assert!((4..=7).contains(&started), "{started} starts");
    end(&bench, master);
}

#[test]
fn a_worker_that_ends_with_zero_before_it_reads_anything_takes_no_job_with_it() {
    let bench = Bench::new();
    let jobs: Vec<i64> = (0..3).map(|_| bench.push(&["x"])).collect();
    let master = start(&bench, "exits_at_once.py", "workers = 2");
    wait_trouble(&bench, "exits at once with status 0");
    // The program is mended: the pool comes up with it.
    configure(&bench, "echo.py", "");
    end(&bench, master);
    for job in &jobs {
        expect(&bench.job(*job), &json!({"state": "ready", "attempts": 0, "crashes": 0, "releases": 0}));
        assert!(bench.runs(*job).is_empty());
    }
    let master = bench.start(&[]);
    for job in jobs {
        bench.wait_for_job(job, "succeeded");
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded", "attempt": 1}));
    }
    end(&bench, master);
}

#[test]
fn a_pool_whose_program_is_missing_says_so_and_comes_up_when_it_is_there() {
    let bench = Bench::new();
    let program = bench.path().join("late-worker");
    write_pool(&bench, &json!([program]), "workers = 2");
    let job = bench.push(&["x", "5"]);
    let master = bench.start(&[]);
    let (problem, _) = wait_trouble(&bench, "no such file");
    assert!(problem.contains("late-worker"), "{problem}");
    let refused = bench.run(&["scale", "3"]).expect_code(1);
    assert!(refused.stderr.contains("no such file"), "{refused:?}");
    assert!(bench.runs(job).is_empty());

    let words = fixture("echo.py").into_iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(" ");
    let draft = bench.path().join("draft");
    fs::write(&draft, format!("#!/bin/sh\nexec {words}\n")).expect("a script");
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("ours");
    fs::rename(&draft, &program).expect("the same folder");
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"result": 5, "attempts": 0, "crashes": 0, "releases": 0}));
    wait_ready(&bench, 3);
    assert!(pool(&bench, "default")["problem"].is_null(), "{}", pool(&bench, "default"));
    end(&bench, master);
}

#[test]
fn a_program_that_is_not_in_path_is_named() {
    let bench = Bench::new();
    let master = bench.start(&["--workers=1", "--", "no-such-program-here"]);
    let (problem, _) = wait_trouble(&bench, "no-such-program-here");
    assert!(problem.contains("PATH"), "{problem}");
    let said = master.stderr();
    assert!(said.contains("cannot run `no-such-program-here`: not found in PATH; it is tried again"), "{said}");
    assert_eq!(said.matches("not found in PATH").count(), 1, "{said}");
    end(&bench, master);
}

#[test]
fn a_pool_whose_program_is_not_executable_says_so_and_the_master_lives_on() {
    let bench = Bench::new();
    let program = bench.path().join("worker");
    fs::write(&program, "#!/bin/sh\n").expect("a script");
    write_pool(&bench, &json!([program]), "workers = 1\n[pools.good]\n");
    let job = bench.push(&["x"]);
    let master = bench.start(&[]);
    let (problem, _) = wait_trouble(&bench, "not executable");
    assert!(problem.contains("worker"), "{problem}");
    // The other pool does not care.
    let good = bench.push(&["--queue", "good", "--", "true"]);
    bench.wait_for_job(good, "succeeded");
    assert!(bench.runs(job).is_empty());
    assert!(master.stderr().contains("not executable"), "{}", master.stderr());
    end(&bench, master);
}

#[test]
fn a_second_master_on_the_store_is_refused_with_the_pid_of_the_first_and_since_when() {
    let bench = Bench::new();
    let mut master = start(&bench, "echo.py", "workers = 1");
    let refused = bench.run(&["--workers=1"]).expect_code(5);
    assert!(refused.stderr.contains(&format!("{}", master.pid())), "{refused:?}");
    assert!(refused.stderr.contains("since"), "{refused:?}");
    // The first one is none the worse for it.
    let job = bench.push(&["x", "1"]);
    bench.wait_for_job(job, "succeeded");
    assert_eq!(bench.status()["master"]["generation"], 1);
    master.signal(SIGTERM);
    assert_eq!(master.wait_exit(Duration::from_secs(15)).code(), Some(0));
    bench.expect_no_leftovers();
    let next = bench.start(&[]);
    assert_eq!(bench.status()["master"]["generation"], 2);
    end(&bench, next);
}
