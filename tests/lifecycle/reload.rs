//! A configuration that is read again while its master runs: by the verb and by SIGHUP.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::help::{expect, open, pids, pool, wait_ready, wait_worker, workers};
use crate::support::{Bench, DEADLINE, Run};

fn configure(bench: &Bench, text: &str) {
    fs::write(bench.path().join("queue-work.toml"), text).expect("written");
}

fn file(bench: &Bench) -> String {
    bench.path().join("queue-work.toml").canonicalize().expect("it is there").display().to_string()
}

/// The verb where no file is found, so that only the master reads one.
fn from_elsewhere(bench: &Bench, more: &[&str]) -> Run {
    bench.run(&[&["--config", "/dev/null", "reload"], more].concat())
}

/// A job that prints a variable of its pool when the gate is open; what it printed.
fn push_held(bench: &Bench, gate: &str) -> i64 {
    let script = format!("until [ -e {gate} ]; do sleep 0.05; done; echo $WORD");
    bench.push(&["--", "sh", "-c", &script])
}

fn result(bench: &Bench, job: i64) -> String {
    let job = bench.wait_for_job(job, "succeeded");
    job["result"].as_str().unwrap_or_default().trim_end().to_owned()
}

fn limit(bench: &Bench, of: &str, key: &str) -> Value {
    pool(bench, of)["limits"][key].clone()
}

fn names(bench: &Bench) -> Vec<String> {
    let pools = bench.status()["pools"].as_array().cloned().unwrap_or_default();
    pools.iter().map(|pool| pool["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_plan_is_shown_and_changes_nothing_and_then_is_what_happens() {
    let bench = Bench::new();
    configure(&bench, "[pools.mail]\nworkers = 1\n[pools.old]\nworkers = 1\n");
    let _master = bench.start(&[]);
    bench.ok(&["spawn", "--queue", "extra", "--workers", "1"]);
    let job = bench.push(&["--queue", "mail", "--delay", "1h", "--", "true"]);
    configure(
        &bench,
        "durability = \"process\"\n[keep]\ndead = \"1d\"\n[pools.mail]\nworkers = 2\ntimeout = \"7s\"\n[pools.ocr]\nworkers = 1\n",
    );
    let pools = "pools: mail workers 1 → 2, mail timeout 1h → 7s, +ocr (1 worker), -old\n";
    let options = "options: durability full → process (needs a restart of the master), keep.dead 30d → 1d\n";
    assert_eq!(bench.ok(&["reload", "--dry-run"]), format!("{pools}{options}nothing was changed: `--dry-run`\n"));
    let plan = bench.run(&["reload", "--dry-run", "--json"]).expect_code(0).json();
    assert_eq!((&plan["applied"], &plan["workers"], &plan["released"]), (&json!(false), &json!([]), &json!(0)));
    let first = json!({"kind": "pools", "name": "mail", "key": "workers", "was": "1", "now": "2", "how": "now"});
    assert_eq!(plan["changes"][0], first);
    assert_eq!(plan["changes"][4]["how"], "restart_master");
    expect(&pool(&bench, "mail"), &json!({"wanted": 1}));
    assert_eq!(names(&bench), ["extra", "mail", "old"]);

    let said = bench.ok(&["reload"]);
    assert_eq!(said, format!("{pools}{options}reloaded `{}`: 0 workers replaced\n", file(&bench)));
    expect(&pool(&bench, "mail"), &json!({"wanted": 2, "ready": 2}));
    assert_eq!(limit(&bench, "mail", "timeout"), "7s");
    expect(&pool(&bench, "ocr"), &json!({"wanted": 1, "ready": 1}));
    assert_eq!(names(&bench), ["extra", "mail", "ocr"]);
    assert_eq!(bench.job(job)["timeout_s"], 7.0);
    let again = "options: durability full → process (needs a restart of the master)\n";
    assert!(bench.ok(&["reload"]).starts_with(again));
}

#[test]
fn a_number_that_was_set_by_hand_stays_until_the_file_has_another() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n");
    let _master = bench.start(&[]);
    bench.ok(&["scale", "3"]);
    let said = bench.ok(&["reload"]);
    assert_eq!(said, format!("nothing has changed: `{}` says what it said before\n", file(&bench)));
    configure(&bench, "[pools.default]\nworkers = 1\nmax_attempts = 9\n");
    bench.ok(&["reload"]);
    expect(&pool(&bench, "default"), &json!({"wanted": 3}));
    assert_eq!(limit(&bench, "default", "max_attempts"), "9");
    configure(&bench, "[pools.default]\nworkers = 2\nmax_attempts = 9\n");
    bench.ok(&["reload"]);
    expect(&pool(&bench, "default"), &json!({"wanted": 2, "ready": 2}));
    let restarted = bench.run(&["restart", "--all"]).expect_code(0);
    assert_eq!(restarted.stderr, "", "the file is as the master has read it");
}

#[test]
fn what_workers_are_started_with_changes_with_new_workers_while_old_ones_finish_their_jobs() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\nenv = { WORD = \"secret-one\" }\n");
    let _master = bench.start(&[]);
    let old = pids(&wait_ready(&bench, 1));
    let held = push_held(&bench, "gate");
    wait_worker(&bench, "default-1", "busy");
    configure(&bench, "[pools.default]\nworkers = 1\nenv = { WORD = \"secret-two\" }\n");
    let mut waiting = bench.command(&["reload"]);
    let mut waiting =
        waiting.stderr(fs::File::create(bench.path().join("said")).expect("a file")).spawn().expect("runs");
    let said = || fs::read_to_string(bench.path().join("said")).unwrap_or_default();
    bench.wait_for("the verb to say what it waits for", DEADLINE, |_| said().contains("1 job still runs"));
    // A further change, while that waits.
    configure(&bench, "[pools.default]\nworkers = 1\nenv = { WORD = \"secret-two\" }\n[pools.more]\nworkers = 1\n");
    assert!(bench.ok(&["reload"]).starts_with("pools: +more (1 worker)\n"));
    let next = push_held(&bench, "gate-2");
    bench.wait_for("the new worker to do it", DEADLINE, |b| b.job(next)["state"] == "running");
    open(&bench, "gate-2");
    assert_eq!(result(&bench, next), "secret-two");
    assert!(waiting.try_wait().expect("ours").is_none());
    open(&bench, "gate");
    assert_eq!(result(&bench, held), "secret-one");
    assert!(waiting.wait().expect("ours").success());
    let new = pids(&wait_ready(&bench, 2));
    assert!(!new.contains(&old[0]), "{old:?} {new:?}");
}

