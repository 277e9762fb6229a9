//! More and fewer workers, pools and workers that go.

use super::*;
use crate::model::WorkerState;

fn scale(bench: &mut Bench, workers: u32) {
    bench.command(1, Command::Scale { target: Target::All, workers, wait: true });
}

fn stop_worker(bench: &mut Bench, name: &str) {
    let target = Target::Workers(vec![String::from(name)]);
    bench.command(1, Command::StopSome { target, grace: None, wait: true });
}

#[test]
fn scaling_up_is_answered_when_the_new_workers_are_ready() {
    let mut bench = Bench::up(|_| {});
    scale(&mut bench, 3);
    bench.says(&["spawn 2 in 2", "spawn 3 in 3"]);
    bench.bring_up();
    bench.says(&[
        r#"ticket 1: Scaled { pools: [ScaledPool { pool: PoolName("default"), was: 1, wanted: 3, ready: 3 }] }"#,
    ]);
}

#[test]
fn scaling_down_ends_the_idle_first_and_of_those_the_highest_slot() {
    let mut bench = Bench::up(|s| s.limits.workers = 4);
    bench.jobs(2);
    bench.answer(1, 1, well());
    bench.said();
    scale(&mut bench, 2);
    bench.says(&["close 4", "close 3"]);
    scale(&mut bench, 1);
    bench.says(&["close 1"]);
}

#[test]
fn scaling_down_takes_a_worker_that_is_being_ended_anyway() {
    let mut bench = Bench::up(|s| (s.limits.workers, s.limits.timeout) = (2, SECOND));
    bench.jobs(1);
    bench.pass(6 * SECOND);
    bench.said();
    scale(&mut bench, 1);
    bench.gone(1);
    assert!(bench.core.worker(WorkerId(2)).unwrap().is_ready());
    assert!(!bench.said().iter().any(|s| s.starts_with("spawn") || s.starts_with("close")));
}

#[test]
fn a_busy_worker_finishes_its_job_before_it_goes() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    scale(&mut bench, 0);
    bench.says(&[]);
    bench.pass(29 * SECOND);
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1"]);
    bench.gone(1);
    assert!(bench.said().last().unwrap().starts_with("ticket 1: Scaled"));
}

#[test]
fn when_the_grace_is_over_the_job_is_asked_to_end_and_given_back_unblamed() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    scale(&mut bench, 0);
    bench.pass(30 * SECOND);
    bench.says(&["cancel 1#1 shutdown", "TERM 1"]);
    bench.pass(5 * SECOND);
    bench.says(&["KILL 1"]);
    bench.exit(1, Exit::Signal(9), 1);
    bench.sweep(1);
    assert_eq!(bench.said()[0], "job 1 released scale => ready 0/0/1");
}

#[test]
fn workers_that_do_not_come_up_refuse_the_scaling_after_three() {
    let mut bench = Bench::new(|s| s.limits.workers = 0);
    scale(&mut bench, 1);
    for n in 1..=3 {
        let error = String::from("no such file");
        bench.event(Event::SpawnFailed { worker: WorkerId(n), error, temporary: false });
        bench.pass(SECOND);
    }
    let said = bench.said();
    let refusal =
        "ticket 1: refused, ReplacementFailed { worker: \"default-1\", why: Some(NotStarted(\"no such file\")) }";
    assert!(said.iter().any(|s| s == refusal), "{said:?}");
    assert_eq!(said.last().unwrap(), "spawn 4 in 1", "it is tried again all the same");
}

#[test]
fn deaths_of_the_past_refuse_nothing_once_a_worker_is_ready() {
    let mut bench = Bench::up(|_| {});
    for n in 1..=3 {
        bench.gone(n);
        bench.pass(SECOND);
        bench.bring_up();
    }
    bench.pass(3600 * SECOND);
    bench.said();
    scale(&mut bench, 2);
    bench.says(&["spawn 5 in 2"]);
}

#[test]
fn a_new_pool_is_answered_when_its_workers_are_ready() {
    let mut bench = Bench::up(|_| {});
    bench.command(1, Command::AddPool { settings: Box::new(settings("mail")), wait: true });
    bench.says(&["spawn 2 in 1"]);
    bench.bring_up();
    bench
        .says(&[r#"ticket 1: Scaled { pools: [ScaledPool { pool: PoolName("mail"), was: 0, wanted: 1, ready: 1 }] }"#]);
    bench.command(2, Command::AddPool { settings: Box::new(settings("mail")), wait: true });
    bench.says(&[r#"ticket 2: refused, PoolExists(PoolName("mail"))"#]);
    bench.command(3, Command::Scale { target: Target::All, workers: 2, wait: true });
    bench.says(&[r#"ticket 3: refused, WhichPool([PoolName("default"), PoolName("mail")])"#]);
}

#[test]
fn a_worker_that_is_stopped_takes_its_slot_with_it() {
    let mut bench = Bench::up(|s| s.limits.workers = 3);
    stop_worker(&mut bench, "default-2");
    bench.says(&["close 2"]);
    bench.gone(2);
    bench.says(&["ticket 1: Stopped { workers: 1, released: 0 }"]);
    assert_eq!(bench.pool().wanted, 2);
    scale(&mut bench, 3);
    bench.says(&["spawn 4 in 2"]);
}

#[test]
fn a_worker_that_is_stopped_while_it_is_renewed_takes_its_successor_with_it() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    let target = Target::Workers(vec![String::from("default-1")]);
    bench.command(9, Command::Restart { target, at_once: false, wait: false });
    bench.said();
    stop_worker(&mut bench, "default-1");
    bench.says(&["close 1"]);
    bench.spawned(3);
    bench.says(&["close 3"]);
    assert_eq!(bench.core.worker(WorkerId(3)).unwrap().word(), WorkerState::Draining, "it was never ready");
}

#[test]
fn a_pool_that_is_stopped_is_forgotten_when_its_workers_are_gone() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    let target = Target::Queue(queue("default"));
    bench.command(1, Command::StopSome { target, grace: Some(SECOND), wait: true });
    bench.says(&["close 1", "close 2"]);
    bench.pass(SECOND);
    bench.says(&["TERM 1", "TERM 2"]);
    bench.gone(1);
    bench.gone(2);
    bench.says(&["ticket 1: Stopped { workers: 2, released: 0 }"]);
    assert_eq!(bench.core.pools().count(), 0);
}
