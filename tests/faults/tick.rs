//! A tick whose commit fails, or at which the master dies: it has one run, whose job runs once.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Bench, DEADLINE, fixture};
use crate::ticks::{Ticks, each_second};

const ORDERS: [&str; 4] = [
    "tick.before_commit=kill@2",
    "tick.before_commit=error@2",
    "tick.after_commit=kill@2",
    "tick.after_commit=error@2",
];
/// So many ticks are awaited: some before the fault, and some after it.
const ENOUGH: i64 = 5;

/// How often the job of each tick was done.
fn done(bench: &Bench, ticks: &Ticks) -> Vec<usize> {
    let succeeded = |run: &Value| run["outcome"] == "succeeded";
    ticks.jobs.iter().map(|job| bench.runs(*job).into_iter().filter(succeeded).count()).collect()
}

#[test]
fn a_tick_whose_commit_fails_or_at_which_the_master_dies_has_one_run_and_its_job_runs_once() {
    // At the same time: they mostly wait for the next second.
    std::thread::scope(|scope| {
        for order in ORDERS {
            scope.spawn(move || told(order));
        }
    });
}

fn told(order: &str) {
    let bench = Bench::new();
    let pool = format!("[pools.default]\nworkers = 1\ncommand = {:?}\n", fixture("echo.py"));
    fs::write(bench.path().join("queue-work.toml"), pool + &each_second("default", "echo")).expect("written");
    let mut master = bench.launch_with(&[], &[("QUEUE_WORK_FAIL", order)]);
    if order.contains("kill") {
        master.wait_exit(DEADLINE);
        let ticks = Ticks::read(bench.database());
        let kept = if order.contains("after") { 2 } else { 1 };
        assert_eq!((ticks.all, ticks.jobs.len()), (kept, kept as usize), "{order}: {ticks:?}");
        master = bench.start(&[]);
    }
    bench.wait_for("some ticks", DEADLINE, |bench| {
        bench.database().exists() && Ticks::read(bench.database()).all >= ENOUGH
    });
    master.signal(Signal::SIGTERM);
    assert!(master.wait_exit(DEADLINE).success(), "{order}\n{}", bench.dump());
    // What is left of the last tick.
    fs::remove_file(bench.path().join("queue-work.toml")).expect("removed");
    let echo = fixture("echo.py");
    let args: Vec<&str> =
        ["--drain", "--workers", "1", "--"].into_iter().chain(echo.iter().map(String::as_str)).collect();
    assert!(bench.launch(&args).wait_exit(DEADLINE).success(), "{order}\n{}", bench.dump());
    let ticks = Ticks::read(bench.database());
    assert_eq!((ticks.wrong(), ticks.open), (None, 0), "{order}: {ticks:?}\n{}", bench.dump());
    assert!(done(&bench, &ticks).iter().all(|times| *times == 1), "{order}\n{}", bench.dump());
}