#[test]
fn a_job_that_reloads_the_file_of_its_own_pool_runs_once() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n");
    let _master = bench.start(&[]);
    configure(&bench, "[pools.default]\nworkers = 1\nenv = { WORD = \"x\" }\n");
    let job = bench.push(&["--", env!("CARGO_BIN_EXE_queue-work"), "reload"]);
    let said = result(&bench, job);
    assert!(said.ends_with("1 worker to be replaced"), "{said}");
    assert_eq!(bench.runs(job).len(), 1);
    bench.wait_for("another worker", DEADLINE, |b| b.status()["workers"][0]["restarts"] == 1);
}

#[test]
fn a_program_that_does_not_come_up_is_told_and_the_old_workers_go_on() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\ncommand = [\"sleep\", \"1h\"]\nkind = \"opaque\"\n");
    let _master = bench.start(&[]);
    let old = pids(&wait_ready(&bench, 1));
    configure(&bench, "[pools.default]\nworkers = 1\ncommand = [\"no-such-program\"]\nkind = \"opaque\"\n");
    let run = bench.run(&["reload"]).expect_code(1);
    assert!(run.stderr.contains("no-such-program"), "{}", run.stderr);
    assert_eq!(pids(&workers(&bench)), old);
    configure(&bench, "[pools.default]\nworkers = 1\ncommand = [\"sleep\", \"2h\"]\nkind = \"opaque\"\n");
    let said = bench.ok(&["reload"]);
    assert!(said.starts_with("pools: default command no-such-program → sleep 2h (rolling)\n"), "{said}");
    assert_ne!(pids(&wait_ready(&bench, 1)), old);
}

#[test]
fn a_kind_that_is_another_begins_anew_and_jobs_go_to_workers_that_can_do_them() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n");
    let _master = bench.start(&[]);
    let held = push_held(&bench, "gate");
    wait_worker(&bench, "default-1", "busy");
    let typed = bench.push(&["greet", "\"you\""]);
    configure(&bench, "[pools.default]\nworkers = 1\nkind = \"exec\"\ncommand = [\"echo\", \"hello\", \"{}\"]\n");
    bench.ok(&["reload", "--no-wait"]);
    assert_eq!(result(&bench, typed), "hello you");
    assert_eq!(bench.job(held)["state"], "running");
    open(&bench, "gate");
    bench.wait_for_job(held, "succeeded");
    wait_ready(&bench, 1);
}

