//! Bad lines: each is named with its number, and one of them is enough to add nothing, unless they are to be left out.

use serde_json::{Value, json};

use super::all_jobs;
use super::support::Bench;

/// A bad object, and a part of what is said about it.
const BAD: [(&[u8], &str); 14] = [
    (b"{\"type\":", "EOF"),
    (b"not json", "it is not a JSON object"),
    (b"[]", "it is not a JSON object"),
    (b"\"text\"", "it is not a JSON object"),
    (b"{}", "missing field `type`"),
    (b"{\"type\":\"\"}", "job type"),
    (b"{\"type\":\"t\",\"queue\":\"a/b\"}", "'/'"),
    (b"{\"type\":\"t\",\"queue\":\"a\\nb\"}", "'\\n'"),
    (b"{\"type\":\"t\",\"priority\":101}", "-100..=100"),
    (b"{\"type\":\"t\",\"timeout\":\"5\"}", "no unit"),
    (b"{\"type\":\"t\",\"colour\":\"red\"}", "unknown field `colour`"),
    (b"{\"type\":\"t\",\"args\":\"\xff\"}", "not UTF-8"),
    (b"{\"type\":\"exec\",\"args\":[]}", "argv"),
    (b"{\"type\":\"t\",\"delay\":\"1s\",\"at\":\"2099-01-01T00:00:00Z\"}", "exclude one another"),
];

fn with_and_without_a_master(test: fn(&Bench)) {
    test(&Bench::new());
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    test(&bench);
}

#[test]
fn a_bad_line_is_named_with_its_number_and_nothing_is_added() {
    with_and_without_a_master(|bench| {
        for (line, part) in BAD {
            let input = [b"{\"type\":\"t\"}\n\n", line, b"\n{\"type\":\"t\"}\n"].concat();
            let run = bench.verb(&["push", "--jsonl"]).stdin(input).run().expect_code(1);
            let shown = String::from_utf8_lossy(line);
            assert!(run.stderr.starts_with("queue-work: line 3: "), "{shown}: {}", run.stderr);
            assert!(run.stderr.contains(part), "{shown}: {}", run.stderr);
            assert!(!run.stderr.contains("PushJob") && !run.stderr.contains("at line"), "{}", run.stderr);
            assert!(
                run.stderr.ends_with("nothing was added because of 1 bad line; leave them out with `--skip-bad`\n")
            );
            assert_eq!(run.stdout, "");
        }
        assert_eq!(all_jobs(bench), [Value::Null; 0]);
    });
}

#[test]
fn bad_lines_can_be_left_out() {
    with_and_without_a_master(|bench| {
        let mut input = Vec::new();
        for (line, _) in BAD {
            input.extend_from_slice(&[line, b"\n{\"type\":\"t\"}\n"].concat());
        }
        let run = bench.verb(&["push", "--jsonl", "--skip-bad", "--json"]).stdin(input).run().expect_code(0);
        assert_eq!(run.json(), json!({"count": 14, "deduplicated": 0, "first_id": 1, "last_id": 14, "batch": 1}));
        assert_eq!(all_jobs(bench).len(), 14);
        assert!(run.stderr.contains("line 1: ") && run.stderr.contains("… and 4 bad lines more"), "{}", run.stderr);
    });
}

#[test]
fn a_line_that_cannot_be_an_argument_is_bad() {
    let bench = Bench::new();
    let long = "x".repeat(16 << 20);
    let input = [b"good\n", long.as_bytes(), b"x\nn\0ul\n"].concat();
    let run = bench.verb(&["push", "--lines", "--", "echo"]).stdin(input.clone()).run().expect_code(1);
    assert!(run.stderr.contains("line 2: it is longer than 16 MiB"), "{}", run.stderr);
    assert!(run.stderr.contains("line 3: ") && run.stderr.contains("NUL"), "{}", run.stderr);
    let run = bench.verb(&["push", "--lines", "--skip-bad", "--", "echo"]).stdin(input).run().expect_code(0);
    assert!(run.stderr.ends_with("added 1 job, id 1, batch 1; 2 bad lines left out\n"), "{}", run.stderr);
}

#[test]
fn a_bad_line_at_the_very_end_of_many_adds_nothing() {
    let bench = Bench::new();
    let input = "{\"type\":\"t\"}\n".repeat(25_000) + "{";
    let run = bench.verb(&["push", "--jsonl", "--ids"]).stdin(input).run().expect_code(1);
    assert!(run.stderr.contains("line 25001: "), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    assert!(!bench.database().exists());
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let bench = Bench::new();
    let table: [&[&str]; 9] = [
        &["--lines"],
        &["--lines", "--jsonl"],
        &["--jsonl", "t"],
        &["--lines", "t", "1"],
        &["--lines", "--wait", "t"],
        &["--lines", "--unique=k", "t"],
        &["--file=x", "t"],
        &["--skip-bad", "t"],
        &["--ids", "t"],
    ];
    for options in table {
        let run = bench.verb(&[&["push"], options].concat()).stdin("a\n").run().expect_code(2);
        assert!(!run.stderr.is_empty());
    }
    assert!(!bench.database().exists());
}
