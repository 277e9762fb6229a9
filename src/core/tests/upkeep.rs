//! Upkeep: how often old records are removed, and when not.

use super::*;
use crate::model::change::KeepFor;

const DAY: Duration = Duration::from_hours(24);

fn keeping(time: Duration) -> Bench {
    let mut bench = Bench::up(|_| {});
    bench.core.keep_records_for(KeepFor { succeeded: time, dead: 30 * DAY, runs: 7 * DAY, audit: 90 * DAY });
    bench
}

/// Steps that were asked for within this time; each finds something or nothing.
fn steps(bench: &mut Bench, time: Duration, found: bool) -> usize {
    let (end, mut steps) = (bench.now.mono + time, 0);
    while bench.now.mono < end {
        let next = bench.core.next_deadline(bench.now).filter(|&at| at < end).unwrap_or(end);
        let until_then = next.since(bench.now.mono);
        bench.pass(until_then);
        if std::mem::take(&mut bench.out).iter().any(|action| matches!(action, Action::Write(_, Tag::Prune))) {
            steps += 1;
            bench.event(Event::Pruned { found });
        }
    }
    steps
}

#[test]
fn records_are_looked_at_more_and_more_seldom_while_none_is_old_and_often_while_some_are() {
    let mut bench = keeping(DAY);
    bench.settle();
    assert!(matches!(bench.out.pop(), Some(Action::Write(Change::Prune { .. }, Tag::Prune))), "at the start");
    bench.event(Event::Pruned { found: false });
    assert_eq!(steps(&mut bench, Duration::from_mins(30), false), 7, "after 1, 2, 4, and then every 5 minutes");
    assert!(steps(&mut bench, Duration::from_mins(6), true) > 100);
    let mut bench = keeping(SECOND);
    assert!((50..=62).contains(&steps(&mut bench, Duration::from_mins(1), false)), "they are kept for a second");
}

#[test]
fn one_step_is_asked_for_at_a_time_with_the_queues_that_are_served() {
    let mut bench = keeping(DAY);
    bench.settle();
    let Some(Action::Write(Change::Prune { keep, served, .. }, _)) = bench.out.pop() else { panic!("no step") };
    assert_eq!(keep.succeeded_since, bench.now.wall.minus(DAY));
    assert_eq!(served.iter().collect::<Vec<_>>(), [&queue("default")]);
    bench.pass(DAY);
    assert!(!bench.out.iter().any(|action| matches!(action, Action::Write(_, Tag::Prune))), "it was not answered");
}

#[test]
fn nothing_is_removed_for_an_hour_after_the_clock_was_set_forward_nor_while_the_master_stops() {
    let mut bench = keeping(DAY);
    bench.event(Event::ClockSet { by: 1_000_000 });
    bench.out.clear();
    bench.event(Event::Pruned { found: true });
    assert_eq!(steps(&mut bench, Duration::from_mins(59), true), 0);
    assert!(steps(&mut bench, Duration::from_mins(2), true) > 0);
    bench.stop(None);
    assert_eq!(steps(&mut bench, Duration::from_mins(1), true), 0);
}
