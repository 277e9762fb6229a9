//! `status NAME`: one queue, pool or worker in full; and how fast queues move.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::support::{Bench, DEADLINE, Run};

/// Two queues of one pool, and a pool whose worker is at a job that prints.
fn busy(bench: &Bench) -> super::support::Master<'_> {
    std::fs::write(
        bench.path().join("queue-work.toml"),
        "[pools.default]\nqueues = [\"default\", \"images\"]\nworkers = 2\n[pools.mail]\nworkers = 1\n",
    )
    .expect("written");
    bench.push(&["--queue=mail", "--", "sh", "-c", "echo begun >&2; exec sleep 60"]);
    for n in 0..3 {
        let script = format!("echo cannot open {n}.png >&2; exit 1");
        bench.push(&["--queue=images", "--max-attempts=1", "--", "sh", "-c", &script]);
    }
    let master = bench.start(&[]);
    bench.wait_for("jobs to run, print and die", DEADLINE, |bench| {
        let log = bench.run(&["logs", "mail-1"]);
        log.stdout.contains("begun") && named(bench, "images")["queues"][0]["dead"] == 3
    });
    master
}

fn named(bench: &Bench, name: &str) -> Value {
    serde_json::from_str(&bench.run(&["status", name, "--json"]).stdout).unwrap_or_default()
}

/// Types the last command that is printed.
fn follow_last(bench: &Bench, text: &str) -> Run {
    let step = text.split('`').rfind(|part| part.starts_with("queue-work ")).expect("a next step");
    bench.run(&step.split(' ').skip(1).collect::<Vec<_>>())
}

