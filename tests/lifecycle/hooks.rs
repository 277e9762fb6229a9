//! Hooks: what they are told and when, and that nothing they do holds up anything but the end of their master.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Bench, DEADLINE, Master, fixture, now};

/// Writes a configuration with these hooks for the pool `default`, whose jobs are tried once.
fn configure(bench: &Bench, more: &str) {
    let config = format!("[defaults]\nmax_attempts = 1\nworkers = 2\n[pools.default]\n{more}\n");
    std::fs::write(bench.path().join("queue-work.toml"), config).expect("written");
}

/// A key whose value is a script for the shell.
fn hook(key: &str, script: &str) -> String {
    format!("{key} = [\"sh\", \"-c\", '''{script}''']\n")
}

fn text(bench: &Bench, file: &str) -> String {
    std::fs::read_to_string(bench.path().join(file)).unwrap_or_default()
}

/// The lines of a file that hooks have written, each of them JSON.
fn told(bench: &Bench, file: &str) -> Vec<Value> {
    text(bench, file).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn problems(bench: &Bench) -> String {
    bench.status()["master"]["problems"].to_string()
}

fn lives(bench: &Bench, file: &str) -> bool {
    let pid = text(bench, file).trim().to_owned();
    !pid.is_empty() && Path::new("/proc").join(pid).join("exe").read_link().is_ok()
}

fn bad(bench: &Bench) -> i64 {
    bench.push(&["--", "sh", "-c", "echo no such customer >&2; exit 3"])
}

/// Whether nothing is ready or running in any queue.
fn totals_are_zero(bench: &Bench) -> bool {
    let queues = bench.status()["queues"].clone();
    queues.as_array().is_some_and(|all| all.iter().all(|q| q["ready"] == 0 && q["running"] == 0))
}

#[track_caller]
fn wait_for_file(bench: &Bench, file: &str) {
    bench.wait_for(file, DEADLINE, |b| text(b, file).ends_with('\n'));
}

fn start(bench: &Bench) -> Master<'_> {
    bench.start(&[])
}

