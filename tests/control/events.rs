//! `events`: the last ones of the master, and those that come; a follower that does not read misses some, and is told.

use std::fs::{self, File};
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Bench, DEADLINE, Master};

fn kinds(bench: &Bench, args: &[&str]) -> Vec<String> {
    let events = bench.run(&[&["events", "--json"], args].concat()).expect_code(0).json();
    let events = events.as_array().expect("an array").clone();
    events.iter().map(|event| event["event"].as_str().expect("a kind").to_owned()).collect()
}

fn end(mut master: Master<'_>) {
    master.signal(Signal::SIGTERM);
    master.wait_exit(DEADLINE);
}

#[test]
fn the_last_events_are_there_with_their_numbers_and_as_the_lines_of_json_logs() {
    let bench = Bench::new();
    bench.run(&["events"]).expect_code(3);
    let master = bench.start(&["--workers", "1"]);
    let job = bench.push(&["--max-attempts", "1", "--", "false"]);
    bench.wait_for_job(job, "dead");
    bench.ok(&["scale", "2"]);
    bench.wait_for("both to be told", DEADLINE, |bench| kinds(bench, &["--kind", "worker_started"]).len() == 2);
    let events = bench.run(&["events", "--json"]).expect_code(0).json();
    for (seq, event) in events.as_array().expect("an array").iter().enumerate() {
        assert_eq!(event["seq"], seq as u64);
        assert_eq!(event["generation"], 1, "{event}");
    }
    let all = kinds(&bench, &[]);
    assert_eq!(all[..2], ["master_started", "pool_started"], "{all:?}");
    assert!(["job_dead", "worker_started"].iter().all(|kind| all.iter().any(|one| one == kind)), "{all:?}");
    assert!(!all.iter().any(|kind| kind == "job_began"), "nobody follows runs: {all:?}");
    assert_eq!(kinds(&bench, &["--kind", "job_dead"]), ["job_dead"]);
    assert_eq!(kinds(&bench, &["-n", "1"]).len(), 1);
    let shown = bench.ok(&["events", "--kind", "job_dead"]);
    assert!(shown.contains("job 1 (`exec`) is dead"), "{shown}");
    end(master);
}

#[test]
fn followers_hear_what_comes_and_of_every_run_if_they_ask() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let mut followers = [&[][..], &["--runs"]].map(|args| {
        let to = bench.path().join(format!("events{}", args.len()));
        let mut command = bench.std_command();
        command.args(["events", "-f", "--jsonl"]).args(args).stdout(File::create(&to).expect("a file"));
        (command.stderr(Stdio::null()).spawn().expect("started"), to)
    });
    let heard = |to: &std::path::Path| -> Vec<Value> {
        let text = fs::read_to_string(to).expect("a file");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    bench.wait_for("both to follow", DEADLINE, |_| followers.iter().all(|(_, to)| !heard(to).is_empty()));
    let job = bench.push(&["--", "true"]);
    let bad = bench.push(&["--max-attempts", "1", "--", "false"]);
    bench.wait_for_job(job, "succeeded");
    bench.wait_for_job(bad, "dead");
    let has = |events: &[Value], kind: &str, job: i64| {
        let like = |event: &&Value| event["event"] == kind && event["job_id"] == job;
        events.iter().filter(like).count()
    };
    bench.wait_for("the end to be told", DEADLINE, |_| {
        followers.iter().all(|(_, to)| has(&heard(to), "job_dead", bad) == 1)
    });
    let [without, with] = [0, 1].map(|at: usize| heard(&followers[at].1));
    assert_eq!([has(&with, "job_began", job), has(&with, "job_ended", job)], [1, 1], "{with:#?}");
    assert_eq!([has(&with, "job_began", bad), has(&with, "job_ended", bad)], [1, 0], "{with:#?}");
    assert_eq!([has(&without, "job_began", job), has(&without, "job_ended", job)], [0, 0], "{without:#?}");
    let ended = with.iter().find(|event| event["event"] == "job_ended").expect("it is there");
    assert_eq!((&ended["worker"], &ended["outcome"]), (&json!("default-1"), &json!("succeeded")));
    end(master);
    for (child, _) in &mut followers {
        assert_eq!(child.wait().expect("our child").code(), Some(0));
    }
}
