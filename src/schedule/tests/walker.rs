//! A walker that looks at each minute of a year is the judge of what the search finds.
//!
//! The walker knows nothing of croner: it reads the expressions by itself, and asks jiff for the offset of an instant only.
//! `SCHEDULE_YEARS` gives the number of whole years; without it, the days around each change of the clock are walked.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil};

use super::*;

/// Zones, each with a year in which something happens.
const ZONES: [(&str, i16); 12] = [
    ("Europe/Berlin", 2026),
    ("America/New_York", 2026),
    ("Africa/Cairo", 2026),
    ("America/Santiago", 2026),
    ("Australia/Lord_Howe", 2026),
    ("Antarctica/Troll", 2026),
    ("Pacific/Apia", 2011),
    ("Asia/Kolkata", 2026),
    ("UTC", 2026),
    ("Africa/Casablanca", 2026),
    ("Asia/Tehran", 2021),
    ("Australia/Adelaide", 2026),
];

const EXPRESSIONS: [&str; 40] = [
    "* * * * *",
    "*/5 * * * *",
    "*/30 * * * *",
    "7-59/13 * * * *",
    "0 * * * *",
    "15,45 * * * *",
    "0 */2 * * *",
    "30 */3 * * *",
    "*/20 1-4 * * *",
    "* 2 * * *",
    "*/7 0 * * *",
    "0-59 2 * * *",
    "0,30 0-23 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "15 1 * * *",
    "0 2 * * *",
    "15 2 * * *",
    "30 2 * * *",
    "59 2 * * *",
    "0 3 * * *",
    "30 23 * * *",
    "15 1-3 * * *",
    "0,30 2 * * *",
    "0 2,3 * * *",
    "30 2,14 * * *",
    "0-10 2 * * *",
    "5-59/5 0-4 * * *",
    "0 12 * * *",
    "0 9 * * MON-FRI",
    "30 2 * * SUN",
    "30 2 * * 7",
    "0 0 1 * *",
    "0 0 L * *",
    "30 2 29 3 *",
    "0 0 24 APR,SEP *",
    "30 2 25 * SUN",
    "30 2 */2 * SUN",
    "0 3 * * SUN#1",
    "0 4 * * 0L",
];

/// A minute on the clock.
struct Minute {
    number: i8,
    hour: i8,
    date: civil::Date,
}

impl Minute {
    /// So many minutes after 1970 on the clock.
    fn new(wall: i64) -> Self {
        let civil = Offset::UTC.to_datetime(Timestamp::from_second(wall * 60).unwrap());
        Self { number: civil.minute(), hour: civil.hour(), date: civil.date() }
    }
}

/// A part of a list: from, to, step, and what follows a number.
type Part = (i8, i8, i8, String);

/// An expression as the walker reads it.
struct Read {
    minute: Vec<Part>,
    hour: Vec<Part>,
    day: Option<Vec<Part>>,
    month: Vec<Part>,
    weekday: Option<Vec<Part>>,
    is_both: bool,
    is_interval: bool,
}

fn parts(field: &str, least: i8, most: i8) -> Vec<Part> {
    let names = "SUN MON TUE WED THU FRI SAT JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(' ').enumerate();
    let number = |n: usize| if n < 7 { n } else { n - 6 };
    let field = names.fold(field.to_owned(), |field, (n, name)| field.replace(name, &number(n).to_string()));
    let part = |part: &str| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let digits = range.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(range.len());
        let (range, tail) = range.split_at(digits);
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let bound = |text: &str, other| text.parse().unwrap_or(other);
        (bound(from, least), bound(to, most), step.parse().unwrap(), tail.trim_start_matches('*').to_owned())
    };
    field.split(',').map(part).collect()
}

fn has(parts: &[Part], value: i8) -> bool {
    parts.iter().any(|(from, to, step, _)| *from <= value && value <= *to && (value - from) % step == 0)
}

impl Read {
    fn new(expression: &str) -> Self {
        let fields: Vec<&str> = expression.split(' ').collect();
        let [minute, hour, day, month, weekday] = fields[..] else { panic!("{expression}") };
        let all = |field: &str, whole: &str| field.starts_with('*') || field == whole;
        Self {
            minute: parts(minute, 0, 59),
            hour: parts(hour, 0, 23),
            day: (day != "*").then(|| parts(day, 1, 31)),
            month: parts(month, 1, 12),
            weekday: (weekday != "*").then(|| parts(weekday, 0, 7)),
            is_both: day.starts_with('*') || weekday.starts_with('*'),
            is_interval: all(minute, "0-59") || all(hour, "0-23"),
        }
    }

