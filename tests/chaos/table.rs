//! The table of figures: what is promised, what was measured, what others do.

use std::fmt::Write as _;
use std::path::Path;

/// A line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) target: &'static str,
    pub(crate) measured: String,
    pub(crate) peers: &'static str,
    /// Whether the target was met.
    pub(crate) is_met: bool,
}

const HEAD: [&str; 4] = ["", "target", "measured", "peers"];

/// For people at a terminal.
pub(crate) fn text(figures: &[Figure]) -> String {
    let rows = figures.iter().map(|figure| {
        let mark = if figure.is_met { "ok" } else { "NOT MET" };
        format!(
            "{}\n    {mark}: {}\n    target: {}; peers: {}",
            figure.what, figure.measured, figure.target, figure.peers
        )
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// For a document.
pub(crate) fn markdown(figures: &[Figure]) -> String {
    let mut text = format!("| {} |\n| --- | --- | --- | --- |\n", HEAD.join(" | "));
    for Figure { what, target, measured, peers, is_met } in figures {
        let mark = if *is_met { "" } else { " (not met)" };
        let _ = writeln!(text, "| {what} | {target} | {measured}{mark} | {peers} |");
    }
    text
}

/// Prints it, and writes it to the file if one is asked for.
pub(crate) fn tell(figures: &[Figure], file: Option<&Path>) {
    println!("\n{}\n", text(figures));
    if let Some(file) = file {
        std::fs::write(file, markdown(figures)).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
    }
}

/// Times in order, to be asked for their middle and their worst.
pub(crate) struct Times(Vec<i64>);

impl Times {
    /// Of microseconds.
    pub(crate) fn new(mut micros: Vec<i64>) -> Self {
        micros.sort_unstable();
        Self(micros)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The one that so many in a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> i64 {
        let rank = (self.0.len() * percent).div_ceil(100).clamp(1, self.0.len().max(1));
        self.0.get(rank - 1).copied().unwrap_or(i64::MAX)
    }
}

/// `12.3 ms`
pub(crate) fn ms(micros: i64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}

#[test]
fn percentiles_are_those_of_the_nearest_rank() {
    let times = Times::new((1..=100).rev().collect());
    assert_eq!((times.percentile(50), times.percentile(99), times.percentile(100)), (50, 99, 100));
    assert_eq!(Times::new(vec![7]).percentile(1), 7);
}
