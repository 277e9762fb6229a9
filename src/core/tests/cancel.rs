//! Jobs are cancelled wherever they are.

use super::*;
use crate::model::{JobState, Prefetch, Retry, States};

fn cancel(bench: &mut Bench, job: i64, wait: bool) {
    bench.command(1, Command::Cancel { job: JobId(job), only: States::ALL, wait });
}

fn found(bench: &mut Bench, job: i64, change: JobChange) {
    bench.event(Event::JobChanged { ticket: Ticket(1), job: JobId(job), only: States::ALL, change });
}

#[test]
fn a_job_at_a_worker_is_asked_to_end_and_the_operator_waits_for_it() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    cancel(&mut bench, 1, true);
    bench.says(&["cancel 1#1 cancelled"]);
    bench.answer(1, 1, badly(Retry::Policy));
    bench.says(&["ticket 1: Cancelled", "job 1 cancelled cancelled => cancelled cancelled 0/0/0"]);
}

#[test]
fn a_worker_that_does_not_honour_a_cancellation_is_ended() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    cancel(&mut bench, 1, true);
    bench.said();
    bench.pass(5 * SECOND);
    bench.says(&["TERM 1"]);
    bench.pass(5 * SECOND);
    bench.says(&["KILL 1"]);
    bench.exit(1, Exit::Signal(9), 1);
    bench.sweep(1);
    bench.says(&["spawn 2 in 1", "ticket 1: Cancelled", "job 1 cancelled cancelled => cancelled cancelled 0/0/0"]);
}

#[test]
fn a_job_that_succeeds_after_its_cancellation_has_succeeded() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    cancel(&mut bench, 1, true);
    bench.said();
    bench.answer(1, 1, well());
    bench.says(&["ticket 1: refused, JobEnded(JobId(1), Succeeded)", "job 1 succeeded - => succeeded 0/0/0"]);
}

#[test]
fn an_operator_who_does_not_wait_is_answered_at_once() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    cancel(&mut bench, 1, false);
    bench.says(&["cancel 1#1 cancelled", "ticket 1: Cancelled"]);
}

#[test]
fn a_job_that_waits_at_a_worker_gets_its_time_to_end_when_it_begins() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(2));
    bench.jobs(2);
    cancel(&mut bench, 2, false);
    bench.pass(60 * SECOND);
    bench.said();
    bench.answer(1, 1, well());
    bench.pass(4 * SECOND);
    bench.says(&["job 1 succeeded - => succeeded 0/0/0"]);
    bench.pass(SECOND);
    bench.says(&["TERM 1"]);
}

#[test]
fn a_job_of_a_dead_worker_is_cancelled_when_its_leftovers_are_swept() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.exit(1, Exit::Signal(9), 1);
    bench.said();
    cancel(&mut bench, 1, true);
    bench.says(&[]);
    bench.sweep(1);
    bench.says(&["ticket 1: Cancelled", "job 1 cancelled cancelled => cancelled cancelled 0/0/0"]);
}

#[test]
fn a_job_claimed_ahead_goes_back_and_the_store_cancels_it() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(2);
    bench.said();
    cancel(&mut bench, 2, true);
    bench.says(&["unclaim 2", "store cancels 2"]);
    found(&mut bench, 2, JobChange::Was(JobState::Ready));
    bench.says(&["ticket 1: Cancelled"]);
}

#[test]
fn a_job_whose_claim_is_on_its_way_is_cancelled_at_its_worker() {
    let mut bench = Bench::up(|_| {});
    bench.core.claim(&mut bench.out);
    cancel(&mut bench, 1, true);
    let news = bench.pool().news;
    bench.event(Event::Claimed {
        pool: bench.pool,
        share: ShareId(0),
        asked: 1,
        news,
        jobs: vec![job(1)],
        more: false,
        held: HeldBack::default(),
    });
    bench.said();
    found(&mut bench, 1, JobChange::Was(JobState::Running));
    bench.says(&["cancel 1#1 cancelled"]);
}

#[test]
fn a_job_that_is_given_back_and_claimed_again_each_time_the_store_looks_is_looked_for_again() {
    let mut bench = Bench::up(|_| {});
    cancel(&mut bench, 1, true);
    for _ in 0..8 {
        bench.says(&["store cancels 1"]);
        found(&mut bench, 1, JobChange::Was(JobState::Running));
    }
    bench.says(&["store cancels 1"]);
    found(&mut bench, 1, JobChange::Was(JobState::Ready));
    bench.says(&["ticket 1: Cancelled"]);
}

#[test]
fn a_job_that_the_store_says_runs_and_the_core_does_not_know_is_not_looked_for_for_ever() {
    let mut bench = Bench::up(|_| {});
    cancel(&mut bench, 1, true);
    for _ in 0..9 {
        bench.says(&["store cancels 1"]);
        found(&mut bench, 1, JobChange::Was(JobState::Running));
    }
    bench.says(&["ticket 1: refused, JobEnded(JobId(1), Running)"]);
}

#[test]
fn what_the_store_finds_is_told() {
    for (change, told) in [
        (JobChange::Was(JobState::Ready), "ticket 1: Cancelled"),
        (JobChange::Was(JobState::Scheduled), "ticket 1: Cancelled"),
        (JobChange::Was(JobState::Succeeded), "ticket 1: refused, JobEnded(JobId(1), Succeeded)"),
        (JobChange::Was(JobState::Dead), "ticket 1: refused, JobEnded(JobId(1), Dead)"),
        (JobChange::Elsewhere(Ok(())), "ticket 1: Cancelled"),
        (JobChange::Elsewhere(Err(("so".into(), 5))), "ticket 1: refused, Elsewhere(JobId(1), \"so\", 5)"),
        (JobChange::Was(JobState::Cancelled), "ticket 1: refused, JobEnded(JobId(1), Cancelled)"),
        (JobChange::Missing, "ticket 1: refused, NoSuchJob(JobId(1))"),
    ] {
        let mut bench = Bench::up(|_| {});
        cancel(&mut bench, 1, true);
        bench.says(&["store cancels 1"]);
        found(&mut bench, 1, change);
        bench.says(&[told]);
    }
}

#[test]
fn a_job_that_has_come_to_a_state_that_was_not_meant_is_left_and_said_to_be() {
    let mut bench = Bench::up(|_| {});
    let only = States::of(&[JobState::Running]);
    bench.command(1, Command::Cancel { job: JobId(7), only, wait: true });
    let asked =
        |action: &Action| matches!(action, Action::Write(Change::Cancel { only: found, .. }, _) if *found == only);
    assert!(bench.out.iter().any(asked), "the store is told which states are meant");
    let change = JobChange::Was(JobState::Scheduled);
    bench.event(Event::JobChanged { ticket: Ticket(1), job: JobId(7), only, change });
    let left =
        |action: &Action| matches!(action, Action::Reply(_, Err(Refusal::JobLeft(JobId(7), JobState::Scheduled))));
    assert!(bench.out.iter().any(left));
}

#[test]
fn a_job_claimed_ahead_is_one_that_runs_for_who_means_those() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(2);
    bench.out.clear();
    bench.command(1, Command::Cancel { job: JobId(2), only: States::of(&[JobState::Running]), wait: true });
    let both = States::of(&[JobState::Running, JobState::Ready]);
    let asked = |action: &Action| matches!(action, Action::Write(Change::Cancel { only, .. }, _) if *only == both);
    assert!(bench.out.iter().any(asked));
}
