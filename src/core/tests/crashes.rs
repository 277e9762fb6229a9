//! Workers that die with jobs in hand.

use super::*;
use crate::model::{Bytes, Prefetch};

#[test]
fn a_worker_killed_while_busy_gives_its_job_back_after_its_leftovers_are_swept_and_is_replaced_at_once() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    bench.exit(1, Exit::Signal(9), 1);
    bench.says(&["spawn 2 in 1"]);
    bench.pass(3600 * SECOND);
    assert!(!bench.said().iter().any(|s| s.starts_with("job") || s.starts_with("unclaim")));
    bench.sweep(1);
    assert_eq!(bench.said()[0], "job 1 crashed signal => ready 0/1/0");
}

#[test]
fn a_worker_that_exits_under_its_job_has_crashed_whatever_its_exit_code_known_or_not() {
    for exit in [Some(Exit::Code(0)), None] {
        let mut bench = Bench::up(|_| {});
        bench.jobs(1);
        bench.said();
        bench.exit(1, exit, 1);
        bench.sweep(1);
        bench.says(&["spawn 2 in 1", "job 1 crashed worker_exited => ready 0/1/0"]);
    }
}

#[test]
fn a_job_whose_workers_die_too_often_is_poison() {
    let mut bench = Bench::up(|_| {});
    let counters = Counters { crashes: 2, ..Counters::default() };
    bench.give(vec![Claimed { counters, ..job(1) }]);
    bench.said();
    bench.exit(1, Exit::Signal(11), 1);
    bench.sweep(1);
    bench.says(&["spawn 2 in 1", "job 1 crashed signal => dead poison 0/3/0"]);
}

#[test]
fn a_job_that_the_dead_worker_never_read_is_unclaimed_unblamed() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(3));
    bench.jobs(3);
    bench.said();
    bench.exit(1, Exit::Signal(11), 1);
    bench.sweep(1);
    bench.says(&["spawn 2 in 1", "job 1 crashed signal => ready 0/1/0", "unclaim 2", "unclaim 3"]);
}

#[test]
fn a_job_that_was_read_but_not_begun_is_unclaimed_unblamed() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(2));
    bench.jobs(2);
    bench.said();
    bench.exit(1, Exit::Signal(11), 2);
    bench.sweep(1);
    bench.says(&["spawn 2 in 1", "job 1 crashed signal => ready 0/1/0", "unclaim 2"]);
}

#[test]
fn a_worker_that_retires_has_not_begun_what_was_sent_ahead_though_its_buffer_has_it() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(2));
    bench.jobs(2);
    bench.event(Event::Retire { worker: WorkerId(1) });
    bench.answer(1, 1, well());
    bench.said();
    bench.exit(1, Exit::Code(0), 2);
    bench.sweep(1);
    assert!(bench.said().contains(&String::from("unclaim 2")));
}

#[test]
fn of_a_worker_that_leaves_without_a_word_jobs_sent_ahead_are_not_blamed_and_no_more_are_sent() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Auto);
    bench.jobs(1);
    bench.answer(1, 1, well());
    bench.jobs(2);
    bench.answer(1, 2, well());
    bench.said();
    bench.exit(1, Exit::Code(0), 3);
    bench.sweep(1);
    assert!(bench.said().contains(&String::from("unclaim 3")));
    bench.bring_up();
    bench.jobs(2);
    let sent = bench.said().iter().filter(|s| s.starts_with("send")).count();
    assert_eq!(sent, 1);
}

#[test]
fn where_the_user_wants_jobs_sent_ahead_a_silent_exit_is_a_crash() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(2));
    bench.jobs(2);
    bench.answer(1, 1, well());
    bench.said();
    bench.exit(1, Exit::Code(0), 2);
    bench.sweep(1);
    assert!(bench.said().contains(&String::from("job 2 crashed worker_exited => ready 0/1/0")));
}