#[test]
fn a_queue_is_shown_with_its_pools_what_its_jobs_died_of_and_the_next_step() {
    let bench = Bench::new();
    let _master = busy(&bench);
    let text = bench.ok(&["status", "images"]);
    for part in ["queue `images`\n", "served by     `default` (0 of 2 workers busy)", "dead          3", "dead: 3 jobs"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(text.contains("3 x exec exit status 1: cannot open ….png (") && text.contains("jobs/s done"), "{text}");
    assert!(!text.contains("pool `"), "{text}");
    assert!(follow_last(&bench, &text).expect_code(0).stdout.contains("retried 3"), "{text}");
    bench.ok(&["pause", "images"]);
    let text = bench.ok(&["status", "images"]);
    assert!(text.contains("state         paused\n"), "{text}");
    follow_last(&bench, &text).expect_code(0);
    assert_eq!(named(&bench, "images")["queues"][0]["paused"], false);
    bench.ok(&["jobs", "cancel", "1"]);
}

#[test]
fn a_pool_is_shown_with_its_workers_and_a_worker_with_its_job_and_last_lines() {
    let bench = Bench::new();
    let _master = busy(&bench);
    let text = bench.ok(&["status", "mail"]);
    let (queue, pool) = (text.find("queue `mail`\n"), text.find("pool `mail`\n"));
    assert!(queue.is_some() && queue < pool, "{text}");
    assert!(text.contains("state         running: 1 wanted, 1 ready, 1 busy"), "{text}");
    assert!(text.contains("limits        ") && text.contains("mail-1") && !text.contains("default-1"), "{text}");
    let text = bench.ok(&["status", "mail-1"]);
    for part in [
        "worker `mail-1`\nstate         busy\n",
        "replaced      never",
        "job           1, ",
        ": sh -c 'echo begun >&2; exec sleep 60'\n",
        "last lines:\nmail-1[job 1] begun\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // All lines of the output are those that `logs` prints.
    let logs = bench.ok(&["logs", "mail-1"]);
    assert!(text.ends_with(&logs), "{text}\n{logs}");
    bench.ok(&["stop", "--pool", "mail", "--grace", "0s"]);
    let text = bench.ok(&["status", "mail"]);
    assert!(text.contains("state         stopped"), "{text}");
    follow_last(&bench, &text).expect_code(0);
    assert_eq!(named(&bench, "mail")["pools"][0]["wanted"], 1);
    bench.ok(&["jobs", "cancel", "1"]);
}

#[test]
fn a_name_filters_the_document_and_a_worker_has_its_log() {
    let bench = Bench::new();
    let _master = busy(&bench);
    let all = bench.status();
    let both = named(&bench, "mail");
    let mut members: Vec<&String> = both.as_object().expect("an object").keys().collect();
    members.sort();
    assert_eq!(members, ["pools", "queues", "workers"]);
    assert_eq!((&both["pools"], &both["workers"]), (&json!([all["pools"][1]]), &json!([])));
    assert_eq!((both["queues"].as_array().map(Vec::len), &both["queues"][0]["running"]), (Some(1), &json!(1)));
    let worker = named(&bench, "mail-1");
    assert_eq!((&worker["queues"], &worker["pools"]), (&json!([]), &json!([])));
    assert_eq!((&worker["workers"][0]["job"]["id"], &worker["log"][0]["text"]), (&json!(1), &json!("begun")));
    // One that is served and never had a job.
    assert_eq!(named(&bench, "default")["queues"][0]["ready"], 0);
    let mut watch = bench.command(&["status", "--json", "--watch", "mail-1"]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines().take(1);
    let seen: Vec<Value> = lines.map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON")).collect();
    watch.kill().expect("killed");
    watch.wait().expect("it has ended");
    assert_eq!(seen[0]["workers"][0]["id"], "mail-1");
    bench.run(&["status", "--watch", "mail", "images"]).expect_code(2);
    bench.ok(&["jobs", "cancel", "1"]);
}

#[test]
fn an_unknown_name_is_told_what_was_meant_and_what_there_is() {
    let bench = Bench::new();
    let _master = busy(&bench);
    let said = bench.run(&["status", "mial"]).expect_code(4).stderr;
    let there_is = "known: queues `default`, `images` and `mail`; pools `default` and `mail`; \
                    workers `default-1`, `default-2` and `mail-1`";
    assert_eq!(
        said,
        format!("queue-work: there is no queue, pool or worker `mial`; {there_is}; did you mean `mail`?\n")
    );
    assert!(bench.run(&["status", "--json", "imagse"]).expect_code(4).stderr.ends_with("did you mean `images`?\n"));
    assert!(bench.run(&["status", "x\x1b[2Jy"]).expect_code(4).stderr.contains("`x\\x1b[2Jy`"));
    bench.ok(&["jobs", "cancel", "1"]);
}

#[test]
fn without_a_master_the_queues_are_there_and_the_rest_is_not_known() {
    let bench = Bench::new();
    bench.run(&["status", "mail"]).expect_code(4);
    bench.push(&["--queue=mail", "--", "true"]);
    let run = bench.run(&["status", "mail"]).expect_code(3);
    assert!(run.stdout.starts_with("queue `mail`\nready         1, the first of them for "), "{}", run.stdout);
    assert!(!run.stdout.contains("rate") && !run.stdout.contains("served by"), "{}", run.stdout);
    assert!(run.stderr.ends_with("start one with `queue-work --queue mail`\n"), "{}", run.stderr);
    assert_eq!(named(&bench, "mail")["queues"][0]["done_per_s"], Value::Null);
    assert!(bench.run(&["status", "mial"]).expect_code(4).stderr.contains("did you mean `mail`?"));
    std::fs::write(bench.path().join("queue-work.toml"), "[pools.reports]\n").expect("written");
    for name in ["reports", "reports-3"] {
        assert!(bench.run(&["status", name]).expect_code(3).stderr.ends_with("start one with `queue-work`\n"));
    }
}

#[test]
fn a_queue_tells_how_fast_it_moves_and_when_it_is_empty_and_one_that_grows_says_so() {
    let bench = Bench::new();
    let lines = |count: usize| "0.1\n".repeat(count);
    bench.verb(&["push", "--lines", "--", "sleep"]).stdin(lines(2000)).run().expect_code(0);
    let _master = bench.start(&["--workers=2", "--queue=default"]);
    let queue = |bench: &Bench| bench.status()["queues"][0].clone();
    bench.wait_for("an end to be in sight", DEADLINE, |bench| queue(bench)["empty_in_s"].is_f64());
    let found = queue(&bench);
    assert!(found["done_per_s"].as_f64().is_some_and(|rate| (0.1..=25.0).contains(&rate)), "{found}");
    assert_eq!(found["pushed_per_s"], 0.0, "what waited at the start was not pushed: {found}");
    let shown = bench.ok(&["status"]);
    assert!(shown.contains("done/s (1 min)") && shown.contains(" jobs/s (10 s), generation 1, memory "), "{shown}");
    assert!(bench.ok(&["status", "default"]).contains("; empty in "), "{shown}");
    bench.verb(&["push", "--lines", "--queue=other", "--", "sleep"]).stdin(lines(5)).run().expect_code(0);
    let grown = bench.ok(&["status", "other"]);
    assert!(grown.contains("; it grows") && bench.ok(&["status"]).contains("grows"), "{grown}");
    bench.ok(&["stop", "--timeout=0s"]);
}

#[test]
fn a_crash_is_counted_apart_from_a_restart_and_a_worker_that_is_taken_back_keeps_its_past() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let worker = |bench: &Bench| named(bench, "default-1")["workers"][0].clone();
    bench.ok(&["restart", "--all"]);
    let pid = worker(&bench)["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
    bench.wait_for("another worker", DEADLINE, |bench| {
        worker(bench)["state"] == "idle" && worker(bench)["pid"].as_i64() != Some(pid.into())
    });
    let past = |worker: &Value| (worker["restarts"].clone(), worker["crashes"].clone(), worker["last_exit"].clone());
    let killed = json!({"reason": "exited", "exit_code": null, "signal": "SIGKILL"});
    let expected = (json!(2), json!(1), killed);
    assert_eq!(past(&worker(&bench)), expected);
    let text = bench.ok(&["status", "default-1"]);
    assert!(
        text.contains("replaced      2 times, once after a crash\nlast exit     ended by itself (SIGKILL)\n"),
        "{text}"
    );
    assert!(bench.ok(&["status"]).contains("crashes  last exit"), "{text}");
    let id = bench.push(&["--", "sleep", "60"]);
    bench.wait_for_job(id, "running");
    bench.ok(&["scale", "0", "--no-wait"]);
    bench.wait_for("it to leave", DEADLINE, |bench| worker(bench)["state"] == "draining");
    assert_eq!(past(&worker(&bench)), expected);
    bench.ok(&["scale", "1"]);
    let taken_back = worker(&bench);
    assert_eq!((&taken_back["state"], past(&taken_back)), (&json!("busy"), expected));
    bench.ok(&["jobs", "cancel", &id.to_string()]);
}
