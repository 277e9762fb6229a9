//! A file that was read again.

use super::*;
use crate::model::Bytes;

fn reload(bench: &mut Bench, changes: PoolChanges) {
    bench.command(1, Command::Reload { changes, done: Box::default(), wait: true });
}

/// The pool of the bench as the file says now.
fn changed(bench: &mut Bench, anew: bool, change: impl FnOnce(&mut PoolSettings)) {
    let mut settings = bench.pool().settings.clone();
    change(&mut settings);
    reload(bench, PoolChanges { changed: vec![(settings, anew)], ..PoolChanges::default() });
}

#[track_caller]
fn is_done(bench: &mut Bench, workers: &str, released: u64) {
    let said = bench.said();
    let last = said.last().cloned().unwrap_or_default();
    let result = format!("workers: [{workers}], released: {released}, left: []");
    assert!(last.starts_with("ticket 1: Reloaded(Reloaded") && last.contains(&result), "{said:?}");
}

#[test]
fn limits_hold_at_once_also_for_workers_that_are_there() {
    let mut bench = Bench::up(|_| {});
    changed(&mut bench, false, |s| {
        s.limits.max_jobs = Some(1);
        s.limits.memory_max = Some(Bytes(100));
        s.limits.timeout = 7 * SECOND;
    });
    is_done(&mut bench, "", 0);
    bench.jobs(1);
    bench.pass(7 * SECOND);
    bench.says(&["claim 1", "send job 1 to 1", "cancel 1#1 timeout"]);
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1", "spawn 2 in 1"]);
    bench.bring_up();
    bench.sample(2, 101);
    bench.says(&["KILL 2"]);
}

#[test]
fn an_age_counts_from_the_start_of_the_worker() {
    let mut bench = Bench::up(|_| {});
    bench.pass(100 * SECOND);
    changed(&mut bench, false, |s| s.limits.max_time = Some(200 * SECOND));
    bench.said();
    bench.pass(75 * SECOND);
    bench.says(&[]);
    bench.pass(50 * SECOND);
    assert_eq!(bench.said()[..2], ["close 1", "spawn 2 in 1"]);
}

#[test]
fn the_number_of_the_file_wins_over_that_of_an_operator_only_if_it_is_another_than_before() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    let scale =
        Command::Scale { target: Target::All, workers: Wanted::Exactly(1), grace: None, hold: None, wait: false };
    bench.command(9, scale);
    bench.said();
    changed(&mut bench, false, |s| s.limits.grace = SECOND);
    is_done(&mut bench, "", 0);
    assert_eq!(bench.pool().wanted, 1);
    bench.gone(2);
    changed(&mut bench, false, |s| s.limits.workers = 3);
    assert_eq!(bench.pool().wanted, 3);
    bench.says(&["spawn 3 in 2", "spawn 4 in 3"]);
    bench.bring_up();
    is_done(&mut bench, "", 0);
}

#[test]
fn workers_that_are_started_differently_are_renewed_one_after_the_other_and_finish_their_jobs() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    bench.jobs(2);
    bench.said();
    changed(&mut bench, true, |_| {});
    bench.says(&["spawn 3 in 1", "ticket 1 waits for 2, None"]);
    bench.bring_up();
    bench.says(&["spawn 4 in 2"]);
    for worker in [1, 2] {
        bench.answer(worker, 1, well());
        bench.gone(worker);
    }
    is_done(&mut bench, r#""default-1", "default-2""#, 0);
}

#[test]
fn a_worker_that_is_still_starting_as_the_file_said_before_is_ended_and_another_takes_its_place() {
    let mut bench = Bench::new(|s| s.ready = ReadyWhen::Message);
    bench.spawned(1);
    bench.said();
    changed(&mut bench, true, |_| {});
    bench.says(&["close 1", "spawn 2 in 1"]);
    bench.bring_up();
    bench.says(&[]);
    bench.gone(1);
    is_done(&mut bench, "", 0);
}

