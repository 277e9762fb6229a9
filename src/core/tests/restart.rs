//! New workers for old.

use super::*;

fn restart(bench: &mut Bench, at_once: bool) {
    let grace = at_once.then_some(Duration::ZERO);
    bench.command(1, Command::Restart { target: Target::All, grace, wait: true });
}

fn fail_successor(bench: &mut Bench) {
    let id = bench.core.workers().find(|(_, w)| !w.is_ready() && w.is_alive()).map(|(id, _)| id.0).unwrap();
    bench.gone(id);
    bench.pass(SECOND);
}

#[test]
fn the_new_worker_is_ready_before_the_old_one_is_retired() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    restart(&mut bench, false);
    bench.says(&["spawn 2 in 1", "ticket 1 waits for 1, None"]);
    bench.bring_up();
    bench.says(&[]);
    bench.pass(3000 * SECOND);
    bench.says(&[]);
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1"]);
    bench.gone(1);
    bench.says(&[r#"ticket 1: Restarted { workers: ["default-1"], tried: 0, released: 0, left: [] }"#]);
}

#[test]
fn at_most_one_worker_in_four_is_renewed_at_a_time() {
    let mut bench = Bench::up(|s| s.limits.workers = 8);
    restart(&mut bench, false);
    bench.says(&["spawn 9 in 1", "spawn 10 in 2"]);
    bench.event(Event::Spawned { worker: WorkerId(9), pid: 9 });
    bench.says(&["close 1", "spawn 11 in 3"]);
}

#[test]
fn a_new_worker_that_dies_is_tried_again_also_where_several_are_renewed_at_a_time() {
    let mut bench = Bench::up(|s| (s.limits.workers, s.ready) = (8, ReadyWhen::Message));
    restart(&mut bench, true);
    bench.says(&["spawn 9 in 1", "spawn 10 in 2"]);
    bench.gone(9);
    bench.says(&["spawn 11 in 1"]);
    bench.jobs(1);
    bench.spawned(11);
    bench.event(Event::Ready { worker: WorkerId(11), concurrency: 1, types: None });
    bench.says(&["claim 8", "send job 1 to 1", "cancel 1#1 shutdown", "TERM 1", "spawn 12 in 3"]);
}

#[test]
fn a_restart_goes_round_until_every_worker_is_new() {
    let mut bench = Bench::up(|s| s.limits.workers = 5);
    restart(&mut bench, false);
    for old in 1..=5 {
        bench.bring_up();
        bench.gone(old);
    }
    assert!(bench.core.workers().all(|(id, w)| id.0 > 5 && w.is_ready()));
    assert!(bench.said().last().unwrap().starts_with("ticket 1: Restarted"));
}

#[test]
fn restart_now_skips_the_grace_and_gives_the_job_back_unblamed() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    restart(&mut bench, true);
    bench.bring_up();
    bench.says(&["spawn 2 in 1", "cancel 1#1 shutdown", "TERM 1"]);
    bench.exit(1, Exit::Signal(15), 1);
    bench.sweep(1);
    bench.says(&[
        "job 1 released restart => ready 0/0/1",
        r#"ticket 1: Restarted { workers: ["default-1"], tried: 0, released: 1, left: [] }"#,
    ]);
}

#[test]
fn a_restart_now_of_a_worker_that_is_told_by_signals_leaves_it_the_time_to_obey() {
    for kind in [PoolKind::Opaque, PoolKind::Server] {
        let mut bench = Bench::up(|s| s.kind = kind);
        restart(&mut bench, true);
        bench.bring_up();
        bench.says(&["spawn 2 in 1", "TERM 1"]);
        bench.pass(4 * SECOND);
        bench.says(&[]);
        bench.pass(SECOND);
        bench.says(&["KILL 1"]);
    }
}

#[test]
fn after_three_new_workers_that_do_not_come_up_the_old_ones_go_on() {
    let mut bench = Bench::up(|s| s.ready = ReadyWhen::Message);
    restart(&mut bench, false);
    for _ in 0..3 {
        fail_successor(&mut bench);
    }
    let said = bench.said();
    assert!(said.last().unwrap().starts_with("ticket 1: refused, ReplacementFailed"), "{said:?}");
    assert!(bench.core.worker(WorkerId(1)).unwrap().is_ready());
    bench.pass(600 * SECOND);
    bench.says(&[]);
}

