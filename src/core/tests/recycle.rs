//! Workers that reach a limit are replaced, after their job, in turn.

use super::*;
use crate::model::{Bytes, MemoryLimit};

#[test]
fn a_worker_is_replaced_after_its_last_job_and_its_slot_is_filled_at_once() {
    let mut bench = Bench::up(|s| s.limits.max_jobs = Some(2));
    bench.jobs(1);
    bench.answer(1, 1, well());
    bench.jobs(1);
    bench.said();
    bench.answer(1, 2, well());
    bench.says(&["job 2 succeeded - => succeeded 0/0/0", "close 1", "spawn 2 in 1"]);
}

#[test]
fn no_more_jobs_are_prefetched_than_a_worker_may_do() {
    let mut bench = Bench::up(|s| (s.limits.max_jobs, s.limits.prefetch) = (Some(2), Prefetch::Fixed(10)));
    bench.jobs(2);
    bench.says(&["claim 2", "send job 1 to 1", "send job 2 to 1"]);
}

#[test]
fn at_most_one_worker_in_four_is_replaced_at_a_time_and_the_others_go_on() {
    let mut bench = Bench::up(|s| (s.limits.workers, s.limits.max_jobs) = (8, Some(1)));
    bench.jobs(8);
    bench.said();
    for worker in 1..=8 {
        bench.event(Event::Answered { worker: WorkerId(worker), request: 1, answer: well() });
    }
    let said = bench.said();
    assert_eq!(said.iter().filter(|s| s.starts_with("spawn")).count(), 2, "{said:?}");
    bench.jobs(6);
    let sent = |said: Vec<String>| said.iter().filter(|s| s.starts_with("send")).count();
    assert_eq!(sent(bench.said()), 0, "those at their limit wait a moment for their turn");
    bench.pass(SECOND);
    assert_eq!(sent(bench.said()), 6, "but not for long");
    bench.bring_up();
    bench.says(&[]);
    bench.answer(3, 2, well());
    bench.says(&["job 9 succeeded - => succeeded 0/0/0", "close 3", "spawn 11 in 3"]);
}

#[test]
fn a_worker_at_a_limit_does_its_job_however_long_and_no_other_runs_in_its_place() {
    let mut bench = Bench::up(|s| {
        (s.limits.workers, s.limits.max_time, s.limits.timeout) = (2, Some(600 * SECOND), 7200 * SECOND);
    });
    bench.jobs(2);
    bench.said();
    bench.pass(7000 * SECOND);
    bench.says(&[]);
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1", "spawn 3 in 1"]);
    bench.answer(2, 1, well());
    bench.says(&["job 2 succeeded - => succeeded 0/0/0"]);
    bench.bring_up();
    bench.says(&["close 2", "spawn 4 in 2"]);
}

#[test]
fn a_worker_that_does_several_jobs_at_a_time_is_replaced_while_it_does_the_last_of_them() {
    let growth = Some(MemoryLimit::Growth(100));
    let mut bench = Bench::new(|s| (s.limits.memory, s.limits.timeout) = (growth, 7200 * SECOND));
    bench.spawned(1);
    bench.event(Event::Ready { worker: WorkerId(1), concurrency: 2, types: None });
    bench.jobs(2);
    bench.answer(1, 1, well());
    bench.sample(1, 300);
    bench.said();
    bench.sample(1, 500);
    bench.says(&["spawn 2 in 1"]);
    bench.pass(7000 * SECOND);
    bench.bring_up();
    bench.said();
    bench.answer(1, 2, well());
    bench.says(&["job 2 succeeded - => succeeded 0/0/0", "close 1"]);
}

#[test]
fn workers_that_are_slow_to_leave_do_not_pile_up() {
    let mut bench = Bench::up(|s| s.limits.max_jobs = Some(1));
    for _ in 0..10 {
        bench.jobs(1);
        bench.pass(SECOND);
        let (worker, flight) = bench.core.workers().find(|(_, w)| !w.flights.is_empty()).unwrap();
        let request = flight.flights[0].request;
        bench.answer(worker.0, request, well());
        bench.bring_up();
    }
    assert_eq!(bench.pool().leaving().count(), 1);
    bench.gone(1);
    assert_eq!(bench.pool().leaving().count(), 1, "the next has its turn");
}

#[test]
fn an_old_worker_is_replaced() {
    let mut bench = Bench::up(|s| s.limits.max_time = Some(3600 * SECOND));
    bench.pass(3200 * SECOND);
    bench.says(&[]);
    bench.pass(800 * SECOND);
    let said = bench.said();
    assert_eq!(said[..2], ["close 1", "spawn 2 in 1"], "{said:?}");
}

#[test]
fn growth_is_counted_from_the_first_finished_job() {
    let mut bench = Bench::up(|s| s.limits.memory = Some(MemoryLimit::Growth(100)));
    bench.sample(1, 500);
    bench.jobs(1);
    bench.answer(1, 1, well());
    bench.said();
    bench.sample(1, 300);
    bench.sample(1, 400);
    bench.says(&[]);
    bench.sample(1, 401);
    bench.says(&["close 1", "spawn 2 in 1"]);
}

