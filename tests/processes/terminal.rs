//! A master on a terminal: what it starts has none, so nobody can be asked there, nor written to.

use std::fs;
use std::time::Duration;

use nix::unistd::{Pid, getsid};
use serde_json::json;

use crate::help::worker_pid;
use crate::support::{Bench, DEADLINE, fixture, now};

fn session_of(pid: i32) -> Pid {
    getsid(Some(Pid::from_raw(pid))).expect("it is there")
}

#[test]
fn whoever_asks_on_the_terminal_of_the_master_fails_at_once_and_the_error_says_why() {
    let bench = Bench::new();
    // A worker of its own program asks as soon as it starts, and says what came of it.
    let worker = "(exec 3</dev/tty) 2>/dev/null && echo shared > asked || echo none > asked; echo $$ > pid; \
                  cat > /dev/null";
    let config =
        format!("[pools.own]\nworkers = 1\ncommand = {}\n[pools.default]\nworkers = 1\n", json!(["sh", "-c", worker]));
    fs::write(bench.path().join("queue-work.toml"), config).expect("written");
    let jobs = ["read answer </dev/tty; exit $?", "printf '\\033]0;owned\\007' >/dev/tty", "stty -echo </dev/tty"]
        .map(|script| bench.push(&["--max-attempts", "1", "--timeout", "20s", "--", "sh", "-c", script]));
    let begun = now();
    let mut command = bench.command_as(&fixture("terminal.py"), &[]);
    let mut terminal = command.stdin(std::process::Stdio::null()).spawn().expect("started");
    for id in jobs {
        let job = bench.wait_for_job(id, "dead");
        let error = job["error"].as_str().unwrap_or_default();
        assert!(
            error.starts_with("exit status") && error.ends_with("it asked for a terminal, and jobs have none"),
            "{job}"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "one of them waited for an answer");
    let own = || fs::read_to_string(bench.path().join("pid")).ok()?.trim().parse::<i32>().ok();
    bench.wait_for("the worker to have asked", DEADLINE, |_| own().is_some());
    assert_eq!(fs::read_to_string(bench.path().join("asked")).expect("it asked"), "none\n");
    let master = bench.status()["master"]["pid"].as_i64().expect("a master") as i32;
    for pid in [worker_pid(&bench, "default-1"), own().expect("a worker")] {
        assert_ne!(session_of(pid), session_of(master));
        assert_eq!(session_of(pid), Pid::from_raw(pid), "it leads a group and a session");
    }
    fs::write(bench.path().join("press"), "").expect("written");
    bench.wait_for("the master to end", DEADLINE, |_| terminal.try_wait().expect("our child").is_some());
    assert_eq!(terminal.wait().expect("our child").code(), Some(0), "{}", bench.dump());
    bench.expect_no_leftovers();
}
