//! Many jobs at once: from lines and from objects, to the store and through a master.

use std::fmt::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use wait4::Wait4;

use super::support::Bench;
use super::{all_jobs, drain};

/// A test of the store alone, and of the same through a master that hands nothing out.
fn with_and_without_a_master(test: fn(&Bench)) {
    test(&Bench::new());
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    test(&bench);
}

fn args(bench: &Bench) -> Vec<Value> {
    all_jobs(bench).iter().map(|j| j["args"].clone()).collect()
}

#[test]
fn each_line_is_a_job_and_fills_every_place_of_the_command() {
    with_and_without_a_master(|bench| {
        let lines = "a b\n\n$(id) {}\n  spaces  \nlast";
        let run = bench.verb(&["push", "--lines", "--", "convert", "{}", "{}.jpg"]).stdin(lines).run().expect_code(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "queue-work: added 4 jobs, ids 1 to 4, batch 1\n"));
        let argv: Vec<Value> = args(bench).iter().map(|a| a["argv"].clone()).collect();
        let expected = ["a b", "$(id) {}", "  spaces  ", "last"].map(|l| json!(["convert", l, format!("{l}.jpg")]));
        assert_eq!(argv, expected);
        let here = bench.path().canonicalize().expect("a folder");
        assert!(args(bench).iter().all(|a| a["cwd"] == here.to_str().expect("UTF-8")));
    });
}

#[test]
fn a_line_is_the_last_argument_where_the_command_has_no_place_for_it() {
    let bench = Bench::new();
    bench.verb(&["push", "--lines", "--env=A=b", "--", "rm", "-f"]).stdin("--\n-x\n").run().expect_code(0);
    let argv: Vec<Value> = args(&bench).iter().map(|a| a["argv"].clone()).collect();
    assert_eq!(argv, [json!(["rm", "-f", "--"]), json!(["rm", "-f", "-x"])]);
    assert_eq!(args(&bench)[0]["env"], json!({"A": "b"}));
}

#[test]
fn with_a_type_the_line_is_the_args_as_a_string() {
    with_and_without_a_master(|bench| {
        let words = ["push", "--lines", "--queue=mail", "--priority=3", "--max-attempts=2", "resize"];
        bench.verb(&words).stdin("{\"a\":1}\n\"q\" \\\n").run().expect_code(0);
        assert_eq!(args(bench), [json!("{\"a\":1}"), json!("\"q\" \\")]);
        for job in all_jobs(bench) {
            assert_eq!((&job["type"], &job["queue"], &job["priority"]), (&json!("resize"), &json!("mail"), &json!(3)));
            assert_eq!(job["max_attempts"], 2);
        }
    });
}

#[test]
fn each_object_says_all_that_options_can_say() {
    with_and_without_a_master(|bench| {
        let lines = concat!(
            r#"{"type":"a","args":{"x":[1,2]},"queue":"q1","priority":-5,"delay":"1h","expires":7200,"timeout":1.5,"#,
            r#""max_attempts":4,"unique":"k"}"#,
            "\n  \n",
            r#"{"type":"b","at":"2099-01-01T00:00:00+02:00"}"#,
            "\n",
            r#"{"type":"exec","args":{"argv":["true"]}}"#
        );
        let run = bench.verb(&["push", "--jsonl", "--queue=q2", "--json"]).stdin(lines).run().expect_code(0);
        assert_eq!(run.json(), json!({"count": 3, "deduplicated": 0, "first_id": 1, "last_id": 3, "batch": 1}));
        let jobs = all_jobs(bench);
        let a = &jobs[0];
        assert_eq!((&a["type"], &a["args"], &a["queue"]), (&json!("a"), &json!({"x": [1, 2]}), &json!("q1")));
        assert_eq!((&a["priority"], &a["timeout_s"], &a["max_attempts"]), (&json!(-5), &json!(1.5), &json!(4)));
        assert_eq!((&a["unique"], &a["state"]), (&json!("k"), &json!("scheduled")));
        assert_eq!(super::micros(&a["expires_at"]) - super::micros(&a["due_at"]), 3_600_000_000);
        assert_eq!((&jobs[1]["due_at"], &jobs[1]["queue"]), (&json!("2098-12-31T22:00:00.000000Z"), &json!("q2")));
        assert_eq!((&jobs[2]["state"], &jobs[2]["args"]), (&json!("ready"), &json!({"argv": ["true"]})));
    });
}

