//! What workers and commands start, in every way to hide: nothing of it outlives them, whoever dies first.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::help::{
    Process, Processes, can, end, guardian, noted, refs, signal, wait_dead, wait_noted, with_fixture, worker_pid,
    workers,
};
use crate::support::{Bench, DEADLINE, Master, now};

/// How a worker may behave, and the processes that come of it, its own among them.
const BEHAVIOURS: [(&str, usize); 10] = [
    ("obeys", 1),
    ("ignores-term", 1),
    ("ignores-input", 1),
    ("spins", 1),
    ("stopped", 1),
    ("child", 2),
    ("session", 2),
    ("daemon", 2),
    ("bare", 2),
    ("bare-daemon", 2),
];

fn pids(bench: &Bench) -> PathBuf {
    bench.path().join("pids")
}

fn launch<'a>(bench: &'a Bench, options: &[&str], name: &str) -> Master<'a> {
    let args = with_fixture(options, name);
    bench.start_with(&refs(&args), &[("PIDS", pids(bench).to_str().expect("UTF-8"))])
}

/// A master with a worker of each kind, all at it.
#[track_caller]
fn start(bench: &Bench) -> (Master<'_>, Processes) {
    let workers = BEHAVIOURS.len().to_string();
    let master = launch(bench, &["--workers", &workers], "behaves.py");
    for (behaviour, _) in BEHAVIOURS {
        bench.push(&[behaviour]);
    }
    let count = BEHAVIOURS.iter().map(|(_, processes)| processes).sum();
    let all = wait_noted(bench, &pids(bench), count);
    assert_eq!(all.len(), count, "{all:?}");
    (master, all)
}

/// Kills master and guardian, so that neither can do anything about the death of the other.
#[track_caller]
fn kill_with_guardian(bench: &Bench, master: &mut Master<'_>) {
    let guardian = guardian(bench);
    for pid in [guardian.pid, master.pid()] {
        signal(pid, Signal::SIGSTOP);
    }
    signal(guardian.pid, Signal::SIGKILL);
    master.kill9();
}

#[test]
fn whatever_workers_do_nothing_of_them_outlives_a_killed_master() {
    let bench = Bench::new();
    let (mut master, all) = start(&bench);
    let killed = now();
    master.kill9();
    wait_dead(&bench, &all);
    println!("{} processes were dead {:?} after their master", all.len(), killed.elapsed());
}

#[test]
fn whatever_workers_do_nothing_of_them_is_left_when_the_next_master_runs_though_the_guardian_died_too() {
    let bench = Bench::new();
    let (mut master, all) = start(&bench);
    kill_with_guardian(&bench, &mut master);
    let survivors = all.iter().filter(|process| process.is_alive()).count();
    assert!(survivors > 10, "the test needs survivors, there are {survivors}");
    let begun = now();
    let next = bench.start(&["--workers", "1", "--queue", "other"]);
    let left: Vec<_> = all.iter().filter(|process| process.is_alive()).collect();
    assert!(left.is_empty(), "{left:?} live beside the next master");
    println!("{survivors} survivors were dead {:?} after the start of the next master", begun.elapsed());
    end(&bench, next);
}

#[test]
fn a_guardian_killed_alone_harms_nobody_and_the_next_one_protects_all_the_same() {
    let bench = Bench::new();
    let (mut master, all) = start(&bench);
    let old = guardian(&bench);
    signal(old.pid, Signal::SIGKILL);
    bench.wait_for("another guardian", DEADLINE, |b| guardian(b) != old);
    assert!(all.iter().all(Process::is_alive), "{}", bench.dump());
    // It knows of everybody once it has read what it was told, which is before it sees the end of its input.
    master.kill9();
    wait_dead(&bench, &all);
}

#[test]
fn whatever_a_worker_killed_alone_leaves_is_dead_before_its_job_runs_again() {
    let bench = Bench::new();
    let (mut master, all) = start(&bench);
    for worker in workers(&bench) {
        signal(worker["pid"].as_i64().expect("a pid") as i32, Signal::SIGKILL);
    }
    // The fixture itself looks for its predecessors; to see one makes `noted` fail.
    let again = wait_noted(&bench, &pids(&bench), 2 * all.len());
    assert!(all.iter().all(|process| !process.is_alive()), "{}", bench.dump());
    for id in 1..=BEHAVIOURS.len() as i64 {
        let job = bench.job(id);
        assert_eq!((&job["crashes"], &job["attempts"]), (&json!(1), &json!(0)), "{job}");
    }
    master.kill9();
    wait_dead(&bench, &again);
}

/// A command without an environment in a session of its own, with a daemon of the same kind.
const BARE: &str = "exec env -i setsid -w sh -c \
    'setsid -f sh -c \"echo \\$\\$ >> pids; exec sleep 1000\"; echo $$ >> pids; exec sleep 1000'";

