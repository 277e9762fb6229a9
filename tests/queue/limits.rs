//! Limits of queues through the real binary: what starts, what is refused, what a restart and a kill leave.

use std::path::PathBuf;

use serde_json::Value;

use super::micros;
use super::support::{Bench, DEADLINE, now};

/// A file for the master, with these limits of the queue `mail`.
fn configure(bench: &Bench, workers: u32, limits: &str) -> String {
    let file = bench.path().join("queue-work.toml");
    let pools = "[pools.POOL]\nkind = \"exec\"\nqueues = [\"mail\", \"other\"]\n";
    let pools: String =
        ["one", "two"].map(|name| format!("{}workers = {workers}\n\n", pools.replace("POOL", name))).concat();
    std::fs::write(&file, format!("{pools}[queues.mail]\n{limits}\n")).expect("a file");
    file.to_str().expect("UTF-8").to_owned()
}

/// The queue as `queues --json` shows it.
fn queue(bench: &Bench, name: &str) -> Value {
    let shown: Value = serde_json::from_str(&bench.run(&["queues", name, "--json"]).stdout).expect("JSON");
    shown[0].clone()
}

/// Jobs that note when they begin and end; the file with the notes.
fn push_noting(bench: &Bench, jobs: usize, seconds: &str) -> PathBuf {
    let notes = bench.path().join("notes");
    let script = format!("echo begin >> {0}; sleep {seconds}; echo end >> {0}", notes.display());
    let lines = "x\n".repeat(jobs);
    let run = bench.verb(&["push", "--queue=mail", "--lines", "--", "sh", "-c", &script]).stdin(lines).run();
    run.expect_code(0);
    notes
}

/// The most that were between their begin and their end.
fn most_at_a_time(notes: &str) -> i32 {
    let steps = notes.lines().map(|line| if line == "begin" { 1 } else { -1 });
    steps
        .scan(0, |running, step| {
            *running += step;
            Some(*running)
        })
        .max()
        .unwrap_or(0)
}

fn has_run(bench: &Bench, jobs: u64) -> bool {
    queue(bench, "mail")["succeeded_total"] == jobs
}

#[test]
fn two_pools_together_run_as_many_jobs_as_the_limit_says_and_all_workers_those_of_other_queues() {
    let bench = Bench::new();
    let notes = push_noting(&bench, 12, "0.05");
    let file = configure(&bench, 2, "concurrency = 3");
    let _master = bench.start(&["--config", &file]);
    bench.wait_for("the end", DEADLINE, |bench| has_run(bench, 12));
    let notes = std::fs::read_to_string(notes).expect("notes");
    assert_eq!(most_at_a_time(&notes), 3, "{notes}");
}

#[test]
fn a_closed_queue_takes_no_worker_and_why_names_the_limit() {
    let bench = Bench::new();
    let file = configure(&bench, 1, "concurrency = 1");
    let _master = bench.start(&["--config", &file]);
    let go = bench.path().join("go");
    let wait = format!("until test -e {}; do sleep 0.01; done", go.display());
    let first = bench.push(&["--queue=mail", "--", "sh", "-c", &wait]);
    bench.wait_for_job(first, "running");
    let second = bench.push(&["--queue=mail", "--", "true"]);
    let other = bench.push(&["--queue=other", "--", "true"]);
    bench.wait_for_job(other, "succeeded");
    assert_eq!(bench.job(second)["state"], "ready");
    let why = bench.ok(&["why", &second.to_string()]);
    assert!(why.contains("as many jobs of queue `mail` run as may: 1 (concurrency 1)"), "{why}");
    assert!(bench.ok(&["queues", "mail"]).contains("all 1 run"));
    std::fs::write(go, "").expect("written");
    bench.wait_for_job(second, "succeeded");
}

#[test]
fn no_slot_is_lost_with_a_master_that_is_killed_and_no_more_run_after_it() {
    let bench = Bench::new();
    let file = configure(&bench, 4, "concurrency = 2");
    let notes = push_noting(&bench, 10, "0.05");
    for jobs in [2, 5] {
        let mut master = bench.start(&["--config", &file]);
        bench.wait_for("some jobs", DEADLINE, |bench| queue(bench, "mail")["succeeded_total"].as_u64() >= Some(jobs));
        master.kill9();
        // What was killed notes no end.
        std::fs::write(&notes, "").expect("emptied");
    }
    let _master = bench.start(&["--config", &file]);
    bench.wait_for("the end", DEADLINE, |bench| has_run(bench, 10));
    let notes = std::fs::read_to_string(notes).expect("notes");
    assert!(most_at_a_time(&notes) <= 2, "{notes}");
}

