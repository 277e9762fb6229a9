//! What a push says beside the job: a label, the folder of a command, a variable of the shell.

use serde_json::{Value, json};

use super::support::{Bench, fixture};
use super::{all_jobs, drain};

/// The labels of all jobs, by id.
fn labels(bench: &Bench) -> Vec<Value> {
    all_jobs(bench).iter().map(|job| job["label"].clone()).collect()
}

#[test]
fn a_label_is_kept_however_a_job_is_pushed_and_tells_commands_apart() {
    let push = |bench: &Bench| {
        bench.push(&["--label", "nightly report", "--", "true"]);
        bench.push(&["--", "true"]);
        bench.verb(&["push", "--lines", "--label=films", "--", "echo"]).stdin("a\nb\n").run().expect_code(0);
        let lines = "{\"type\": \"t\", \"label\": \"own\"}\n{\"type\": \"t\"}\n";
        bench.verb(&["push", "--jsonl", "--label=of the call"]).stdin(lines).run().expect_code(0);
        bench.verb(&["push", "t"]).env("QUEUE_WORK_PUSH_LABEL", "of the shell").run().expect_code(0);
        let expected = json!(["nightly report", null, "films", "films", "own", "of the call", "of the shell"]);
        assert_eq!(Value::from(labels(bench)), expected);
        let list = bench.ok(&["jobs", "list", "--oldest"]);
        let heading = list.lines().next().expect("a heading");
        assert!(heading.contains("  label"), "{list}");
        assert!(list.lines().nth(1).is_some_and(|row| row.contains("nightly report  true")), "{list}");
        assert!(bench.ok(&["jobs", "show", "1"]).contains("\nlabel         nightly report\n"));
        assert!(!bench.ok(&["jobs", "show", "2"]).contains("\nlabel"));
    };
    push(&Bench::new());
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    push(&bench);
}

#[test]
fn a_list_without_labels_has_no_column_for_them_and_one_with_long_ones_fits() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    assert!(!bench.ok(&["jobs", "list"]).contains("label"));
    bench.push(&["--label", &"long ".repeat(20), "--", "true"]);
    let list = bench.verb(&["jobs", "list"]).env("COLUMNS", "80").run().expect_code(0).stdout;
    assert!(list.contains("true") && list.contains("long"), "{list}");
}

#[test]
fn a_worker_may_give_a_label_to_what_it_pushes() {
    let bench = Bench::new();
    let words = fixture("push.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    bench.push(&["t", r#"{"count": 1, "label": "child"}"#]);
    drain(&bench, &[&["--workers=1", "--"], &words[..]].concat());
    assert_eq!(labels(&bench), [Value::Null, json!("child")]);
}

#[test]
fn a_label_that_breaks_lines_is_too_long_or_empty_is_refused_and_nothing_is_added() {
    let bench = Bench::new();
    for bad in ["", "a\nb", "\u{1b}[1m", &"x".repeat(256)] {
        let run = bench.run(&["push", "--label", bad, "t"]).expect_code(2);
        let why = "the label is not usable: 1 to 255 bytes without control characters and line breaks";
        assert!(run.stderr.contains(why), "{}", run.stderr);
        let line = json!({"type": "t", "label": bad}).to_string();
        let run = bench.verb(&["push", "--jsonl"]).stdin(line).run();
        assert!(run.code != 0 && run.stderr.contains(why), "{}", run.stderr);
    }
    assert!(all_jobs(&bench).is_empty());
    bench.push(&["--label", &"é".repeat(127), "t"]);
}

#[test]
fn a_command_runs_in_the_folder_that_was_chosen() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path().join("a/b")).expect("made");
    std::fs::write(bench.path().join("file"), "").expect("written");
    let here = bench.path().canonicalize().expect("a folder");
    bench.push(&["--cwd", "a/b", "--", "pwd"]);
    bench.push(&["--cwd=/usr", "--", "pwd"]);
    bench.verb(&["push", "--cwd=a", "--lines", "--", "pwd", "-L"]).stdin("-P\n").run().expect_code(0);
    drain(&bench, &["--workers=1"]);
    let results: Vec<Value> = all_jobs(&bench).iter().map(|job| job["result"].clone()).collect();
    assert_eq!(results, [format!("{}/a/b\n", here.display()), "/usr\n".into(), format!("{}/a\n", here.display())]);
    for (folder, why) in [("none", "does not exist; make it first"), ("file", "is no folder")] {
        let run = bench.run(&["push", "--cwd", folder, "--", "pwd"]).expect_code(2);
        assert!(run.stderr.contains(why), "{folder}: {}", run.stderr);
    }
    let run = bench.run(&["push", "--cwd=a", "t"]).expect_code(2);
    assert!(run.stderr.contains("`--cwd` goes with a command after `--`"), "{}", run.stderr);
    std::fs::create_dir(bench.path().join("none")).expect("made");
    bench.push(&["--cwd", "none", "--", "pwd"]);
}

#[test]
fn a_variable_is_passed_on_by_its_name_and_must_be_set() {
    let bench = Bench::new();
    let words =
        ["push", "--env", "TOKEN", "--env", "EMPTY", "--env=OTHER=o", "--", "sh", "-c", "echo $TOKEN$EMPTY$OTHER"];
    let run = bench.verb(&words).env("EMPTY", "").run().expect_code(2);
    let hint = "the variable `TOKEN` is not set here; set and export it, or write `TOKEN=value`";
    assert!(run.stderr.contains(hint), "{}", run.stderr);
    assert!(all_jobs(&bench).is_empty());
    bench.verb(&words).env("EMPTY", "").env("TOKEN", "a=b ").run().expect_code(0);
    assert_eq!(bench.job(1)["args"]["env"], json!({"TOKEN": "a=b ", "EMPTY": "", "OTHER": "o"}));
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(1)["result"], "a=b o\n");
}
