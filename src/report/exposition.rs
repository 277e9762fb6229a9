//! Metrics in the text formats of Prometheus and OpenMetrics.
//!
//! Knows nothing of what is measured. Invariants: whatever a label holds, a line stays a line and a text a text; a name is
//! described once, before its numbers; the buckets of a histogram are cumulative and the last one has its count.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::model::sketch::Sketch;

/// Units that names end in.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// Metrics of one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Family {
    pub name: Cow<'static, str>,
    pub help: Cow<'static, str>,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub samples: Vec<Sample>,
}

/// How its numbers move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// Always 1; the labels say something.
    Info,
}

/// A number of a family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub labels: BTreeMap<Cow<'static, str>, String>,
    #[serde(flatten)]
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    Value(f64),
    /// How many were at most so large, by this bound.
    Histogram {
        buckets: Vec<(f64, u64)>,
        count: u64,
        sum: f64,
    },
}

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Family {
    /// A family without numbers yet.
    #[must_use]
    pub const fn new(kind: Kind, name: &'static str, help: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), help: Cow::Borrowed(help), kind, samples: Vec::new() }
    }

    /// The same with a number that has no labels.
    #[must_use]
    pub fn with(mut self, value: f64) -> Self {
        self.add(&[], value);
        self
    }

    /// Adds a number; each has other labels than those before.
    pub fn add(&mut self, labels: &[(&'static str, &str)], value: f64) {
        self.push(labels, Value::Value(value));
    }

    /// Adds how long things took, in seconds. The bounds are 2 to the power of these, in microseconds: bounds of the sketch,
    /// too, so that the counts are exact.
    pub fn add_times(
        &mut self,
        labels: &[(&'static str, &str)],
        sketch: &Sketch,
        sum_us: u64,
        powers: RangeInclusive<u16>,
    ) {
        let buckets = powers.map(|power| (f64::from(power).exp2() / 1e6, sketch.within(power))).collect();
        self.push(labels, Value::Histogram { buckets, count: sketch.count(), sum: sum_us as f64 / 1e6 });
    }

    fn push(&mut self, labels: &[(&'static str, &str)], value: Value) {
        let labels = labels.iter().map(|(name, text)| (Cow::Borrowed(*name), (*text).to_owned())).collect();
        self.samples.push(Sample { labels, value });
    }
}

/// All of them that have numbers as one text.
#[must_use]
pub fn text(families: &[Family], format: Format) -> String {
    let mut text = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        // A String takes everything.
        let _ = write_family(&mut text, family, format);
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn write_family(text: &mut String, family: &Family, format: Format) -> fmt::Result {
    let Family { name: full, help, kind, samples } = family;
    let (name, kind) = match (format, kind) {
        (Format::OpenMetrics, Kind::Counter) => (full.strip_suffix("_total").unwrap_or(full), "counter"),
        (Format::OpenMetrics, Kind::Info) => (full.strip_suffix("_info").unwrap_or(full), "info"),
        (Format::Prometheus, Kind::Counter) => (&**full, "counter"),
        (Format::Prometheus, Kind::Info) | (_, Kind::Gauge) => (&**full, "gauge"),
        (_, Kind::Histogram) => (&**full, "histogram"),
    };
    writeln!(text, "# HELP {name} {}", Escaped { text: help, quotes: format == Format::OpenMetrics })?;
    writeln!(text, "# TYPE {name} {kind}")?;
    let unit = UNITS.into_iter().find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')));
    if let (Format::OpenMetrics, Some(unit)) = (format, unit) {
        writeln!(text, "# UNIT {name} {unit}")?;
    }
    for Sample { labels, value } in samples {
        let mut line = |ending, bound: Option<&dyn fmt::Display>, value: &dyn fmt::Display| {
            text.push_str(full);
            text.push_str(ending);
            write_labels(text, labels, bound)?;
            writeln!(text, " {value}")
        };
        match value {
            Value::Value(value) => line("", None, value)?,
            Value::Histogram { buckets, count, sum } => {
                for (bound, within) in buckets {
                    line("_bucket", Some(bound), within)?;
                }
                line("_bucket", Some(&"+Inf"), count)?;
                line("_sum", None, sum)?;
                line("_count", None, count)?;
            }
        }
    }
    Ok(())
}

fn write_labels(
    text: &mut String,
    labels: &BTreeMap<Cow<'static, str>, String>,
    bound: Option<&dyn fmt::Display>,
) -> fmt::Result {
    let mut before = '{';
    for (name, value) in labels {
        write!(text, "{before}{name}=\"{}\"", Escaped { text: value, quotes: true })?;
        before = ',';
    }
    if let Some(bound) = bound {
        write!(text, "{before}le=\"{bound}\"")?;
        before = ',';
    }
    if before == ',' {
        text.push('}');
    }
    Ok(())
}

/// A text within a line, or within quotes.
struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if self.quotes => f.write_str("\\\"")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> [Family; 3] {
        let mut times = Sketch::default();
        for micros in [900, 2_000, 2_000_000] {
            times.add(micros);
        }
        let mut took = Family::new(Kind::Histogram, "a_seconds", "Took.");
        took.add_times(&[("type", "say \"a\\b\"\nnow ü")], &times, 2_002_900, 10..=32);
        let mut info = Family::new(Kind::Info, "c_build_info", "Of c, \"quoted\".");
        info.add(&[("version", "1")], 1.0);
        [Family::new(Kind::Counter, "b_seconds_total", "Of b.").with(7.5), took, info]
    }

    #[test]
    fn a_text_has_every_number_and_labels_stay_labels() {
        let text = text(&families(), Format::Prometheus);
        let start =
            "# HELP b_seconds_total Of b.\n# TYPE b_seconds_total counter\nb_seconds_total 7.5\n# HELP a_seconds";
        assert!(text.starts_with(start), "{text}");
        let label = "type=\"say \\\"a\\\\b\\\"\\nnow ü\"";
        for line in [
            format!("a_seconds_bucket{{{label},le=\"0.001024\"}} 1"),
            format!("a_seconds_bucket{{{label},le=\"0.002048\"}} 2"),
            format!("a_seconds_bucket{{{label},le=\"4294.967296\"}} 3"),
            format!("a_seconds_bucket{{{label},le=\"+Inf\"}} 3"),
            format!("a_seconds_sum{{{label}}} 2.0029"),
            format!("a_seconds_count{{{label}}} 3"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        let end = "# HELP c_build_info Of c, \"quoted\".\n# TYPE c_build_info gauge\nc_build_info{version=\"1\"} 1\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn openmetrics_names_families_without_the_endings_of_their_numbers_and_says_units_and_the_end() {
        let text = text(&families(), Format::OpenMetrics);
        let start = "# HELP b_seconds Of b.\n# TYPE b_seconds counter\n# UNIT b_seconds seconds\nb_seconds_total 7.5\n";
        assert!(text.starts_with(start) && text.contains("# UNIT a_seconds seconds\n"), "{text}");
        let end = "# HELP c_build Of c, \\\"quoted\\\".\n# TYPE c_build info\nc_build_info{version=\"1\"} 1\n# EOF\n";
        assert!(text.ends_with(end), "{text}");
    }
}
