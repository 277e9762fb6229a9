//! One cron expression: how it is read, and its ticks in a zone.
//!
//! croner does the reading and searching. Differences from what it does by itself:
//! - *Fixed* is an expression in whose seconds, minutes and hours no `*` stands and no field has every value, as in Vixie
//!   cron; croner takes `30 2,14 * * *` and `15 1-3 * * *` for intervals. A fixed time that a gap leaves out is at the end
//!   of the gap, however long that is (croner gives up after two hours); one that comes twice is the first. All others are
//!   *intervals*, which follow real time: left out in a gap, twice where the clock goes back.
//! - A day of the month or week that begins with `*`, such as `*/2`, and a restricted other one must both match, as in
//!   Vixie cron; croner takes either.
//! - A name in a field where it has no meaning (`0 9 * MON *`), an empty place in a list and a step beyond its field are
//!   refused; croner takes them for something else. So is a time that never comes.
//! - `@midnight` is `@daily`, in any case of letters.

use croner::Cron;
use croner::parser::CronParser;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// A field: its name, the least and the most, and the words in it.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"];

const FIELDS: [Field; 6] = [
    Field { name: "second", least: 0, most: 59, words: &[] },
    Field { name: "minute", least: 0, most: 59, words: &[] },
    Field { name: "hour", least: 0, most: 23, words: &[] },
    Field { name: "day of the month", least: 1, most: 31, words: &["L", "W", "LW"] },
    Field { name: "month", least: 1, most: 12, words: MONTHS },
    Field { name: "day of the week", least: 0, most: 7, words: WEEKDAYS },
];

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The calendar repeats itself after 400 years; a time that is in none of these never comes.
const YEARS: &str = "1970-2399";
const FIRST: DateTime = jiff::civil::datetime(1970, 1, 1, 0, 0, 0, 0);

/// An expression that comes at some time.
#[derive(Clone)]
pub(super) struct Expression {
    cron: Cron,
    is_fixed: bool,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.cron, if self.is_fixed { " (fixed)" } else { "" })
    }
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields = fields(text)?;
        let cron = parse(&fields).map_err(|error| {
            // croner does not say where.
            let any =
                |at: usize| (0..fields.len()).map(|n| if n == at { &*fields[n] } else { "*" }).collect::<Vec<_>>();
            let wrong = (0..fields.len()).find(|at| parse(&any(*at)).is_err());
            wrong.map_or(error, |at| FIELDS[at].refuse(&fields[at]))
        })?;
        let pattern = &cron.pattern;
        let is_whole = |field: &croner::CronComponent| {
            field.from_wildcard || field.values().len() == usize::from(field.max - field.min) + 1
        };
        let is_fixed = ![&pattern.seconds, &pattern.minutes, &pattern.hours].into_iter().any(is_whole);
        if cron.find_next_occurrence(&FIRST, true).is_err() {
            return Err(format!("`{text}` never comes; is there such a day in that month?"));
        }
        Ok(Self { cron, is_fixed })
    }

    /// Whether a time of day and date is one of its own.
    pub(super) fn matches(&self, civil: DateTime) -> bool {
        self.cron.is_time_matching(&civil).unwrap_or(false)
    }

    /// The first tick after this moment.
    pub(super) fn after(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        if !self.is_fixed {
            let found = self.cron.find_next_occurrence(&at.to_zoned(zone.clone()), false);
            return found.ok().map(|found| found.timestamp());
        }
        let mut civil = zone.to_datetime(at);
        loop {
            civil = self.cron.find_next_occurrence(&civil, false).ok()?;
            let tick = fixed(zone, civil)?;
            // Times that come twice lie behind, the second time.
            if tick > at {
                return Some(tick);
            }
        }
    }

    /// The last tick at or before this moment.
    pub(super) fn until(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        // croner knows whole seconds only.
        let at = Timestamp::from_second(at.as_second() - i64::from(at.subsec_nanosecond() < 0)).ok()?;
        if !self.is_fixed {
            let found = self.cron.find_previous_occurrence(&at.to_zoned(zone.clone()), true);
            return found.ok().map(|found| found.timestamp());
        }
        let mut civil = zone.to_datetime(at);
        if let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(civil).offset() {
            // Times later on the clock may have come already.
            civil = civil.checked_add(before.duration_since(after)).ok()?;
        }
        let mut is_inclusive = true;
        loop {
            civil = self.cron.find_previous_occurrence(&civil, is_inclusive).ok()?;
            let tick = fixed(zone, civil)?;
            if tick <= at {
                return Some(tick);
            }
            is_inclusive = false;
        }
    }
}