#[test]
fn a_restart_that_nobody_waits_for_is_given_up_too() {
    let mut bench = Bench::up(|s| s.ready = ReadyWhen::Message);
    bench.command(1, Command::Restart { target: Target::All, grace: None, wait: false });
    for _ in 0..3 {
        fail_successor(&mut bench);
    }
    bench.said();
    bench.pass(600 * SECOND);
    bench.says(&[]);
}

#[test]
fn a_restart_after_a_refused_one_tries_anew() {
    let mut bench = Bench::up(|s| s.ready = ReadyWhen::Message);
    restart(&mut bench, false);
    for _ in 0..3 {
        fail_successor(&mut bench);
    }
    bench.said();
    restart(&mut bench, false);
    bench.says(&["spawn 5 in 1"]);
    bench.bring_up();
    bench.gone(1);
    assert!(bench.said().last().unwrap().starts_with("ticket 1: Restarted"));
}

#[test]
fn a_worker_that_dies_while_its_successor_comes_up_is_followed_by_it() {
    let mut bench = Bench::up(|_| {});
    restart(&mut bench, false);
    bench.gone(1);
    assert!(!bench.said().iter().any(|s| s.starts_with("ticket")), "it was not replaced yet");
    bench.bring_up();
    assert!(bench.said().last().unwrap().starts_with("ticket 1: Restarted"));
    assert_eq!(bench.core.workers().count(), 1);
}

#[test]
fn one_worker_can_be_restarted_by_name() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    let target = Target::Workers(vec![String::from("default-2")]);
    bench.command(1, Command::Restart { target, grace: None, wait: false });
    let said = bench.said();
    assert_eq!(said.last().unwrap(), "spawn 3 in 2");
    let target = Target::Workers(vec![String::from("default-9")]);
    bench.command(2, Command::Restart { target, grace: None, wait: false });
    bench.says(&[r#"ticket 2: refused, NoSuchWorker("default-9")"#]);
}

#[test]
fn a_restart_does_not_wait_for_long_jobs_of_old_workers_before_it_renews_the_others() {
    let mut bench = Bench::up(|s| s.limits.workers = 4);
    bench.jobs(4);
    for (first, last) in [(1, 4), (5, 8)] {
        bench.said();
        restart(&mut bench, false);
        bench.bring_up();
        let ready = (first..=last).all(|old| !bench.core.worker(WorkerId(old)).unwrap().is_ready());
        assert!(ready && bench.pool().slots().count() == 4, "{:?}", bench.said());
        bench.jobs(4);
    }
    assert_eq!(bench.pool().leaving().count(), 8, "a restart that follows does not wait either");
    assert!(!bench.said().iter().any(|s| s.starts_with("TERM") || s.starts_with("cancel")));
}

#[test]
fn a_grace_shortens_the_jobs_of_old_workers_also_of_those_that_an_earlier_restart_replaced() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    restart(&mut bench, false);
    bench.bring_up();
    bench.pass(100 * SECOND);
    bench.said();
    bench.command(2, Command::Restart { target: Target::All, grace: Some(10 * SECOND), wait: true });
    bench.says(&["spawn 3 in 1", "ticket 2 waits for 1, Some(10.0)"]);
    bench.pass(10 * SECOND);
    bench.says(&["cancel 1#1 shutdown", "TERM 1"]);
    bench.exit(1, Exit::Signal(15), 1);
    bench.sweep(1);
    bench.says(&[
        "job 1 released restart => ready 0/0/1",
        r#"ticket 1: Restarted { workers: ["default-1"], tried: 0, released: 1, left: [] }"#,
    ]);
    bench.bring_up();
    bench.gone(2);
    let told = r#"ticket 2: Restarted { workers: ["default-1"], tried: 0, released: 1, left: [] }"#;
    assert_eq!(bench.said().last().unwrap(), told);
}

