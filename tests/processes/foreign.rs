//! What a worker leaves and may not be killed, as it has become another user's for good: no job is given out beside it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::help::{can, end, signal, wait_dead, wait_noted, worker_pid, workers};
use crate::kin::bench;
use crate::support::{Bench, DEADLINE, Master};

const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const WHAT: &str = "a program that becomes root";

/// A bench of user nobody, with a program that becomes root for good, as `sudo` does.
struct Nobody {
    bench: Bench,
    become_root: PathBuf,
}

impl Nobody {
    /// `None`, with a word, where there can be none.
    fn new() -> Option<Self> {
        let bench = bench()?;
        std::os::unix::fs::chown(bench.path(), Some(65534), Some(65534)).expect("the folder is ours");
        let copy = "cp \"$(command -v setpriv)\" become && chmod 4755 become";
        let copied = Command::new("sh").args(["-c", copy]).current_dir(bench.path()).status().expect("run").success();
        let nobody = Self { become_root: bench.path().join("become"), bench };
        let works = copied && can(WHAT, NOBODY[0], &[&NOBODY[1..], &nobody.as_root("true")].concat());
        works.then_some(nobody)
    }

    fn as_root<'a>(&'a self, script: &'a str) -> [&'a str; 7] {
        let program = self.become_root.to_str().expect("UTF-8");
        [program, "--reuid=0", "--regid=0", "--clear-groups", "sh", "-c", script]
    }

    fn start(&self, args: &[&str]) -> Master<'_> {
        let master = self.bench.start_as(&NOBODY.map(str::to_owned), args);
        assert_eq!(self.bench.status()["master"]["containment"], "tree");
        master
    }

    fn verb(&self, args: &[&str]) -> Output {
        self.bench.command_as(&NOBODY.map(str::to_owned), args).output().expect("run")
    }

    /// Pushes a job that becomes root, and notes its number in `pids`. It may fail once: only who is root could end another run.
    fn push_as_root(&self, script: &str) {
        let pushed = self.verb(&[["push", "--max-attempts", "1", "--"].as_slice(), &self.as_root(script)].concat());
        assert!(pushed.status.success(), "{pushed:?}");
    }

    fn pids(&self) -> PathBuf {
        self.bench.path().join("pids")
    }

    /// How many runs have noted their number.
    fn begun(&self) -> usize {
        fs::read_to_string(self.pids()).unwrap_or_default().lines().count()
    }

    fn problems(&self) -> String {
        self.bench.status()["master"]["problems"].to_string()
    }

    /// Ends the leftover of job 1, and the next run of it.
    fn end_the_job(&self, left: i32) {
        signal(left, Signal::SIGKILL);
        let second = wait_noted(&self.bench, &self.pids(), 2);
        signal(second[0].pid, Signal::SIGKILL);
        wait_dead(&self.bench, &second);
        self.bench.wait_for_job(1, "dead");
    }

    fn wait_named(&self, pid: i32) {
        self.bench.wait_for("it to be named", DEADLINE, |_| self.problems().contains("cannot be killed"));
        assert!(self.problems().contains(&pid.to_string()), "{}", self.problems());
    }
}

const STAYS: &str = "echo $$ >> pids; exec sleep 1000";

#[test]
fn a_leftover_that_may_not_be_killed_keeps_its_job_from_running_again_until_it_has_ended_and_is_named() {
    let Some(nobody) = Nobody::new() else { return };
    let bench = &nobody.bench;
    let master = nobody.start(&["--workers", "1"]);
    nobody.push_as_root(STAYS);
    let first = wait_noted(bench, &nobody.pids(), 1);
    signal(worker_pid(bench, "default-1"), Signal::SIGKILL);
    nobody.wait_named(first[0].pid);
    // Other jobs run.
    assert!(nobody.verb(&["push", "--wait", "--", "true"]).status.success());
    assert_eq!((bench.job(1)["state"].clone(), nobody.begun()), (json!("running"), 1));
    signal(first[0].pid, Signal::SIGKILL);
    let second = wait_noted(bench, &nobody.pids(), 2);
    bench.wait_for("the problem to be over", DEADLINE, |_| !nobody.problems().contains("another user's"));
    assert_eq!(second.len(), 1);
    signal(second[0].pid, Signal::SIGKILL);
    wait_dead(bench, &second);
    bench.wait_for_job(1, "dead");
    end(bench, master);
}

