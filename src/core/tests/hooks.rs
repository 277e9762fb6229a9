//! Hooks: what a pool wants to be told of, and how often.

use super::*;
use crate::model::Retry;

fn hooked(settings: &mut PoolSettings) {
    settings.hooks.on_dead = vec!["a".into()];
    settings.hooks.on_idle = vec!["b".into()];
}

fn totals(ready: u64, retrying: u64, running: u64) -> QueueTotals {
    QueueTotals { name: queue("default"), ready, retrying, running, ..QueueTotals::default() }
}

fn idle(bench: &mut Bench) -> usize {
    bench.said().iter().filter(|line| line.ends_with("is idle")).count()
}

#[test]
fn a_pool_is_idle_once_for_each_time_that_there_was_something_to_do() {
    let mut bench = Bench::up(hooked);
    let mut commit = |all: &[QueueTotals]| {
        let changed = all.to_vec();
        bench.event(committed(changed));
        idle(&mut bench)
    };
    assert_eq!(commit(&[totals(0, 0, 0)]), 0, "there was nothing to do");
    for busy in [totals(1, 0, 0), totals(0, 1, 0), totals(0, 0, 1)] {
        assert_eq!(commit(std::slice::from_ref(&busy)), 0, "{busy:?}");
        assert_eq!(commit(&[busy]), 0);
        assert_eq!([commit(&[totals(0, 0, 0)]), commit(&[totals(0, 0, 0)])], [1, 0]);
    }
    let held = QueueTotals { paused: true, ..totals(3, 0, 0) };
    assert_eq!(
        [commit(&[totals(0, 0, 1)]), commit(&[held]), commit(&[totals(0, 0, 0)])],
        [0, 0, 1],
        "paused is not done"
    );
    let other = QueueTotals { name: queue("other"), ..totals(5, 0, 0) };
    assert_eq!(commit(&[totals(1, 0, 0), other.clone()]), 0);
    assert_eq!(commit(&[totals(0, 0, 0), other]), 1, "another queue");
}

#[test]
fn work_that_comes_and_goes_within_a_turn_counts_and_what_is_followed_by_more_is_no_end() {
    let mut bench = Bench::up(hooked);
    let commit = |bench: &mut Bench, totals: QueueTotals| {
        let event = committed(vec![totals]);
        bench.core.handle(event, bench.now, &mut bench.out);
    };
    for totals in [totals(0, 0, 1), totals(0, 0, 0)] {
        commit(&mut bench, totals);
    }
    bench.settle();
    assert_eq!(idle(&mut bench), 1);
    for totals in [totals(0, 0, 1), totals(0, 0, 0), totals(1, 0, 0)] {
        commit(&mut bench, totals);
    }
    bench.settle();
    assert_eq!(idle(&mut bench), 0);
}

#[test]
fn a_pool_that_begins_with_work_or_without_hooks_is_told_accordingly() {
    let mut bench = Bench::up(|_| {});
    bench.committed(totals(2, 0, 0));
    let late = |name: &str| PoolSettings { name: PoolName::new(name).unwrap(), ..settings(name) };
    let mut with = late("late");
    hooked(&mut with);
    bench.core.add_pool(with).unwrap();
    bench.core.add_pool(late("without")).unwrap();
    bench.committed(totals(0, 0, 0));
    assert_eq!(bench.said().iter().filter(|line| line.ends_with("is idle")).collect::<Vec<_>>(), ["pool 2 is idle"]);
}

#[test]
fn the_end_of_a_job_that_is_dead_is_told_of_and_no_other() {
    for (wants, told) in [(true, 1), (false, 0)] {
        let mut bench = Bench::up(|settings| {
            if wants {
                hooked(settings);
            }
        });
        bench.jobs(3);
        bench.out.clear();
        bench.answer(1, 1, badly(Retry::Policy));
        bench.jobs(1);
        bench.answer(1, 2, well());
        bench.jobs(1);
        bench.answer(1, 3, badly(Retry::Never));
        let died = |action: &&Action| matches!(action, Action::Write(Change::Finish(_), Tag::Died(_)));
        let dead: Vec<_> = bench.out.iter().filter(died).filter_map(line).collect();
        assert_eq!(dead.len(), told, "{dead:?}");
        assert!(dead.iter().all(|line| line.contains("=> dead")), "{dead:?}");
    }
}
