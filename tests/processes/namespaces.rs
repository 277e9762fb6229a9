//! In a PID namespace of its own: the master as process 1, and numbers of processes that are used again.

use std::fs;
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;

use crate::help::{can, children, push_lines, signal, state, wait_done};
use crate::support::{Bench, DEADLINE, fixture, now};

const JOBS: usize = 1000;
const UNSHARE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];

/// Runs a program as process 1 of a namespace.
fn unshare(bench: &Bench, program: &[String], args: &[&str]) -> Child {
    let unshare = std::iter::once("unshare").chain(UNSHARE).map(str::to_owned).chain(program.iter().cloned());
    let mut command = bench.command_as(&unshare.collect::<Vec<_>>(), args);
    let file = |name: &str| fs::File::create(bench.path().join(name)).expect("a file");
    command.stdin(Stdio::null()).stdout(file("said")).stderr(file("master-1.err")).spawn().expect("started")
}

fn possible() -> bool {
    can("process namespaces", "unshare", &[&UNSHARE[..], &["true"]].concat())
}

#[test]
fn as_process_1_it_reaps_a_thousand_orphans_and_stops_by_term() {
    if !possible() {
        return;
    }
    let bench = Bench::new();
    // Forks twice: the one that is left over ends as an orphan, sooner or later than the job.
    let push = ["--lines", "--queue", "default", "--", "sh", "-c", "setsid -f sleep 0.0{}; exit 0"];
    push_lines(&bench, JOBS, &push, |n| n.to_string());
    let begun = now();
    let mut outer = unshare(&bench, &[], &["--workers", "4", "--queue", "default"]);
    wait_done(&bench, JOBS);
    println!("{JOBS} jobs in {:?}", begun.elapsed());
    assert_eq!(bench.status()["master"]["pid"], 1);
    let master = children(outer.id().cast_signed())[0];
    let zombies = || {
        let below = |pid| children(pid).into_iter();
        let all = below(master).flat_map(|child| below(child).chain([child]));
        all.filter(|&pid| state(pid).as_deref() == Some("Z")).count()
    };
    bench.wait_for("no zombie to be left", DEADLINE, |_| zombies() == 0);
    signal(master, Signal::SIGTERM);
    bench.wait_for("its end", DEADLINE, |_| outer.try_wait().expect("our child").is_some());
    assert_eq!(outer.wait().expect("our child").code(), Some(0), "{}", bench.dump());
    assert!(!bench.path().join("q.db.sock").exists());
    bench.expect_no_leftovers();
}

#[test]
fn a_number_that_was_a_workers_or_a_masters_protects_its_next_owner() {
    if !possible() {
        return;
    }
    let bench = Bench::new();
    let mut outer = unshare(&bench, &fixture("reuse.py"), &[]);
    bench.wait_for("the end of the script", 4 * DEADLINE, |_| outer.try_wait().expect("our child").is_some());
    let said = fs::read_to_string(bench.path().join("said")).expect("its word");
    let code = outer.wait().expect("our child").code();
    if said.starts_with("skipped:") {
        print!("{said}");
        return;
    }
    assert_eq!(code, Some(0), "{said}\n{}", bench.dump());
    for line in ["strangers survived the recovery", "strangers survived the guardian"] {
        assert!(said.contains(line), "{said}");
    }
    bench.expect_no_leftovers();
}
