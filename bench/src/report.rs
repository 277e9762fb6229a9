//! The results as a table, for people and as Markdown, and as JSON.

use serde_json::{Value, json};

use crate::cases::Case;
use crate::figures::{Figure, Row, Samples, Unit};
use crate::machine::Machine;

/// What became of a case.
#[derive(Debug)]
pub(crate) struct CaseResult {
    pub(crate) case: &'static Case,
    pub(crate) samples: Samples,
    pub(crate) failed: Option<String>,
}

const HEAD: [&str; 7] = ["case", "queue-work", "peer", "its figure", "ratio", "target", "met"];

/// A Markdown table whose columns stand under one another.
pub(crate) fn table(results: &[CaseResult]) -> String {
    let mut lines: Vec<[String; 7]> = vec![HEAD.map(str::to_owned)];
    for result in results {
        for row in result.case.rows {
            lines.extend(lines_of(row, &result.samples));
        }
    }
    let widths: Vec<usize> =
        (0..HEAD.len()).map(|i| lines.iter().map(|l| l[i].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (n, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text += &line_of(&cells.collect::<Vec<_>>());
        if n == 0 {
            let rules = widths.iter().enumerate().map(|(i, w)| match i {
                0 | 2 | 5 | 6 => "-".repeat(*w),
                _ => format!("{}:", "-".repeat(*w - 1)),
            });
            text += &line_of(&rules.collect::<Vec<_>>());
        }
    }
    text
}

fn line_of(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// What could not be measured, and why.
pub(crate) fn left_out(results: &[CaseResult]) -> String {
    let mut lines = Vec::new();
    for result in results {
        lines.extend(result.failed.iter().map(|why| format!("`{}` failed: {why}\n", result.case.name)));
        let without = result.samples.without.iter();
        lines.extend(without.map(|(what, why)| format!("`{}` without {what}: {why}\n", result.case.name)));
    }
    lines.concat()
}

/// One line for the first peer, one for each further.
fn lines_of(row: &Row, samples: &Samples) -> Vec<[String; 7]> {
    let ours = samples.of(row);
    let first = row.peers.first().map(|peer| samples.of_peer(row, peer));
    let met = row.target.met(ours.median(), first.as_ref().and_then(Figure::median));
    let met = met.map_or("–", |met| if met { "yes" } else { "NO" });
    let (mut head, mut more) = (Vec::new(), Vec::new());
    for (n, peer) in row.peers.iter().enumerate() {
        let figure = samples.of_peer(row, peer);
        let ratio = ours.median().zip(figure.median()).filter(|(_, theirs)| *theirs != 0.0);
        let ratio = ratio.map(|(ours, theirs)| format!("{:.2}", ours / theirs));
        let cells = [(*peer).to_owned(), show(&figure, row.unit), ratio.unwrap_or_else(|| "–".to_owned())];
        if n == 0 { head.push(cells) } else { more.push(cells) }
    }
    let [peer, theirs, ratio] = head.pop().unwrap_or_else(|| ["–", "–", "–"].map(str::to_owned));
    let target = row.target.show(row.unit);
    let mut lines = vec![[row.what.to_owned(), show(&ours, row.unit), peer, theirs, ratio, target, met.to_owned()]];
    lines.extend(more.into_iter().map(|[peer, theirs, ratio]| {
        [String::new(), String::new(), peer, theirs, ratio, String::new(), String::new()]
    }));
    lines
}

/// The median, and the range where there are several.
fn show(figure: &Figure, unit: Unit) -> String {
    match (figure.median(), figure.range()) {
        (Some(median), Some((low, high))) if figure.samples().len() > 1 => {
            let plain = |n| unit.show(n).split(' ').next().unwrap_or_default().trim_end_matches("/s").to_owned();
            format!("{} ({} … {})", unit.show(median), plain(low), plain(high))
        }
        (Some(median), _) => unit.show(median),
        (None, _) => "missing".to_owned(),
    }
}

/// Everything, each sample included.
pub(crate) fn json(machine: &Machine, size: &str, results: &[CaseResult]) -> Value {
    let cases = results.iter().map(|result| {
        let rows = result.case.rows.iter().map(|row| row_json(row, &result.samples)).collect::<Vec<_>>();
        json!({ "case": result.case.name, "failed": result.failed, "without": result.samples.without, "rows": rows })
    });
    json!({ "machine": machine.json(), "size": size, "cases": cases.collect::<Vec<_>>() })
}

fn row_json(row: &Row, samples: &Samples) -> Value {
    let figure = |figure: &Figure| json!({ "median": figure.median(), "samples": figure.samples() });
    let ours = samples.of(row);
    let first = row.peers.first().and_then(|peer| samples.of_peer(row, peer).median());
    let peers = row.peers.iter().map(|peer| {
        let theirs = samples.of_peer(row, peer);
        let ratio = ours.median().zip(theirs.median()).map(|(ours, theirs)| ours / theirs);
        json!({ "name": peer, "figure": figure(&theirs), "ratio": ratio })
    });
    json!({
        "key": row.key, "what": row.what, "unit": row.unit.word(), "ours": figure(&ours),
        "target": row.target.show(row.unit), "met": row.target.met(ours.median(), first),
        "peers": peers.collect::<Vec<_>>(),
    })
}
