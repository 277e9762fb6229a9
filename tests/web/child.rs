//! The page as a child of the master: begun, replaced and ended with it.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Bench, DEADLINE};

fn write(bench: &Bench, web: &str) {
    let file = format!("[pools.default]\nworkers = 1\n[web]\n{web}\n");
    fs::write(bench.path().join("queue-work.toml"), file).expect("a file");
}

fn pid(bench: &Bench) -> Option<i32> {
    let web = bench.status()["master"]["web"].clone();
    web["pid"].as_i64().filter(|_| web["state"] == "running").map(|pid| i32::try_from(pid).expect("a process"))
}

#[test]
fn a_master_shows_the_page_from_its_start_to_its_end_and_replaces_one_that_dies() {
    let bench = Bench::new();
    write(&bench, "listen = \"127.0.0.1:0\"");
    let mut master = bench.start(&[]);
    bench.wait_for("the page", DEADLINE, |bench| pid(bench).is_some());
    bench.wait_for("its address", DEADLINE, |bench| bench.run(&["logs", "web"]).stdout.contains("http://127.0.0.1:"));
    let logs = bench.ok(&["logs", "web"]);
    let tokens = fs::read_to_string(format!("{}.web-token", bench.database().display())).expect("tokens");
    assert!(tokens.lines().filter_map(|line| line.split_once(' ')).all(|(_, token)| !logs.contains(token)), "{logs}");
    let first = pid(&bench).expect("it runs");
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("it is there");
    bench.wait_for("another page", DEADLINE, |bench| pid(bench).is_some_and(|pid| pid != first));
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    master.signal(Signal::SIGTERM);
    master.wait_exit(DEADLINE);
    bench.expect_no_leftovers();
}

#[test]
fn a_reload_begins_the_page_changes_and_ends_it() {
    let bench = Bench::new();
    write(&bench, "listen = \"off\"");
    let _master = bench.start(&[]);
    assert_eq!(bench.status()["master"]["web"], serde_json::Value::Null);
    write(&bench, "listen = \"127.0.0.1:0\"");
    bench.ok(&["reload"]);
    bench.wait_for("the page", DEADLINE, |bench| pid(bench).is_some());
    let first = pid(&bench).expect("it runs");
    write(&bench, "listen = \"127.0.0.1:0\"\nread_only = true");
    bench.ok(&["reload"]);
    bench.wait_for("another page", DEADLINE, |bench| pid(bench).is_some_and(|pid| pid != first));
    write(&bench, "listen = \"off\"");
    bench.ok(&["reload"]);
    bench.wait_for("no page", DEADLINE, |bench| {
        bench.status()["master"]["web"].is_null() && bench.leftovers().iter().all(|left| !left.command.contains(" web"))
    });
}

#[test]
fn a_page_that_cannot_listen_is_a_problem_that_is_named_and_the_jobs_run() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    write(&bench, &format!("listen = \"{}\"", taken.local_addr().expect("an address")));
    let _master = bench.start(&[]);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    bench.wait_for("the problem", DEADLINE, |bench| {
        bench.status()["master"]["problems"].to_string().contains("queue-work logs web")
    });
    assert!(bench.ok(&["logs", "web"]).contains("cannot listen at"), "{}", bench.ok(&["logs", "web"]));
    drop(taken);
    bench
        .wait_for("the page", DEADLINE, |bench| pid(bench).is_some() && bench.status()["master"]["problems"].is_null());
}