#[test]
fn starts_follow_the_rate_also_over_a_restart() {
    let bench = Bench::new();
    let file = configure(&bench, 2, "rate = \"20/s\"\nrate_burst = 5");
    let lines = "true\n".repeat(30);
    bench.verb(&["push", "--queue=mail", "--lines", "--", "true"]).stdin(lines).run().expect_code(0);
    let began = now();
    let mut master = bench.start(&["--config", &file]);
    bench.wait_for("some jobs", DEADLINE, |bench| queue(bench, "mail")["succeeded_total"].as_u64() >= Some(10));
    master.kill9();
    let _master = bench.start(&["--config", &file]);
    bench.wait_for("the end", DEADLINE, |bench| has_run(bench, 30));
    assert!(began.elapsed().as_secs_f64() > 25.0 / 20.0 - 0.05, "{:?}", began.elapsed());
    let runs: Value = serde_json::from_str(&bench.ok(&["runs", "--limit=100", "--json"])).expect("JSON");
    let mut starts: Vec<i64> = runs.as_array().expect("runs").iter().map(|run| micros(&run["started_at"])).collect();
    starts.sort_unstable();
    // A job is handed out a moment after its token was taken.
    let in_half_a_second =
        starts.iter().map(|at| starts.iter().filter(|of| (0..500_000).contains(&(*of - at))).count());
    assert!(in_half_a_second.max() <= Some(5 + 10 + 4), "{starts:?}");
}

#[test]
fn a_push_beyond_the_room_adds_nothing_with_and_without_a_master() {
    let bench = Bench::new();
    bench.push(&["--queue=mail", "letter"]);
    bench.ok(&["queues", "set", "mail", "--max-ready", "2"]);
    let refused = |bench: &Bench| {
        let lines = "1\n2\n3\n";
        let run = bench.verb(&["push", "--queue=mail", "--lines", "letter"]).stdin(lines).run().expect_code(1);
        assert!(run.stderr.contains("queue `mail` is full: 1 jobs are ready, and `max_ready` is 2"), "{run:?}");
        let many = "1\n".repeat(5000);
        let run = bench.verb(&["push", "--queue=mail", "--lines", "letter"]).stdin(many).run().expect_code(1);
        assert!(run.stderr.contains("is full"), "{run:?}");
        assert_eq!(queue(bench, "mail")["ready"], 1);
    };
    refused(&bench);
    let _master = bench.start(&["--workers=1", "--queue=other"]);
    refused(&bench);
    bench.push(&["--queue=mail", "letter"]);
    let run = bench.run(&["push", "--queue=mail", "letter"]).expect_code(1);
    assert!(run.stderr.contains("nothing was added"), "{run:?}");
    bench.push(&["--queue=mail", "--delay=1h", "letter"]);
}