    fn matches(&self, at: &Minute) -> bool {
        has(&self.minute, at.number) && has(&self.hour, at.hour) && has(&self.month, at.date.month()) && {
            let day = self.day.as_ref().map(|parts| is_day(parts, at.date));
            let weekday = self.weekday.as_ref().map(|parts| is_weekday(parts, at.date));
            match (day, weekday) {
                (None, None) => true,
                (Some(one), None) | (None, Some(one)) => one,
                (Some(day), Some(weekday)) if self.is_both => day && weekday,
                (Some(day), Some(weekday)) => day || weekday,
            }
        }
    }
}

fn is_day(parts: &[Part], date: civil::Date) -> bool {
    match parts {
        [(.., tail)] if tail == "L" => date.day() == date.days_in_month(),
        _ => has(parts, date.day()),
    }
}

fn is_weekday(parts: &[Part], date: civil::Date) -> bool {
    let weekday = date.weekday().to_sunday_zero_offset();
    let is_it = has(parts, weekday) || (weekday == 0 && has(parts, 7));
    match parts {
        [(.., tail)] if tail == "#1" => is_it && date.day() <= 7,
        [(.., tail)] if tail == "L" => is_it && date.day() + 7 > date.days_in_month(),
        _ => is_it,
    }
}

/// A minute of real time.
struct Step {
    at: i64,
    minute: Minute,
    /// The clock has shown it before.
    is_second: bool,
    /// Times that the clock has left out just before.
    gap: Vec<Minute>,
}

/// All minutes from one to another, both in minutes since 1970.
fn walk(zone: &TimeZone, from: i64, to: i64) -> Vec<Step> {
    let wall = |at: i64| at + i64::from(zone.to_offset(Timestamp::from_second(at * 60).unwrap()).seconds()) / 60;
    // The hours before may be repeated.
    let mut latest = (from - 2880..from).map(wall).max().unwrap();
    let mut before = wall(from - 1);
    (from..to)
        .map(|at| {
            let now = wall(at);
            let gap = (before + 1..now).map(Minute::new).collect();
            let step = Step { at, minute: Minute::new(now), is_second: now <= latest, gap };
            (latest, before) = (latest.max(now), now);
            step
        })
        .collect()
}

fn ticks(read: &Read, steps: &[Step]) -> Vec<UnixMicros> {
    let is_tick = |step: &&Step| {
        if read.is_interval {
            read.matches(&step.minute)
        } else {
            !step.is_second && read.matches(&step.minute) || step.gap.iter().any(|minute| read.matches(minute))
        }
    };
    steps.iter().filter(is_tick).map(|step| UnixMicros(step.at * 60_000_000)).collect()
}

/// The part of a year that is walked: all of it, or two days before and after each change of the clock.
fn windows(zone: &TimeZone, year: i16, years: Option<i16>) -> Vec<(i64, i64)> {
    let start = |year: i16| civil::date(year, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let end = start(year + years.unwrap_or(1));
    if years.is_some() {
        return vec![(start(year).as_second() / 60, end.as_second() / 60)];
    }
    let changes = zone.following(start(year)).map(|change| change.timestamp()).take_while(|change| *change < end);
    let around = changes.map(|change| (change.as_second() / 60 - 2880, change.as_second() / 60 + 2880));
    around.chain([(start(year).as_second() / 60, start(year).as_second() / 60 + 2880)]).collect()
}

#[test]
fn a_year_of_schedules_is_what_a_walker_finds_minute_by_minute() {
    let years = std::env::var("SCHEDULE_YEARS").ok().map(|years| years.parse().expect("a number of years"));

    let mut found = 0;
    for (name, year) in ZONES {
        let zone = TimeZone::get(name).unwrap();
        for (from, to) in windows(&zone, year, years) {
            let steps = walk(&zone, from, to);
            for expression in EXPRESSIONS {
                let expected = ticks(&Read::new(expression), &steps);
                let last = |minute: i64| UnixMicros(minute * 60_000_000 - 1);
                assert_eq!(between(&calendar(expression, name), last(from), last(to)), expected, "{expression} {name}");
                found += expected.len();
            }
        }
    }
    assert!(found > 100_000, "{found}");
}
