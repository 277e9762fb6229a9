//! `why`: each cause is set up for real, and the first sentence names it.

use std::fs;

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::{Value, json};

use crate::shim::{Kind, Shim};
use crate::support::{Bench, DEADLINE, fixture};

const HOLD: [&str; 4] = ["--", "sh", "-c", "while [ ! -e go ]; do sleep 0.02; done"];

fn configure(bench: &Bench, text: &str) {
    fs::write(bench.path().join("queue-work.toml"), text).expect("written");
}

fn open(bench: &Bench) {
    fs::write(bench.path().join("go"), "").expect("written");
}

fn why(bench: &Bench, what: &str) -> Value {
    serde_json::from_str(&bench.run(&["why", what, "--json"]).stdout).unwrap_or_default()
}

/// Codes of the reasons, in order.
fn codes(bench: &Bench, id: i64) -> Vec<String> {
    let why = why(bench, &id.to_string());
    let reasons = why["reasons"].as_array().cloned().unwrap_or_default();
    reasons.iter().filter_map(|reason| reason["code"].as_str().map(str::to_owned)).collect()
}

/// Waits until this is the first reason; its sentence and its next step, which people see in the first line.
#[track_caller]
fn first(bench: &Bench, id: i64, code: &str) -> (String, String) {
    let mut found = Value::Null;
    bench.wait_for(code, DEADLINE, |bench| {
        found = why(bench, &id.to_string())["reasons"][0].clone();
        found["code"] == code
    });
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("text"), text("next"))
}

#[track_caller]
fn says(bench: &Bench, id: i64, code: &str, sentence: &str) {
    let (text, _) = first(bench, id, code);
    assert!(text.starts_with(sentence), "{text}");
}

#[test]
fn without_a_master_that_is_the_reason_and_a_pause_or_a_wait_is_beside_it() {
    let bench = Bench::new();
    let job = bench.push(&["--", "true"]);
    let (text, next) = first(&bench, job, "no_master");
    assert!(text.starts_with("no master runs on `") && next.starts_with("start one with `queue-work"), "{text} {next}");
    let line = bench.ok(&["why", &job.to_string()]);
    assert!(line.starts_with("job 1 (ready): no master runs on `") && line.lines().count() == 1, "{line}");
    bench.ok(&["pause", "default"]);
    assert_eq!(codes(&bench, job), ["no_master", "paused"]);
    let later = bench.push(&["--delay=1h", "--expires=2h", "--unique=k", "--", "true"]);
    assert_eq!(codes(&bench, later), ["scheduled", "no_master", "paused", "expires", "unique"]);
    says(&bench, later, "scheduled", "it is due in ");
}

#[test]
fn a_job_that_is_not_there_was_deleted_or_never_pushed() {
    let bench = Bench::new();
    let (gone, kept) = (bench.push(&["--", "true"]), bench.push(&["--", "true"]));
    bench.ok(&["jobs", "delete", &gone.to_string()]);
    let run = bench.run(&["why", &gone.to_string()]).expect_code(4);
    assert!(run.stderr.contains("there is no job 1 any more: it was deleted, or ended longer ago than jobs are kept"));
    says(&bench, gone, "gone", "there is no job 1 any more");
    says(&bench, kept + 5, "gone", "there is no job 7, and there never was");
    bench.run(&["why", "two words"]).expect_code(2);
    let unknown = bench.run(&["why", "nosuch"]).expect_code(4).stderr;
    assert!(
        unknown.contains("there is no processor, service or other pool `nosuch`; see `queue-work status`"),
        "{unknown}"
    );
}

