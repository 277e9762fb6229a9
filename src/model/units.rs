//! Durations and sizes as people write them.
//!
//! Whole-number arithmetic throughout: what [`show_duration`] writes, [`duration`] reads back exactly. A number
//! without its unit is refused for durations (seconds or milliseconds? nobody can tell) and means bytes for sizes.

use std::time::Duration;

use crate::model::MemoryLimit;

/// The longest duration that can be written: a hundred years, so that any sum with a date still fits.
pub const LONGEST: Duration = Duration::from_hours(36_500 * 24);

/// In the order in which they must be written; in nanoseconds.
const TIME_UNITS: [(&str, u128); 6] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

const SIZE_UNITS: [(char, u128); 4] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];

/// Reads `500ms`, `30s`, `1h 30m`, `2d`, `1w`; a bare number is refused (the unit is missing), so is a negative one.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a duration must not be empty; write `10s`, `5m` or `2h`".into());
    }
    if text.starts_with('-') {
        return Err(format!("`{text}` is negative; write `10s`, `5m` or `2h`"));
    }
    let (mut rest, mut total, mut next_unit) = (text, 0_u128, 0);
    while !rest.is_empty() {
        let (number, after) = number(rest).ok_or_else(|| not_a_duration(text))?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let at = time_unit(text, unit)?;
        if at < next_unit {
            return Err(format!("`{text}` is out of order; write the larger unit first and each unit once"));
        }
        next_unit = at + 1;
        total = number.times(TIME_UNITS[at].1).and_then(|n| total.checked_add(n)).ok_or_else(|| too_long(text))?;
        rest = after.trim_start();
    }
    if total > LONGEST.as_nanos() {
        return Err(too_long(text));
    }
    let nanos = (total % 1_000_000_000) as u32;
    Ok(Duration::new((total / 1_000_000_000) as u64, nanos))
}

fn time_unit(text: &str, unit: &str) -> Result<usize, String> {
    if unit.is_empty() {
        let bare = text.chars().all(|c| c.is_ascii_digit() || c == '.');
        return Err(if bare {
            format!("`{text}` has no unit; write `10s`, `5m` or `2h`")
        } else {
            not_a_duration(text)
        });
    }
    let found = TIME_UNITS.iter().position(|(name, _)| *name == unit);
    found.ok_or_else(|| format!("`{text}` has the unknown unit `{unit}`; use `ms`, `s`, `m`, `h`, `d` or `w`"))
}

fn not_a_duration(text: &str) -> String {
    format!("`{text}` is not a duration; write `10s`, `5m` or `2h`")
}

fn too_long(text: &str) -> String {
    format!("`{text}` is too long; the most is {}", show_duration(LONGEST))
}

/// A decimal number as written: `whole` and `part / scale`.
#[derive(Clone, Copy)]
struct Number {
    whole: u64,
    part: u64,
    scale: u64,
}

impl Number {
    /// Rounded down to whole small units; `None` if that does not fit.
    fn times(self, unit: u128) -> Option<u128> {
        let whole = u128::from(self.whole).checked_mul(unit)?;
        whole.checked_add(u128::from(self.part) * unit / u128::from(self.scale))
    }
}

/// Splits `1.5rest` into the number and the rest. At most nine decimals.
fn number(text: &str) -> Option<(Number, &str)> {
    let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
    let (whole, rest) = text.split_at(digits(text));
    // A number too large for 64 bits is too large for everything that is measured here.
    let whole: u64 = if whole.is_empty() { return None } else { whole.parse().unwrap_or(u64::MAX) };
    let Some(decimals) = rest.strip_prefix('.') else {
        return Some((Number { whole, part: 0, scale: 1 }, rest));
    };
    let (part, rest) = decimals.split_at(digits(decimals));
    if part.is_empty() || part.len() > 9 {
        return None;
    }
    Some((Number { whole, part: part.parse().ok()?, scale: 10_u64.pow(part.len() as u32) }, rest))
}

/// Reads `128M`, `1.5G`, `512KiB`, `1048576`; K, M and G are 1024-based, as in the tools that limit memory.
pub fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(format!("`{text}` is negative; write `512K`, `128M` or `2G`"));
    }
    let wrong = || format!("`{text}` is not a size; write `512K`, `128M` or `2G`");
    let (number, unit) = number(text).ok_or_else(wrong)?;
    let factor = size_unit(unit.trim_start()).ok_or_else(wrong)?;
    if factor == 1 && number.part != 0 {
        return Err(format!("`{text}` is not a whole number of bytes; write `512K`, `128M` or `2G`"));
    }
    let total = number.times(factor).and_then(|n| u64::try_from(n).ok());
    total.ok_or_else(|| format!("`{text}` is too large"))
}

/// `M`, `MB` and `MiB` in any case; nothing and `B` are bytes.
fn size_unit(unit: &str) -> Option<u128> {
    let unit = unit.to_ascii_uppercase();
    if unit.is_empty() || unit == "B" {
        return Some(1);
    }
    let mut letters = unit.chars();
    let first = letters.next()?;
    let (_, factor) = SIZE_UNITS.iter().find(|(letter, _)| *letter == first)?;
    matches!(letters.as_str(), "" | "B" | "IB").then_some(*factor)
}

/// Reads `+128M` (growth) or `256M` (absolute).
pub fn memory_limit(text: &str) -> Result<MemoryLimit, String> {
    match text.trim().strip_prefix('+') {
        Some(growth) => bytes(growth).map(MemoryLimit::Growth),
        None => bytes(text).map(MemoryLimit::Absolute),
    }
}

/// Writes a duration as [`duration`] reads it: `30s`, `1h 30m`, `500ms`. Days are the largest unit, because `7d`
/// is easier to compare with `30d` than `1w`.
#[must_use]
pub fn show_duration(d: Duration) -> String {
    if d.is_zero() {
        return "0s".into();
    }
    let mut rest = d.as_nanos();
    let mut words = Vec::new();
    for (unit, size) in &TIME_UNITS[1..] {
        let count = rest / size;
        rest %= size;
        if *unit == "ms" && rest > 0 {
            words.push(format!("{count}.{}ms", format!("{rest:06}").trim_end_matches('0')));
        } else if count > 0 {
            words.push(format!("{count}{unit}"));
        }
    }
    words.join(" ")
}

/// Writes a size as [`bytes`] reads it, rounded to one decimal: `128M`, `1.5G`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    let bytes = u128::from(bytes);
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let tenths = |unit: u128| (bytes * 10 + unit / 2) / unit;
    // The first unit in which fewer than 1024 remain after rounding; the last one takes what is left.
    let fits = SIZE_UNITS.iter().find(|(_, unit)| tenths(*unit) < 10_240);
    let (letter, unit) = fits.unwrap_or(&SIZE_UNITS[SIZE_UNITS.len() - 1]);
    match (tenths(*unit) / 10, tenths(*unit) % 10) {
        (whole, 0) => format!("{whole}{letter}"),
        (whole, tenth) => format!("{whole}.{tenth}{letter}"),
    }
}

/// Writes a limit as [`memory_limit`] reads it: `+128M`, `256M`.
#[must_use]
pub fn show_memory_limit(limit: MemoryLimit) -> String {
    match limit {
        MemoryLimit::Growth(bytes) => format!("+{}", show_bytes(bytes)),
        MemoryLimit::Absolute(bytes) => show_bytes(bytes),
    }
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
