//! Pipes that break: whoever reads or writes at the other end goes away, and nobody here ends or panics for it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::help::{can, end, push_lines, refs, status_of, with_fixture, worker_pid, workers};
use crate::support::{Bench, DEADLINE, now};

#[test]
fn verbs_whose_reader_goes_away_end_quietly() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "2"]);
    push_lines(&bench, 3000, &["--lines", "--queue", "later", "x"], |n| n.to_string());
    for args in [
        ["status"].as_slice(),
        &["status", "--json"],
        &["jobs", "list", "--oldest", "--queue", "later", "--limit", "3000"],
        &["jobs", "list", "--oldest", "--queue", "later", "--limit", "3000", "--jsonl"],
        &["--help"],
    ] {
        // Nothing is read: the first write may still fit into the pipe, the others do not.
        let mut verb = bench.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let mut first = [0];
        let mut stdout = verb.stdout.take().expect("a pipe");
        let _ = stdout.read(&mut first);
        drop(stdout);
        let out = verb.wait_with_output().expect("our child");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!said.contains("panicked") && out.status.code() != Some(101), "{args:?}: {out:?}");
        assert_eq!(said, "", "{args:?}");
    }
    end(&bench, master);
}

#[test]
fn clients_that_leave_before_the_answer_are_nobodys_trouble() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "2"]);
    let socket = bench.path().join("q.db.sock");
    for n in 0..200 {
        let mut client = UnixStream::connect(&socket).expect("a socket");
        let line = json!({"id": 1, "method": if n % 2 == 0 { "status" } else { "jobs.list" }, "params": {}});
        client.write_all(format!("{line}\n").repeat(50).as_bytes()).expect("written");
        drop(client);
    }
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    let said = master.stderr();
    assert!(!said.contains("panicked"), "{said}");
    assert!(status_of(master.pid(), "State").is_some());
    end(&bench, master);
}

#[test]
fn a_worker_that_has_closed_its_input_is_replaced_and_takes_no_job_with_it() {
    let bench = Bench::new();
    // The first worker closes its input and stays; those after it answer.
    let script = r#"if mkdir first 2> mkdir.err; then exec < /dev/null; touch closed; exec sleep 1000; fi
        while read -r line; do id=${line#*\"id\":}; id=${id%%,*}; echo "{\"id\":$id,\"result\":1}"; done"#;
    let args = ["--workers", "1", "--queue", "default", "--", "sh", "-c", script];
    let master = bench.start(&args);
    bench.wait_for("its input to be closed", DEADLINE, |b| b.path().join("closed").exists());
    let deaf = worker_pid(&bench, "default-1");
    let id = bench.push(&["--timeout", "2s", "x"]);
    let job = bench.wait_for_job(id, "succeeded");
    assert_eq!(job["crashes"], 0, "{job}");
    assert!(workers(&bench).iter().all(|w| w["pid"] != deaf), "{}", bench.dump());
    assert!(!master.stderr().contains("panicked"), "{}", master.stderr());
    end(&bench, master);
}

/// Kills the master while its child has not yet become a worker; `strace` holds it there.
#[test]
fn a_worker_that_is_just_being_born_when_its_master_dies_does_not_live() {
    let delay = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=execve", "-e", "inject=execve:delay_enter=300000"];
    if !can("a delay of each exec", "strace", &[&delay[..], &["true"]].concat()) {
        return;
    }
    let bench = Bench::new();
    let args = with_fixture(&["--workers", "2"], "ignore_term.py");
    let strace: Vec<String> = std::iter::once("strace").chain(delay).map(str::to_owned).collect();
    for _ in 0..5 {
        let mut command = bench.command_as(&strace, &refs(&args));
        let mut tracer = command.env("EARLY", "1").stderr(Stdio::null()).spawn().expect("started");
        // The lock names the master as soon as there is one; its children are born after that.
        let mut master = 0;
        bench.wait_for("a child that is not yet a worker", DEADLINE, |b| {
            let lock = std::fs::read_to_string(b.path().join("q.db.lock")).unwrap_or_default();
            let holder: serde_json::Value = serde_json::from_str(&lock).unwrap_or_default();
            master = holder["pid"].as_i64().unwrap_or(0) as i32;
            let born = if master == 0 { Vec::new() } else { crate::help::children(master) };
            born.len() > 1
        });
        let killed = now();
        crate::help::signal(master, Signal::SIGKILL);
        tracer.wait().expect("our child");
        bench.expect_no_leftovers();
        println!("nothing was left {:?} after the death of the master", killed.elapsed());
        std::fs::remove_file(bench.path().join("q.db.lock")).expect("removed");
    }
}