#[test]
fn a_worker_that_leaves_while_its_job_runs_has_the_grace_of_the_master_when_that_stops() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    restart(&mut bench, false);
    bench.bring_up();
    bench.pass(1000 * SECOND);
    bench.said();
    bench.stop(None);
    bench.pass(29 * SECOND);
    assert!(!bench.said().iter().any(|s| s.starts_with("TERM 1")));
    bench.pass(SECOND);
    assert!(bench.said().contains(&"TERM 1".to_owned()));
}

#[test]
fn the_timeout_of_a_job_holds_also_where_its_worker_leaves() {
    let mut bench = Bench::up(|s| s.limits.timeout = 60 * SECOND);
    bench.jobs(1);
    restart(&mut bench, false);
    bench.bring_up();
    bench.said();
    bench.pass(60 * SECOND);
    bench.says(&["cancel 1#1 timeout"]);
    bench.pass(5 * SECOND);
    bench.says(&["TERM 1"]);
}

#[test]
fn the_hard_memory_limit_holds_also_where_its_worker_leaves() {
    let mut bench = Bench::up(|s| s.limits.memory_max = Some(crate::model::Bytes(1000)));
    bench.jobs(1);
    restart(&mut bench, false);
    bench.bring_up();
    bench.said();
    bench.sample(1, 1001);
    bench.says(&["KILL 1"]);
}

#[test]
fn a_worker_without_a_job_that_does_not_leave_is_ended_after_the_grace_of_its_pool() {
    let mut bench = Bench::up(|_| {});
    restart(&mut bench, false);
    bench.bring_up();
    bench.says(&["spawn 2 in 1", "close 1"]);
    bench.pass(30 * SECOND);
    bench.says(&["TERM 1"]);
    bench.pass(5 * SECOND);
    bench.says(&["KILL 1"]);
}

#[test]
fn workers_that_had_not_come_up_are_tried_again_and_refuse_the_restart_if_they_do_not() {
    for comes_up in [true, false] {
        let mut bench = Bench::new(|s| s.ready = ReadyWhen::Message);
        for n in 1..=4 {
            bench.gone(n);
            bench.pass(SECOND);
        }
        bench.gone(5);
        bench.said();
        let target = Target::Workers(vec![String::from("default-1")]);
        bench.command(1, Command::Restart { target, grace: None, wait: true });
        bench.says(&["spawn 6 in 1"]);
        if comes_up {
            bench.bring_up();
            bench.says(&["ticket 1: Restarted { workers: [], tried: 1, released: 0, left: [] }"]);
            continue;
        }
        for n in 6..=8 {
            bench.gone(n);
            bench.pass(SECOND);
        }
        let said = bench.said();
        assert!(said.iter().any(|s| s.starts_with("ticket 1: refused") && s.contains("tried: 1, ")), "{said:?}");
    }
}

#[test]
fn a_worker_that_need_not_say_that_it_is_ready_has_come_up_when_it_is_there_for_a_second() {
    let mut bench = Bench::new(|_| {});
    for n in 1..=3 {
        bench.gone(n);
        bench.pass(SECOND);
    }
    bench.gone(4);
    bench.said();
    restart(&mut bench, false);
    bench.spawned(5);
    bench.says(&["spawn 5 in 1"]);
    bench.pass(SECOND);
    bench.says(&["ticket 1: Restarted { workers: [], tried: 1, released: 0, left: [] }"]);
}

#[test]
fn a_restart_of_one_worker_is_refused_when_that_of_another_in_its_pool_is_given_up() {
    let mut bench = Bench::up(|s| (s.limits.workers, s.ready) = (2, ReadyWhen::Message));
    for (ticket, name) in [(1, "default-1"), (2, "default-2")] {
        let target = Target::Workers(vec![String::from(name)]);
        bench.command(ticket, Command::Restart { target, grace: None, wait: true });
    }
    while bench.core.workers().any(|(_, w)| !w.is_ready() && w.is_alive()) {
        fail_successor(&mut bench);
    }
    let said = bench.said();
    for ticket in ["ticket 1: refused", "ticket 2: refused"] {
        assert!(said.iter().any(|s| s.starts_with(ticket)), "{said:?}");
    }
}