#[test]
fn a_queue_that_is_paused_or_that_nobody_serves_a_type_that_nobody_takes_and_a_pool_that_is_stopped_are_named() {
    let bench = Bench::new();
    configure(&bench, "[pools.default]\nworkers = 1\n[pools.mail]\nworkers = 1\n");
    let _master = bench.start(&[]);
    bench.ok(&["pause", "default"]);
    let paused = bench.push(&["--", "true"]);
    says(&bench, paused, "paused", "queue `default` is paused");
    let line = bench.ok(&["why", &paused.to_string()]);
    assert_eq!(
        line,
        format!("job {paused} (ready): queue `default` is paused; let it go on with `queue-work resume default`\n")
    );
    let nowhere = bench.push(&["--queue=images", "--", "true"]);
    says(&bench, nowhere, "unserved", "no pool serves queue `images` (1 ready)");
    let typed = bench.push(&["--queue=mail", "resize", "{}"]);
    says(&bench, typed, "unserved", "1 job in `mail`, the first of type `resize`, waits for a worker program");
    let unserved = &bench.status()["unserved"];
    let problem = unserved
        .as_array()
        .and_then(|all| all.iter().find(|one| one["queue"] == "mail"))
        .map(|one| one["problem"].clone());
    let (text, next) = first(&bench, typed, "unserved");
    assert_eq!(problem, Some(json!(format!("{text}; {next}"))), "the wording of `status`");
    bench.ok(&["scale", "0", "--pool=mail"]);
    let stopped = bench.push(&["--queue=mail", "--", "true"]);
    says(&bench, stopped, "pool_stopped", "pool `mail`, which would take it, is stopped");
    bench.ok(&["scale", "1", "--pool=mail"]);
    let job = bench.wait_for_job(stopped, "succeeded");
    assert_eq!(job["state"], "succeeded");
    says(&bench, stopped, "succeeded", "it succeeded ");
}

#[test]
fn workers_that_are_busy_that_start_or_that_do_not_come_up_are_named() {
    let bench = Bench::new();
    let slow = "while [ ! -e up ]; do sleep 0.02; done; echo '{\"method\":\"ready\"}'; exec cat";
    configure(
        &bench,
        &format!(
            "[pools.default]\nworkers = 1\n[pools.broken]\nworkers = 1\ncommand = [\"sh\", \"-c\", \"exit 3\"]\n\
             [pools.slow]\nready = \"message\"\nworkers = 2\ncommand = [\"sh\", \"-c\", {slow:?}]\n"
        ),
    );
    let _master = bench.start(&[]);
    let held = bench.push(&HOLD);
    bench.wait_for_job(held, "running");
    says(&bench, held, "running", "attempt 1 runs on `default-1` (pid ");
    let waits = bench.push(&["--", "true"]);
    says(
        &bench,
        waits,
        "busy",
        &format!("the only worker of pool `default` is busy, the longest with job {held} for "),
    );
    let (_, next) = first(&bench, waits, "busy");
    assert_eq!(next, "add a worker with `queue-work scale +1 --pool default`");
    let broken = bench.push(&["--queue=broken", "job", "{}"]);
    says(&bench, broken, "no_worker", "no worker of pool `broken` is ready: ");
    let starting = bench.push(&["--queue=slow", "job", "{}"]);
    says(&bench, starting, "starting", "no worker of pool `slow` is ready yet: 2 workers starting");
    open(&bench);
    bench.wait_for_job(waits, "succeeded");
}