#[test]
fn a_worker_that_read_nothing_is_not_held_against_its_job() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    bench.exit(1, Exit::Code(1), 0);
    bench.sweep(1);
    bench.says(&["spawn 2 in 1", "unclaim 1"]);
}

#[test]
fn all_that_ran_at_once_in_a_worker_that_dies_have_crashed() {
    let mut bench = Bench::up(|_| {});
    bench.event(Event::Ready { worker: WorkerId(1), concurrency: 2, types: None });
    bench.jobs(2);
    bench.said();
    bench.exit(1, Exit::Signal(11), 2);
    bench.sweep(1);
    bench.says(&["spawn 2 in 1", "job 1 crashed signal => ready 0/1/0", "job 2 crashed signal => ready 0/1/0"]);
}

#[test]
fn a_job_that_was_given_back_can_be_claimed_again() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.exit(1, Exit::Signal(9), 1);
    bench.sweep(1);
    bench.bring_up();
    bench.said();
    bench.give(vec![Claimed { run: RunId(2), ..job(1) }]);
    bench.says(&["claim 1", "send job 1 to 2"]);
}

#[test]
fn a_worker_that_dies_while_it_drains_has_crashed_by_itself() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.command(
        1,
        Command::Scale { target: Target::All, workers: Wanted::Exactly(0), grace: None, hold: None, wait: false },
    );
    bench.said();
    bench.exit(1, Exit::Signal(11), 1);
    bench.sweep(1);
    bench.says(&["job 1 crashed signal => ready 0/1/0"]);
}

#[test]
fn a_worker_that_closed_its_input_is_ended_and_what_it_never_read_is_for_others_at_once() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(3));
    bench.jobs(2);
    bench.said();
    bench.event(Event::InputClosed { worker: WorkerId(1), read: 0 });
    bench.says(&["unclaim 1", "unclaim 2", "TERM 1"]);
    bench.exit(1, Exit::Signal(15), 2);
    bench.sweep(1);
    assert!(!bench.said().iter().any(|s| s.starts_with("job")), "nobody is blamed");
}

#[test]
fn a_worker_that_closed_its_input_may_still_answer_what_it_has_read() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(3));
    bench.jobs(2);
    bench.said();
    bench.event(Event::InputClosed { worker: WorkerId(1), read: 1 });
    bench.says(&["unclaim 2"]);
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1"]);
}

/// The last lines on record of a job whose worker is killed while the kernel counts one OOM kill more, or none.
fn last_lines_of_killed(bench: &mut Bench, worker: i64, more: u64) -> String {
    bench.event(Event::OomKills(Some(7)));
    let last = LastLines { stderr: String::from("busy"), ..LastLines::default() };
    let end = End { exit: Some(Exit::Signal(9)), oom_kills: Some(7 + more), last, read: 9 };
    bench.event(Event::Exited { worker: WorkerId(worker), end: Box::new(end) });
    bench.sweep(worker);
    let of_run = |action: &Action| match action {
        Action::Write(Change::Finish(finish), _) => Some(finish.detail.stderr_tail.clone()),
        _ => None,
    };
    std::mem::take(&mut bench.out).iter().find_map(of_run).unwrap()
}

#[test]
fn a_kill_that_nobody_here_sent_is_laid_to_want_of_memory_if_the_kernel_counts_one() {
    for (more, lines) in [(0, "busy"), (1, "busy\nqueue-work: killed by the kernel, it seems: out of memory")] {
        let mut bench = Bench::up(|_| {});
        bench.jobs(1);
        assert_eq!(last_lines_of_killed(&mut bench, 1, more), lines);
    }
}

#[test]
fn a_kill_of_ours_is_not_laid_to_want_of_memory() {
    let mut bench = Bench::up(|s| s.limits.memory_max = Some(Bytes(100)));
    bench.jobs(1);
    bench.sample(1, 101);
    assert_eq!(last_lines_of_killed(&mut bench, 1, 1), "busy");
}