#[test]
fn the_successor_of_a_restart_under_way_is_not_the_one_that_the_file_wants_now() {
    let mut bench = Bench::up(|s| s.ready = ReadyWhen::Message);
    bench.command(9, Command::Restart { target: Target::All, grace: None, wait: false });
    bench.said();
    changed(&mut bench, true, |_| {});
    bench.spawned(2);
    bench.event(Event::Ready { worker: WorkerId(2), concurrency: 1, types: None });
    assert!(bench.core.worker(WorkerId(1)).unwrap().is_ready(), "no other follows it");
    bench.gone(2);
    bench.bring_up();
    bench.gone(1);
    assert!(bench.core.workers().all(|(id, w)| id.0 == 3 && w.is_ready()));
    is_done(&mut bench, r#""default-1""#, 0);
}

#[test]
fn a_program_that_does_not_come_up_leaves_the_old_workers_and_who_waits_is_told() {
    let mut bench = Bench::up(|s| s.ready = ReadyWhen::Message);
    bench.said();
    changed(&mut bench, true, |_| {});
    for _ in 0..3 {
        let id = bench.core.workers().map(|(id, _)| id.0).max().unwrap();
        bench.gone(id);
        bench.pass(SECOND);
    }
    assert!(bench.said().last().unwrap().starts_with("ticket 1: refused, ReplacementFailed"));
    assert!(bench.core.worker(WorkerId(1)).unwrap().is_ready());
}

#[test]
fn other_queues_are_served_at_once_by_the_same_workers() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(2));
    bench.jobs(2);
    bench.said();
    changed(&mut bench, false, |s| s.queues = QueueOrder::Weighted(vec![(queue("other"), 2), (queue("default"), 1)]));
    is_done(&mut bench, "", 0);
    assert!(bench.pool().serves(&queue("other")) && bench.core.workers().count() == 1);
    bench.answer(1, 1, well());
    bench.core.claim(&mut bench.out);
    let claim = bench.out.iter().find_map(|action| match action {
        Action::Write(Change::Claim(claim), _) => Some(claim.takes[0].0.clone()),
        _ => None,
    });
    assert_eq!(claim, Some(queue("other")));
}

#[test]
fn a_pool_whose_workers_take_other_jobs_begins_anew_and_the_old_workers_get_none_of_them() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    bench.jobs(1);
    bench.said();
    changed(&mut bench, true, |s| s.queues = QueueOrder::Strict(vec![queue("other")]));
    bench.says(&["close 2", "spawn 3 in 1", "spawn 4 in 2", "ticket 1 waits for 1, None"]);
    bench.bring_up();
    let old = bench.pool;
    let new = bench.core.pool_named(&PoolName::new("default").unwrap()).unwrap();
    assert!(bench.pool().removed && new != old);
    bench.core.handle(Event::News { queues: Vec::new() }, bench.now, &mut bench.out);
    bench.give(vec![Claimed { queue: queue("other"), ..job(2) }]);
    assert!(bench.said().contains(&"send job 2 to 3".to_owned()));
    bench.gone(2);
    bench.answer(1, 1, well());
    bench.gone(1);
    is_done(&mut bench, "", 0);
    assert!(bench.core.pool(old).is_none() && bench.core.pools().count() == 1);
}

#[test]
fn new_pools_come_up_and_gone_ones_go_when_their_jobs_are_done() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    let changes = PoolChanges {
        added: vec![settings("ocr")],
        gone: vec![PoolName::new("default").unwrap(), PoolName::new("unknown").unwrap()],
        ..PoolChanges::default()
    };
    reload(&mut bench, changes);
    bench.says(&["spawn 2 in 1", "ticket 1 waits for 1, None"]);
    bench.bring_up();
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1"]);
    bench.gone(1);
    is_done(&mut bench, "", 0);
    let names: Vec<&str> = bench.core.pools().map(|(_, pool)| pool.settings.name.as_str()).collect();
    assert_eq!(names, ["ocr"]);
}

#[test]
fn a_pool_of_a_name_that_is_taken_changes_nothing_at_all() {
    let mut bench = Bench::up(|_| {});
    let (gone, added) = (vec![PoolName::new("default").unwrap()], vec![settings("default")]);
    reload(&mut bench, PoolChanges { added, gone, ..PoolChanges::default() });
    bench.says(&[r#"ticket 1: refused, PoolExists(PoolName("default"))"#]);
    assert_eq!((bench.core.pools().count(), bench.pool().wanted), (1, 1));
    bench.stop(None);
    bench.said();
    changed(&mut bench, true, |s| s.limits.workers = 9);
    bench.says(&["ticket 1: refused, Stopping"]);
}

#[test]
fn a_hook_for_an_idle_pool_that_is_new_is_called_and_one_that_is_gone_is_not() {
    let mut bench = Bench::up(|_| {});
    let busy = |running| QueueTotals { name: queue("default"), running, ..QueueTotals::default() };
    changed(&mut bench, false, |s| s.hooks.on_idle = vec!["true".into()]);
    bench.said();
    bench.committed(busy(1));
    bench.committed(busy(0));
    bench.says(&["pool 1 is idle"]);
    bench.committed(busy(1));
    changed(&mut bench, false, |s| s.hooks.on_idle = Vec::new());
    bench.said();
    bench.committed(busy(0));
    bench.says(&[]);
}
