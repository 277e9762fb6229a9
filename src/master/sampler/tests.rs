//! The rhythm, with a clock given; and real processes, measured by the real thread.

use super::*;
use crate::process::testing::{DEADLINE, Family, wait_until};

const MIB: u64 = 1024 * 1024;

fn watches(count: i64, now: Instant) -> Watches {
    let mut watches = Watches::new(now);
    for id in 1..=count {
        watches.obey(Command::Watch { worker: WorkerId(id), pid: id as u32 }, now);
    }
    watches
}

#[test]
fn a_worker_that_does_not_change_is_looked_at_less_and_less_until_it_is_active() {
    let mut now = crate::clock::instant();
    let mut watches = watches(1, now);
    let worker = WorkerId(1);
    watches.obey(Command::Busy(false), now);
    let watch = watches.workers.get_mut(&worker).unwrap();
    let mut look = |watch: &mut Watch, time, memory| {
        now += INTERVAL;
        watch.update(worker, &[(1, time, memory)], now)
    };
    assert_eq!(look(watch, 500, MIB), Some(Sample { worker, memory_bytes: MIB, cpu_percent: 50.0 }));
    assert_eq!(look(watch, 500, MIB), Some(Sample { worker, memory_bytes: MIB, cpu_percent: 0.0 }));
    for pause in [2, 4, 8] {
        assert_eq!(look(watch, 500, MIB), None);
        assert_eq!(watch.pause, Duration::from_secs(pause));
    }
    assert_eq!(look(watch, 500, 2 * MIB).map(|sample| sample.memory_bytes), Some(2 * MIB));
    assert_eq!(watch.pause, INTERVAL);
    watch.pause = IDLE_INTERVAL;
    watch.due = now + IDLE_INTERVAL;
    watches.obey(Command::Busy(true), now);
    assert!(watches.next_due().unwrap() <= now + INTERVAL + TICK);
}

#[test]
fn the_time_of_descendants_counts_and_one_that_ends_takes_nothing_away() {
    let start = crate::clock::instant();
    let mut watches = watches(1, start);
    let watch = watches.workers.get_mut(&WorkerId(1)).unwrap();
    let mut at = |seconds, seen: &[(u32, u64, u64)]| {
        watch.update(WorkerId(1), seen, start + Duration::from_secs(seconds)).map(|s| (s.cpu_percent, s.memory_bytes))
    };
    assert_eq!(at(1, &[(1, 100, MIB), (2, 400, MIB)]), Some((50.0, 2 * MIB)));
    assert_eq!(at(2, &[(1, 200, MIB)]), Some((10.0, MIB)));
    assert_eq!(at(3, &[(2, 10, MIB)]), None, "the worker itself is gone");
}

#[test]
fn a_large_set_is_measured_in_slices_and_one_asked_for_at_once() {
    let start = crate::clock::instant();
    let mut watches = watches(1000, start);
    for watch in watches.workers.values_mut() {
        watch.report_always = false;
    }
    assert!(watches.take_due(start).is_empty());
    watches.obey(Command::Now(WorkerId(900)), start);
    assert_eq!(watches.take_due(start), [WorkerId(900)]);
    watches.workers.remove(&WorkerId(900));
    let (mut now, mut slices) = (start + INTERVAL, vec![]);
    while slices.iter().sum::<usize>() < 999 {
        let due = watches.take_due(now);
        slices.push(due.len());
        for worker in due {
            watches.workers.get_mut(&worker).unwrap().due = now + IDLE_INTERVAL;
        }
        now += TICK;
    }
    assert_eq!(slices, [[100; 9].as_slice(), &[99]].concat());
}

#[test]
fn a_worker_is_measured_with_its_child_when_asked_and_not_after_it_is_unwatched() {
    let family = Family::start("sampled");
    let pid = family.leader.id();
    let tree = with_descendants(pid);
    assert_eq!(tree.len(), 3);
    let (found_one, got) = crossbeam_channel::unbounded();
    let sampler = Sampler::start(64, move |found, _| found.iter().for_each(|s| found_one.send(*s).unwrap())).unwrap();
    let (worker, other) = (WorkerId(7), WorkerId(8));
    assert!(sampler.tell(Command::Watch { worker, pid }));
    assert!(sampler.tell(Command::Now(worker)));
    let sample = got.recv_timeout(DEADLINE).unwrap();
    assert_eq!(sample.worker, worker);
    let sum: u64 = tree.iter().map(|&pid| memory_of(pid).unwrap()).sum();
    assert!(sum > 0 && sample.memory_bytes.abs_diff(sum) < MIB, "{sample:?}, but {sum}");
    assert!(sampler.tell(Command::Unwatch(worker)) && sampler.tell(Command::Now(worker)));
    assert!(sampler.tell(Command::Watch { worker: other, pid }) && sampler.tell(Command::Now(other)));
    assert_eq!(got.recv_timeout(DEADLINE).unwrap().worker, other);
    drop(sampler);
    assert!(got.iter().all(|sample| sample.worker == other));
}

#[test]
fn a_tree_that_sleeps_is_only_glanced_at_while_there_is_no_work() {
    let mut family = Family::start("asleep");
    let (worker, now) = (WorkerId(1), crate::clock::instant());
    let mut watches = Watches::new(now);
    watches.obey(Command::Watch { worker, pid: family.leader.id() }, now);
    assert!(!watches.still_sleeps(worker, now), "it was never measured");
    let watch = watches.workers.get_mut(&worker).unwrap();
    watch.report_always = false;
    watch.pause = 2 * INTERVAL;
    watch.tree = vec![(family.leader.id(), 0), (family.children[0].pid, 0)];
    assert!(!watches.still_sleeps(worker, now), "there is nothing yet to compare with");
    // A program that has just started goes on touching its memory for a while.
    wait_until("it sleeps", || watches.still_sleeps(worker, now));
    assert_eq!(watches.workers[&worker].pause, 4 * INTERVAL);
    watches.obey(Command::Busy(true), now);
    assert!(!watches.still_sleeps(worker, now));
    watches.obey(Command::Busy(false), now);
    watches.workers.get_mut(&worker).unwrap().pause = 2 * INTERVAL;
    family.leader.kill().unwrap();
    family.leader.wait().unwrap();
    assert!(!watches.still_sleeps(worker, now), "it is gone");
}