#[test]
fn a_stop_gives_no_job_back_beside_what_may_not_be_killed_and_the_next_start_waits_for_its_end() {
    let Some(nobody) = Nobody::new() else { return };
    let bench = &nobody.bench;
    // Held before the stop, and by it.
    for held_before in [true, false] {
        fs::write(nobody.pids(), "").expect("written");
        let mut master = nobody.start(&["--workers", "1", "--grace", "100ms"]);
        nobody.push_as_root(STAYS);
        let first = wait_noted(bench, &nobody.pids(), 1);
        if held_before {
            signal(worker_pid(bench, "default-1"), Signal::SIGKILL);
            nobody.wait_named(first[0].pid);
        }
        master.signal(Signal::SIGTERM);
        assert_eq!(master.wait_exit(2 * DEADLINE).code(), Some(1), "{}", bench.dump());
        assert!(first[0].is_alive(), "the test needs a survivor");
        let refused = nobody.verb(&["start", "--workers", "1"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot be killed") && said.contains(&first[0].pid.to_string()), "{said}");
        signal(first[0].pid, Signal::SIGKILL);
        wait_dead(bench, &first);
        let next = nobody.start(&["--workers", "1"]);
        let second = wait_noted(bench, &nobody.pids(), 2);
        assert_eq!(second.len(), 1);
        signal(second[0].pid, Signal::SIGKILL);
        wait_dead(bench, &second);
        bench.wait_for_job(if held_before { 1 } else { 2 }, "dead");
        end(bench, next);
    }
}

#[test]
fn what_may_not_be_killed_is_known_where_the_processes_of_other_users_are_hidden() {
    const HIDES: &str = "mount -t proc -o hidepid=2 proc /proc && exec \"$0\" \"$@\"";
    let hides = [&["unshare", "-m", "sh", "-c", HIDES], NOBODY.as_slice()].concat();
    let Some(nobody) = Nobody::new() else { return };
    if !can("a `/proc` that hides processes", hides[0], &[&hides[1..], &["true"]].concat()) {
        return;
    }
    let bench = &nobody.bench;
    let program: Vec<String> = hides.iter().map(|&word| word.to_owned()).collect();
    let master = bench.start_as(&program, &["--workers", "1"]);
    assert!(nobody.problems().contains("hides"), "{}", nobody.problems());
    nobody.push_as_root(STAYS);
    let first = wait_noted(bench, &nobody.pids(), 1);
    signal(worker_pid(bench, "default-1"), Signal::SIGKILL);
    nobody.wait_named(first[0].pid);
    assert!(nobody.verb(&["push", "--wait", "--", "true"]).status.success());
    assert_eq!((bench.job(1)["state"].clone(), nobody.begun()), (json!("running"), 1));
    nobody.end_the_job(first[0].pid);
    end(bench, master);
}

#[test]
fn a_leftover_that_may_not_be_killed_holds_only_the_jobs_of_its_own_worker() {
    let Some(nobody) = Nobody::new() else { return };
    let bench = &nobody.bench;
    let master = nobody.start(&["--workers", "2", "--backoff", "10ms"]);
    nobody.push_as_root(STAYS);
    let first = wait_noted(bench, &nobody.pids(), 1);
    let busy = workers(bench).iter().find(|w| w["job"] != json!(null)).and_then(|w| w["pid"].as_i64());
    signal(busy.expect("one works") as i32, Signal::SIGKILL);
    nobody.wait_named(first[0].pid);
    // Another worker dies with a job in hand: that is given out again.
    let pushed = nobody.verb(&[
        "push",
        "--",
        "sh",
        "-c",
        "echo $$ >> others; [ $(wc -l < others) -ge 2 ] || kill -9 $PPID; exit 0",
    ]);
    assert!(pushed.status.success(), "{pushed:?}");
    bench.wait_for_job(2, "succeeded");
    assert_eq!(bench.job(1)["state"], "running");
    nobody.end_the_job(first[0].pid);
    end(bench, master);
}

#[test]
fn a_command_that_failed_and_left_what_may_not_be_killed_is_named_by_its_worker_and_over_with_it() {
    let Some(nobody) = Nobody::new() else { return };
    let bench = &nobody.bench;
    let master = nobody.start(&["--workers", "1", "--max-attempts", "1"]);
    let script = "setsid \"$0\" \"$@\" & until [ -s pids ]; do sleep 0.01; done; exit 3";
    let pushed = nobody.verb(&[["push", "--", "sh", "-c", script].as_slice(), &nobody.as_root(STAYS)].concat());
    assert!(pushed.status.success(), "{pushed:?}");
    let left = wait_noted(bench, &nobody.pids(), 1);
    let logs = || String::from_utf8_lossy(&nobody.verb(&["logs", "default-1"]).stdout).into_owned();
    bench.wait_for("it to be named", DEADLINE, |_| logs().contains("cannot be killed"));
    assert!(logs().contains(&left[0].pid.to_string()), "{}", logs());
    assert_eq!(bench.job(1)["state"], "running");
    signal(left[0].pid, Signal::SIGKILL);
    bench.wait_for_job(1, "dead");
    assert_eq!(bench.runs(1)[0]["exit_code"], 3);
    end(bench, master);
}
