//! A drain: when it is complete, when it goes on, and when it is given up.

use super::*;

#[test]
fn a_drain_is_complete_when_all_is_written_and_nothing_of_its_queues_is_left() {
    let left = |ready, retrying, running, paused| QueueTotals {
        name: queue("default"),
        ready,
        retrying,
        running,
        paused,
        ..QueueTotals::default()
    };
    let mut bench = Bench::up(|_| {});
    bench.core.stop_when_drained();
    for (totals, n) in [(left(2, 0, 0, false), 2), (left(2, 1, 0, true), 1), (left(0, 0, 1, false), 1)] {
        bench.committed(totals);
        bench.core.end_drain(true, bench.now, &mut bench.out);
        assert_eq!((bench.core.left(), bench.core.phase()), (n, Phase::Running));
    }
    bench.committed(left(3, 0, 0, true));
    bench.committed(QueueTotals { name: queue("other"), ready: 7, ..QueueTotals::default() });
    bench.core.end_drain(false, bench.now, &mut bench.out);
    assert_eq!(bench.core.phase(), Phase::Running, "a push waits to be committed");
    bench.core.end_drain(true, bench.now, &mut bench.out);
    assert_eq!(bench.core.phase(), Phase::Stopping);
    assert_eq!(bench.said().last().unwrap(), "close 1");
}

#[test]
fn a_job_at_a_worker_keeps_a_drain_open_whatever_the_totals_say() {
    let mut bench = Bench::up(|_| {});
    bench.core.stop_when_drained();
    bench.jobs(1);
    bench.core.end_drain(true, bench.now, &mut bench.out);
    assert_eq!(bench.core.phase(), Phase::Running);
}

#[test]
fn a_drain_is_given_up_after_three_tries_where_no_worker_was_ever_of_use() {
    let left = || QueueTotals { name: queue("default"), ready: 2, ..QueueTotals::default() };
    let fails = |bench: &mut Bench, worker| {
        let error = String::from("no such file");
        bench.event(Event::SpawnFailed { worker: WorkerId(worker), error, temporary: false });
        bench.pass(SECOND);
        bench.core.end_drain(true, bench.now, &mut bench.out);
    };
    let mut bench = Bench::new(|_| {});
    bench.core.stop_when_drained();
    bench.committed(left());
    for worker in 1..=2 {
        fails(&mut bench, worker);
        assert_eq!(bench.core.phase(), Phase::Running);
    }
    fails(&mut bench, 3);
    assert_eq!(bench.core.phase(), Phase::Stopping);
    let (pool, problem) = bench.core.undrained().vain.unwrap();
    assert_eq!((pool.as_str(), problem.to_string().as_str()), ("default", "no such file"));

    let mut bench = Bench::up(|_| {});
    bench.core.stop_when_drained();
    bench.jobs(1);
    bench.answer(1, 1, well());
    bench.gone(1);
    bench.committed(left());
    for worker in 2..=6 {
        fails(&mut bench, worker);
        assert_eq!(bench.core.phase(), Phase::Running, "it may have been repaired");
    }
}
