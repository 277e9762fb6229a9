//! Durations, sizes, counts, times and lists in words.
//!
//! Invariant: what a worker or a user wrote is never shown with its control characters.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::model::characters::is_unprintable;
use crate::model::{EXEC, ExecArgs, JobRecord, JobState, OsText, UnixMicros};

const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "m")];

/// `4ms`, `2.5s`, `12s`, `1h 5m`, `2d 3h`: two units at most.
#[must_use]
pub fn duration(d: Duration) -> String {
    let seconds = d.as_secs();
    match seconds {
        0 if d.is_zero() => "0s".to_owned(),
        0 if d < Duration::from_millis(1) => format!("{}µs", d.as_micros()),
        0 => format!("{}ms", d.as_millis()),
        1..10 if d.subsec_millis() >= 100 => format!("{seconds}.{}s", d.subsec_millis() / 100),
        1..60 => format!("{seconds}s"),
        _ => long(seconds),
    }
}

fn long(seconds: u64) -> String {
    let smaller = [(3_600, "h"), (60, "m"), (1, "s")];
    for ((unit, name), (next, next_name)) in UNITS.into_iter().zip(smaller) {
        if seconds >= unit {
            let rest = seconds % unit / next;
            let rest = if rest == 0 { String::new() } else { format!(" {rest}{next_name}") };
            return format!("{}{name}{rest}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// `3m ago`, `in 2h`, `now`: the largest unit of it.
#[must_use]
pub fn ago(now: UnixMicros, at: UnixMicros) -> String {
    let (distance, is_past) = if at <= now { (now.since(at), true) } else { (at.since(now), false) };
    // The future is rounded up, so that a delay of 10m is shown as `in 10m` at first.
    let seconds = if is_past { distance.as_secs() } else { distance.as_secs_f64().ceil() as u64 };
    match (seconds, is_past) {
        (0, _) => "now".to_owned(),
        (_, true) => format!("{} ago", about(seconds)),
        (_, false) => format!("in {}", about(seconds)),
    }
}

/// `45s`, `4m`, `2d`: the largest unit of so many seconds.
#[must_use]
pub fn about(seconds: u64) -> String {
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

/// `0`, `0.02`, `12.3`, `1234`: a rate, without its unit.
#[must_use]
pub fn rate(per_s: f64) -> String {
    match per_s {
        0.0 => "0".to_owned(),
        _ if per_s < 0.1 => format!("{per_s:.2}"),
        _ if per_s < 100.0 => format!("{per_s:.1}"),
        _ => format!("{per_s:.0}"),
    }
}

/// [`duration`] of a number of seconds; nothing sensible counts as zero.
#[must_use]
pub fn seconds(s: f64) -> String {
    duration(Duration::try_from_secs_f64(s).unwrap_or_default())
}

/// `0B`, `512K`, `12.3M`: 1024-based, as sizes are read.
#[must_use]
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["K", "M", "G", "T"] {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let text = format!("{value:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// `1 job`, `2 jobs`, `0 jobs`.
#[must_use]
pub fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `` `a` ``, `` `a` and `b` ``, `` `a`, `b` and `c` ``.
#[must_use]
pub fn list<T: std::fmt::Display>(names: &[T]) -> String {
    let mut out = String::new();
    for (n, name) in names.iter().enumerate() {
        let before = match n {
            0 => "",
            _ if n + 1 == names.len() => " and ",
            _ => ", ",
        };
        let _ = write!(out, "{before}`{name}`");
    }
    out
}

/// The time of day in the zone of this machine, to the second.
#[must_use]
pub fn time_of_day(t: UnixMicros) -> String {
    t.to_timestamp().to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

/// A time in the zone of this machine, to the second.
#[must_use]
pub fn time(t: UnixMicros) -> String {
    t.to_timestamp().to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same to the millisecond, for lines of a log.
#[must_use]
pub fn moment(t: UnixMicros) -> String {
    t.to_timestamp().to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// The limits of a pool that matter every day, those that end or replace something first. The others are in
/// `config show` and in the status document.
#[must_use]
pub fn limits(all: &BTreeMap<String, String>) -> String {
    let order = [
        "autoscale",
        "memory",
        "memory_max",
        "cpu",
        "max_jobs",
        "max_time",
        "timeout",
        "max_attempts",
        "backoff",
        "grace",
    ];
    let shown = order.iter().filter_map(|name| all.get(*name).map(|value| format!("{name} {value}")));
    shown.collect::<Vec<_>>().join(", ")
}

/// The state of a job with its cause, where that says more: `dead (max_attempts)`. While it runs, what ended the run
/// before says nothing of its state.
#[must_use]
pub fn state(job: &JobRecord) -> String {
    let state = job.state.as_str();
    match job.cause {
        Some(cause) if cause.as_str() != state && job.state != JobState::Running => format!("{state} ({cause})"),
        _ => state.to_owned(),
    }
}

/// A command as one types it into a shell: `sh -c 'sleep 1; make'`.
#[must_use]
pub fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoter = shlex::Quoter::new().allow_nul(true);
    let shown = words.into_iter().map(|word| quoter.quote(word).unwrap_or(Cow::Borrowed(word)));
    shown.collect::<Vec<_>>().join(" ")
}

/// The task of a job, in short: the command as one types it, or the type with its args.
#[must_use]
pub fn task(job: &JobRecord) -> String {
    if job.kind == EXEC
        && let Ok(exec) = serde_json::from_str::<ExecArgs<'_>>(job.args.get())
    {
        let words: Vec<_> = exec.argv.iter().map(OsText::lossy).collect();
        return command(words.iter().map(AsRef::as_ref));
    }
    match job.args.get() {
        "null" => job.kind.clone(),
        args => format!("{} {args}", job.kind),
    }
}

/// The args of a job as people read them: what is no text in the arguments of a command is shown with `\u{fffd}` for each
/// byte that is none, not in base64.
#[must_use]
pub fn args(job: &JobRecord) -> Cow<'_, str> {
    let json = job.args.get();
    if job.kind != EXEC || !json.contains("\"b64\"") {
        return Cow::Borrowed(json);
    }
    let shown = serde_json::from_str(json).map(readable).and_then(|value| serde_json::to_string(&value));
    shown.map_or(Cow::Borrowed(json), Cow::Owned)
}

fn readable(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(readable).collect(),
        Value::Object(members) => match serde_json::from_value::<OsText>(Value::Object(members.clone())) {
            Ok(text) => Value::String(text.lossy().into_owned()),
            Err(_) => members.into_iter().map(|(name, value)| (name, readable(value))).collect(),
        },
        other => other,
    }
}

/// The text with every unprintable character but tab and line break written as `\x1b` or `\u{9b}`.
#[must_use]
pub fn escape(text: &str) -> String {
    escape_but(text, |c| matches!(c, '\n' | '\t'))
}

/// The text on one line, escaped, at most `max` characters of it.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    let mut cut: String = text.trim_end().chars().take(max).collect();
    if text.trim_end().chars().nth(max).is_some() {
        cut.pop();
        cut.push('…');
    }
    escape_but(&cut.replace('\n', " ⏎ "), |_| false)
}

/// Each character of a text, and whether it must be escaped to be shown. One that chooses between the forms of a symbol
/// (U+FE0E, U+FE0F: the coloured sign of a warning, as many programs print it) may stand once behind that symbol.
pub fn marked(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut before = '\0';
    text.chars().map(move |c| {
        let chooses = matches!(c, '\u{fe0e}' | '\u{fe0f}') && before >= '\u{2100}' && !is_unprintable(before);
        before = c;
        (c, is_unprintable(c) && !chooses)
    })
}

/// A JSON text in which every unprintable character is escaped. JSON itself asks for that below U+0020 only; the others
/// occur in strings alone.
#[must_use]
pub fn escape_json(json: String) -> String {
    let above = |(c, hidden): (char, bool)| c >= '\u{7f}' && hidden;
    if json.is_ascii() && !json.contains('\u{7f}') || !marked(&json).any(above) {
        return json;
    }
    marked(&json).fold(String::with_capacity(json.len() + 16), |mut out, (c, hidden)| {
        if above((c, hidden)) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
        out
    })
}

fn escape_but(text: &str, keep: impl Fn(char) -> bool) -> String {
    if !marked(text).any(|(c, hidden)| hidden && !keep(c)) {
        return text.to_owned();
    }
    marked(text).fold(String::with_capacity(text.len() + 8), |mut out, (c, hidden)| {
        if !hidden || keep(c) {
            out.push(c);
        } else if c.is_ascii() {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        } else {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let table = [
            (0.0, "0s"),
            (0.000_25, "250µs"),
            (0.004, "4ms"),
            (1.0, "1s"),
            (2.55, "2.5s"),
            (12.9, "12s"),
            (60.0, "1m"),
            (65.0, "1m 5s"),
            (3_900.0, "1h 5m"),
            (86_400.0, "1d"),
            (2.0 * 86_400.0 + 3.0 * 3_600.0 + 5.0, "2d 3h"),
            (-1.0, "0s"),
            (f64::NAN, "0s"),
        ];
        for (s, text) in table {
            assert_eq!(seconds(s), text, "{s}");
        }
    }

    #[test]
    fn sizes_are_1024_based_with_one_decimal() {
        for (n, text) in
            [(0, "0B"), (1023, "1023B"), (1024, "1K"), (12_897_485, "12.3M"), (1 << 30, "1G"), (1_048_575, "1M")]
        {
            assert_eq!(bytes(n), text, "{n}");
        }
    }

    #[test]
    fn counts_and_lists_read_well() {
        assert_eq!(
            (count(1, "job"), count(0, "job"), count(4, "worker")),
            ("1 job".into(), "0 jobs".into(), "4 workers".into())
        );
        assert_eq!(list(&["a"]), "`a`");
        assert_eq!(list(&["a", "b"]), "`a` and `b`");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` and `c`");
    }

    #[test]
    fn json_means_the_same_and_has_no_control_characters() {
        let json = r#"{"é\u001b": "\u009b"}"#.replace("\\u009b", "\u{9b}\u{7f}\u{202e}");
        let escaped = escape_json(json.clone());
        assert_eq!(escaped, r#"{"é\u001b": "\u009b\u007f\u202e"}"#);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&escaped), value(&json));
        let json = String::from("\"a\u{200b}\u{e0041}\u{26a0}\u{fe0f}\u{fe0f}\"");
        let escaped = escape_json(json.clone());
        assert_eq!(escaped, "\"a\\u200b\\udb40\\udc41\u{26a0}\u{fe0f}\\ufe0f\"");
        assert_eq!(value(&escaped), value(&json));
    }

    #[test]
    fn characters_that_take_no_room_are_shown_and_a_symbol_keeps_its_form() {
        let invisible =
            "\u{ad}\u{34f}\u{180e}\u{200b}\u{200c}\u{200d}\u{2060}\u{2064}\u{3164}\u{fe00}\u{feff}\u{e0041}\u{e01ef}";
        for c in invisible.chars() {
            let escaped = format!("a\\u{{{:x}}}b", u32::from(c));
            assert_eq!((escape(&format!("a{c}b")), one_line(&format!("a{c}b"), 9)), (escaped.clone(), escaped));
        }
        assert_eq!(escape("\u{26a0}\u{fe0f} é ü 漢 ✔"), "\u{26a0}\u{fe0f} é ü 漢 ✔");
        assert_eq!(escape("a\u{fe0f}\u{26a0}\u{fe0f}\u{fe0f}"), "a\\u{fe0f}\u{26a0}\u{fe0f}\\u{fe0f}");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(escape("a\x1b[2J\tb\n\u{9b}\u{202e}"), "a\\x1b[2J\tb\n\\u{9b}\\u{202e}");
        assert_eq!(one_line("ab\ncd\x07", 80), "ab ⏎ cd\\x07");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd\n", 4), "abcd");
    }
}
