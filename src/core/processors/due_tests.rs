//! Ticks that are due, late and missed, by policy.

use super::*;
use crate::core::tests::processors::{Seconds, settings};

const SECOND: i64 = 1_000_000;
const DAY: Duration = Duration::from_hours(24);

/// A calendar of every tenth second.
fn calendar() -> Timing {
    Timing::Calendar(std::sync::Arc::new(Seconds(10)))
}

fn at(seconds: i64) -> UnixMicros {
    UnixMicros(seconds * SECOND)
}

struct Case {
    timing: Timing,
    missed: Missed,
    within: Duration,
    most: u32,
    /// The first tick that is due, since when a master watches, and now, in seconds.
    times: [i64; 3],
}

/// The tick, the one after it, how many are passed over, and whether it is run, and as what.
fn due(case: Case) -> (i64, Option<i64>, u64, &'static str) {
    let Case { timing, missed, within, most, times: [first, since, now] } = case;
    let settings = ProcessorSettings {
        timing,
        missed,
        missed_within: within,
        missed_max: most,
        ..settings("p", Timing::External)
    };
    let due = Due::of(&settings, at(first), Past { watched_since: at(since), ..Past::default() }, at(now));
    let word = due.skip.map_or(due.source.as_str(), SkipCause::as_str);
    let word = if due.skip.is_some() { "skipped" } else { word };
    (due.tick.0 / SECOND, due.next_at.map(|at| at.0 / SECOND), due.passed_over.0, word)
}

fn case(timing: Timing, missed: Missed, times: [i64; 3]) -> Case {
    Case { timing, missed, within: DAY, most: 100, times }
}

#[test]
fn a_tick_in_time_is_run_whatever_becomes_of_those_that_were_missed() {
    for missed in [Missed::Once, Missed::Skip, Missed::All] {
        assert_eq!(due(case(calendar(), missed, [1000, 5, 1000])), (1000, Some(1010), 0, "schedule"));
        assert_eq!(
            due(case(Timing::Grid(Duration::from_secs(10)), missed, [1003, 5, 1004])),
            (1003, Some(1013), 0, "schedule")
        );
        assert_eq!(
            due(case(Timing::Every(Duration::from_secs(10)), missed, [1003, 5, 1004])),
            (1003, None, 0, "schedule")
        );
    }
}

#[test]
fn of_ticks_that_were_missed_the_latest_is_run_or_none_or_all_from_the_oldest_on() {
    for timing in [calendar(), Timing::Grid(Duration::from_secs(10))] {
        let down = |missed| case(timing.clone(), missed, [1000, 1035, 1035]);
        assert_eq!(due(down(Missed::Once)), (1030, Some(1040), 3, "missed"));
        assert_eq!(due(down(Missed::Skip)), (1030, Some(1040), 3, "skipped"));
        assert_eq!(due(down(Missed::All)), (1000, Some(1010), 0, "missed"));
    }
}

#[test]
fn an_interval_that_was_missed_is_run_once_or_not() {
    let down = |missed| case(Timing::Every(Duration::from_secs(10)), missed, [1000, 1035, 1035]);
    assert_eq!(due(down(Missed::Once)), (1000, None, 0, "missed"));
    assert_eq!(due(down(Missed::All)), (1000, None, 0, "missed"));
    assert_eq!(due(down(Missed::Skip)), (1000, None, 0, "skipped"));
}

#[test]
fn ticks_older_than_the_limit_and_beyond_the_most_are_passed_over() {
    let within = |missed, seconds, most| Case {
        within: Duration::from_secs(seconds),
        most,
        ..case(calendar(), missed, [1000, 1095, 1095])
    };
    assert_eq!(due(within(Missed::All, 30, 100)), (1070, Some(1080), 7, "missed"));
    assert_eq!(due(within(Missed::All, 3600, 4)), (1060, Some(1070), 6, "missed"));
    assert_eq!(due(within(Missed::Once, 3, 100)), (1090, Some(1100), 9, "skipped"));
    assert_eq!(due(within(Missed::All, 3, 100)), (1090, Some(1100), 9, "skipped"));
}

#[test]
fn how_many_are_made_up_for_is_decided_at_the_first_of_them() {
    for timing in [calendar(), Timing::Grid(Duration::from_secs(10))] {
        let settings = ProcessorSettings {
            timing,
            missed: Missed::All,
            missed_within: Duration::from_hours(1),
            missed_max: 4,
            ..settings("p", Timing::External)
        };
        let tick = |first, catches_up| {
            let past = Past { watched_since: at(10_000), was_held: false, catches_up };
            Due::of(&settings, at(first), past, at(10_005)).tick
        };
        assert_eq!([tick(5000, false), tick(5000, true), tick(9980, true)], [at(9970), at(6410), at(9980)]);
        assert_eq!([tick(10_000, false), tick(10_000, true)], [at(10_000); 2]);
    }
}

#[test]
fn a_tick_that_is_a_little_late_is_no_missed_one_but_after_a_long_sleep_it_is() {
    assert_eq!(due(case(calendar(), Missed::Skip, [1000, 5, 1009])), (1000, Some(1010), 0, "schedule"));
    assert_eq!(due(case(calendar(), Missed::Skip, [1000, 5, 1035])), (1030, Some(1040), 3, "schedule"));
    let hourly = Timing::Calendar(std::sync::Arc::new(Seconds(3600)));
    assert_eq!(due(case(hourly.clone(), Missed::Skip, [3600, 5, 3661])), (3600, Some(7200), 0, "skipped"));
    assert_eq!(due(case(hourly, Missed::Once, [3600, 5, 3661])), (3600, Some(7200), 0, "missed"));
}

#[test]
fn years_of_ticks_are_not_counted_one_by_one() {
    let (tick, next, passed_over, word) = due(case(calendar(), Missed::Once, [1000, 900_000_000, 900_000_005]));
    assert_eq!((tick, next, passed_over, word), (900_000_000, Some(900_000_010), MOST_COUNTED, "missed"));
}
