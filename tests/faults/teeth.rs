//! Bugs put into the real code on purpose, one at a time, and for each the check that notices it.
//!
//! The checks are tests of this package, built with the same feature and run as processes of their own: each must pass
//! as the code is, and fail with its bug.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::sources;
use crate::support::now;

/// Bug, test program, test.
const TEETH: [(&str, &str, &str); 23] = [
    ("answer_before_commit", "faults", "acknowledged::a_push_that_was_acknowledged_is_there_after_a_kill_at_once"),
    ("cancel_not_counted", "queue_work", "store::conformance::on_sqlite::cancel_in_each_state"),
    ("claim_not_guarded", "queue_work", "store::conformance::on_sqlite::the_order_is_priority_then_due_then_id"),
    (
        "closed_input_ignored",
        "lifecycle",
        "pipes::a_worker_that_closes_its_stdin_and_lives_on_is_replaced_and_holds_no_job_up",
    ),
    (
        "commit_error_is_no",
        "queue_work",
        "store::writer::tests::a_batch_that_fails_before_its_commit_is_tried_again_and_applied_once",
    ),
    ("deadlines_by_wall_clock", "queue_work", "core::tests::timeouts::a_clock_that_is_set_ends_no_job"),
    ("finish_not_guarded", "queue_work", "store::conformance::on_sqlite::a_stale_finish_changes_nothing"),
    ("fragment_is_answer", "lifecycle", "hostile::half_an_answer_is_no_answer_and_the_job_is_ready_again"),
    (
        "group_kill_left_out",
        "lifecycle",
        "pipes::the_exit_of_a_worker_ends_the_run_though_its_children_hold_the_pipes_and_they_go_too",
    ),
    ("guardian_left_out", "recovery", "death::grandchildren_in_sessions_of_their_own_do_not_outlive_the_master"),
    (
        "kill_left_out",
        "queue_work",
        "core::tests::timeouts::a_job_past_its_deadline_is_cancelled_then_its_worker_gets_term_then_kill",
    ),
    ("line_unbounded", "queue_work", "wire::lines::tests::a_line_over_the_limit_is_cut_and_the_stream_stays_in_step"),
    ("pipe_end_is_exit", "lifecycle", "pipes::a_worker_that_closes_its_stdout_and_lives_on_is_ended_at_the_timeout"),
    (
        "recovery_before_death",
        "recovery",
        "death::workers_that_outlived_master_and_guardian_are_dead_before_their_job_is_handed_out_again",
    ),
    (
        "recovery_left_out",
        "lifecycle",
        "crashes::jobs_of_a_killed_master_are_ready_again_at_the_next_start_uncharged_and_run_once_more",
    ),
    (
        "recycle_without_cap",
        "queue_work",
        "core::tests::limits::at_most_one_worker_in_four_is_replaced_at_a_time_and_the_others_go_on",
    ),
    ("release_is_charged", "lifecycle", "stops::a_job_that_exceeds_the_grace_is_ended_and_given_back_uncharged"),
    (
        "requeue_before_swept",
        "queue_work",
        "core::tests::crashes::a_worker_killed_while_busy_gives_its_job_back_after_its_leftovers_are_swept_and_is_replaced_at_once",
    ),
    ("socket_without_lock", "recovery", "second::a_second_master_is_refused_and_told_who_is_first_and_since_when"),
    ("stderr_not_drained", "lifecycle", "pipes::a_flood_on_stderr_holds_nobody_up_and_leaves_the_master_small"),
    ("sync_left_out", "power", "a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged"),
    ("unique_key_kept", "queue_work", "store::conformance::on_sqlite::a_unique_key_is_free_after_each_ending"),
    (
        "unique_key_shared",
        "queue_work",
        "store::conformance::on_sqlite::a_job_whose_key_another_unfinished_job_has_is_not_retried_in_any_state_of_that",
    ),
];
/// How long a check with a bug may wait for what will not come.
const PATIENCE_S: &str = "5";
/// Power cuts, where a check makes them.
const POWER_IMAGES: &str = "100";
/// Checks at a time: most of them wait.
const AT_A_TIME: usize = 4;

/// The test programs that the table names, by name; built if they are not up to date.
fn programs() -> BTreeMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--offline", "--locked", "--no-run", "--quiet", "--features", "faults"]);
    command.args(["--message-format", "json", "--lib"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let names: BTreeSet<&str> = TEETH.iter().map(|(_, program, _)| *program).collect();
    for name in names.iter().filter(|name| !["queue_work", "faults"].contains(name)) {
        command.args(["--test", name]);
    }
    let built = command.output().expect("cargo can be run");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let own = std::env::current_exe().expect("we have a path");
    let mut programs = BTreeMap::from([("faults".to_owned(), own)]);
    for line in String::from_utf8_lossy(&built.stdout).lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if let (true, Some(path)) = (message["profile"]["test"] == true, message["executable"].as_str()) {
            programs.insert(message["target"]["name"].as_str().expect("a name").to_owned(), path.into());
        }
    }
    programs
}

fn run(program: &PathBuf, tests: &[&str], bug: Option<&str>) -> Output {
    let mut command = Command::new(program);
    command.arg("--exact").args(tests).env("RUST_BACKTRACE", "0").env("POWER_IMAGES", POWER_IMAGES);
    if let Some(bug) = bug {
        command.env("QUEUE_WORK_BUG", bug).env("TEST_DEADLINE_S", PATIENCE_S);
    }
    command.output().expect("a test program can be run")
}

/// Whether so many tests were run and all of them passed, or all failed; `None`: something else happened.
fn passed(output: &Output, tests: usize) -> Option<bool> {
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains(&format!("test result: ok. {tests} passed; 0 failed;")) {
        return Some(true);
    }
    text.contains(&format!("test result: FAILED. 0 passed; {tests} failed;")).then_some(false)
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_bug_in_the_code_is_in_the_table_and_the_other_way_round() {
    let here: BTreeSet<String> = TEETH.iter().map(|(bug, _, _)| (*bug).to_owned()).collect();
    let there: BTreeSet<String> = sources::uses_of("bug").into_keys().collect();
    assert_eq!(here, there);
    assert_eq!(here.len(), TEETH.len(), "one is there twice");
}

#[test]
fn each_bug_is_noticed_by_a_check_that_passes_without_it() {
    let begun = now();
    let programs = programs();
    let mut checks: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, program, test) in TEETH {
        checks.entry(program).or_default().insert(test);
    }
    for (program, tests) in checks {
        let tests: Vec<&str> = tests.into_iter().collect();
        let output = run(&programs[program], &tests, None);
        assert_eq!(passed(&output, tests.len()), Some(true), "without a bug: {}", both(&output));
    }
    let (next, unnoticed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((bug, program, test)) = TEETH.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let since = now();
                    let output = run(&programs[*program], &[test], Some(bug));
                    println!("{bug:<24} {:>5.1} s  {test}", since.elapsed().as_secs_f64());
                    if passed(&output, 1) != Some(false) {
                        unnoticed.lock().expect("no panic").push(format!("{bug}: {}", both(&output)));
                    }
                }
            });
        }
    });
    println!("{} bugs in {:.0?}", TEETH.len(), begun.elapsed());
    let unnoticed = unnoticed.into_inner().expect("no panic");
    assert!(unnoticed.is_empty(), "nobody notices {}", unnoticed.join("\n"));
}
