//! Nothing outlives the master, and nothing of the past runs beside the next one.

use std::time::Duration;

use serde_json::json;

use crate::stubborn;
use crate::support::{Bench, DEADLINE, eventually, fixture};

/// How long anything may outlive the master.
const AT_ONCE: Duration = Duration::from_secs(1);

#[track_caller]
fn nothing_is_left(bench: &Bench) {
    assert!(eventually(AT_ONCE, || bench.leftovers().is_empty()), "{}", bench.dump());
}

#[test]
fn grandchildren_in_sessions_of_their_own_do_not_outlive_the_master() {
    let bench = Bench::new();
    let command = fixture("forks.py");
    let mut args = vec!["--workers", "2", "--queue", "default", "--"];
    args.extend(command.iter().map(String::as_str));
    let mut master = bench.start(&args);
    let ids = [bench.push(&["ignore"]), bench.push(&["ordinary"])];
    for id in ids {
        bench.wait_for_job(id, "succeeded");
    }
    let sleeps = bench.leftovers().iter().filter(|left| left.command == "sleep 1000").count();
    assert_eq!(sleeps, 4, "{}", bench.dump());
    master.kill9();
    nothing_is_left(&bench);
}

#[test]
fn commands_and_what_they_put_aside_do_not_outlive_the_master() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "2"]);
    let script = "trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & sleep 1001' & nohup sleep 1002 & \
                  env -i sleep 1003";
    bench.push(&["--", "sh", "-c", script]);
    // The one without an environment cannot be found by it; so it is looked for from outside.
    let cleared = || {
        let pids =
            std::fs::read_dir("/proc").expect("this is Linux").filter_map(|e| e.ok()?.file_name().into_string().ok());
        let is_ours = |pid: &String| {
            let folder = std::path::Path::new("/proc").join(pid);
            let here = std::fs::read_link(folder.join("cwd")).is_ok_and(|cwd| cwd == bench.path());
            here && std::fs::read(folder.join("cmdline")).is_ok_and(|c| c == b"sleep\x001003\x00")
        };
        pids.filter(is_ours).count()
    };
    bench.wait_for("all of them", DEADLINE, |b| {
        b.leftovers().iter().filter(|left| left.command.starts_with("sleep 100")).count() == 3 && cleared() == 1
    });
    master.kill9();
    nothing_is_left(&bench);
    assert!(eventually(AT_ONCE, || cleared() == 0), "{}", bench.dump());
}

#[test]
fn a_guardian_that_is_killed_is_replaced_and_the_next_one_protects() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let mut master = stubborn::start(&bench);
    for _ in 0..3 {
        let old = stubborn::guardian(&bench).expect("a guardian");
        old.kill();
        bench.wait_for("another", DEADLINE, |b| stubborn::guardian(b).is_some_and(|new| new.pid != old.pid));
    }
    assert_eq!(bench.status()["master"]["state"], "running");
    assert_eq!(stubborn::workers(&bench).len(), 1, "nobody was harmed");
    master.kill9();
    nothing_is_left(&bench);
}

#[test]
fn workers_that_outlived_master_and_guardian_are_dead_before_their_job_is_handed_out_again() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let mut master = stubborn::start(&bench);
    let old = stubborn::workers(&bench);
    stubborn::kill_with_guardian(&bench, &mut master);
    // One that just becomes its program has no environment to be found by.
    assert!(eventually(AT_ONCE, || stubborn::workers(&bench) == old), "the test needs a survivor: {old:?}");
    let _next = stubborn::start(&bench);
    let new = stubborn::workers(&bench);
    assert!(new.len() == 1 && new != old, "{old:?} {new:?}");
    let job = bench.job(1);
    assert_eq!((&job["attempts"], &job["releases"]), (&json!(0), &json!(1)), "{job}");
    let runs = bench.runs(1);
    assert_eq!((&runs[0]["outcome"], &runs[0]["cause"]), (&json!("released"), &json!("master_lost")), "{runs:?}");
    assert_eq!((&runs[0]["generation"], &runs[0]["attempt"]), (&json!(1), &json!(1)), "{runs:?}");
    assert_eq!(runs[0]["error"], "the master died while this ran");
}

/// A master that dies between the beginning of its generation and the proof that the one before is dead.
pub(crate) fn a_generation_that_does_nothing(bench: &Bench) {
    let database = rusqlite::Connection::open(bench.database()).expect("the database");
    let sql = "INSERT INTO generations (generation, pid, pid_start, boot_id, cookie, version, started_at, run_high, worker_high) \
               SELECT generation + 1, pid, pid_start, boot_id, 'another', version, started_at, run_high, worker_high \
               FROM generations ORDER BY generation DESC LIMIT 1";
    assert_eq!(database.execute(sql, []).expect("it takes a row"), 1);
}

#[test]
fn survivors_of_a_master_are_found_although_the_next_one_died_while_it_recovered() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let mut master = stubborn::start(&bench);
    let old = stubborn::workers(&bench);
    stubborn::kill_with_guardian(&bench, &mut master);
    a_generation_that_does_nothing(&bench);
    a_generation_that_does_nothing(&bench);
    let mut next = stubborn::start(&bench);
    let new = stubborn::workers(&bench);
    assert!(new.len() == 1 && new != old, "{old:?} {new:?}");
    assert_eq!(bench.status()["master"]["generation"], 4);
    next.kill9();
    nothing_is_left(&bench);
}

#[test]
fn a_stopped_master_that_is_killed_leaves_nothing() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let mut master = stubborn::start(&bench);
    master.signal(nix::sys::signal::Signal::SIGSTOP);
    master.kill9();
    nothing_is_left(&bench);
    assert_eq!(bench.job(1)["state"], "running", "nobody has recovered it yet");
    assert_eq!(bench.run(&["status"]).code, 3);
}
