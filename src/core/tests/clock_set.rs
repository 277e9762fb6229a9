//! A wall clock that is set while jobs wait.

use super::*;

#[test]
fn nothing_is_promoted_or_claimed_by_a_clock_that_was_set_until_what_waits_is_moved() {
    let mut bench = Bench::up(|_| {});
    bench.due(Some(bench.now.wall.plus(10 * SECOND)));
    let year = Duration::from_hours(24 * 365);
    bench.now.wall = bench.now.wall.plus(year);
    bench.event(Event::ClockSet { by: year.as_micros() as i64 });
    bench.core.claim(&mut bench.out);
    bench.says(&["shift Due by 31536000 s"]);
    // In steps, one at a time.
    let next = Some((UnixMicros(7), JobId(1)));
    bench.event(Event::Shifted { next });
    bench.event(Event::Shifted { next: None });
    bench.core.claim(&mut bench.out);
    bench.says(&["shift Due by 31536000 s", "shift Expiry by 31536000 s"]);
    bench.due(Some(bench.now.wall.plus(10 * SECOND)));
    bench.event(Event::Shifted { next: None });
    bench.core.claim(&mut bench.out);
    bench.says(&["claim 1"]);
    bench.pass(10 * SECOND);
    bench.says(&["promote"]);
}

#[test]
fn a_look_at_the_start_holds_up_nothing() {
    let mut bench = Bench::up(|_| {});
    bench.event(Event::ClockSet { by: 0 });
    bench.core.claim(&mut bench.out);
    bench.says(&["shift Due by 0 s", "claim 1"]);
}
