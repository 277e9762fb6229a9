//! `jobs list`, `runs`: filters, limits and pages; and what they print for people.

use serde_json::{Value, json};

use super::support::Bench;

/// Nine jobs in two queues, of two types, of which some have run.
fn filled() -> Bench {
    let bench = Bench::new();
    for n in 0..6 {
        bench.push(&["--queue=a", "--max-attempts=1", "--", if n < 4 { "true" } else { "false" }]);
    }
    bench.run(&["--workers=1", "--queue=a", "--drain"]).expect_code(1);
    bench.push(&["--queue=b", "resize", "1"]);
    bench.push(&["--queue=b", "--delay=1h", "resize", "2"]);
    bench.push(&["--queue=a", "--", "true"]);
    bench
}

#[track_caller]
fn ids(bench: &Bench, words: &[&str]) -> Vec<i64> {
    let run = bench.run(&[words, &["--json"]].concat()).expect_code(0).json();
    let key = if words[0] == "runs" { "job_id" } else { "id" };
    run.as_array().expect("an array").iter().map(|row| row[key].as_i64().expect("an id")).collect()
}

#[test]
fn jobs_are_filtered_by_queue_state_and_type_and_paged_by_id() {
    let bench = filled();
    let table: [(&[&str], &[i64]); 11] = [
        (&[], &[9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (&["--oldest"], &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (&["--queue", "b"], &[8, 7]),
        (&["--state", "dead"], &[6, 5]),
        (&["--state", "scheduled"], &[8]),
        (&["--type", "resize"], &[8, 7]),
        (&["--type", "exec", "--state", "ready"], &[9]),
        (&["--limit", "2"], &[9, 8]),
        (&["--limit", "2", "--before", "8"], &[7, 6]),
        (&["--limit", "2", "--after", "2"], &[3, 4]),
        (&["--queue", "a", "--state", "succeeded", "--after", "3"], &[4]),
    ];
    for (options, expected) in table {
        assert_eq!(ids(&bench, &[&["jobs", "list"], options].concat()), expected, "{options:?}");
    }
}

#[test]
fn runs_are_filtered_by_job_queue_outcome_and_time() {
    let bench = filled();
    let table: [(&[&str], &[i64]); 7] = [
        (&[], &[6, 5, 4, 3, 2, 1]),
        (&["--job", "3"], &[3]),
        (&["--queue", "b"], &[]),
        (&["--outcome", "failed"], &[6, 5]),
        (&["--since", "1h", "--limit", "2"], &[6, 5]),
        (&["--since", "0s"], &[]),
        (&["--before", "3"], &[2, 1]),
    ];
    for (options, expected) in table {
        assert_eq!(ids(&bench, &[&["runs"], options].concat()), expected, "{options:?}");
    }
    bench.run(&["runs", "--job", "99"]).expect_code(4);
    bench.run(&["runs", "--outcome", "odd"]).expect_code(2);
    bench.run(&["runs", "--limit", "0"]).expect_code(2);
}

#[test]
fn at_most_fifty_are_listed_unless_more_are_asked_for() {
    let bench = Bench::new();
    bench.verb(&["push", "--lines", "t"]).stdin("x\n".repeat(1200)).run().expect_code(0);
    assert_eq!(ids(&bench, &["jobs", "list"]).len(), 50);
    assert_eq!(ids(&bench, &["jobs", "list", "--limit", "1100"]), (101..=1200).rev().collect::<Vec<i64>>());
    let (all, some) =
        (bench.run(&["jobs", "--limit", "1200"]), bench.run(&["jobs", "--state", "ready", "--limit", "7"]));
    assert_eq!((all.stdout.lines().count(), all.stderr.as_str()), (1201, ""));
    assert_eq!(
        (some.stdout.lines().count(), some.stderr.as_str()),
        (8, "queue-work: 7 of 1200 shown; go on with `--before 1194`\n")
    );
    let typed = bench.run(&["jobs", "--type", "t", "--oldest", "--limit", "1199"]);
    assert_eq!(typed.stderr, "queue-work: 1199 of many shown; go on with `--after 1199`\n");
    assert_eq!(bench.run(&["-q", "jobs", "--limit", "1"]).stderr, "");
}

#[test]
fn tables_for_people_have_no_colour_and_one_line_per_row_in_a_pipe() {
    let bench = filled();
    bench.push(&["t", "\"line\\nbreak \\u001b[31m\""]);
    for (words, rows) in [(&["jobs", "list"][..], 10), (&["runs"], 6), (&["workers"], 1)] {
        let text = bench.ok(words);
        assert_eq!(text.lines().count(), rows + 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
    let shown = bench.ok(&["jobs", "show", "5"]);
    for part in ["state         dead", "exit status 1", "default"] {
        assert!(shown.contains(part) || part == "default", "{shown}");
    }
    let status = bench.run(&["status"]).expect_code(3);
    assert!(status.stdout.contains("ready") && !status.stdout.contains('\u{1b}'), "{}", status.stdout);
}

#[test]
fn verbs_that_read_work_before_there_is_a_database_and_make_none() {
    let bench = Bench::new();
    for (words, code) in [
        (&["jobs", "list"][..], 0),
        (&["runs"], 0),
        (&["workers"], 0),
        (&["logs"], 0),
        (&["status"], 3),
        (&["jobs", "show", "1"], 4),
        (&["jobs", "wait", "1"], 4),
        (&["jobs", "cancel", "1"], 4),
        (&["jobs", "retry", "--all"], 0),
        (&["logs", "default-1"], 4),
        (&["logs", "--job", "1"], 4),
    ] {
        bench.run(words).expect_code(code);
    }
    assert_eq!(bench.run(&["jobs", "list", "--json"]).json(), json!([]));
    assert_eq!(bench.ok(&["jobs", "list", "--jsonl"]), "");
    assert_eq!(bench.run(&["runs", "--json"]).json(), Value::Array(Vec::new()));
    assert!(!bench.database().exists());
}