#[test]
fn a_dead_job_is_told_of_with_its_whole_record_and_what_the_hook_prints_is_in_a_log() {
    let bench = Bench::new();
    let script = "cat >> dead; env | grep ^QUEUE_WORK_ | sort > variables; echo told; echo loudly >&2";
    configure(&bench, &hook("on_dead", script));
    let _master = start(&bench);
    let well = bench.push(&["--", "true"]);
    bench.wait_for_job(well, "succeeded");
    let id = bench.push(&["--label", "night", "--", "sh", "-c", "echo no such customer >&2; exit 3"]);
    bench.wait_for("the log", DEADLINE, |b| b.run(&["logs", "hook"]).stdout.contains("loudly"));
    let job = bench.job(id);
    assert_eq!(told(&bench, "dead"), std::slice::from_ref(&job));
    assert_eq!((&job["state"], &job["label"]), (&json!("dead"), &json!("night")));
    assert_eq!(job["error"], "exit status 3: no such customer");
    let variables = text(&bench, "variables");
    for line in
        ["QUEUE_WORK_HOOK=on_dead", "QUEUE_WORK_POOL=default", "QUEUE_WORK_QUEUE=default", "QUEUE_WORK_JOB_ID=2"]
    {
        assert!(variables.lines().any(|found| found == line), "{line}: {variables}");
    }
    let log: Vec<Value> = bench.run(&["logs", "hook", "--json"]).json().as_array().expect("lines").clone();
    let mut lines: Vec<_> =
        log.iter().map(|l| format!("{} {} {} {}", l["worker"], l["stream"], l["job"], l["text"])).collect();
    lines.sort();
    assert_eq!(lines, [r#""hook" "err" 2 "loudly""#, r#""hook" "out" 2 "told""#]);
    assert_eq!(problems(&bench), "null");
}

#[test]
fn a_pool_that_becomes_idle_is_told_of_once_each_time() {
    let bench = Bench::new();
    let more = hook("on_idle", "cat >> idle; echo $QUEUE_WORK_HOOK $QUEUE_WORK_QUEUE $QUEUE_WORK_JOB_ID >> variables");
    configure(&bench, &format!("queues = [\"high\", \"default\"]\n{more}"));
    let mut master = start(&bench);
    for round in 1..=3 {
        let lines = "x\n".repeat(50);
        bench.verb(&["push", "--lines", "--queue=high", "--", "true"]).stdin(lines).run().expect_code(0);
        bench.wait_for("the end of all", DEADLINE, |b| totals_are_zero(b) && told(b, "idle").len() >= round);
        // Other changes of a queue without work are nothing new.
        bench.ok(&["jobs", "delete", &(50 * round).to_string()]);
        bench.ok(&["pause", "high"]);
        bench.ok(&["resume", "high"]);
    }
    bench.ok(&["stop"]);
    assert!(master.wait_exit(DEADLINE).success(), "{}", master.stderr());
    assert_eq!(told(&bench, "idle"), vec![json!({"pool": "default", "queues": ["high", "default"]}); 3]);
    assert_eq!(text(&bench, "variables"), "on_idle high,default\n".repeat(3));
}

#[test]
fn a_pool_with_a_retry_or_a_paused_job_is_not_idle() {
    let bench = Bench::new();
    configure(&bench, &format!("backoff = \"300ms\"\nworkers = 1\n{}", hook("on_idle", "cat >> idle")));
    let _master = start(&bench);
    let id = bench.push(&["--max-attempts=2", "--", "sh", "-c", "test -e again || { touch again; exit 1; }"]);
    bench.wait_for_job(id, "succeeded");
    wait_for_file(&bench, "idle");
    bench.ok(&["pause", "default"]);
    let held = bench.push(&["--", "true"]);
    let other = bench.push(&["--delay=1h", "--", "true"]);
    bench.ok(&["jobs", "delete", &other.to_string()]);
    bench.ok(&["resume", "default"]);
    bench.wait_for_job(held, "succeeded");
    bench.wait_for("the hook", DEADLINE, |b| told(b, "idle").len() == 2);
}

#[test]
fn a_hook_that_hangs_is_ended_with_all_it_started_and_holds_up_no_job() {
    let bench = Bench::new();
    let script = "test -e mended && exit 0; trap \"\" TERM; sleep 1000 & echo $! > child; setsid sleep 1000 & echo $! > far; wait; sleep 1000";
    configure(&bench, &format!("hook_timeout = \"300ms\"\nkill_after = \"100ms\"\n{}", hook("on_dead", script)));
    let master = start(&bench);
    bad(&bench);
    let other = bench.push(&["--", "true"]);
    bench.wait_for_job(other, "succeeded");
    let said = "`on_dead` of pool `default` took longer than 300ms (`hook_timeout`), and was ended; see `queue-work logs hook`";
    bench.wait_for("the problem", DEADLINE, |b| problems(b).contains(said));
    bench.wait_for("the end of what it had started", DEADLINE, |b| !lives(b, "child") && !lives(b, "far"));
    assert!(bench.ok(&["logs", "hook"]).contains("took longer than 300ms"), "the next step");
    assert!(master.stderr().contains(said), "{}", master.stderr());
    std::fs::write(bench.path().join("mended"), "").expect("written");
    bad(&bench);
    bench.wait_for("no problem", DEADLINE, |b| problems(b) == "null");
}

#[test]
fn a_hook_that_fails_or_cannot_be_started_is_named_until_it_works_and_changes_no_job() {
    let bench = Bench::new();
    configure(&bench, &hook("on_dead", "test -e mended || exit 4"));
    let master = start(&bench);
    let ids = [bad(&bench), bad(&bench)];
    let failed = "`on_dead` of pool `default` failed (exit code 4); see `queue-work logs hook`";
    bench.wait_for("the problem", DEADLINE, |b| problems(b).contains(failed));
    bench.wait_for("both calls", DEADLINE, |b| b.ok(&["logs", "hook"]).matches("exit code 4").count() == 2);
    assert_eq!(master.stderr().matches(failed).count(), 1, "said once: {}", master.stderr());
    for id in ids {
        assert_eq!((&bench.job(id)["state"], bench.runs(id).len()), (&json!("dead"), 1));
    }
    std::fs::write(bench.path().join("mended"), "").expect("written");
    bad(&bench);
    bench.wait_for("no problem", DEADLINE, |b| problems(b) == "null");
    drop(master);

    configure(&bench, "on_dead = [\"no-such-hook\"]");
    let _master = start(&bench);
    bad(&bench);
    let cannot = "`on_dead` of pool `default` cannot be started: cannot run `no-such-hook`: not found in PATH";
    bench.wait_for("the problem", DEADLINE, |b| problems(b).contains(cannot));
    assert!(bench.ok(&["logs", "hook"]).contains("no-such-hook"), "the next step");
}

/// Pushes jobs for the worker that fails them all.
fn push_bad(bench: &Bench, jobs: usize) {
    let lines = "{\"type\":\"t\",\"args\":{\"retry\":false}}\n".repeat(jobs);
    bench.verb(&["push", "--jsonl"]).stdin(lines).run().expect_code(0);
}

fn failing_worker(script: &str) -> String {
    format!("command = {}\n{}", json!(fixture("fail.py")), hook("on_dead", script))
}

#[test]
fn a_drain_waits_for_the_hooks_of_a_thousand_jobs_that_died_at_once() {
    let bench = Bench::new();
    let script = "ls /proc/self/task > /dev/null; cat >> dead";
    configure(&bench, &format!("{}{}", failing_worker(script), hook("on_idle", "sleep 0.2; cat >> idle")));
    push_bad(&bench, 1000);
    let run = bench.run(&["--drain"]).expect_code(1);
    assert!(run.stderr.contains("1000 jobs died"), "{}", run.stderr);
    let ids: BTreeSet<i64> = told(&bench, "dead").iter().map(|job| job["id"].as_i64().expect("an id")).collect();
    assert_eq!((ids.len(), told(&bench, "dead").len()), (1000, 1000));
    assert_eq!(told(&bench, "idle").len(), 1);
    bench.expect_no_leftovers();
}

#[test]
fn more_calls_than_may_wait_are_left_out_counted_and_named_and_nothing_is_stuck() {
    let bench = Bench::new();
    let script = "cat > /dev/null; echo $QUEUE_WORK_JOB_ID >> begun; while ! test -e go; do sleep 0.05; done; echo $QUEUE_WORK_JOB_ID >> done";
    configure(&bench, &failing_worker(script));
    let master = start(&bench);
    push_bad(&bench, 1100);
    bench.wait_for("the problem", DEADLINE, |b| problems(b).contains("96 calls of hooks left out, as 1000 wait"));
    bench.wait_for("all places", DEADLINE, |b| text(b, "begun").lines().count() == 4);
    assert_eq!(bench.status()["queues"][0]["dead"], 1100);
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for("the other calls", 2 * DEADLINE, |b| text(b, "done").lines().count() == 1004);
    bench.wait_for("no problem", DEADLINE, |b| problems(b) == "null");
    let said = "96 calls of hooks left out in all, as too many waited";
    assert!(master.stderr().contains(said), "{}", master.stderr());
}

#[test]
fn no_hook_outlives_a_master_that_is_killed() {
    let bench = Bench::new();
    let script =
        "setsid sleep 1000 & echo $! > far; env -i sleep 1000 & echo $! > bare; trap \"\" TERM HUP; wait; sleep 1000";
    configure(&bench, &hook("on_dead", script));
    let mut master = start(&bench);
    bad(&bench);
    wait_for_file(&bench, "far");
    wait_for_file(&bench, "bare");
    master.kill9();
    bench.wait_for("the end of all", DEADLINE, |b| b.leftovers().is_empty() && !lives(b, "far") && !lives(b, "bare"));
}

#[test]
fn a_hook_has_the_rest_of_the_grace_when_the_master_stops_and_is_then_ended() {
    let bench = Bench::new();
    let script = "touch begun; echo > begun; sleep 0.5; echo > done; test -e short || sleep 1000";
    configure(&bench, &format!("grace = \"2s\"\nkill_after = \"100ms\"\n{}", hook("on_dead", script)));
    let mut master = start(&bench);
    let id = bad(&bench);
    wait_for_file(&bench, "begun");
    let begun = now();
    master.signal(Signal::SIGTERM);
    assert!(master.wait_exit(DEADLINE).success(), "{}", master.stderr());
    assert!(now() - begun >= Duration::from_secs(1), "it had its grace");
    assert!(text(&bench, "done").ends_with('\n'));
    assert!(master.stderr().contains("`on_dead` of pool `default` was ended: the master ends"), "{}", master.stderr());
    bench.expect_no_leftovers();

    std::fs::write(bench.path().join("short"), "").expect("written");
    for file in ["begun", "done"] {
        std::fs::remove_file(bench.path().join(file)).expect("removed");
    }
    let mut master = start(&bench);
    bench.ok(&["jobs", "retry", &id.to_string()]);
    wait_for_file(&bench, "begun");
    master.signal(Signal::SIGTERM);
    assert!(master.wait_exit(DEADLINE).success());
    assert!(text(&bench, "done").ends_with('\n') && !master.stderr().contains("on_dead"), "{}", master.stderr());
}

#[test]
fn calls_that_have_no_place_before_the_master_ends_are_counted() {
    let bench = Bench::new();
    let script = "echo begun >> begun; sleep 1000";
    configure(&bench, &format!("grace = \"300ms\"\n{}", hook("on_dead", script)));
    let mut master = start(&bench);
    for _ in 0..6 {
        let id = bad(&bench);
        bench.wait_for_job(id, "dead");
    }
    bench.wait_for("four calls", DEADLINE, |b| text(b, "begun").lines().count() == 4);
    master.signal(Signal::SIGTERM);
    assert!(master.wait_exit(DEADLINE).success(), "{}", master.stderr());
    let said = master.stderr();
    assert!(said.contains("2 calls of hooks left out: the master ends"), "{said}");
    assert_eq!(said.matches("was ended: the master ends").count(), 4, "{said}");
    bench.expect_no_leftovers();
}

#[test]
fn a_second_interrupt_ends_hooks_at_once() {
    let bench = Bench::new();
    configure(
        &bench,
        &format!("kill_after = \"1h\"\n{}", hook("on_dead", "trap \"\" TERM; echo > begun; sleep 1000; sleep 1000")),
    );
    let mut master = start(&bench);
    bad(&bench);
    wait_for_file(&bench, "begun");
    master.signal(Signal::SIGINT);
    bench.wait_for("the first one", DEADLINE, |b| b.status()["master"]["state"] == "draining");
    master.signal(Signal::SIGINT);
    master.wait_exit(DEADLINE);
    bench.expect_no_leftovers();
}

#[test]
fn hooks_are_keys_of_the_defaults_and_of_pools_and_have_variables() {
    let bench = Bench::new();
    let config = "[defaults]\nmax_attempts = 1\non_dead = [\"./tell\", \"${WHOM}\"]\n[pools.mail]\n[pools.video]\non_dead = \"off\"\nhook_timeout = \"5s\"\n";
    std::fs::write(bench.path().join("queue-work.toml"), config).expect("written");
    std::fs::write(bench.path().join("tell"), "#!/bin/sh\necho $1 $QUEUE_WORK_POOL $QUEUE_WORK_HOOK >> told\n")
        .expect("written");
    std::process::Command::new("chmod").arg("+x").arg(bench.path().join("tell")).status().expect("chmod");
    let env = [("WHOM", "s3cret"), ("QUEUE_WORK_POOLS_MAIL_ON_IDLE", "[\"./tell\", \"idle\"]")];
    let show = bench.verb(&["config", "show"]).env("WHOM", "s3cret").run().expect_code(0).stdout;
    for line in ["pools.mail.on_dead", "pools.video.on_dead", "pools.video.hook_timeout"] {
        assert!(show.contains(line), "{line}: {show}");
    }
    assert!(show.contains("${WHOM}") && !show.contains("s3cret"), "{show}");
    let _master = bench.start_with(&[], &env);
    bench.ok(&["spawn", "--queue", "late", "--workers=1"]);
    for queue in ["mail", "video", "late"] {
        let id = bench.push(&["--queue", queue, "--", "false"]);
        bench.wait_for_job(id, "dead");
    }
    bench.wait_for("three calls", DEADLINE, |b| text(b, "told").lines().count() == 3);
    let all = text(&bench, "told");
    let told: BTreeSet<&str> = all.lines().collect();
    assert_eq!(told, BTreeSet::from(["s3cret mail on_dead", "idle mail on_idle", "s3cret late on_dead"]));
}

#[test]
fn a_hook_that_is_written_as_a_line_is_refused_with_the_array_it_would_be() {
    let bench = Bench::new();
    for (written, says) in [
        (
            "\"mail -s dead me\"",
            "`on_dead` is \"mail -s dead me\"; no shell reads it, so write an array: [\"mail\", \"-s\", \"dead\", \"me\"]",
        ),
        ("[]", "`on_dead` is empty; write the program and its arguments, or \"off\""),
        ("[1]", "`on_dead` contains 1; each argument is a text in quotes"),
    ] {
        configure(&bench, &format!("on_dead = {written}"));
        let run = bench.run(&["config", "check"]).expect_code(2);
        assert!(run.stderr.contains(says) || run.stdout.contains(says), "{written}: {run:?}");
    }
}

#[test]
fn a_hook_may_call_verbs_of_its_own_master() {
    let bench = Bench::new();
    let program = env!("CARGO_BIN_EXE_queue-work");
    let script = format!("{program} push -- true && {program} jobs wait 2 && {program} restart --all && echo > over");
    configure(&bench, &hook("on_dead", &script));
    let _master = start(&bench);
    bad(&bench);
    wait_for_file(&bench, "over");
    assert_eq!(bench.job(2)["queue"], "default");
}
