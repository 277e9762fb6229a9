//! `logs`: times, lengths of time, the end of a job that is followed, and what is said where there is nothing.

use std::fs::{self, File};

use super::support::{Bench, DEADLINE, undated};

/// The words of the first next step in a message.
#[track_caller]
fn next_step(said: &str) -> Vec<String> {
    let command = said.split('`').nth(1).unwrap_or_else(|| panic!("no next step in {said:?}"));
    let words = command.strip_prefix("queue-work ").unwrap_or_else(|| panic!("{command:?} is no command of ours"));
    words.split(' ').map(str::to_owned).collect()
}

#[test]
fn logs_of_a_job_are_followed_to_its_end_on_both_streams() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=2", "--queue=default", "--backoff=100ms"]);
    let script = "echo out $QUEUE_WORK_ATTEMPT; echo err >&2; while [ ! -e go ]; do sleep 0.02; done; test $QUEUE_WORK_ATTEMPT = 2";
    let id = bench.push(&["--", "sh", "-c", script]).to_string();
    let seen = bench.path().join("seen");
    let mut follow = bench.command(&["logs", "-f", "--job", &id]);
    let mut follow = follow.stdout(File::create(&seen).expect("a file")).spawn().expect("started");
    let printed = || fs::read_to_string(&seen).expect("a text");
    bench.wait_for("both streams", DEADLINE, |_| printed().lines().count() == 2);
    // The output of another job is none of it.
    bench.run(&["push", "--wait", "--", "echo", "other"]).expect_code(0);
    fs::write(bench.path().join("go"), "").expect("written");
    assert!(follow.wait().expect("it ends with the job").success());
    let mut lines: Vec<String> =
        printed().lines().map(|l| l.split_once("[job 1] ").expect("a label").1.to_owned()).collect();
    lines.sort();
    assert_eq!(lines, ["err", "err", "out 1", "out 2"]);
    assert_eq!(bench.job(1)["state"], "succeeded");
    // One that has ended is shown, and that is all.
    let again = bench.run(&["logs", "-f", "--job", &id]).expect_code(0);
    assert_eq!(again.stdout.lines().count(), 4, "{}", again.stdout);
    bench.run(&["logs", "-f", "--job", "99"]).expect_code(4);
    bench.run(&["logs", "-f", "nosuch"]).expect_code(4);
}

#[test]
fn what_was_printed_a_moment_before_it_is_followed_is_shown_once() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    for n in 1..=20 {
        let text = format!("line {n}");
        let printed = ["push", "--wait", "--", "sh", "-c", "echo \"$0\"; echo \"$0\" >&2", &text];
        assert_eq!(bench.ok(&printed), format!("{text}\n"));
        let followed = bench.ok(&["logs", "-f", "--job", &n.to_string()]);
        assert_eq!(followed.matches(&text).count(), 2, "{followed}");
    }
}

#[test]
fn lines_have_their_time_where_it_is_asked_for_and_old_ones_can_be_left_out() {
    let bench = Bench::new();
    bench.push(&["--", "sh", "-c", "seq 1 250"]);
    bench.run(&["--workers=1", "--queue=default", "--drain"]).expect_code(0);
    assert_eq!(bench.ok(&["logs"]).lines().count(), 100);
    assert_eq!(bench.ok(&["logs", "--since", "1h"]).lines().count(), 250);
    assert_eq!(bench.ok(&["logs", "--since", "1h", "-n", "3"]).lines().last(), Some("default-1[job 1] 250"));
    let timed = bench.ok(&["logs", "-t", "-n", "1"]);
    assert_eq!(
        (undated(&timed).as_str(), timed.len()),
        ("default-1[job 1] 250\n", "default-1[job 1] 250\n".len() + 24)
    );
    let none = bench.run(&["logs", "--since", "1ms"]).expect_code(0);
    assert_eq!(none.stdout, "");
    assert!(none.stderr.starts_with("queue-work: nothing yet"), "{}", none.stderr);
    bench.run(&["logs", "--since", "soon"]).expect_code(2);
}

#[test]
fn where_there_is_nothing_the_next_step_is_said() {
    let bench = Bench::new();
    for words in [&["logs"][..], &["jobs", "list"], &["runs"], &["workers"]] {
        let run = bench.run(words).expect_code(0);
        assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{words:?}: {run:?}");
        let step = next_step(&run.stderr);
        let step: Vec<&str> =
            step.iter().map(|word| if word == "CMD" { "true" } else { word }).filter(|w| *w != "…").collect();
        let code = bench.run(&step).code;
        assert!(code == 0 || (step == ["status"] && code == 3), "{step:?} ends with {code}");
        let json = bench.run(&[words, &["-q"]].concat()).expect_code(0);
        assert_eq!(json.stderr, "");
    }
    bench.run(&["--workers=1", "--queue=default", "--drain"]).expect_code(0);
    for words in [&["jobs", "list", "--state", "dead"][..], &["runs", "--outcome", "crashed"]] {
        let run = bench.run(words).expect_code(0);
        let step = next_step(&run.stderr);
        let step: Vec<&str> = step.iter().map(String::as_str).collect();
        assert!(run.stdout.is_empty() && bench.ok(&step).lines().count() > 1, "{words:?}: {}", run.stderr);
    }
    let silent = bench.run(&["logs", "--job", "1"]).expect_code(0);
    assert_eq!(next_step(&silent.stderr), ["jobs", "show", "1"]);
}

#[test]
fn every_line_of_a_master_that_goes_to_a_file_has_its_time() {
    let bench = Bench::new();
    fs::write(bench.path().join("queue-work.toml"), "[pools.other]\nworkers = 1\n").expect("written");
    bench.push(&["--max-attempts=1", "--", "false"]);
    let said = |more: &[(&str, &str)]| {
        let words = ["-v", "--queue=default", "--workers=1", "--drain"];
        let out = bench.command(&words).envs(more.iter().copied()).output().expect("a master");
        String::from_utf8(out.stderr).expect("UTF-8")
    };
    let dated = said(&[]);
    assert!(dated.lines().count() > 4, "{dated}");
    for line in dated.lines().filter(|line| !line.starts_with("queue-work: ")) {
        assert_eq!(undated(line).len() + 24, line.len(), "no time: {line}");
    }
    assert!(undated(&dated).starts_with("queue-work: warning: ") && undated(&dated).contains("\nmaster "), "{dated}");
    let json = said(&[("QUEUE_WORK_LOG_FORMAT", "json")]);
    assert!(json.lines().any(|line| line.starts_with("{\"ts\":")), "{json}");
}
