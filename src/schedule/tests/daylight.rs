//! Ticks where the clock is changed: the table of docs/processors.md.

use super::*;

const BERLIN_SPRING: &str = "2026-03-29";
const BERLIN_AUTUMN: &str = "2026-10-25";

#[test]
fn a_fixed_time_in_the_hour_that_is_left_out_runs_at_its_end() {
    for (expression, zone, date, ticks) in [
        ("30 2 * * *", "Europe/Berlin", BERLIN_SPRING, "03:00+02:00*"),
        ("0 0 * * *", "Africa/Cairo", "2026-04-24", "01:00+03:00*"),
        ("0 0 * * *", "America/Santiago", "2026-09-06", "01:00-03:00*"),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", "02:30+11:00*"),
        ("30 1 * * *", "Antarctica/Troll", BERLIN_SPRING, "03:00+02:00*"),
        // Several in the gap, and one at its end, are one tick.
        ("0,30 2 * * *", "Europe/Berlin", BERLIN_SPRING, "03:00+02:00*"),
        ("0 2,3 * * *", "Europe/Berlin", BERLIN_SPRING, "03:00+02:00"),
        ("15 1-3 * * *", "Europe/Berlin", BERLIN_SPRING, "01:15+01:00 03:00+02:00* 03:15+02:00"),
        ("30 2,14 * * *", "Europe/Berlin", BERLIN_SPRING, "03:00+02:00* 14:30+02:00"),
        // A day that was left out as a whole.
        ("0 12 * * *", "Pacific/Apia", "2011-12-31", "00:00+14:00* 12:00+14:00"),
    ] {
        assert_eq!(day(expression, zone, date), ticks, "{expression} {zone}");
    }
}

#[test]
fn the_hour_that_comes_twice_runs_a_fixed_time_once() {
    for (expression, zone, date, ticks) in [
        ("30 2 * * *", "Europe/Berlin", BERLIN_AUTUMN, "02:30+02:00"),
        ("0 3 * * *", "Europe/Berlin", BERLIN_AUTUMN, "03:00+01:00"),
        ("15 1-3 * * *", "Europe/Berlin", BERLIN_AUTUMN, "01:15+02:00 02:15+02:00 03:15+01:00"),
        ("30 2,14 * * *", "Europe/Berlin", BERLIN_AUTUMN, "02:30+02:00 14:30+01:00"),
        ("30 23 * * *", "Africa/Cairo", "2026-10-29", "23:30+03:00"),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", "01:45+11:00"),
        ("30 1 * * *", "America/New_York", "2026-11-01", "01:30-04:00"),
    ] {
        assert_eq!(day(expression, zone, date), ticks, "{expression} {zone}");
    }
}

#[test]
fn an_interval_follows_real_time() {
    for (expression, zone, date, ticks) in [
        (
            "0 */2 * * *",
            "Europe/Berlin",
            BERLIN_SPRING,
            "00:00+01:00 04:00+02:00 06:00+02:00 08:00+02:00 10:00+02:00 12:00+02:00 14:00+02:00 16:00+02:00 18:00+02:00 20:00+02:00 22:00+02:00",
        ),
        ("0 */12 * * *", "Europe/Berlin", BERLIN_AUTUMN, "00:00+02:00 12:00+01:00"),
        ("*/30 2 * * *", "Europe/Berlin", BERLIN_AUTUMN, "02:00+02:00 02:30+02:00 02:00+01:00 02:30+01:00"),
        ("*/30 2 * * *", "Europe/Berlin", BERLIN_SPRING, ""),
        // Every value is written down, which is as good as `*`.
        ("0-59 2 * * *", "Europe/Berlin", BERLIN_SPRING, ""),
    ] {
        assert_eq!(day(expression, zone, date), ticks, "{expression} {zone}");
    }
    for (expression, zone, date, count) in [
        ("*/30 * * * *", "Europe/Berlin", BERLIN_SPRING, 46),
        ("*/30 * * * *", "Europe/Berlin", BERLIN_AUTUMN, 50),
        ("0,30 0-23 * * *", "Europe/Berlin", BERLIN_AUTUMN, 50),
        ("0 */2 * * *", "Europe/Berlin", BERLIN_AUTUMN, 13),
        ("* * * * *", "Antarctica/Troll", BERLIN_SPRING, 22 * 60),
        ("* * * * *", "Australia/Lord_Howe", "2026-04-05", 24 * 60 + 30),
        ("*/10 30 * * * *", "Europe/Berlin", BERLIN_AUTUMN, 25 * 6),
    ] {
        let ticks = day(expression, zone, date);
        assert_eq!(ticks.split(' ').count(), count, "{expression} {zone}");
    }
}

#[test]
fn ticks_are_whole_seconds_of_any_moment() {
    let schedule = calendar("*/20 * * * * *", "UTC");
    assert_eq!(schedule.after(at("2026-01-01T00:00:19.999999Z")), Some(at("2026-01-01T00:00:20Z")));
    assert_eq!(schedule.after(at("2026-01-01T00:00:20Z")), Some(at("2026-01-01T00:00:40Z")));
    assert_eq!(schedule.until(at("2026-01-01T00:00:20.000001Z")), Some(at("2026-01-01T00:00:20Z")));
    assert_eq!(schedule.until(at("2026-01-01T00:00:20Z")), Some(at("2026-01-01T00:00:20Z")));
    let before_1970 = calendar("0 0 1 1 *", "UTC");
    assert_eq!(before_1970.until(at("1970-01-01T00:00:00.5Z")), Some(at("1970-01-01T00:00:00Z")));
    assert_eq!(before_1970.until(at("1969-12-31T23:59:59.5Z")), None);
    for far in [i64::MIN, i64::MAX] {
        assert!(before_1970.after(UnixMicros(far)).is_some() == (far < 0));
        assert!(before_1970.until(UnixMicros(far)).is_some() == (far > 0));
    }
}

#[test]
fn from_any_moment_the_same_ticks_are_found() {
    let zones = [
        ("Europe/Berlin", "2026-03-28T22:00Z"),
        ("Europe/Berlin", "2026-10-24T22:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T12:00Z"),
        ("Antarctica/Troll", "2026-10-24T20:00Z"),
    ];
    for expression in ["30 2 * * *", "15 1-3 * * *", "*/20 2 * * *", "0 */2 * * *", "59 1,2 * * *", "*/7 * * * *"] {
        for (zone, from) in zones {
            let schedule = calendar(expression, zone);
            let moment = |minutes: i64| UnixMicros(at(from).0 + minutes * 60_000_000 + 1);
            let ticks = between(&schedule, moment(-2 * 1440), moment(3 * 1440));
            for now in (0..1440).step_by(7).map(moment) {
                let next = ticks.partition_point(|tick| *tick <= now);
                assert_eq!(schedule.after(now), ticks.get(next).copied(), "{expression} {zone} {now:?}");
                assert_eq!(schedule.until(now), ticks[..next].last().copied(), "{expression} {zone} {now:?}");
            }
        }
    }
}
