//! A timer of systemd: when a processor runs, as an interval or as a cron expression.

use super::super::draft::Section;
use super::super::ini::Key;
use super::span;
use super::systemd::Unit;

/// `OnCalendar=` that have a name.
const NAMED: [(&str, &str); 8] = [
    ("minutely", "* * * * *"),
    ("hourly", "@hourly"),
    ("daily", "@daily"),
    ("weekly", "0 0 * * MON"),
    ("monthly", "@monthly"),
    ("yearly", "@yearly"),
    ("annually", "@yearly"),
    ("quarterly", "0 0 1 1,4,7,10 *"),
];

pub(super) fn read(timer: &Unit<'_>, section: &mut Section) {
    let (mut calendars, mut zones): (Vec<String>, Vec<Option<String>>) = (Vec::new(), Vec::new());
    let is_monotonic = ["OnUnitActiveSec", "OnUnitInactiveSec"].iter().any(|key| timer.value("Timer", key).is_some());
    for key in timer.keys("Timer") {
        let written = key.written();
        match key.name.as_str() {
            "OnCalendar" if is_monotonic => {
                section.lose(written, "a processor has either an interval or a calendar; make another one");
            }
            "OnCalendar" => match calendar(&key.value) {
                Some((_, zone)) if !zones.is_empty() && !zones.contains(&zone) => {
                    section.lose(written, "a processor has one time zone; make another one");
                }
                Some((cron, zone)) => {
                    calendars.push(cron);
                    zones.push(zone);
                    section.take(written, ());
                }
                None => section.lose(written, "there is no cron expression for it"),
            },
            _ => other(section, key, is_monotonic),
        }
    }
    if !calendars.is_empty() {
        section.add("", ("cron", calendars));
        if let Some(zone) = zones.into_iter().flatten().next() {
            section.add("", ("timezone", zone));
        }
        if !section.has("missed") {
            section.add("", ("missed", "skip"));
        }
    }
}

fn other(section: &mut Section, key: &Key, is_monotonic: bool) {
    let (written, length) = (key.written(), seconds(&key.value).map(span));
    match (key.name.as_str(), length) {
        ("OnUnitActiveSec", Some(every)) => {
            section.take(written, [("every", every.into()), ("every_from", "start".into())]);
        }
        ("OnUnitInactiveSec", Some(every)) => section.take(written, ("every", every)),
        ("OnBootSec" | "OnStartupSec" | "OnActiveSec", Some(_)) => {
            section.change(written, "at once when the master starts", ("run_at_start", true));
        }
        ("Persistent", _) if is_monotonic => section.take(written, ()),
        ("Persistent", _) => {
            let is_on = matches!(key.value.to_lowercase().as_str(), "true" | "yes" | "1" | "on");
            section.take(written, ("missed", if is_on { "once" } else { "skip" }));
        }
        ("RandomizedDelaySec", Some(most)) => {
            section.change(written, "always as late, by the name of the processor", ("jitter", most));
        }
        ("AccuracySec" | "FixedRandomDelay" | "Unit", _) => section.take(written, ()),
        ("WakeSystem", _) if matches!(key.value.as_str(), "false" | "no" | "0") => section.take(written, ()),
        ("WakeSystem", _) => section.lose(written, "a machine that sleeps is not woken; the run comes when it wakes"),
        _ => section.lose(written, "a processor has no such key"),
    }
}

/// `5min 30s` in seconds; a bare number is seconds. `None`: for ever, or nothing that can be read.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        let unit = rest[end..].trim_start();
        let length = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        total += number
            * match &unit[..length] {
                "" | "s" | "sec" | "second" | "seconds" => 1.0,
                "ms" | "msec" => 0.001,
                "us" | "usec" => 0.000_001,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hr" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                "w" | "week" | "weeks" => 604_800.0,
                "M" | "month" | "months" => 2_629_800.0,
                "y" | "year" | "years" => 31_557_600.0,
                _ => return None,
            };
        rest = unit[length..].trim_start();
    }
    Some(total)
}

