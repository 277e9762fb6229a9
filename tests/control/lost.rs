//! Waits that lose their master: the job is named, and the exit code is none that a command can have.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Bench, DEADLINE};

const LOST: i32 = 193;

fn begin(bench: &Bench, words: &[&str]) -> Child {
    let mut command = bench.command(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary")
}

/// Whether it sleeps and has a connection.
pub(crate) fn waits(child: &Child) -> bool {
    let folder = format!("/proc/{}", child.id());
    let stat = std::fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
    let files = std::fs::read_dir(format!("{folder}/fd")).expect("our child").flatten();
    let mut targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    stat.contains(") S ") && targets.any(|target| target.to_string_lossy().starts_with("socket:"))
}

#[track_caller]
fn expect_lost(child: Child, id: i64) {
    let out = child.wait_with_output().expect("our child");
    let (said, printed) = (String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout));
    assert_eq!((out.status.code(), &*printed), (Some(LOST), ""), "{said}");
    assert!(said.contains(&format!("job {id} ")) && said.contains(&format!("`queue-work jobs wait {id}`")), "{said}");
}

#[test]
fn a_wait_that_loses_its_master_names_the_job_and_ends_with_a_code_of_its_own() {
    let bench = Bench::new();
    for stop in [true, false] {
        let mut master = bench.start(&["--workers", "2", "--grace", "0s"]);
        let pushed = begin(&bench, &["push", "--wait", "--", "sh", "-c", "[ -e go ] && echo done || sleep 1000"]);
        let id = if stop { 1 } else { 2 };
        bench.wait_for("the job", DEADLINE, |b| b.run(&["jobs", "show", &id.to_string()]).code == 0);
        bench.wait_for_job(id, "running");
        let other = begin(&bench, &["jobs", "wait", &id.to_string()]);
        bench.wait_for("the wait to begin", DEADLINE, |_| waits(&other));
        if stop {
            bench.ok(&["stop"]);
            assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
        } else {
            master.kill9();
        }
        expect_lost(pushed, id);
        expect_lost(other, id);
        std::fs::write(bench.path().join("go"), "").expect("written");
        // The next step that is named works.
        let mut next = bench.start(&["--workers", "1"]);
        assert_eq!(bench.ok(&["jobs", "wait", &id.to_string()]), "done\n");
        std::fs::remove_file(bench.path().join("go")).expect("removed");
        next.kill9();
    }
}

#[test]
fn a_wait_that_is_interrupted_names_the_job_which_goes_on() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    for (id, signal) in [(1, Signal::SIGINT), (2, Signal::SIGTERM)] {
        let pushed = begin(&bench, &["push", "--wait", "--", "sh", "-c", "until [ -e go ]; do sleep 0.02; done"]);
        bench.wait_for("the job", DEADLINE, |b| b.run(&["jobs", "show", &id.to_string()]).code == 0);
        bench.wait_for_job(id, "running");
        // Its signals are caught as soon as it waits, which is when its push is answered.
        let caught = format!("/proc/{}/status", pushed.id());
        let mask = 1_u64 << (signal as i32 - 1);
        bench.wait_for("it to wait", DEADLINE, |_| {
            let status = std::fs::read_to_string(&caught).expect("our child");
            let mask_caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
            mask_caught.and_then(|text| u64::from_str_radix(text, 16).ok()).is_some_and(|caught| caught & mask != 0)
        });
        kill(Pid::from_raw(pushed.id().cast_signed()), signal).expect("our child");
        let out = pushed.wait_with_output().expect("our child");
        assert_eq!(out.status.signal(), Some(signal as i32), "{out:?}");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(said.contains(&format!("job {id} goes on")) && said.contains(&format!("jobs wait {id}`")), "{said}");
        std::fs::write(bench.path().join("go"), "").expect("written");
        bench.wait_for_job(id, "succeeded");
        std::fs::remove_file(bench.path().join("go")).expect("removed");
    }
}

#[test]
fn a_command_with_that_code_counts_as_one_that_failed_with_1() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    for (code, seen) in [(LOST, 1), (192, 192), (194, 194)] {
        let exit = format!("exit {code}");
        bench.run(&["push", "--wait", "--max-attempts", "1", "--", "sh", "-c", &exit]).expect_code(seen);
    }
}

#[test]
fn a_verb_that_waits_for_what_takes_long_says_so_and_goes_on() {
    let bench = Bench::new();
    let config = "[pools.default]\nworkers = 1\nkill_after = \"60s\"\n";
    std::fs::write(bench.path().join("queue-work.toml"), config).expect("written");
    let _master = bench.start(&[]);
    let job = bench.push(&["--", "sh", "-c", "trap '' TERM; until [ -e go ]; do sleep 0.02; done"]);
    bench.wait_for_job(job, "running");
    let mut child = begin(&bench, &["jobs", "cancel", &job.to_string()]);
    let mut text = String::new();
    let stderr = child.stderr.as_mut().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stderr), &mut text).expect("a line");
    assert!(text.contains("has not done it yet; waiting for it"), "{text}");
    std::fs::write(bench.path().join("go"), "").expect("written");
    child.wait().expect("our child");
}