#[test]
fn a_worker_over_an_absolute_limit_is_replaced_after_its_job() {
    let mut bench = Bench::up(|s| s.limits.memory = Some(MemoryLimit::Absolute(1000)));
    bench.jobs(1);
    bench.answer(1, 1, well());
    bench.sample(1, 300);
    bench.jobs(1);
    bench.said();
    bench.sample(1, 1001);
    bench.says(&[]);
    bench.answer(1, 2, well());
    bench.says(&["job 2 succeeded - => succeeded 0/0/0", "close 1", "spawn 2 in 1"]);
}

#[test]
fn a_limit_below_the_baseline_is_told_once_and_not_applied() {
    let mut bench = Bench::up(|s| (s.limits.workers, s.limits.memory) = (2, Some(MemoryLimit::Absolute(100))));
    bench.jobs(2);
    for worker in [1, 2] {
        bench.answer(worker, 1, well());
        bench.sample(worker, 200);
        bench.sample(worker, 300);
    }
    let told = |a: &&Action| {
        matches!(a, Action::Tell(Notice::MemoryBaseline { limit: MemoryLimit::Absolute(100), baseline_bytes: 200, .. }))
    };
    assert_eq!(bench.out.iter().filter(told).count(), 1);
    assert!(!bench.said().iter().any(|s| s.starts_with("spawn")));
}

#[test]
fn a_worker_over_the_hard_limit_is_killed_and_its_job_is_blamed() {
    let mut bench = Bench::up(|s| s.limits.memory_max = Some(Bytes(1000)));
    bench.jobs(1);
    bench.said();
    bench.sample(1, 1001);
    bench.says(&["KILL 1"]);
    bench.exit(1, Exit::Signal(9), 1);
    bench.sweep(1);
    bench.says(&["spawn 2 in 1", "job 1 crashed memory => ready 0/1/0"]);
}

#[test]
fn an_opaque_worker_that_grew_gets_term_and_the_time_to_obey() {
    let mut bench = Bench::up(|s| (s.kind, s.limits.memory) = (PoolKind::Opaque, Some(MemoryLimit::Growth(100))));
    bench.sample(1, 500);
    bench.sample(1, 700);
    bench.says(&["TERM 1", "spawn 2 in 1"]);
    bench.bring_up();
    bench.pass(29 * SECOND);
    bench.says(&[]);
    bench.pass(SECOND);
    bench.says(&["KILL 1"]);
}

#[test]
fn a_worker_whose_own_memory_is_over_its_limit_at_an_answer_is_replaced_after_that_job() {
    for (limit, hard) in
        [(Some(MemoryLimit::Absolute(400)), None), (Some(MemoryLimit::Growth(100)), None), (None, Some(Bytes(400)))]
    {
        let mut bench = Bench::up(|s| (s.limits.memory, s.limits.memory_max) = (limit, hard));
        bench.jobs(3);
        bench.event(Event::SampledAlone { worker: WorkerId(1), memory: 300 });
        bench.answer(1, 1, well());
        bench.event(Event::SampledAlone { worker: WorkerId(1), memory: 400 });
        bench.answer(1, 2, well());
        bench.said();
        bench.event(Event::SampledAlone { worker: WorkerId(1), memory: 401 });
        bench.answer(1, 3, well());
        let said = bench.said();
        assert!(said.contains(&"spawn 2 in 1".to_owned()), "{said:?}");
        assert!(!said.iter().any(|line| line.starts_with("KILL")), "{said:?}");
    }
}

#[test]
fn what_a_worker_kept_of_later_jobs_before_it_was_sampled_is_growth_and_no_baseline() {
    let mut bench = Bench::up(|s| s.limits.memory = Some(MemoryLimit::Absolute(400)));
    bench.jobs(2);
    for (request, memory) in [(1, 250), (2, 390)] {
        bench.event(Event::SampledAlone { worker: WorkerId(1), memory });
        bench.answer(1, request, well());
    }
    bench.said();
    bench.sample(1, 410);
    let said = bench.said();
    assert!(said.contains(&"spawn 2 in 1".to_owned()), "{said:?}");
    assert!(!bench.pool().memory_limit_is_void());
}

#[test]
fn a_worker_is_replaced_after_its_job_when_it_uses_too_much_cpu_for_a_minute() {
    let mut bench = Bench::up(|s| (s.limits.workers, s.limits.cpu) = (4, Some(0.9)));
    bench.jobs(1);
    bench.said();
    let used = |bench: &mut Bench, seconds: u64, cpu: f64| {
        for _ in 0..seconds {
            bench.pass(SECOND);
            bench.event(Event::Sampled { worker: WorkerId(1), memory: 1, cpu });
        }
    };
    used(&mut bench, 59, 91.0);
    used(&mut bench, 1, 90.0);
    used(&mut bench, 59, 400.0);
    let state = &bench.core.worker(WorkerId(1)).unwrap().state;
    assert!(matches!(state, State::Ready { recycle: None, .. }), "it was within its limit for a second: {state:?}");
    used(&mut bench, 1, 400.0);
    bench.says(&[]);
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1", "spawn 5 in 1"]);
}
