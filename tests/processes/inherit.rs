//! What workers and commands find when they start: signals, descriptors, and how they differ from their master.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::help::{end, guardian, signal, status_of, worker_pid};
use crate::support::{Bench, DEADLINE, Master, fixture};

/// A worker that answers its one job with the output of `ask`.
fn asking(ask: &str) -> String {
    format!(
        r#"read -r line; id=${{line#*\"id\":}}; id=${{id%%,*}}; (exec > said; {ask})
           printf '{{"id":%s,"result":"%s"}}\n' "$id" "$(tr '\n\t' '  ' < said)"; cat > /dev/null"#
    )
}

/// A pool `workers` of one worker that is this script, and what else there is to say.
fn configure(bench: &Bench, script: &str, more: &str) {
    let command = json!(["sh", "-c", script]);
    let text = format!("[pools.workers]\nworkers = 1\ncommand = {command}\n{more}\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("written");
}

/// The result of the one job of such a worker, and of the same as a command.
fn asked(bench: &Bench, ask: &str) -> [String; 2] {
    configure(bench, &asking(ask), "[pools.commands]\nworkers = 1");
    let results =
        [bench.push(&["--queue", "workers", "x"]), bench.push(&["--queue", "commands", "--", "sh", "-c", ask])];
    let _master = start_deaf(bench, &[]);
    let said = results.map(|id| match &bench.wait_for_job(id, "succeeded")["result"] {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        other => panic!("{other}"),
    });
    let guardian = guardian(bench);
    let mut open: Vec<String> = fs::read_dir(format!("/proc/{}/fd", guardian.pid))
        .expect("a guardian")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    open.sort();
    assert_eq!(open, ["0", "1", "2"], "the guardian has more open than it needs");
    said
}

fn start_deaf<'a>(bench: &'a Bench, args: &[&str]) -> Master<'a> {
    bench.start_as(&fixture("deaf.py"), args)
}

#[test]
fn workers_and_commands_block_and_ignore_nothing_whatever_their_master_was_started_with() {
    let bench = Bench::new();
    let ask = "grep -E 'Sig(Blk|Ign)' /proc/self/status";
    for said in asked(&bench, ask) {
        let masks: Vec<u64> = said.split(' ').filter_map(|word| u64::from_str_radix(word, 16).ok()).collect();
        // 32 and 33 belong to the C library.
        assert!(masks.len() == 2 && masks.iter().all(|mask| mask & !(0b11 << 31) == 0), "{said}");
    }
    bench.expect_no_leftovers();
}

#[test]
fn workers_and_commands_have_the_three_streams_open_and_nothing_else() {
    let bench = Bench::new();
    for said in asked(&bench, "ls /proc/$$/fd") {
        assert_eq!(said, "0 1 2");
    }
    bench.expect_no_leftovers();
}

#[test]
fn what_the_master_was_started_with_is_open_in_nothing_that_it_starts() {
    let bench = Bench::new();
    configure(&bench, &asking("ls /proc/$$/fd"), "protocol_fd = 9\n[pools.commands]\nworkers = 1");
    let master = bench.start_redirected(&[], "3>three 9>nine 42</dev/null 255>&2");
    let id = bench.push(&["--queue", "commands", "--", "sh", "-c", "ls /proc/$$/fd; ls /proc/$PPID/fd | wc -l"]);
    let result = bench.wait_for_job(id, "succeeded")["result"].clone();
    assert!(result.as_str().is_some_and(|text| text.starts_with("0\n1\n2\n") && !text.contains("42")), "{result}");
    let of = |pid: i32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is there");
        let mut open: Vec<_> = open.filter_map(|fd| fd.ok()?.file_name().into_string().ok()).collect();
        open.sort();
        open
    };
    assert_eq!(of(worker_pid(&bench, "workers-1")), ["0", "1", "2", "9"], "9 is the pool's own");
    assert_eq!(of(guardian(&bench).pid), ["0", "1", "2"]);
    assert!(of(master.pid()).contains(&"42".to_owned()), "the master keeps what it was given");
    end(&bench, master);
}

#[test]
fn a_worker_with_a_protocol_descriptor_has_that_one_more() {
    let bench = Bench::new();
    let script = asking("ls /proc/$$/fd").replace("printf '", ">&3 printf '");
    configure(&bench, &script, "protocol_fd = 3");
    let master = start_deaf(&bench, &[]);
    let id = bench.push(&["--queue", "workers", "x"]);
    assert_eq!(bench.wait_for_job(id, "succeeded")["result"].as_str().map(str::trim), Some("0 1 2 3"));
    end(&bench, master);
}

#[test]
fn under_nohup_a_hangup_stops_nobody_and_term_still_does() {
    let bench = Bench::new();
    let mut master = start_deaf(&bench, &["--workers", "1"]);
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGUSR1] {
        master.signal(signal);
    }
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    assert_eq!(bench.status()["master"]["state"], "running");
    // A plain program obeys TERM at once: it is not killed.
    let id = bench.push(&["--max-attempts", "1", "--", "sleep", "1000"]);
    bench.wait_for_job(id, "running");
    bench.ok(&["jobs", "cancel", &id.to_string()]);
    assert_eq!(bench.runs(id)[0]["signal"], "SIGTERM", "{:?}", bench.runs(id));
    master.signal(Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", bench.dump());
    bench.expect_no_leftovers();
}

#[test]
fn no_worker_depends_on_the_thread_that_started_it() {
    let bench = Bench::new();
    let asks = fixture("death_signal.py");
    fs::write(bench.path().join("queue-work.toml"), format!("[pools.p]\nworkers = 1\ncommand = {}\n", json!(asks)))
        .expect("written");
    let master = bench.start(&[]);
    let mut seen = std::collections::BTreeSet::new();
    let mut ask = |why: &str| {
        let job = bench.push(&["--queue", "p", "x"]);
        let result = bench.wait_for_job(job, "succeeded")["result"].clone();
        assert_eq!(result["death_signal"], 0, "started by {why}");
        seen.insert(result["pid"].as_i64());
    };
    // Every way to a new worker: the start, a restart, a death, a scale, a pool that is added.
    ask("the start");
    bench.ok(&["restart", "--all"]);
    ask("a restart");
    signal(worker_pid(&bench, "p-1"), Signal::SIGKILL);
    ask("the replacement of a dead one");
    bench.ok(&["scale", "0"]);
    bench.ok(&["scale", "1"]);
    ask("a scale");
    assert_eq!(seen.len(), 4, "{seen:?}");
    end(&bench, master);
}

#[test]
fn where_memory_ends_the_kernel_is_told_to_take_a_worker_rather_than_the_master() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--", "cat", "/proc/self/oom_score_adj"]);
    let command = bench.wait_for_job(id, "succeeded")["result"].as_str().expect("text").trim().to_owned();
    let score = |pid: i32| -> i32 {
        let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("it is there");
        text.trim().parse().expect("a number")
    };
    let own = score(master.pid());
    let worker = worker_pid(&bench, "default-1");
    let expected = (own + 300).min(1000);
    assert_eq!((score(worker), command), (expected, expected.to_string()));
    assert_eq!(score(guardian(&bench).pid), own);
    assert_eq!(status_of(worker, "SigBlk").as_deref(), Some("0000000000000000"));
    end(&bench, master);
}
