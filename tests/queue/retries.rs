//! Attempts, backoff and timeouts: of the pool, and of the job itself.

use serde_json::{Value, json};

use super::support::{Bench, fixture};
use super::{drain, micros};

/// How long the job was made to wait between two runs, in milliseconds: from the end of the one until it was due.
fn waits(runs: &[Value]) -> Vec<i64> {
    let due = |run: &Value| micros(&run["started_at"]) - (run["waited_s"].as_f64().expect("seconds") * 1e6) as i64;
    runs.windows(2).map(|pair| (due(&pair[1]) - micros(&pair[0]["ended_at"])) / 1000).collect()
}

fn oldest_first(bench: &Bench, id: i64) -> Vec<Value> {
    let mut runs = bench.runs(id);
    runs.reverse();
    runs
}

#[test]
fn a_failing_job_is_tried_three_times_with_five_times_the_wait_each_time() {
    let bench = Bench::new();
    let id = bench.push(&["--", "sh", "-c", "echo oops >&2; exit 3"]);
    bench.run(&["--workers=1", "--queue=default", "--drain", "--backoff=100ms"]).expect_code(1);
    let job = bench.job(id);
    assert_eq!((&job["state"], &job["cause"], &job["attempts"]), (&json!("dead"), &json!("max_attempts"), &json!(3)));
    assert_eq!((&job["crashes"], &job["releases"]), (&json!(0), &json!(0)));
    assert!(job["error"].as_str().expect("a text").contains("exit status 3"), "{job}");
    let runs = oldest_first(&bench, id);
    assert_eq!(runs.iter().map(|r| r["attempt"].clone()).collect::<Vec<_>>(), [1, 2, 3]);
    for run in &runs {
        assert_eq!((&run["outcome"], &run["exit_code"], &run["signal"]), (&json!("failed"), &json!(3), &Value::Null));
        assert!(run["stderr_tail"].as_str().expect("a text").contains("oops"), "{run}");
    }
    let waits = waits(&runs);
    assert!((75..=125).contains(&waits[0]) && (395..=605).contains(&waits[1]), "{waits:?}");
}

#[test]
fn the_first_wait_is_five_seconds_give_or_take_a_fifth() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=4", "--queue=default"]);
    let ids: Vec<i64> = (0..8).map(|_| bench.push(&["--", "false"])).collect();
    let mut waits = Vec::new();
    for id in ids {
        let job = bench.wait_for_job(id, "scheduled");
        waits.push((micros(&job["due_at"]) - micros(&bench.runs(id)[0]["ended_at"])) / 1000);
        assert_eq!((&job["attempts"], &job["finished_at"]), (&json!(1), &Value::Null));
    }
    assert!(waits.iter().all(|w| (3_990..=6_010).contains(w)), "{waits:?}");
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 1, "no jitter: {waits:?}");
}

#[test]
fn a_job_may_say_how_often_it_is_tried() {
    let bench = Bench::new();
    let once = bench.push(&["--max-attempts=1", "--", "false"]);
    let twice = bench.push(&["--max-attempts", "2", "--", "false"]);
    let default = bench.push(&["--", "false"]);
    drain(&bench, &["--workers=2", "--max-attempts=1"]);
    assert_eq!([once, twice, default].map(|id| bench.runs(id).len()), [1, 2, 1]);
    assert_eq!(bench.job(twice)["max_attempts"], 2);
}

#[test]
fn a_job_that_fails_first_may_still_succeed() {
    let bench = Bench::new();
    let mark = bench.path().join("mark");
    let id = bench.push(&["--", "sh", "-c", &format!("test -e {0} || {{ touch {0}; exit 1; }}", mark.display())]);
    drain(&bench, &["--workers=1"]);
    let job = bench.job(id);
    assert_eq!((&job["state"], &job["attempts"], &job["cause"]), (&json!("succeeded"), &json!(1), &Value::Null));
    assert_eq!(bench.runs(id).iter().map(|r| r["outcome"].clone()).collect::<Vec<_>>(), ["succeeded", "failed"]);
}

#[test]
fn a_job_past_its_own_timeout_is_ended_and_charged() {
    let bench = Bench::new();
    let id = bench.push(&["--timeout=200ms", "--max-attempts=1", "--", "sleep", "60"]);
    let long = bench.push(&["--max-attempts=1", "--", "sleep", "60"]);
    drain(&bench, &["--workers=2", "--timeout=300ms", "--grace=100ms"]);
    assert_eq!(bench.job(id)["timeout_s"], json!(0.2));
    for (id, least) in [(id, 0.2), (long, 0.3)] {
        let (job, run) = (bench.job(id), &bench.runs(id)[0]);
        assert_eq!((&job["state"], &job["attempts"]), (&json!("dead"), &json!(1)), "{job}");
        assert_eq!((&run["outcome"], &run["cause"]), (&json!("timed_out"), &json!("timeout")), "{run}");
        let duration = run["duration_s"].as_f64().expect("seconds");
        assert!((least..least + 5.0).contains(&duration), "{run}");
    }
    bench.expect_no_leftovers();
}

#[test]
fn the_error_of_a_worker_may_forbid_a_retry_or_say_when() {
    let bench = Bench::new();
    let never = bench.push(&["t", r#"{"retry": false, "message": "no such user"}"#]);
    let soon = bench.push(&["--max-attempts=2", "t", r#"{"retry": 0.3}"#]);
    let yes = bench.push(&["--max-attempts=2", "t", r#"{"retry": true}"#]);
    let words = fixture("fail.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    drain(&bench, &[&["--workers=1", "--"], &words[..]].concat());
    let job = bench.job(never);
    assert_eq!((&job["state"], &job["cause"], &job["attempts"]), (&json!("dead"), &json!("no_retry"), &json!(1)));
    assert!(job["error"].as_str().expect("a text").contains("no such user"), "{job}");
    let waited = waits(&oldest_first(&bench, soon));
    assert!((295..=310).contains(&waited[0]), "{waited:?}");
    assert_eq!(bench.runs(yes).len(), 2);
    let run = &bench.runs(yes)[0];
    assert!(run["stderr_tail"].as_str().expect("a text").contains("about to fail"), "{run}");
    assert_eq!(run["cause"], "error");
}
