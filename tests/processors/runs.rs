//! `processors runs` and `last`.

use serde_json::{Value, json};

use super::support::Bench;
use super::{array, begin, keys, runs, twice};

/// Three runs that have ended, and one that goes on.
fn some(bench: &Bench) {
    for state in ["succeeded", "failed", "succeeded"] {
        let id = begin(bench, &["backup"]);
        bench.ok(&["processors", "end", &id, "--state", state, "--note", state]);
    }
    begin(bench, &["ocr"]);
}

fn ids(runs: &[Value]) -> Vec<i64> {
    runs.iter().map(|run| run["id"].as_i64().expect("an id")).collect()
}

#[test]
fn runs_are_listed_newest_first_with_the_documented_members() {
    twice(|bench| {
        some(bench);
        let all = runs(bench);
        assert_eq!(ids(&all), [4, 3, 2, 1]);
        for run in &all {
            let expected = [
                "duration_s",
                "ended_at",
                "id",
                "job_id",
                "note",
                "processor",
                "source",
                "started_at",
                "state",
                "tick",
            ];
            assert_eq!(keys(run), expected);
            assert_eq!((&run["source"], &run["tick"], &run["job_id"]), (&json!("foreign"), &json!(null), &json!(null)));
        }
        assert_eq!(
            (&all[0]["state"], &all[0]["ended_at"], &all[0]["note"]),
            (&json!("running"), &json!(null), &json!(null))
        );
        assert_eq!((&all[2]["state"], &all[2]["note"]), (&json!("failed"), &json!("failed")));
        assert!(all[2]["duration_s"].as_f64().is_some_and(|s| s >= 0.0));
    });
}

#[test]
fn runs_are_chosen_by_processor_state_time_and_id() {
    twice(|bench| {
        some(bench);
        let some = |words: &[&str]| ids(&array(bench, &[&["runs"], words].concat()));
        assert_eq!(some(&["backup"]), [3, 2, 1]);
        assert_eq!(some(&["--state", "succeeded"]), [3, 1]);
        assert_eq!(some(&["backup", "--state", "failed"]), [2]);
        assert_eq!(some(&["backup", "--before", "3"]), [2, 1]);
        assert_eq!(some(&["--limit", "2"]), [4, 3]);
        assert_eq!(some(&["--since", "1h"]), [4, 3, 2, 1]);
        assert_eq!(some(&["mail"]), Vec::<i64>::new());
        let lines = bench.ok(&["processors", "runs", "--jsonl", "--limit", "2"]);
        assert_eq!(lines.lines().count(), 2);
        let text = bench.run(&["processors", "runs", "--limit", "2"]).expect_code(0);
        assert!(text.stdout.starts_with("run  processor  state"), "{text:?}");
        assert!(text.stderr.contains("2 of many shown; go on with `--before 3`"), "{text:?}");
        let none = bench.run(&["processors", "runs", "--state", "lost"]).expect_code(0);
        assert!(none.stderr.contains("no run is like that"), "{none:?}");
        bench.run(&["processors", "runs", "--state", "dead"]).expect_code(2);
    });
}

#[test]
fn the_last_run_is_a_time_and_none_is_exit_code_4() {
    twice(|bench| {
        some(bench);
        let last = bench.ok(&["processors", "last", "backup"]);
        assert_eq!(json!(last.trim_end()), array(bench, &["runs", "backup"])[0]["started_at"]);
        assert!(last.trim_end().parse::<jiff::Timestamp>().is_ok(), "{last}");
        let none = bench.run(&["processors", "last", "mail"]).expect_code(4);
        assert!(none.stdout.is_empty() && none.stderr.contains("`mail` has not run yet"), "{none:?}");
    });
}
