//! Charts, drawn here as SVG: the browser runs nothing for them.

use std::fmt::Write as _;

use maud::{Markup, html};

/// Size of a chart in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

/// Values at even distances; where there is none the line has a gap.
pub(in crate::web) struct Series {
    pub class: &'static str,
    pub values: Vec<Option<f64>>,
}

/// Lines over one time; `sentence` says in words what is seen, `marks` are places from 0 to 1 with what happened there.
pub(in crate::web) fn chart(caption: &Markup, sentence: &str, series: &[Series], marks: &[(f64, String)]) -> Markup {
    let top = top_of(series);
    html! {
        figure {
            figcaption { (caption) }
            svg viewBox="0 0 600 120" role="img" aria-label=(sentence) {
                @for (at, what) in marks {
                    path.mark d=(format!("M{:.1} 0v120", at * WIDTH)) { title { (what) } }
                }
                @for one in series { path class=(one.class) d=(path(&one.values, top, WIDTH, HEIGHT)) {} }
            }
        }
    }
}

/// Darkness of squares, in steps.
const SHADES: usize = 4;
/// Room for the labels of rows, and the height of one.
const LABELS: f64 = 70.0;
const ROW: f64 = 14.0;

/// Squares by column and row, the darker the more; rows have labels.
pub(in crate::web) fn heat(
    sentence: &str,
    columns: usize,
    labels: &[String],
    cells: Vec<(usize, usize, u64)>,
) -> Markup {
    let most = cells.iter().map(|(.., count)| *count).max().unwrap_or(1).max(1) as f64;
    let mut shades: [String; SHADES] = Default::default();
    for (column, row, count) in cells {
        // Few beside many are seen all the same.
        let shade = ((count as f64 / most).sqrt() * SHADES as f64).ceil() as usize;
        let _ = write!(shades[shade.clamp(1, SHADES) - 1], "M{column} {row}h1v1h-1z");
    }
    let scale = format!("translate({LABELS} 0) scale({:.3} {ROW})", (WIDTH - LABELS) / columns.max(1) as f64);
    html! {
        figure {
            figcaption { (sentence) }
            svg.heat viewBox=(format!("0 0 {WIDTH} {}", labels.len() as f64 * ROW)) role="img" aria-label=(sentence) {
                @for (row, label) in labels.iter().enumerate() {
                    text x="0" y=(format!("{:.0}", (row as f64 + 0.75) * ROW)) { (label) }
                }
                g transform=(scale) {
                    @for (shade, d) in shades.iter().enumerate() {
                        path d=(d) fill-opacity=(format!("{:.2}", (shade + 1) as f64 / SHADES as f64)) {}
                    }
                }
            }
        }
    }
}

/// A small line without a frame.
pub(in crate::web) fn spark(values: Vec<Option<f64>>) -> Markup {
    let series = [Series { class: "spark", values }];
    let d = path(&series[0].values, top_of(&series), 100.0, 20.0);
    html! { svg.spark viewBox="0 0 100 20" aria-hidden="true" { path.spark d=(d) {} } }
}

fn top_of(series: &[Series]) -> f64 {
    series.iter().flat_map(|one| &one.values).flatten().fold(0.0, |top: f64, value| top.max(*value))
}

fn path(values: &[Option<f64>], top: f64, width: f64, height: f64) -> String {
    let step = width / (values.len().max(2) - 1) as f64;
    let scale = if top > 0.0 { (height - 4.0) / top } else { 0.0 };
    let (mut d, mut is_drawing) = (String::new(), false);
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_drawing = false;
            continue;
        };
        let (x, y) = (at as f64 * step, height - 2.0 - value * scale);
        let verb = if is_drawing { 'L' } else { 'M' };
        // A single point is drawn as a short line, within the chart.
        let is_alone = !is_drawing && values.get(at + 1).is_none_or(Option::is_none);
        let stroke = if x > 0.0 { "h-2" } else { "h2" };
        let _ = write!(d, "{verb}{x:.1} {y:.1}{}", if is_alone { stroke } else { "" });
        is_drawing = true;
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_edge_to_edge_and_has_a_gap_where_nothing_is_known() {
        assert_eq!(path(&[Some(0.0), Some(5.0), Some(10.0)], 10.0, 100.0, 20.0), "M0.0 18.0L50.0 10.0L100.0 2.0");
        assert_eq!(path(&[Some(1.0), None, Some(1.0)], 1.0, 100.0, 20.0), "M0.0 2.0h2M100.0 2.0h-2");
        assert_eq!(path(&[], 0.0, 100.0, 20.0), "");
        assert_eq!(path(&[Some(0.0)], 0.0, 100.0, 20.0), "M0.0 18.0h2");
    }
}