#[test]
fn a_file_that_is_wrong_or_gone_or_that_others_may_write_changes_nothing() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n");
    let path = bench.path().join("queue-work.toml");
    let _master = bench.start(&[]);
    let name = file(&bench);
    let before = pids(&wait_ready(&bench, 1));
    let refused = |said: &str| {
        for more in [&[][..], &["--dry-run"]] {
            let run = from_elsewhere(&bench, more).expect_code(2);
            assert_eq!((run.stdout.as_str(), run.stderr), ("", format!("queue-work: {name}{said}\n")));
        }
    };
    configure(&bench, "[pools.default]\nworkers = 2\ncwd = \"x\"\nmemory = \"1K\"\n[pools.\"a/b\"]\nx = 1\n");
    let run = from_elsewhere(&bench, &[]).expect_code(2);
    let check = bench.run(&["config", "check"]).expect_code(2);
    assert_eq!(run.stderr, check.stderr.replace("queue-work: queue-work.toml", &format!("queue-work: {name}")));
    assert!(run.stderr.contains(&format!("{name}:4:10: `memory` is 1K")), "{}", run.stderr);
    assert_eq!(bench.run(&["reload"]).expect_code(2).stderr, check.stderr);
    fs::remove_file(&path).expect("it was there");
    refused(": the configuration cannot be read: No such file or directory (os error 2)");
    fs::create_dir(&path).expect("a folder");
    refused(": it is no regular file, so it cannot be read again");
    fs::remove_dir(&path).expect("it was there");
    configure(&bench, "[pools.default]\nworkers = 2\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("ours");
    let run = from_elsewhere(&bench, &[]).expect_code(2);
    assert!(run.stderr.contains("the configuration cannot be read: it "), "{}", run.stderr);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    assert_eq!(pids(&workers(&bench)), before);
    expect(&pool(&bench, "default"), &json!({"wanted": 1}));
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(64124), None).expect("we are root");
        let run = from_elsewhere(&bench, &[]).expect_code(2);
        assert!(run.stderr.contains("the configuration cannot be read: it "), "{}", run.stderr);
        std::os::unix::fs::chown(&path, Some(0), None).expect("we are root");
    } else {
        println!("skipped: to give a file to another user takes root");
    }
    bench.ok(&["reload"]);
    expect(&pool(&bench, "default"), &json!({"wanted": 2, "ready": 2}));
}

#[test]
fn a_master_without_a_file_and_one_that_stops_say_so() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    let run = bench.run(&["reload"]).expect_code(5);
    assert!(run.stderr.contains("runs without a configuration file"), "{}", run.stderr);
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);
    configure(&bench, "[pools.default]\nworkers = 1\ngrace = \"1h\"\n");
    let mut master = bench.start(&[]);
    push_held(&bench, "gate");
    wait_worker(&bench, "default-1", "busy");
    bench.ok(&["stop", "--no-wait"]);
    configure(&bench, "[pools.default]\nworkers = 2\n");
    assert_eq!(bench.run(&["reload"]).expect_code(5).stderr, "queue-work: the master is stopping\n");
    open(&bench, "gate");
    assert!(master.wait_exit(DEADLINE).success());
}

#[test]
fn a_pool_that_was_spawned_keeps_its_name() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n");
    let _master = bench.start(&[]);
    bench.ok(&["spawn", "--queue", "mail", "--workers", "1"]);
    configure(&bench, "[pools.default]\nworkers = 2\n[pools.mail]\nworkers = 2\n");
    let run = bench.run(&["reload"]).expect_code(5);
    assert!(run.stderr.contains("a pool `mail` was added by `spawn`"), "{}", run.stderr);
    expect(&pool(&bench, "default"), &json!({"wanted": 1}));
    bench.ok(&["stop", "--pool", "mail"]);
    bench.ok(&["reload"]);
    expect(&pool(&bench, "mail"), &json!({"wanted": 2, "ready": 2}));
    configure(&bench, "[pools.default]\nworkers = 2\n[pools.mail-1]\n");
    assert!(bench.run(&["reload"]).expect_code(5).stderr.contains("would be taken for a worker of it"));
}

#[test]
fn what_the_command_line_says_stays() {
    let bench = Bench::new();
    configure(&bench, "[defaults]\nworkers = 1\n");
    let _master = bench.start_with(&["--queue", "a"], &[("QUEUE_WORK_MAX_ATTEMPTS", "8")]);
    configure(&bench, "[defaults]\nworkers = 2\nmax_attempts = 4\n[pools.b]\n");
    let run = bench.run(&["reload"]).expect_code(0);
    assert!(run.stdout.starts_with("pools: a workers 1 → 2\noptions: defaults.workers 1 → 2\n"), "{run:?}");
    assert!(run.stderr.contains("warning: `--queue`: the pools of"), "{run:?}");
    expect(&pool(&bench, "a"), &json!({"wanted": 2}));
    assert_eq!(limit(&bench, "a", "max_attempts"), "8");
    assert_eq!(names(&bench), ["a"]);
}