#[test]
fn the_lines_of_a_file_are_read_and_every_id_is_printed_if_asked_for() {
    with_and_without_a_master(|bench| {
        let file = bench.path().join("lines");
        std::fs::write(&file, "a\nb\nc\n").expect("written");
        let path = file.to_str().expect("UTF-8");
        let run = bench.run(&["push", "--lines", "--file", path, "--ids", "t"]).expect_code(0);
        assert_eq!(
            (run.stdout.as_str(), run.stderr.as_str()),
            ("1\n2\n3\n", "queue-work: added 3 jobs, ids 1 to 3, batch 1\n")
        );
        let run = bench.verb(&["push", "--lines", "--file", "-", "t"]).stdin("d\n").run().expect_code(0);
        assert_eq!(run.stderr, "queue-work: added 1 job, id 4, batch 2\n");
        let missing = bench.run(&["push", "--lines", "--file", "no-such-file", "t"]).expect_code(1);
        assert!(missing.stderr.contains("cannot open `no-such-file`"), "{}", missing.stderr);
        assert_eq!(all_jobs(bench).len(), 4);
    });
}

#[test]
fn no_lines_are_no_jobs() {
    let bench = Bench::new();
    let run = bench.verb(&["push", "--lines", "t"]).stdin("\n\n").run().expect_code(0);
    assert_eq!(run.stderr, "queue-work: added 0 jobs\n");
    let run = bench.verb(&["push", "--jsonl", "--json"]).stdin("").run().expect_code(0);
    assert_eq!(run.json(), json!({"count": 0, "deduplicated": 0, "first_id": null, "last_id": null}));
    let quiet = bench.verb(&["push", "-q", "--lines", "t"]).stdin("a\n").run().expect_code(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

#[test]
fn jobs_pushed_in_bulk_run() {
    let bench = Bench::new();
    bench.verb(&["push", "--lines", "--", "echo"]).stdin("one\ntwo\n").run().expect_code(0);
    drain(&bench, &["--workers=2"]);
    let results: Vec<Value> = all_jobs(&bench).iter().map(|j| j["result"].clone()).collect();
    assert_eq!(results, ["one\n", "two\n"]);
}

/// Pushes so many lines; the most memory the process had, in bytes.
#[track_caller]
fn peak(bench: &Bench, lines: usize) -> u64 {
    let mut text = String::new();
    (0..lines).for_each(|n| writeln!(text, "{{\"type\":\"t\",\"args\":\"{n:0100}\"}}").expect("a string"));
    let file = bench.path().join("many.jsonl");
    std::fs::write(&file, text).expect("written");
    let mut command = bench.command(&["push", "--jsonl", "--file", file.to_str().expect("UTF-8")]);
    let child = command.stderr(Stdio::null()).spawn().expect("the binary can be started");
    let used = child.wait4().expect("our child");
    assert!(used.status.success());
    used.rusage.maxrss
}

#[test]
fn memory_does_not_grow_with_the_input() {
    with_and_without_a_master(|bench| {
        let few = peak(bench, 20_000);
        let many = peak(bench, 100_000);
        assert!(many < few + (4 << 20), "{few} bytes for 20,000 lines, {many} for 100,000");
        let ready: u64 =
            bench.status()["queues"].as_array().expect("queues").iter().filter_map(|q| q["ready"].as_u64()).sum();
        assert_eq!(ready, 120_000);
    });
}
