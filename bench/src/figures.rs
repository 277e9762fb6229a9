//! What a case measures: rows with a target, and the samples of each repetition.
//!
//! Invariant: a figure of a row is the median of its samples, one sample per repetition.

use std::collections::BTreeMap;

/// What a number is, and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things per second; more is better.
    PerSecond,
    Seconds,
    /// Thousandths of a second.
    Millis,
    /// Millionths of a second.
    Micros,
    /// 1024 × 1024 bytes.
    Mib,
    /// 1024 bytes.
    Kib,
    /// Of one CPU.
    Percent,
    /// A number of things.
    Count,
}

impl Unit {
    /// The number with its unit.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", rounded(value)),
            Self::Seconds => format!("{} s", rounded(value)),
            Self::Millis => format!("{} ms", rounded(value)),
            Self::Micros => format!("{} µs", rounded(value)),
            Self::Mib => format!("{} MiB", rounded(value)),
            Self::Kib => format!("{} KiB", rounded(value)),
            Self::Percent => format!("{value:.4} %"),
            Self::Count => rounded(value),
        }
    }

    /// For machines.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::PerSecond => "per_second",
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Micros => "us",
            Self::Mib => "MiB",
            Self::Kib => "KiB",
            Self::Percent => "percent",
            Self::Count => "count",
        }
    }
}

/// Three digits that mean something, and thousands apart.
fn rounded(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        let scale = 10_f64.powi(size.log10().floor() as i32 - 2);
        let whole = ((value / scale).round() * scale) as i64;
        let digits = whole.to_string();
        let (sign, digits) = digits.strip_prefix('-').map_or(("", &*digits), |d| ("-", d));
        let mut text = String::from(sign);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        return text;
    }
    match size {
        s if s >= 100.0 => format!("{value:.0}"),
        s if s >= 10.0 => format!("{value:.1}"),
        s if s >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// What a figure is to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// At least so many times the first peer's figure of the same run.
    TimesPeer(f64),
    /// At most so many times the first peer's figure of the same run.
    AtMostTimesPeer(f64),
    /// Nothing: shown because another figure is understood by it.
    None,
}

impl Target {
    pub(crate) fn show(self, unit: Unit) -> String {
        match self {
            Self::AtLeast(n) => format!("≥ {}", unit.show(n)),
            Self::AtMost(n) if unit == Unit::Percent => format!("≤ {n} %"),
            Self::AtMost(n) => format!("≤ {}", unit.show(n)),
            Self::TimesPeer(n) => format!("≥ {n} ×"),
            Self::AtMostTimesPeer(n) => format!("≤ {n} ×"),
            Self::None => "–".to_owned(),
        }
    }

    /// Whether it is reached; `None` where that cannot be said.
    pub(crate) fn met(self, ours: Option<f64>, peer: Option<f64>) -> Option<bool> {
        let ours = ours?;
        match self {
            Self::AtLeast(n) => Some(ours >= n),
            Self::AtMost(n) => Some(ours <= n),
            Self::TimesPeer(n) => Some(ours >= n * peer?),
            Self::AtMostTimesPeer(n) => Some(ours <= n * peer?),
            Self::None => None,
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// Names it in a case.
    pub(crate) key: &'static str,
    /// For people.
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    pub(crate) target: Target,
    /// What it is held against; the target is about the first.
    pub(crate) peers: &'static [&'static str],
}

impl Row {
    /// A row without a peer.
    pub(crate) const fn alone(key: &'static str, what: &'static str, unit: Unit, target: Target) -> Self {
        Self { key, what, unit, target, peers: &[] }
    }
}

/// The samples of one figure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure(Vec<f64>);

impl Figure {
    pub(crate) fn samples(&self) -> &[f64] {
        &self.0
    }

    pub(crate) fn median(&self) -> Option<f64> {
        percentile(&self.0, 50.0)
    }

    /// Lowest and highest.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let low = self.0.iter().copied().reduce(f64::min)?;
        let high = self.0.iter().copied().reduce(f64::max)?;
        Some((low, high))
    }
}

/// The value below which so many percent of the values lie; the middle of the two in the middle for 50 of an even
/// number.
pub(crate) fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = percent / 100.0 * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

/// What the repetitions of one case have found.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    ours: BTreeMap<&'static str, Figure>,
    peers: BTreeMap<(&'static str, &'static str), Figure>,
    /// What could not be measured, and why.
    pub(crate) without: BTreeMap<&'static str, String>,
}

impl Samples {
    pub(crate) fn ours(&mut self, key: &'static str, value: f64) {
        self.ours.entry(key).or_default().0.push(value);
    }

    pub(crate) fn peer(&mut self, key: &'static str, peer: &'static str, value: f64) {
        self.peers.entry((key, peer)).or_default().0.push(value);
    }

    /// Says that something could not be measured.
    pub(crate) fn missing(&mut self, what: &'static str, why: impl Into<String>) {
        self.without.insert(what, why.into());
    }

    pub(crate) fn of(&self, row: &Row) -> Figure {
        self.ours.get(row.key).cloned().unwrap_or_default()
    }

    pub(crate) fn of_peer(&self, row: &Row, peer: &'static str) -> Figure {
        self.peers.get(&(row.key, peer)).cloned().unwrap_or_default()
    }
}