#[test]
fn a_hook_and_the_size_of_logs_hold_from_the_reload_on() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n");
    let _master = bench.start(&[]);
    let hook = "on_idle = [\"touch\", \"idle\"]\n";
    configure(&bench, &format!("log_file_size = \"1K\"\nlog_files = 2\n[pools.default]\nworkers = 1\n{hook}"));
    bench.ok(&["reload"]);
    let job = bench.push(&["--", "seq", "2000"]);
    bench.wait_for_job(job, "succeeded");
    bench.wait_for("the hook", DEADLINE, |b| b.path().join("idle").exists());
    let logs = bench.database().with_extension("db.logs");
    let size = |name: &str| logs.join(name).metadata().map_or(0, |about| about.len());
    bench.wait_for("the logs", DEADLINE, |_| size("default-1.log.1") > 0);
    assert!((1..=1024).contains(&size("default-1.log.1")) && size("default-1.log.2") == 0);
}

#[test]
fn processors_that_are_new_run_and_those_that_are_gone_do_not() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n");
    let _master = bench.start(&[]);
    let runs = |name: &str| {
        let processor = format!("[processors.{name}]\nevery = \"100ms\"\ncommand = [\"touch\", \"{name}\"]\n");
        configure(&bench, &format!("[pools.default]\nworkers = 1\n{processor}"));
        let said = bench.ok(&["reload"]);
        bench.wait_for(name, DEADLINE, |b| b.path().join(name).exists());
        said
    };
    let said = runs("one");
    assert!(said.starts_with("pools: +processors (1 worker)\nprocessors: +one (every 100ms)\n"), "{said}");
    let said = runs("two");
    assert!(said.starts_with("processors: +two (every 100ms), -one\n"), "{said}");
    // Whatever of it was on its way is over.
    bench.wait_for("the runs of the one before", DEADLINE, |b| {
        let jobs = b.run(&["jobs", "list", "--state", "ready,running", "--json"]).json().to_string();
        !jobs.contains("\"one\"")
    });
    fs::remove_file(bench.path().join("one")).expect("it was made");
    fs::remove_file(bench.path().join("two")).expect("it was made");
    bench.wait_for("a further run", DEADLINE, |b| b.path().join("two").exists());
    assert!(!bench.path().join("one").exists());
}

#[test]
fn a_hangup_stops_the_master_unless_the_file_has_it_reload() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n");
    let mut master = bench.start(&[]);
    master.signal(Signal::SIGHUP);
    assert!(master.wait_exit(DEADLINE).success());

    let hup = "[signals]\nhup = \"reload\"\n";
    configure(&bench, &format!("{hup}[pools.default]\nworkers = 1\n"));
    let mut master = bench.start(&[]);
    let said = |text: &str| bench.wait_for(text, DEADLINE, |_| master.stderr().contains(text));
    configure(&bench, &format!("{hup}[pools.default]\nworkers = 2\n"));
    master.signal(Signal::SIGHUP);
    said(&format!("reloaded `{}`: pools: default workers 1 → 2\n", file(&bench)));
    wait_ready(&bench, 2);
    configure(&bench, &format!("{hup}[pools.default]\nworkers = -1\nx = 1\n"));
    master.signal(Signal::SIGHUP);
    let name = file(&bench);
    said(&format!("problem: the configuration is not reloaded: {name}:4:11: `workers` is -1; the least is 0\n"));
    said(&format!("problem: the configuration is not reloaded: {name}:5:1: unknown key `x`"));
    // The word of the file counts from when it is read.
    configure(&bench, "[pools.default]\nworkers = 2\n");
    master.signal(Signal::SIGHUP);
    said("options: signals.hup reload → stop");
    master.signal(Signal::SIGHUP);
    assert!(master.wait_exit(DEADLINE).success());
}

#[test]
fn the_log_in_json_has_the_plan() {
    let bench = Bench::new();
    let hup = "[signals]\nhup = \"reload\"\n";
    configure(&bench, &format!("{hup}[pools.default]\nworkers = 1\n"));
    let master = bench.start(&["--log-format", "json"]);
    configure(&bench, &format!("{hup}[pools.default]\nworkers = 1\nenv = {{ A = \"1\" }}\n"));
    master.signal(Signal::SIGHUP);
    let found = || master.stderr().lines().find(|line| line.contains("\"event\":\"reloaded\"")).map(str::to_owned);
    bench.wait_for("the event", DEADLINE, |_| found().is_some());
    let event: Value = serde_json::from_str(&found().unwrap_or_default()).expect("JSON");
    let change =
        json!({"kind": "pools", "name": "default", "key": "env.A", "was": null, "now": "(set)", "how": "rolling"});
    assert_eq!((&event["data"]["changes"], &event["level"]), (&json!([change]), &json!("info")));
    bench.wait_for("another worker", Duration::from_secs(10), |b| b.status()["workers"][0]["restarts"] == 1);
}