/// A calendar event of systemd as a cron expression, with its time zone, where there is one.
fn calendar(text: &str) -> Option<(String, Option<String>)> {
    if let Some((_, cron)) = NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(((*cron).to_owned(), None));
    }
    let (mut days, mut date, mut time, mut zone) = (None, None, None, None);
    for word in text.split_whitespace() {
        if word.contains(':') {
            time = Some(word);
        } else if word.starts_with(|c: char| c.is_ascii_digit() || c == '*') {
            date = Some(word);
        } else if word.contains('/') || word == "UTC" {
            zone = Some(word.to_owned());
        } else if days.is_none() {
            days = Some(word);
        } else {
            return None;
        }
    }
    let (month, day) = date.map_or(Some(("*".to_owned(), "*".to_owned())), self::date)?;
    let (hour, minute, second) = time.map_or(Some(("0".into(), "0".into(), "0".into())), self::time)?;
    let week = days.map_or(Some("*".to_owned()), weekdays)?;
    // Both days have to fit.
    let week = if week != "*" && day != "*" { format!("+{week}") } else { week };
    let second = if second == "0" { String::new() } else { format!("{second} ") };
    Some((format!("{second}{minute} {hour} {day} {month} {week}"), zone))
}

/// Month and day of `*-*-01`.
fn date(text: &str) -> Option<(String, String)> {
    let (before, is_from_end) = match text.split_once('~') {
        Some((before, "1" | "01")) => (before.to_owned() + "-L", true),
        Some(_) => return None,
        None => (text.to_owned(), false),
    };
    let parts: Vec<&str> = before.split('-').collect();
    let (["*", month, day] | [month, day]) = parts[..] else { return None };
    Some((field(month, 1)?, if is_from_end { "L".to_owned() } else { field(day, 1)? }))
}

/// Hour, minute and second of `06:00` or `*:0/15:30`.
fn time(text: &str) -> Option<(String, String, String)> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (hour, minute, "0"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    Some((field(hour, 0)?, field(minute, 0)?, field(second, 0)?))
}

/// A list of numbers, ranges and steps; leading zeros go.
fn field(text: &str, first: u32) -> Option<String> {
    let number = |text: &str| text.parse::<u32>().ok().map(|number| number.to_string());
    let one = |part: &str| {
        let (from, step) = part.split_once('/').map_or((part, None), |(from, step)| (from, Some(step)));
        let base = match (from.split_once(".."), step) {
            _ if from == "*" => "*".to_owned(),
            (Some((from, to)), _) => format!("{}-{}", number(from)?, number(to)?),
            // `0/15` begins at 0 and has no end.
            (None, Some(_)) if from.parse() == Ok(first) => "*".to_owned(),
            (None, Some(_)) => return None,
            (None, None) => number(from)?,
        };
        let step = step.map_or(Some(String::new()), |step| number(step).map(|step| format!("/{step}")));
        step.map(|step| base + &step)
    };
    Some(text.split(',').map(one).collect::<Option<Vec<_>>>()?.join(","))
}

/// `Mon..Fri` as `MON-FRI`.
fn weekdays(text: &str) -> Option<String> {
    let day = |name: &str| {
        let short: String = name.chars().take(3).collect::<String>().to_uppercase();
        ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"].contains(&short.as_str()).then_some(short)
    };
    let one = |part: &str| match part.split_once("..").or_else(|| part.split_once('-')) {
        Some((from, to)) => Some(format!("{}-{}", day(from)?, day(to)?)),
        None => day(part),
    };
    Some(text.split(',').map(one).collect::<Option<Vec<_>>>()?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_events_that_cron_has_a_form_for_become_expressions() {
        for (event, expected) in [
            ("daily", Some("@daily")),
            ("Mon..Fri 06:00", Some("0 6 * * MON-FRI")),
            ("Mon,Thu *-*-* 00:30:00", Some("30 0 * * MON,THU")),
            ("*:0/15", Some("*/15 * * * *")),
            ("*-*-* *:*:0/10", Some("*/10 * * * * *")),
            ("*-*-01,15 04:05", Some("5 4 1,15 * *")),
            ("Fri *-*-13", Some("0 0 13 * +FRI")),
            ("*-*~01 23:00", Some("0 23 L * *")),
            ("*-12-24 18:00 Europe/Berlin", Some("0 18 24 12 * Europe/Berlin")),
            ("2027-01-01", None),
            ("*:3/15", None),
            ("Sometimes", None),
        ] {
            let found = calendar(event).map(|(cron, zone)| zone.map_or(cron.clone(), |zone| format!("{cron} {zone}")));
            assert_eq!(found.as_deref(), expected, "{event}");
        }
        assert_eq!([seconds("1min 30s"), seconds("90"), seconds("infinity")], [Some(90.0), Some(90.0), None]);
    }
}
