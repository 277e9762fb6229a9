//! Jobs past their deadline: asked, then ended with their worker.

use super::*;
use crate::model::Retry;

fn running() -> Bench {
    let mut bench = Bench::up(|s| s.limits.timeout = 10 * SECOND);
    bench.jobs(1);
    bench.said();
    bench
}

#[test]
fn a_job_past_its_deadline_is_cancelled_then_its_worker_gets_term_then_kill() {
    let mut bench = running();
    bench.pass(9 * SECOND);
    bench.says(&[]);
    bench.pass(SECOND);
    bench.says(&["cancel 1#1 timeout"]);
    bench.pass(5 * SECOND);
    bench.says(&["TERM 1"]);
    bench.pass(5 * SECOND);
    bench.says(&["KILL 1"]);
    bench.exit(1, Exit::Signal(9), 1);
    bench.says(&["spawn 2 in 1"]);
    bench.sweep(1);
    bench.says(&["job 1 timed_out timeout => retry 1/0/0"]);
}

#[test]
fn a_worker_that_honours_the_cancellation_lives_on() {
    let mut bench = running();
    bench.pass(10 * SECOND);
    bench.answer(1, 1, badly(Retry::Policy));
    bench.says(&["cancel 1#1 timeout", "job 1 timed_out timeout => retry 1/0/0"]);
    bench.pass(60 * SECOND);
    bench.says(&[]);
}

#[test]
fn a_result_after_the_cancellation_still_counts() {
    let mut bench = running();
    bench.pass(12 * SECOND);
    bench.answer(1, 1, well());
    bench.says(&["cancel 1#1 timeout", "job 1 succeeded - => succeeded 0/0/0"]);
}

#[test]
fn a_result_after_term_still_counts() {
    let mut bench = running();
    bench.pass(16 * SECOND);
    bench.answer(1, 1, well());
    bench.says(&["cancel 1#1 timeout", "TERM 1", "job 1 succeeded - => succeeded 0/0/0"]);
    bench.gone(1);
    bench.says(&["spawn 2 in 1"]);
}

#[test]
fn a_job_that_asks_for_more_time_gets_it_from_now_on() {
    let mut bench = running();
    bench.pass(9 * SECOND);
    bench.event(Event::Extend { worker: WorkerId(1), request: 1, by: 20 * SECOND });
    bench.pass(19 * SECOND);
    bench.says(&[]);
    bench.pass(SECOND);
    bench.says(&["cancel 1#1 timeout"]);
}

#[test]
fn a_deadline_can_also_be_moved_nearer() {
    let mut bench = running();
    bench.event(Event::Extend { worker: WorkerId(1), request: 1, by: SECOND });
    bench.pass(SECOND);
    bench.says(&["cancel 1#1 timeout"]);
}

#[test]
fn a_jobs_own_limit_goes_before_that_of_the_pool() {
    let mut bench = Bench::up(|_| {});
    bench.give(vec![Claimed { timeout: Some(SECOND), ..job(1) }]);
    bench.said();
    bench.pass(SECOND);
    bench.says(&["cancel 1#1 timeout"]);
}

#[test]
fn other_jobs_of_a_worker_that_is_ended_for_one_are_given_back_unblamed() {
    let mut bench = Bench::up(|_| {});
    bench.event(Event::Ready { worker: WorkerId(1), concurrency: 2, types: None });
    bench.give(vec![Claimed { timeout: Some(SECOND), ..job(1) }, job(2)]);
    bench.pass(6 * SECOND);
    bench.said();
    bench.exit(1, Exit::Signal(15), 2);
    bench.sweep(1);
    bench.says(&[
        "spawn 2 in 1",
        "job 1 timed_out timeout => retry 1/0/0",
        "job 2 released worker_exited => ready 0/0/1",
    ]);
}

#[test]
fn a_job_that_timed_out_too_often_is_dead() {
    let mut bench = Bench::up(|s| s.limits.timeout = SECOND);
    let counters = Counters { attempts: 2, ..Counters::default() };
    bench.give(vec![Claimed { counters, ..job(1) }]);
    bench.pass(SECOND);
    bench.answer(1, 1, badly(Retry::Policy));
    assert_eq!(bench.said().last().unwrap(), "job 1 timed_out timeout => dead max_attempts 3/0/0");
}

#[test]
fn a_clock_that_is_set_ends_no_job() {
    let mut bench = running();
    bench.now.wall = bench.now.wall.plus(100_000 * SECOND);
    bench.settle();
    bench.now.wall = UnixMicros(0);
    bench.settle();
    bench.says(&[]);
}

#[test]
fn a_job_that_runs_for_a_day_is_left_alone_however_often_other_times_pass() {
    let day = 24 * 3600 * SECOND;
    let mut bench = Bench::up(|s| s.limits.timeout = 2 * day);
    bench.jobs(1);
    bench.said();
    for _ in 0..24 {
        bench.pass(day / 24);
        bench.sample(1, 1);
    }
    bench.says(&[]);
    bench.answer(1, 1, well());
    assert_eq!(bench.said()[0], "job 1 succeeded - => succeeded 0/0/0");
}