#[test]
fn a_command_without_environment_and_session_ends_with_its_worker_and_only_then_runs_again() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "2"]);
    let id = bench.push(&["--", "sh", "-c", BARE]);
    let first = wait_noted(&bench, &pids(&bench), 2);
    let worker = workers(&bench).into_iter().find(|w| w["state"] == "busy").expect("a busy worker");
    signal(worker["pid"].as_i64().expect("a pid") as i32, Signal::SIGKILL);
    let second = wait_noted(&bench, &pids(&bench), 4);
    assert!(first.iter().all(|process| !process.is_alive()), "two runs of one job: {first:?}");
    assert_eq!((first.len(), second.len(), &bench.job(id)["crashes"]), (2, 2, &json!(1)));
    master.kill9();
    wait_dead(&bench, &second);
}

#[test]
fn a_command_that_is_timed_out_ends_with_all_that_it_put_aside_and_its_worker_goes_on() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let kept = bench.push(&[
        "--",
        "sh",
        "-c",
        "setsid -f sh -c 'echo $$ >> kept; exec sleep 1000' >/dev/null 2>&1; \
                             while ! [ -s kept ]; do sleep 0.01; done",
    ]);
    bench.wait_for_job(kept, "succeeded");
    let kept = noted(&bench.path().join("kept"));
    let worker = worker_pid(&bench, "default-1");
    let script = "setsid sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 1000; done' & \
                  setsid -f env -i sh -c 'echo $$ >> pids; exec sleep 1000'; wait";
    let id = bench.push(&["--timeout", "2s", "--max-attempts", "1", "--", "sh", "-c", script]);
    let aside = wait_noted(&bench, &pids(&bench), 2);
    assert_eq!(aside.len(), 2);
    bench.wait_for_job(id, "dead");
    assert!(aside.iter().all(|process| !process.is_alive()), "{}", bench.dump());
    assert_eq!(bench.runs(id)[0]["outcome"], "timed_out");
    assert_eq!(worker_pid(&bench, "default-1"), worker, "the worker went with it");
    // What a command left that ended by itself stays, as long as its worker does.
    assert!(kept.len() == 1 && kept[0].is_alive());
    end(&bench, master);
    assert!(!kept[0].is_alive());
}

/// Of a worker of this master by its mark, but of a user that it may not kill.
#[test]
fn what_belongs_to_a_worker_and_may_not_be_killed_is_named_and_no_master_starts_beside_it() {
    const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let bench = Bench::new();
    let binary = bench.command(&[]).get_program().to_string_lossy().into_owned();
    let options = [&NOBODY[1..], &[&binary, "--version"]].concat();
    if !can("a process of another user", NOBODY[0], &options) || !can("a mark by hand", "prlimit", &["--version"]) {
        return;
    }
    std::os::unix::fs::chown(bench.path(), Some(65534), Some(65534)).expect("the folder is ours");
    let nobody = NOBODY.map(str::to_owned);
    let mut master = bench.start_as(&nobody, &["--workers", "1"]);
    let worker = worker_pid(&bench, "default-1");
    let limits = std::fs::read_to_string(format!("/proc/{worker}/limits")).expect("it is there");
    let mark = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout")?.split_whitespace().next());
    let rttime = format!("--rttime={}:", mark.expect("a mark"));
    let command = ["prlimit", &rttime, "env", "-i", "sh", "-c", "echo $$ >> pids; exec sleep 1000"];
    let mut foreign =
        std::process::Command::new(command[0]).args(&command[1..]).current_dir(bench.path()).spawn().expect("started");
    let found = wait_noted(&bench, &pids(&bench), 1);
    signal(worker, Signal::SIGKILL);
    bench.wait_for("it to be named", DEADLINE, |_| master.stderr().contains(&format!("[{}]", found[0].pid)));
    assert!(found[0].is_alive());
    kill_with_guardian(&bench, &mut master);
    let mut next = bench.command_as(&nobody, &["--workers", "1"]);
    let refused = next.output().expect("started");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains(&found[0].pid.to_string()), "{refused:?}");
    foreign.kill().expect("it is ours");
    foreign.wait().expect("our child");
    let mut next = bench.start_as(&nobody, &["--workers", "1"]);
    next.signal(Signal::SIGTERM);
    assert_eq!(next.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn a_worker_whose_child_holds_its_output_has_ended_all_the_same() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let begun = now();
    let id = bench.push(&["--", "sh", "-c", "echo ok; setsid -f sleep 1000; sleep 1000 &"]);
    let job = bench.wait_for_job(id, "succeeded");
    println!("done {:?} after its push, with its output held open", begun.elapsed());
    assert_eq!(job["result"], "ok\n");
    end(&bench, master);
}
