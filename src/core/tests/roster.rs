//! Workers come up, and come up again.

use super::*;

#[test]
fn a_pool_spawns_as_many_workers_as_are_wanted_and_no_more() {
    let mut bench = Bench::new(|s| s.limits.workers = 3);
    bench.says(&["spawn 1 in 1", "spawn 2 in 2", "spawn 3 in 3"]);
    bench.settle();
    bench.says(&[]);
}

#[test]
fn a_worker_is_ready_when_it_is_spawned() {
    let mut bench = Bench::new(|_| {});
    bench.event(Event::Spawned { worker: WorkerId(1), pid: 10 });
    assert!(bench.core.worker(WorkerId(1)).unwrap().is_ready());
}

#[test]
fn a_worker_of_a_pool_that_waits_for_a_message_is_ready_when_it_says_so() {
    let mut bench = Bench::new(|s| s.ready = ReadyWhen::Message);
    bench.event(Event::Spawned { worker: WorkerId(1), pid: 10 });
    assert!(!bench.core.worker(WorkerId(1)).unwrap().is_ready());
    bench.event(Event::Ready { worker: WorkerId(1), concurrency: 4, types: None });
    assert!(bench.core.worker(WorkerId(1)).unwrap().is_ready());
    assert_eq!(bench.core.worker(WorkerId(1)).unwrap().concurrency, 4);
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_ended_and_replaced() {
    let mut bench = Bench::new(|s| s.ready = ReadyWhen::Message);
    bench.event(Event::Spawned { worker: WorkerId(1), pid: 10 });
    bench.said();
    bench.pass(29 * SECOND);
    bench.says(&[]);
    bench.pass(SECOND);
    bench.says(&["TERM 1"]);
    bench.pass(5 * SECOND);
    bench.says(&["KILL 1"]);
    bench.exit(1, Exit::Signal(9), 0);
    bench.says(&["spawn 2 in 1"]);
}

#[test]
fn a_worker_that_dies_is_replaced_at_once() {
    let mut bench = Bench::up(|_| {});
    bench.exit(1, Exit::Signal(11), 0);
    bench.says(&["spawn 2 in 1"]);
}

#[test]
fn workers_that_die_again_and_again_are_replaced_more_and_more_slowly() {
    let mut bench = Bench::up(|_| {});
    let mut waits = Vec::new();
    for n in 1..14 {
        bench.gone(n);
        let before = bench.now.mono;
        while bench.core.worker(WorkerId(n + 1)).is_none() {
            let next = bench.core.next_deadline(bench.now).expect("nothing is planned");
            bench.pass(next.since(bench.now.mono));
        }
        waits.push(bench.now.mono.since(before));
        bench.bring_up();
    }
    assert_eq!(waits[0], Duration::ZERO, "{waits:?}");
    assert!(waits[1] >= Duration::from_millis(80) && waits[1] <= Duration::from_millis(120), "{waits:?}");
    assert!(waits[3] > waits[2] && waits[4] > waits[3], "{waits:?}");
    assert!(waits[12] >= 24 * SECOND && waits[12] <= 30 * SECOND, "{waits:?}");
}

#[test]
fn a_finished_job_ends_a_row_of_fast_deaths() {
    let mut bench = Bench::up(|_| {});
    bench.gone(1);
    bench.bring_up();
    bench.jobs(1);
    bench.answer(2, 1, well());
    bench.said();
    bench.gone(2);
    bench.says(&["spawn 3 in 1"]);
    bench.bring_up();
    bench.gone(3);
    bench.says(&["spawn 4 in 1"]);
}

#[test]
fn a_healthy_minute_ends_a_row_of_fast_deaths() {
    let mut bench = Bench::up(|_| {});
    bench.gone(1);
    bench.bring_up();
    bench.pass(61 * SECOND);
    bench.said();
    bench.gone(2);
    bench.says(&["spawn 3 in 1"]);
}

#[test]
fn a_worker_that_cannot_be_spawned_is_tried_again_with_backoff() {
    let mut bench = Bench::new(|_| {});
    bench.said();
    for n in 1..3 {
        let error = String::from("no such file");
        bench.event(Event::SpawnFailed { worker: WorkerId(n), error, temporary: false });
    }
    bench.says(&["spawn 2 in 1"]);
    assert_eq!(bench.pool().slots().next().unwrap().problem.unwrap().to_string(), "no such file");
    bench.pass(SECOND);
    bench.says(&["spawn 3 in 1"]);
}

/// What people are told of the exit of this worker.
fn told(bench: &mut Bench, worker: i64, exit: Exit) -> (bool, String) {
    bench.out.clear();
    bench.exit(worker, exit, 0);
    bench.sweep(worker);
    let told = bench.out.iter().find_map(|action| match action {
        Action::Tell(Notice::Backoff { why, came_up, .. }) => Some((*came_up, why.clone())),
        _ => None,
    });
    told.expect("a notice")
}

#[test]
fn a_worker_that_was_ready_has_come_up_and_backs_off_all_the_same() {
    let mut bench = Bench::up(|s| s.ready = ReadyWhen::Message);
    assert_eq!(told(&mut bench, 1, Exit::Code(7)), (true, String::from("exits with status 7")));
    bench.spawned(2);
    assert_eq!(told(&mut bench, 2, Exit::Code(7)), (false, String::from("exits at once with status 7")));
    bench.says(&[]);
    // Where it need not say so, it has when it is there for a while.
    let mut bench = Bench::up(|_| {});
    assert_eq!(told(&mut bench, 1, Exit::Code(7)), (false, String::from("exits at once with status 7")));
    bench.bring_up();
    bench.pass(20 * SECOND);
    assert_eq!(told(&mut bench, 2, Exit::Code(7)), (true, String::from("exits with status 7")));
}

#[test]
fn a_program_that_ends_well_instead_of_waiting_for_jobs_may_be_one_that_is_to_run_for_each() {
    let hint = "exits at once with status 0; to run its program once for each job, set `kind = \"exec\"`, or start it with `--exec`";
    assert_eq!(told(&mut Bench::up(|_| {}), 1, Exit::Code(0)), (false, String::from(hint)));
    let mut opaque = Bench::up(|s| s.kind = PoolKind::Opaque);
    assert_eq!(told(&mut opaque, 1, Exit::Code(0)).1, "exits at once with status 0");
}

#[test]
fn a_worker_that_retires_is_replaced_at_once_while_it_finishes() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.answer(1, 1, well());
    bench.jobs(1);
    bench.said();
    bench.event(Event::Retire { worker: WorkerId(1) });
    bench.says(&["spawn 2 in 1"]);
    bench.answer(1, 2, well());
    bench.says(&["job 2 succeeded - => succeeded 0/0/0", "close 1"]);
}

#[test]
fn workers_that_retire_before_they_did_anything_are_a_crash_loop() {
    let mut bench = Bench::up(|_| {});
    bench.event(Event::Retire { worker: WorkerId(1) });
    bench.says(&["close 1"]);
    bench.gone(1);
    bench.says(&["spawn 2 in 1"]);
    bench.bring_up();
    bench.event(Event::Retire { worker: WorkerId(2) });
    bench.gone(2);
    bench.says(&["close 2"]);
    bench.pass(SECOND);
    bench.says(&["spawn 3 in 1"]);
}

#[test]
fn an_old_worker_that_ends_says_nothing_about_its_slots_new_one() {
    let mut bench = Bench::up(|_| {});
    bench.command(1, Command::Restart { target: Target::All, grace: None, wait: false });
    bench.bring_up();
    bench.exit(2, Exit::Code(7), 0);
    bench.bring_up();
    bench.exit(3, Exit::Code(7), 0);
    bench.out.clear();
    bench.exit(1, Exit::Code(0), 0);
    assert!(!bench.out.iter().any(|a| matches!(a, Action::Tell(Notice::Backoff { .. }))));
    assert_eq!(bench.pool().slots().next().unwrap().problem.unwrap().to_string(), "exits at once with status 7");
}