#[test]
fn the_end_of_a_job_is_named_with_its_errors_the_first_and_the_last() {
    let bench = Bench::new();
    let hog: Vec<String> = fixture("hog.py").iter().map(|word| format!("{word:?}")).collect();
    configure(
        &bench,
        &format!(
            "[pools.default]\nworkers = 2\n[pools.hog]\nworkers = 1\nmemory_max = \"60M\"\nmax_crashes = 1\ncommand = [{}]\n",
            hog.join(", ")
        ),
    );
    let expired = bench.push(&["--expires=1ms", "--", "true"]);
    let cancelled = bench.push(&["--delay=1h", "--", "true"]);
    bench.ok(&["jobs", "cancel", &cancelled.to_string()]);
    let _master = bench.start(&[]);
    says(&bench, cancelled, "cancelled", "it was cancelled ");
    says(&bench, expired, "expired", "it expired ");
    let script = "echo \"no $QUEUE_WORK_ATTEMPT\" >&2; exit 7";
    let dies = bench.push(&["--max-attempts=2", "--", "sh", "-c", script]);
    says(&bench, dies, "retry", "attempt 1 of 2 failed (exit status 7: no 1), and the next one is due in ");
    bench.ok(&["jobs", "set", &dies.to_string(), "--delay=0s"]);
    let (text, next) = first(&bench, dies, "dead");
    assert_eq!(
        text,
        "it failed 2 times, as often as it may; first error: exit status 7: no 1; last error: exit status 7: no 2"
    );
    assert_eq!(next, format!("try it again with `queue-work jobs retry {dies}`"));
    let absent = bench.push(&["--", "/nonexistent/program"]);
    says(&bench, absent, "dead", "its command, or its type, does not exist");
    let hoards = bench.push(&["--queue=hog", "hog", "{\"mb\": 200}"]);
    let (text, _) = first(&bench, hoards, "dead");
    assert!(
        text.starts_with("its workers died under it, as often as they may; error: ") && text.contains("memory"),
        "{text}"
    );
}

#[test]
fn a_master_that_drains_stands_still_or_has_died_is_named() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    let held = bench.push(&HOLD);
    bench.wait_for_job(held, "running");
    let waits = bench.push(&["--", "true"]);
    master.signal(SIGSTOP);
    says(&bench, waits, "unreachable", &format!("master {} does not answer", master.pid()));
    master.signal(SIGCONT);
    bench.ok(&["stop", "--no-wait"]);
    says(&bench, waits, "draining", &format!("master {} is draining", master.pid()));
    master.kill9();
    says(&bench, held, "lost_master", "its master has ended without a word: the next one makes it ready again");
    bench.ok(&["pause", "default"]);
    let _next = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for("the job to be ready again", DEADLINE, |b| b.job(held)["state"] == "ready");
    assert_eq!(codes(&bench, held), ["paused", "lost_worker"]);
    let line = bench.ok(&["why", &held.to_string()]);
    assert!(
        line.contains("\nalso: its last run on `default-1` ended ") && line.contains("when its master died"),
        "{line}"
    );
    open(&bench);
}

#[test]
fn a_disk_that_is_full_is_named() {
    let bench = Bench::by_its_own_path();
    let shim = Shim::new(bench.path());
    let env = shim.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let waits = bench.push(&["--delay=1s", "--", "true"]);
    let _master = bench.start_with(&["--workers=1", "--queue=default"], &env);
    shim.fail(Kind::Write, "ENOSPC", (1, 0), "*");
    bench.run(&["push", "--", "true"]).expect_code(1);
    says(&bench, waits, "store", "the store takes no changes: ");
    shim.heal();
    bench.wait_for_job(waits, "succeeded");
}

#[test]
fn a_processor_says_when_it_runs_and_why_not() {
    let bench = Bench::new();
    configure(&bench, "[processors.report]\nevery = \"1h\"\ncommand = [\"true\"]\n");
    let codes = |bench: &Bench| {
        let why = why(bench, "report");
        why["reasons"].as_array().expect("reasons").iter().map(|reason| reason["code"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&bench), ["no_master"]);
    let _master = bench.start(&[]);
    bench.wait_for("the next tick", DEADLINE, |b| b.ok(&["why", "report"]).contains("its next run is due in "));
    bench.ok(&["processors", "disable", "report", "--reason", "the disk is full"]);
    let line = bench.ok(&["why", "report"]);
    assert!(
        line.starts_with("processor `report` (disabled): disabled by ") && line.contains("the disk is full"),
        "{line}"
    );
    assert!(line.ends_with("let it run with `queue-work processors enable report`\n"), "{line}");
    assert_eq!(why(&bench, "report")["state"], "disabled");
}
