//! What must be true at the end of every story, from the records and from what the workers wrote down themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::journal::{self, Seen};
use crate::story::{self, Story};
use crate::support::Bench;

fn list(bench: &Bench, verb: &[&str]) -> Vec<Value> {
    let args: Vec<&str> = verb.iter().copied().chain(["--json", "--limit", "1000"]).collect();
    bench.run(&args).expect_code(0).json().as_array().expect("an array").clone()
}

fn count(runs: &[Value], outcomes: &[&str]) -> usize {
    runs.iter().filter(|run| outcomes.iter().any(|outcome| run["outcome"] == **outcome)).count()
}

/// Panics with what is wrong. `blameless`: the fault was in no worker, so nobody but those that crash by themselves may
/// have been charged with a crash.
#[track_caller]
pub(crate) fn check(story: &Story<'_>, blameless: bool) {
    let bench = story.bench;
    let jobs = list(bench, &["jobs", "list", "--oldest"]);
    let mut runs: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    for run in list(bench, &["runs"]).into_iter().rev() {
        runs.entry(run["job_id"].as_i64().expect("an id")).or_default().push(run);
    }
    let ids: BTreeSet<i64> = jobs.iter().filter_map(|job| job["id"].as_i64()).collect();
    let lost: Vec<&i64> = story.acknowledged.iter().filter(|id| !ids.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged, and not on record: {lost:?}");
    let names: BTreeSet<&str> = jobs.iter().filter_map(|job| job["unique"].as_str()).collect();
    assert_eq!(names.len(), jobs.len(), "something pushed once is there twice");
    assert!(!names.contains(story::NEVER), "a bulk push that was not committed has added a job");
    for keys in &story.bulks {
        let there = keys.iter().filter(|key| names.contains(key.as_str())).count();
        assert!(there == 0 || there == keys.len(), "{there} jobs of a bulk push of {}", keys.len());
    }
    // Panics if two runs of a job overlap.
    let seen = journal::read(&bench.path().join(story::JOURNAL));
    for job in &jobs {
        let id = job["id"].as_i64().expect("an id");
        let runs = runs.remove(&id).unwrap_or_default();
        check_job(job, &runs, seen.get(&id).map_or(&[], Vec::as_slice), story.cancelled == Some(id), blameless);
    }
    assert!(runs.is_empty(), "runs of no job: {runs:?}");
    check_totals(bench, &jobs);
    check_workers(bench);
    let database = rusqlite::Connection::open(bench.database()).expect("the database");
    let found: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(found, "ok");
    let open: i64 = database.query_row("SELECT count(*) FROM bulks", [], |row| row.get(0)).expect("counted");
    assert_eq!(open, 0, "bulk pushes that are not over");
}

#[track_caller]
fn check_job(job: &Value, runs: &[Value], seen: &[Seen], cancelled: bool, blameless: bool) {
    let case = || format!("{job}\n{runs:#?}");
    // A cancellation that was acknowledged holds; one that was not may have been done or not.
    if cancelled || (job["type"] == "late" && job["state"] == "cancelled") {
        assert_eq!((&job["state"], runs.len()), (&json!("cancelled"), 0), "{}", case());
        return;
    }
    // Ended exactly once, and last.
    assert_eq!(job["state"], "succeeded", "{}", case());
    assert_eq!(count(runs, &["succeeded"]), 1, "{}", case());
    assert_eq!(runs.last().map(|run| &run["outcome"]), Some(&json!("succeeded")), "{}", case());
    // What is charged is what is on record.
    let failed = count(runs, &["failed", "timed_out"]);
    let (crashed, released) = (count(runs, &["crashed"]), count(runs, &["released"]));
    let charged = ["attempts", "crashes", "releases"].map(|what| job[what].as_u64().expect("a number") as usize);
    assert_eq!(charged, [failed, crashed, released], "{}", case());
    // And it is charged to those only that have earned it.
    if blameless {
        assert!(failed == 0 || job["type"] == "fails" || job["type"] == "slow", "{}", case());
        assert!(crashed == 0 || (job["type"] == "crash" && crashed == 1), "{}", case());
    }
    // A run that was claimed may not have begun when the master died, but none begins unrecorded.
    assert!(seen.len() <= runs.len(), "{seen:?}: {}", case());
    assert!(seen.last().is_some_and(|last| last.ended && last.attempt == 1 + failed as u64), "{seen:?}: {}", case());
    assert!(runs.iter().all(|run| run["ended_at"].as_str() >= run["started_at"].as_str()), "{}", case());
}

#[track_caller]
fn check_totals(bench: &Bench, jobs: &[Value]) {
    let status = bench.status();
    let queues = status["queues"].as_array().expect("queues");
    for queue in queues {
        let of = |what: &str| queue[what].as_u64().expect("a number");
        let here: Vec<&Value> = jobs.iter().filter(|job| job["queue"] == queue["name"]).collect();
        let succeeded = here.iter().filter(|job| job["state"] == "succeeded").count() as u64;
        let charged = |what: &str| here.iter().filter_map(|job| job[what].as_u64()).sum::<u64>();
        assert_eq!([of("ready"), of("scheduled"), of("running"), of("dead")], [0; 4], "{queue}");
        assert_eq!(of("succeeded_total"), succeeded, "{queue}");
        assert_eq!(of("failed_total"), charged("attempts") + charged("crashes"), "{queue}");
    }
}

#[track_caller]
fn check_workers(bench: &Bench) {
    let workers = list(bench, &["workers"]);
    let open: Vec<&Value> = workers.iter().filter(|worker| worker["ended_at"].is_null()).collect();
    assert!(open.is_empty(), "workers without an end: {open:?}");
}
