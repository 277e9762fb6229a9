//! Stops that are watched closely, and workers that do not end.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::help::{children, end, refs, signal, state, with_fixture, worker_pid, workers};
use crate::support::{Bench, DEADLINE, fixture};

#[test]
fn while_the_master_stops_every_live_worker_is_in_its_status() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "8"]);
    for n in 0..8 {
        bench.push(&["--", "sh", "-c", &format!("touch begun{n}; while ! [ -e go{n} ]; do sleep 0.01; done")]);
    }
    bench.wait_for("all jobs to run", DEADLINE, |b| (0..8).all(|n| b.path().join(format!("begun{n}")).exists()));
    let ours: BTreeSet<i32> = workers(&bench).iter().map(|w| w["pid"].as_i64().expect("a pid") as i32).collect();
    assert_eq!(ours.len(), 8);
    master.signal(Signal::SIGTERM);
    let live = || -> BTreeSet<i32> {
        children(master.pid())
            .into_iter()
            .filter(|pid| ours.contains(pid) && state(*pid).as_deref() != Some("Z"))
            .collect()
    };
    let (mut looks, mut next) = (0, 0);
    let status = loop {
        let before = live();
        let status = bench.status();
        let reported: BTreeSet<i32> = status["workers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|w| w["pid"].as_i64())
            .map(|p| p as i32)
            .collect();
        if status["master"].is_null() {
            break status;
        }
        // Who lived before and after was there all the time.
        let missing: Vec<i32> = before.intersection(&live()).filter(|pid| !reported.contains(pid)).copied().collect();
        assert!(missing.is_empty(), "{missing:?} live and are not in {status:#}");
        looks += 1;
        if looks % 3 == 0 && next < 8 {
            std::fs::write(bench.path().join(format!("go{next}")), "").expect("written");
            next += 1;
        }
    };
    assert!(live().is_empty(), "it says that it ended, and workers live: {status:#}");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    println!("{looks} looks while the master stopped");
    bench.expect_no_leftovers();
}

#[test]
fn a_stopped_worker_hears_term_when_the_grace_is_over() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let id = bench.push(&[
        "--max-attempts",
        "1",
        "--",
        "sh",
        "-c",
        "trap 'echo heard; exit 7' TERM; touch begun; while :; do sleep 0.01; done",
    ]);
    bench.wait_for("the job to run", DEADLINE, |b| b.path().join("begun").exists());
    let command = children(worker_pid(&bench, "default-1"))[0];
    signal(command, Signal::SIGSTOP);
    bench.wait_for("it to be stopped", DEADLINE, |_| state(command).as_deref() == Some("T"));
    bench.ok(&["jobs", "cancel", &id.to_string()]);
    let run = &bench.runs(id)[0];
    assert_eq!((&run["outcome"], &run["exit_code"]), (&json!("cancelled"), &json!(7)), "{run}");
    end(&bench, master);
}

#[test]
fn the_job_of_a_worker_that_not_even_kill_ends_is_given_to_nobody_until_it_is_dead() {
    let bench = Bench::new();
    let args =
        with_fixture(&["--workers", "2", "--timeout", "500ms", "--max-attempts", "2", "--backoff", "10ms"], "hang.py");
    let master = bench.start(&refs(&args));
    let id = bench.push(&["x"]);
    bench.wait_for_job(id, "running");
    let busy = || workers(&bench).into_iter().find(|w| w["job"]["id"] == id);
    bench.wait_for("a busy worker", DEADLINE, |_| busy().is_some());
    let held = busy().expect("BUG: it was there")["pid"].as_i64().expect("a pid") as i32;
    // A process that is traced is not seen dead by its parent before the tracer has seen it; this one does not look.
    let words = fixture("holds.py");
    let mut tracer = Command::new(&words[0])
        .args(&words[1..])
        .arg(held.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut said = String::new();
    BufReader::new(tracer.stdout.take().expect("a pipe")).read_line(&mut said).expect("a word");
    if said.trim() != "held" {
        println!("skipped: the worker cannot be traced: {}", said.trim());
        tracer.wait().expect("our child");
        return;
    }
    // Five seconds to KILL, five more until people are told.
    bench.wait_for("people to be told", DEADLINE, |_| master.stderr().contains("does not end, even by KILL"));
    assert_eq!((&bench.job(id)["state"], bench.runs(id).len()), (&json!("running"), 0), "{}", bench.dump());
    let stuck = workers(&bench).into_iter().find(|w| w["pid"] == held).expect("it is still shown");
    assert_eq!(stuck["state"], "stopping", "{stuck}");
    drop(tracer.stdin.take());
    tracer.wait().expect("our child");
    bench.wait_for("the run to end", DEADLINE, |b| b.runs(id).iter().any(|run| run["outcome"] == "timed_out"));
    bench.wait_for("the job to run again", 2 * DEADLINE, |b| b.job(id)["state"] == "dead");
    assert_eq!(bench.runs(id).len(), 2);
    end(&bench, master);
}