#[test]
fn what_is_set_for_a_while_is_shown_kept_and_ends() {
    let bench = Bench::new();
    let file = configure(&bench, 1, "concurrency = 1");
    let job = bench.push(&["--queue=mail", "--", "true"]);
    bench.ok(&["queues", "set", "mail", "--rate", "1/d", "--for", "1h"]);
    let second = bench.push(&["--queue=mail", "--", "true"]);
    let mut master = bench.start(&["--config", &file]);
    bench.wait_for_job(job, "succeeded");
    bench.wait_for("the end of the burst", DEADLINE, |bench| {
        queue(bench, "mail")["limits"]["next_start_at"].is_string()
    });
    let why = bench.ok(&["why", &second.to_string()]);
    assert!(why.contains("the next job of queue `mail` may start in"), "{why}");
    master.kill9();
    let _master = bench.start(&["--config", &file]);
    let limits = queue(&bench, "mail")["limits"].clone();
    assert_eq!(limits["in_force"]["rate"], "1/d", "{limits}");
    assert!(limits["set"]["until"].is_string() && limits["set"]["by"].is_string(), "{limits}");
    assert_eq!(bench.job(second)["state"], "ready");
    let set = "set rate off of `mail` for 1s\n";
    assert_eq!(bench.ok(&["queues", "set", "mail", "--rate", "off", "--for", "1s"]), set);
    bench.wait_for_job(second, "succeeded");
    bench.wait_for("the end of it", DEADLINE, |bench| queue(bench, "mail")["limits"]["set"].is_null());
    let deeds = bench.ok(&["audit"]);
    assert!(deeds.contains("queue `mail`: rate off for 1s"), "{deeds}");
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    bench.push(&["--queue=mail", "letter"]);
    for (option, value, part) in [
        ("--rate", "0/s", "to stop a queue, pause it"),
        ("--rate", "1000000000/s", "the most is \"100000/s\""),
        ("--rate", "fast", "write a number of starts"),
        ("--concurrency", "0", "the least is 1"),
        ("--max-ready", "-1", "the least is 1"),
    ] {
        let run = bench.run(&["queues", "set", "mail", option, value]).expect_code(2);
        assert!(run.stderr.contains(part), "{run:?}");
    }
    bench.run(&["queues", "set", "mial", "--rate", "1/s"]).expect_code(4);
    assert!(queue(&bench, "mail")["limits"].is_null());
    for key in ["", &"k".repeat(300), "a\nb"] {
        let run = bench.run(&["push", "--key", key, "letter"]).expect_code(2);
        assert!(run.stderr.contains("1 to 200 bytes"), "{run:?}");
    }
    let line = format!("{{\"type\": \"letter\", \"key\": \"{}\"}}\n", "k".repeat(300));
    let run = bench.verb(&["push", "--jsonl"]).stdin(line).run().expect_code(1);
    assert!(run.stderr.contains("1 to 200 bytes") && run.stderr.contains("nothing was added"), "{run:?}");
    let file = configure(&bench, 1, "concurrency = 0\nrate = 5\nspeed = 1");
    let run = bench.run(&["--config", &file, "config", "check"]).expect_code(2);
    for part in [":12:15: `concurrency` is 0; the least is 1", ":13:8: `rate` is 5", ":14:1: unknown key `speed`"] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
}

#[test]
fn jobs_are_found_and_changed_by_key() {
    let bench = Bench::new();
    let [a, b] = ["a", "b"].map(|key| bench.push(&["--key", key, "letter"]));
    assert_eq!(bench.job(a)["key"], "a");
    assert!(bench.ok(&["jobs", "cancel", "--key", "a"]).contains("cancelled 1 job"));
    assert_eq!((&bench.job(a)["state"], &bench.job(b)["state"]), (&"cancelled".into(), &"ready".into()));
}

#[test]
fn keys_take_turns_and_none_has_more_running_than_it_may() {
    let bench = Bench::new();
    let notes = bench.path().join("notes");
    let push = |key: &str, jobs: usize| {
        let script = format!("echo begin {key} >> {0}; sleep 0.02; echo end {key} >> {0}", notes.display());
        let args = ["push", "--queue=mail", "--key", key, "--lines", "--", "sh", "-c", &script];
        bench.verb(&args).stdin("x\n".repeat(jobs)).run().expect_code(0);
    };
    push("a", 40);
    push("b", 5);
    let file = configure(&bench, 2, "fair = \"jobs\"\nconcurrency_per_key = 1\nweights = { vip = 2 }");
    let _master = bench.start(&["--config", &file]);
    bench.wait_for("the end", DEADLINE, |bench| has_run(bench, 45));
    let notes = std::fs::read_to_string(notes).expect("notes");
    for key in ["a", "b"] {
        let of_key: Vec<&str> = notes.lines().filter_map(|line| line.strip_suffix(key)).map(str::trim_end).collect();
        assert_eq!(most_at_a_time(&of_key.join("\n")), 1, "{key}: {notes}");
    }
    let begins: Vec<&str> = notes.lines().filter(|line| line.starts_with("begin")).collect();
    let last = begins.iter().rposition(|line| line.ends_with('b'));
    assert!(last < Some(14), "{begins:?}");
}
