//! What the master says in the foreground.

use super::support::{Bench, DEADLINE};

#[test]
fn the_first_lines_say_what_runs_and_with_which_limits_and_the_last_what_was_done() {
    let bench = Bench::new();
    let mut master = bench.start(&["start", "--workers=2", "--queue=default", "--max-attempts=1"]);
    bench.push(&["--", "true"]);
    let bad = bench.push(&["--", "no-such-program"]);
    bench.wait_for_job(bad, "dead");
    bench.ok(&["stop"]);
    assert!(master.wait_exit(DEADLINE).success());
    let said = master.stderr();
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains(&format!("master {} runs on", master.pid())) && first.contains("2 workers"), "{said}");
    assert!(said.contains("max_attempts 1") && said.contains("timeout 1h"), "{said}");
    assert!(said.contains("no-such-program"), "a dead job is worth a line: {said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("2 jobs in") && last.contains("1 succeeded") && last.contains("1 dead"), "{said}");
    assert!(!said.contains('\u{1b}'), "colours in a file: {said:?}");
}

#[test]
fn quiet_says_nothing_of_what_goes_well_and_verbose_shows_what_workers_print() {
    let bench = Bench::new();
    bench.push(&["--", "sh", "-c", "echo to-the-log >&2"]);
    let run = bench.run(&["-q", "--workers=1", "--queue=default", "--drain"]).expect_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    bench.push(&["--", "sh", "-c", "echo to-the-log >&2"]);
    let run = bench.run(&["-v", "--workers=1", "--queue=default", "--drain"]).expect_code(0);
    let all = format!("{}{}", run.stdout, run.stderr);
    let line = all.lines().find(|l| l.contains("to-the-log")).unwrap_or_else(|| panic!("{all}"));
    assert!(line.contains("default-1"), "{line}");
}

#[test]
fn a_worker_program_that_is_not_there_is_said_and_the_master_lives_on() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default", "--", "no-such-worker-program"]);
    bench.wait_for("the pool to say what is wrong", DEADLINE, |b| {
        let status = b.status();
        status["pools"][0]["problem"].as_str().is_some_and(|p| p.contains("no-such-worker-program"))
    });
    let id = bench.push(&["t"]);
    assert_eq!(bench.job(id)["state"], "ready");
    let text = bench.ok(&["status"]);
    assert!(text.contains("no-such-worker-program"), "{text}");
}
