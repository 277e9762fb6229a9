//! Points in time as people write them: with a zone, in the time of this machine, or from now.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, Zoned};

use crate::model::{UnixMicros, units};

/// The forms of a time, named where none of them was written.
const FORMS: &str = "write a time such as `10:00`, `tomorrow 9:00`, `2026-12-31 23:59` or `3h`, or one with its zone: \
                     `2026-12-31T23:59:00Z`";

const PAST_FORMS: &str = "write how long ago, such as `1h` or `7d`, or a time such as `10:00`, `yesterday 9:00` or \
                          `2026-12-31 23:59`";

/// A point in time. `10:00` is the next time that a clock here shows that.
pub(crate) fn parse(text: &str) -> Result<UnixMicros, String> {
    at(text.trim(), &Zoned::now()).map(UnixMicros::from_timestamp).ok_or_else(|| FORMS.to_owned())
}

/// A point in time that is over. `1h` is so long ago, `10:00` the last time that a clock here showed that.
pub(crate) fn past(text: &str) -> Result<UnixMicros, String> {
    before(text.trim(), &Zoned::now()).map(UnixMicros::from_timestamp).ok_or_else(|| PAST_FORMS.to_owned())
}

fn before(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(ago) = units::duration(text) {
        return now.timestamp().checked_sub(ago).ok();
    }
    let on = |day: Date, time| Some(day.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp());
    if let Some(time) = text.strip_prefix("yesterday ") {
        return on(now.date().yesterday().ok()?, clock(time)?);
    }
    if let Some(time) = clock(text) {
        let today = on(now.date(), time)?;
        return if today <= now.timestamp() { Some(today) } else { on(now.date().yesterday().ok()?, time) };
    }
    at(text, now)
}

fn at(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if let Ok(from_now) = units::duration(text) {
        return now.timestamp().checked_add(from_now).ok();
    }
    let here = |time: DateTime| time.to_zoned(now.time_zone().clone()).ok();
    if let Some(time) = clock(text) {
        let today = here(now.date().to_datetime(time))?;
        let next = if today > *now { today } else { here(now.date().tomorrow().ok()?.to_datetime(time))? };
        return Some(next.timestamp());
    }
    let (day, time) = text.split_once([' ', 'T'])?;
    let day: Date = match day {
        "today" => now.date(),
        "tomorrow" => now.date().tomorrow().ok()?,
        date => date.parse().ok()?,
    };
    Some(here(day.to_datetime(clock(time)?))?.timestamp())
}

/// `9:00`, `09:00`, `23:59:30`.
fn clock(text: &str) -> Option<Time> {
    let padded = if text.find(':') == Some(1) { format!("0{text}") } else { text.to_owned() };
    let is_clock = padded.contains(':') && padded.bytes().all(|b| b.is_ascii_digit() || b == b':');
    padded.parse().ok().filter(|_| is_clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_this_machine_unless_they_name_a_zone() {
        let now: Zoned = "2026-11-29T12:30:00+01:00[Europe/Berlin]".parse().expect("a time");
        for (text, expected) in [
            ("2026-12-31T23:59:00Z", "2026-12-31T23:59:00Z"),
            ("2026-12-31T23:59:00+01:00", "2026-12-31T22:59:00Z"),
            ("2026-12-31 23:59", "2026-12-31T22:59:00Z"),
            ("2026-12-31T23:59:30", "2026-12-31T22:59:30Z"),
            ("2027-07-01 9:00", "2027-07-01T07:00:00Z"),
            ("13:00", "2026-11-29T12:00:00Z"),
            ("12:30", "2026-11-30T11:30:00Z"),
            ("9:00", "2026-11-30T08:00:00Z"),
            ("today 9:00", "2026-11-29T08:00:00Z"),
            ("tomorrow 9:00", "2026-11-30T08:00:00Z"),
            ("3h", "2026-11-29T14:30:00Z"),
            ("90s", "2026-11-29T11:31:30Z"),
        ] {
            assert_eq!(at(text, &now).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        // An hour that is not there is the one after it.
        let spring: Zoned = "2027-03-27T12:00:00+01:00[Europe/Berlin]".parse().expect("a time");
        assert_eq!(at("tomorrow 2:30", &spring).map(|time| time.to_string()).as_deref(), Some("2027-03-28T01:30:00Z"));
    }

    #[test]
    fn times_that_are_over_are_the_last_ones() {
        let now: Zoned = "2026-11-29T12:30:00+01:00[Europe/Berlin]".parse().expect("a time");
        for (text, expected) in [
            ("90m", "2026-11-29T10:00:00Z"),
            ("7d", "2026-11-22T11:30:00Z"),
            ("12:00", "2026-11-29T11:00:00Z"),
            ("13:00", "2026-11-28T12:00:00Z"),
            ("yesterday 9:00", "2026-11-28T08:00:00Z"),
            ("today 9:00", "2026-11-29T08:00:00Z"),
            ("2026-11-01 9:00", "2026-11-01T08:00:00Z"),
            ("2026-11-01T09:00:00Z", "2026-11-01T09:00:00Z"),
        ] {
            assert_eq!(before(text, &now).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(before("yesterday", &now), None);
        assert!(past("once").is_err_and(|why| why.contains("`7d`")));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let now = Zoned::now();
        for text in ["", "soon", "25:00", "10", "10.00", "tomorrow", "tomorrow morning", "2026-13-01 10:00", "-3h", "3"]
        {
            assert_eq!(at(text, &now), None, "{text}");
        }
        assert!(parse("soon").is_err_and(|why| why.contains("`tomorrow 9:00`")));
    }
}
