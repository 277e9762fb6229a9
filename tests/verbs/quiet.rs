//! `-q`: nothing is said but the error that ends the command.

use super::support::Bench;

#[test]
fn quiet_says_nothing_of_jobs_that_die_nor_of_anything_that_was_done() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.push(&["--max-attempts", "1", "--", "false"]);
    }
    bench.push(&["--", "no-such-program"]);
    bench.push(&["--timeout", "100ms", "--max-attempts", "1", "--", "sleep", "60"]);
    let run = bench.run(&["-q", "--workers=2", "--queue=default", "--drain"]).expect_code(1);
    let died = run.stderr.strip_prefix("queue-work: ").expect("the error that ends it");
    assert!(run.stdout.is_empty() && died.ends_with(" jobs died; see `queue-work jobs --state dead`\n"), "{run:?}");
}

#[test]
fn every_verb_is_silent_with_q_and_prints_only_what_was_asked_for() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("lines"), "a\nb\n").expect("written");
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let silent: [&[&str]; 14] = [
        &["push", "--lines", "--file", "lines", "--queue", "other", "t"],
        &["scale", "2"],
        &["spawn", "--queue", "mail", "--workers", "1"],
        &["pause", "default"],
        &["resume", "default"],
        &["restart", "--all"],
        &["jobs", "cancel", "1"],
        &["jobs", "retry", "1"],
        &["jobs", "delete", "1"],
        &["jobs", "retry", "--all"],
        &["config", "check"],
        &["config", "init", "new.toml"],
        &["stop", "mail-1"],
        &["stop"],
    ];
    for words in silent {
        let run = bench.run(&[words, &["-q"]].concat()).expect_code(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""), "{words:?}");
    }
    let run = bench.run(&["push", "-q", "t"]).expect_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("3\n", ""), "an id is what was asked for");
    let run = bench.run(&["scale", "-q", "2"]).expect_code(3);
    assert!(run.stderr.contains("no master runs") && run.stderr.lines().count() == 1, "{}", run.stderr);
}