/// The instant of a fixed time: the first of two, the end of the gap where there is none.
fn fixed(zone: &TimeZone, civil: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(civil).ok()
        }
        AmbiguousOffset::Gap { after, .. } => {
            let before_the_gap = after.to_timestamp(civil).ok()?;
            let end = zone.following(before_the_gap).find(|transition| transition.offset() == after)?;
            Some(end.timestamp())
        }
    }
}

/// The six fields of an expression, the seconds first, as croner is to read them.
fn fields(text: &str) -> Result<Vec<String>, String> {
    let trimmed = text.trim();
    let written = if trimmed.starts_with('@') { nickname(trimmed)? } else { trimmed };
    let mut fields: Vec<String> = written.split_whitespace().map(str::to_uppercase).collect();
    match fields.len() {
        5 => fields.insert(0, "0".to_owned()),
        6 => {}
        0 => return Err("it is empty; write the five fields `minute hour day month weekday`".to_owned()),
        count => {
            let next = "write five (minute hour day month weekday), or six with the second first";
            return Err(format!("`{text}` has {count} field{}; {next}", if count == 1 { "" } else { "s" }));
        }
    }
    for (field, written) in FIELDS.iter().zip(&fields) {
        field.check(written)?;
    }
    let (day, weekday) = (&fields[3], &fields[5]);
    let begins_with_any = |field: &str| field.starts_with("*/");
    if (begins_with_any(day) || begins_with_any(weekday)) && !weekday.starts_with('+') {
        fields[5].insert(0, '+');
    }
    Ok(fields)
}

fn nickname(text: &str) -> Result<&'static str, String> {
    let known = NICKNAMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    if let Some((_, expression)) = known {
        return Ok(expression);
    }
    let next = match text.split_whitespace().next().unwrap_or_default().to_lowercase().as_str() {
        "@reboot" => "for a run when the master starts write `run_at_start = true`".to_owned(),
        "@every" => "for an interval write `every = \"5m\"` instead of `cron`".to_owned(),
        _ => {
            let names: Vec<_> = NICKNAMES.iter().map(|(name, _)| format!("`{name}`")).collect();
            format!("the names are {}", names.join(", "))
        }
    };
    Err(format!("`{text}` is no cron expression; {next}"))
}

fn parse(fields: &[impl AsRef<str>]) -> Result<Cron, String> {
    let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).chain([YEARS]).collect();
    CronParser::new().parse(&fields.join(" ")).map_err(|error| error.to_string())
}

impl Field {
    /// Refuses what croner takes for something else.
    fn check(&self, written: &str) -> Result<(), String> {
        for part in written.trim_start_matches('+').split(',') {
            let mut words = part.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
            let (_, step) = part.split_once('/').unwrap_or_default();
            if part.is_empty() || words.any(|word| !self.words.contains(&word)) {
                return Err(self.refuse(written));
            }
            if step.parse().is_ok_and(|step: u32| step > self.most - self.least) {
                let name = self.name;
                let next = "begins anew with each round of the field; for an interval write `every`";
                return Err(format!("the {name} `{written}` has a step that is longer than the field: it {next}"));
            }
        }
        Ok(())
    }

    fn refuse(&self, written: &str) -> String {
        let Self { name, least, most, words } = self;
        let words = match words {
            [] => String::new(),
            ["L", ..] => ", `L` for the last, `15W` for the weekday nearest to the 15th".to_owned(),
            [first, ..] => format!(", or a name such as `{first}`"),
        };
        format!("the {name} `{written}` cannot be read; it is {least} to {most}{words}, with `*`, `,`, `-` and `*/2`")
    }
}
