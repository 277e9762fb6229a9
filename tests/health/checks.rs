//! `health`: its exit code, its JSON, and the check that fails.

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::{Value, json};

use crate::shim::{Kind, Shim};
use crate::support::{Bench, DEADLINE, Run};

const HOLD: [&str; 4] = ["--", "sh", "-c", "while [ ! -e go ]; do sleep 0.05; done"];

fn configure(bench: &Bench, text: &str) {
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("written");
}

fn health(bench: &Bench) -> Run {
    bench.run(&["health", "--json"])
}

/// Names and messages of the checks that do not pass.
fn wrong(health: &Value) -> Vec<(String, String, String)> {
    let checks = health["checks"].as_array().expect("checks");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let wrong = checks.iter().filter(|check| check["status"] != "pass");
    wrong.map(|check| (text(&check["name"]), text(&check["status"]), text(&check["message"]))).collect()
}

/// Waits until this check alone does not pass; its message.
#[track_caller]
fn expect_wrong(bench: &Bench, name: &str, mark: &str, verdict: &str) -> String {
    let mut message = String::new();
    bench.wait_for(name, DEADLINE, |bench| {
        let run = health(bench);
        if run.stdout.is_empty() {
            return false;
        }
        let health = run.json();
        match &wrong(&health)[..] {
            [(found, status, text)] if found == name && status == mark => {
                message.clone_from(text);
                run.code == 1 && health["status"] == verdict
            }
            _ => false,
        }
    });
    message
}

#[test]
fn a_master_is_healthy_with_code_0_and_one_that_is_not_there_has_code_3() {
    let bench = Bench::new();
    let run = health(&bench).expect_code(3);
    let none = json!({"name": "master", "status": "fail", "message": "no master runs"});
    assert_eq!((&run.json()["status"], &run.json()["checks"][0]), (&json!("unhealthy"), &none));
    assert!(run.stderr.starts_with("queue-work: no master runs on `"), "{run:?}");
    let run = bench.run(&["health"]).expect_code(3);
    assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1));

    let _master = bench.start(&["--workers=2", "--queue=default"]);
    bench.wait_for("both workers", DEADLINE, |b| health(b).stdout.contains("2 of 2 workers ready"));
    let run = health(&bench).expect_code(0);
    let names: Vec<Value> =
        run.json()["checks"].as_array().expect("checks").iter().map(|c| c["name"].clone()).collect();
    assert_eq!(
        json!(names),
        json!(["master", "store", "machine", "pools", "services", "queues", "wait", "processors"])
    );
    assert_eq!((&run.json()["status"], wrong(&run.json())), (&json!("healthy"), Vec::new()));
    assert!(bench.ok(&["health"]).starts_with("healthy\npass  master      master "));
    assert_eq!(bench.ok(&["health", "-q"]), "");
}

#[test]
fn a_queue_without_a_pool_and_a_job_that_waits_for_too_long_degrade_a_master() {
    let bench = Bench::new();
    configure(&bench, "[health]\nmax_wait = \"100ms\"\n[pools.default]\nworkers = 1\n");
    let _master = bench.start(&[]);
    let held = bench.push(&HOLD);
    bench.wait_for_job(held, "running");
    let waits = bench.push(&["--", "true"]);
    let text = expect_wrong(&bench, "wait", "warn", "degraded");
    assert!(
        text.starts_with("the first ready job of queue `default` has waited for ")
            && text.ends_with("longer than 100ms"),
        "{text}"
    );
    assert_eq!(bench.run(&["health", "-q"]).expect_code(1).stdout, "");
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for_job(waits, "succeeded");
    health(&bench).expect_code(0);

    configure(&bench, "[pools.default]\nworkers = 1\n");
    bench.push(&["--queue=images", "--", "true"]);
    let text = expect_wrong(&bench, "queues", "warn", "degraded");
    assert!(text.starts_with("no pool serves queue `images` (1 ready); add one with `queue-work spawn "), "{text}");
    bench.ok(&["pause", "images"]);
    health(&bench).expect_code(0);
}

#[test]
fn a_pool_that_is_wholly_in_backoff_is_unhealthy_and_one_that_was_stopped_is_not() {
    let bench = Bench::new();
    configure(
        &bench,
        "[pools.mail]\nworkers = 2\ncommand = [\"sh\", \"-c\", \"exit 3\"]\n[pools.images]\nworkers = 1\n",
    );
    let _master = bench.start(&[]);
    let text = expect_wrong(&bench, "pools", "fail", "unhealthy");
    assert!(text.starts_with("no worker of pool `mail` is ready: ") && text.contains('3'), "{text}");
    bench.ok(&["scale", "0", "--pool=mail"]);
    bench.wait_for("health", DEADLINE, |b| health(b).code == 0);
    assert!(health(&bench).stdout.contains("2 pools, 1 stopped"));
}

#[test]
fn a_master_that_drains_or_does_not_answer_is_unhealthy() {
    let bench = Bench::new();
    let master = bench.start(&["--workers=1", "--queue=default"]);
    master.signal(SIGSTOP);
    let run = health(&bench).expect_code(1);
    let [(name, mark, text)] = &wrong(&run.json())[..] else { panic!("{run:?}") };
    assert_eq!((name.as_str(), mark.as_str()), ("master", "fail"));
    assert!(text.starts_with(&format!("master {} does not answer", master.pid())), "{text}");
    master.signal(SIGCONT);
    let held = bench.push(&HOLD);
    bench.wait_for_job(held, "running");
    bench.ok(&["stop", "--no-wait"]);
    let text = expect_wrong(&bench, "master", "fail", "unhealthy");
    assert!(text.ends_with("is draining: it ends when its jobs are done, and begins no other"), "{text}");
    std::fs::write(bench.path().join("go"), "").expect("written");
}

#[test]
fn a_disk_that_is_full_makes_the_store_fail_until_there_is_room() {
    let bench = Bench::by_its_own_path();
    let shim = Shim::new(bench.path());
    let env = shim.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let _master = bench.start_with(&["--workers=1", "--queue=default"], &env);
    shim.fail(Kind::Write, "ENOSPC", (1, 0), "*");
    bench.run(&["push", "--", "true"]).expect_code(1);
    let text = expect_wrong(&bench, "store", "fail", "unhealthy");
    assert!(text.contains("full"), "{text}");
    shim.heal();
    bench.wait_for("health", DEADLINE, |b| b.run(&["push", "--", "true"]).code == 0 && health(b).code == 0);
}
