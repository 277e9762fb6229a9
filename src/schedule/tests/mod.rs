//! Cron expressions are tried in zones of the system.

mod daylight;
mod random;
mod reading;
mod walker;

use super::*;
use crate::model::processor::Schedule;

fn calendar(expression: &str, zone: &str) -> Calendar {
    let zone = Zone::find(zone).unwrap();
    Calendar::new([expression], zone).unwrap_or_else(|why| panic!("{why}"))
}

fn at(time: &str) -> UnixMicros {
    UnixMicros::from_timestamp(time.parse().unwrap())
}

/// The ticks of `schedule` after one moment, as far as another; checked from both ends.
#[track_caller]
fn between(schedule: &dyn Schedule, from: UnixMicros, to: UnixMicros) -> Vec<UnixMicros> {
    let ticks = |first| std::iter::successors(first, |tick| schedule.after(*tick));
    let forward: Vec<_> = ticks(schedule.after(from)).take_while(|tick| *tick <= to).collect();
    let before = |tick: UnixMicros| schedule.until(UnixMicros(tick.0 - 1));
    let back = std::iter::successors(schedule.until(to), |tick| before(*tick)).take_while(|tick| *tick > from);
    let mut back: Vec<_> = back.take(forward.len() + 5).collect();
    back.reverse();
    assert_eq!(forward, back, "{schedule:?}");
    assert!(forward.is_sorted_by(|one, next| one < next), "{schedule:?}: {forward:?}");
    forward
}

/// The ticks of a day on the clock of its zone, `*` where one was moved.
#[track_caller]
fn day(expression: &str, zone: &str, date: &str) -> String {
    let schedule = calendar(expression, zone);
    let date: jiff::civil::Date = date.parse().unwrap();
    let midnight = |date: jiff::civil::Date| date.to_zoned(schedule.zoned(at("2000-01-01T00:00Z")).time_zone().clone());
    let start = |date| UnixMicros::from_timestamp(midnight(date).unwrap().timestamp());
    let ticks = between(&schedule, UnixMicros(start(date).0 - 1), UnixMicros(start(date.tomorrow().unwrap()).0 - 1));
    let ticks = ticks.into_iter().map(|tick| {
        let moved = if schedule.is_moved(tick) { "*" } else { "" };
        format!("{}{moved}", schedule.zoned(tick).strftime("%H:%M%:z"))
    });
    ticks.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_comes_next_has_the_offset_of_its_zone_and_says_what_was_moved() {
    let settings = |timing, sleep| ProcessorSettings {
        name: ProcessorName::new("a").unwrap(),
        description: String::new(),
        enabled: true,
        timing,
        schedule: String::new(),
        timezone: None,
        sleep,
        overlap: crate::model::processor::Overlap::Skip,
        missed: crate::model::processor::Missed::Once,
        missed_within: Duration::ZERO,
        missed_max: 1,
        jitter: Duration::ZERO,
        run_at_start: false,
        keep_runs: None,
        timeout: Duration::from_hours(1),
        job: None,
    };
    let next = |timing, sleep| {
        let next = next(&settings(timing, sleep), at("2026-03-28T00:00Z"), 3);
        next.into_iter().map(|next| (next.tick, next.moved)).collect::<Vec<_>>()
    };
    let berlin = Timing::Calendar(std::sync::Arc::new(calendar("30 2 * * *", "Europe/Berlin")));
    let expected = [
        ("2026-03-28T02:30:00+01:00".to_owned(), false),
        ("2026-03-29T03:00:00+02:00".to_owned(), true),
        ("2026-03-30T02:30:00+02:00".to_owned(), false),
    ];
    assert_eq!(next(berlin, Duration::ZERO), expected);
    let every = next(Timing::Every(Duration::ZERO), Duration::from_millis(1500));
    assert!(every[0].0.contains(":01.5") && every[1].0.contains(":03"), "{every:?}");
    assert_eq!(next(Timing::External, Duration::ZERO), []);
}

#[test]
fn the_jitter_of_a_name_is_always_the_same_and_below_its_bound() {
    let name = |n: u32| ProcessorName::new(&format!("p{n}")).unwrap();
    let most = Duration::from_mins(1);
    let all: Vec<_> = (0..1000).map(|n| jitter(&name(n), "store", most)).collect();
    assert!(all.iter().all(|jitter| *jitter < most));
    assert_eq!(all, (0..1000).map(|n| jitter(&name(n), "store", most)).collect::<Vec<_>>());
    let early = all.iter().filter(|jitter| **jitter < most / 2).count();
    assert!((400..600).contains(&early), "{early}");
    assert_ne!(jitter(&name(1), "store", most), jitter(&name(1), "another", most));
    assert_eq!(jitter(&name(1), "store", Duration::ZERO), Duration::ZERO);
    // For ever.
    assert_eq!(jitter(&name(1), "store", most), Duration::from_micros(9_276_607));
}
