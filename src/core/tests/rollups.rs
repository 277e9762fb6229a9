//! Counts, and when they go to the store.

use super::*;
use crate::model::change::KeepFor;
use crate::model::gauge::{MarkKind, PoolGauge, Rollup};
use crate::model::rollup::MOST_TYPES;
use crate::model::worker::EndReason;

/// One whose pool is up, and of which nothing is to be told any more.
fn counting(change: impl FnOnce(&mut PoolSettings)) -> Bench {
    let mut bench = Bench::up(change);
    let day = Duration::from_hours(24);
    bench.core.keep_records_for(KeepFor { succeeded: day, dead: day, runs: day, audit: day });
    bench.pass(10 * SECOND);
    told(&mut bench).expect("workers came");
    bench.event(Event::RolledUp);
    bench
}

/// Counts that went to the store since the last time.
fn told(bench: &mut Bench) -> Option<Rollup> {
    let mut told = std::mem::take(&mut bench.out).into_iter().filter_map(|action| match action {
        Action::Write(Change::RollUp(rollup), Tag::RollUp) => Some(*rollup),
        _ => None,
    });
    let first = told.next();
    assert!(told.next().is_none(), "one at a time");
    first
}

fn runs(rollup: &Rollup) -> u64 {
    rollup.minutes.iter().flat_map(|(_, tally)| tally.iter()).map(|(.., counts)| counts.runs()).sum()
}

#[test]
fn runs_go_to_the_store_after_ten_seconds_and_no_more_before_these_are_on_record() {
    let mut bench = counting(|_| {});
    bench.jobs(1);
    bench.pass(3 * SECOND);
    bench.answer(1, 1, well());
    bench.pass(9 * SECOND);
    assert_eq!(told(&mut bench), None);
    bench.pass(SECOND);
    let first = told(&mut bench).expect("ten seconds have passed");
    assert_eq!(runs(&first), 1);
    let (_, _, counts) = first.minutes[0].1.iter().next().expect("a type");
    assert_eq!((counts.run_us, counts.run.count()), (3_000_000, 1));
    bench.jobs(1);
    bench.answer(1, 2, badly(Retry::Policy));
    bench.pass(60 * SECOND);
    assert_eq!(told(&mut bench), None, "the first are not on record yet");
    bench.event(Event::RolledUp);
    assert_eq!(runs(&told(&mut bench).expect("now they are")), 1);
    bench.event(Event::RolledUp);
    bench.pass(3600 * SECOND);
    assert_eq!(told(&mut bench), None, "nothing has happened");
    assert_eq!(bench.core.tally().sums().pop().map(|(_, all)| all.runs()), Some(2));
}

#[test]
fn types_that_were_the_first_keep_their_counts_when_others_come_beside_them() {
    let mut bench = counting(|_| {});
    let mut ended = 0;
    // Those that come later stand first in the alphabet.
    for n in (0..=MOST_TYPES).rev() {
        ended += 1;
        bench.core.handle(Event::News { queues: Vec::new() }, bench.now, &mut bench.out);
        bench.give(vec![Claimed { kind: format!("t{n:03}").into(), ..job(ended) }]);
        bench.answer(1, ended as u64, well());
    }
    let apart = |bench: &Bench| {
        let tally = bench.core.tally();
        tally.iter().map(|(_, kind, counts)| (kind.to_string(), counts.runs())).collect::<Vec<_>>()
    };
    let found = apart(&bench);
    assert_eq!(
        (found.len(), &*found[0].0, &*found[1].0, &*found[MOST_TYPES].0),
        (MOST_TYPES + 1, "other", "t001", "t200")
    );
    bench.pass(10 * SECOND);
    assert_eq!(apart(&bench), found, "also once they are handed on");
}

#[test]
fn a_run_belongs_to_the_minute_of_its_end_and_what_ends_while_the_master_stops_goes_at_once() {
    let mut bench = counting(|settings| settings.limits.workers = 2);
    bench.jobs(2);
    bench.answer(1, 1, well());
    bench.now.wall = UnixMicros(bench.now.wall.0 - 300_000_000);
    bench.answer(2, 1, well());
    bench.pass(10 * SECOND);
    let rollup = told(&mut bench).expect("ten seconds have passed");
    let minutes: Vec<i64> = rollup.minutes.iter().map(|(minute, _)| *minute).collect();
    assert_eq!(minutes, [minutes[0], minutes[0] - 5]);
    bench.event(Event::RolledUp);
    bench.jobs(1);
    bench.stop(Some(5 * SECOND));
    drop(told(&mut bench));
    bench.event(Event::RolledUp);
    bench.answer(1, 2, well());
    assert_eq!(runs(&told(&mut bench).expect("at once")), 1);
}

#[test]
fn a_pool_tells_of_its_work_and_of_the_workers_that_came_and_went() {
    let mut bench = counting(|settings| settings.limits.workers = 2);
    bench.jobs(1);
    bench.event(Event::Sampled { worker: WorkerId(1), memory: 700, cpu: 50.0 });
    bench.pass(4 * SECOND);
    bench.event(Event::Sampled { worker: WorkerId(1), memory: 900, cpu: 50.0 });
    bench.exit(2, Exit::Code(1), 99);
    bench.pass(10 * SECOND);
    let gauge = |bench: &mut Bench| told(bench).expect("it is time").pools.pop().expect("a pool");
    let PoolGauge { wanted, ready_min, busy_us, capacity_us, memory_max, ended, crashed, recycled, .. } =
        gauge(&mut bench);
    assert_eq!((wanted, ready_min, memory_max), (2, 1, 900));
    assert_eq!((ended, crashed, recycled), (1, 1, 0));
    assert_eq!((busy_us, capacity_us), (14_000_000, 10_000_000), "since something was to tell");
    bench.event(Event::RolledUp);
    bench.pass(10 * SECOND);
    let PoolGauge { busy_us, capacity_us, ended, cpu_us, .. } = gauge(&mut bench);
    assert_eq!((busy_us, capacity_us, ended, cpu_us), (10_000_000, 10_000_000, 0, 0), "while a job runs there is more");
    let pool = bench.pool();
    assert_eq!((pool.counts.started, pool.counts.ended[EndReason::Exited as usize]), (2, 1));
    assert!(pool.counts.cpu_us >= 2_000_000);
}

#[test]
fn what_operators_do_is_marked() {
    let mut bench = counting(|_| {});
    let scale = |workers| Command::Scale {
        target: Target::All,
        workers: Wanted::Exactly(workers),
        hold: None,
        grace: None,
        wait: false,
    };
    bench.command(1, scale(3));
    bench.pass(10 * SECOND);
    let marks = told(&mut bench).expect("it is time").marks;
    let found: Vec<_> = marks.iter().map(|mark| (mark.kind, mark.text.as_str())).collect();
    assert_eq!(found, [(MarkKind::Scale, "pool `default`: 1 → 3 workers")]);
}
