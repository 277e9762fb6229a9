//! The jobs that hang together with one, drawn from left to right, each behind those that it comes after.
//!
//! Knows no args: only types and labels are shown. The browser runs nothing for it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::jobs::class_of;
use crate::error::Error;
use crate::model::graph::Graph;
use crate::model::{JobId, JobRecord};
use crate::report::words;
use crate::web::desk::Desk;
use crate::web::html::text;

/// Jobs that are drawn at most.
const MOST: u32 = 60;
/// Size of a box, and from one to the next.
const BOX: (f64, f64) = (150.0, 34.0);
const STEP: (f64, f64) = (200.0, 44.0);
/// Characters of a name that fit into a box.
const FITS: usize = 20;

/// Nothing for a job that stands alone.
pub(super) fn of(desk: &Desk<'_>, job: &JobRecord) -> Result<Markup, Error> {
    let graph: Graph = desk.read(|records| records.graph(job.id, MOST))?;
    if graph.links.is_empty() {
        return Ok(html! {});
    }
    let more = if graph.more { "; there are more" } else { "" };
    Ok(html! {
        h2 { "Comes after and before" }
        figure {
            figcaption { (words::count(graph.jobs.len() as u64, "job")) (more) ", also by " code { "queue-work jobs graph " (job.id) } }
            (drawing(desk, &graph, job.id))
        }
    })
}

fn drawing(desk: &Desk<'_>, graph: &Graph, here: JobId) -> Markup {
    let ranks = graph.ranks();
    let mut places: BTreeMap<JobId, (f64, f64)> = BTreeMap::new();
    for (column, rank) in ranks.iter().enumerate() {
        for (row, job) in rank.iter().enumerate() {
            places.insert(job.id, (column as f64 * STEP.0, row as f64 * STEP.1));
        }
    }
    let rows = ranks.iter().map(Vec::len).max().unwrap_or_default() as f64;
    let size = format!("0 0 {} {}", ranks.len() as f64 * STEP.0 - (STEP.0 - BOX.0), rows * STEP.1 - (STEP.1 - BOX.1));
    let lines = graph.links.iter().filter_map(|link| {
        let (from, to) = (places.get(&link.after)?, places.get(&link.job)?);
        let (x, y, x2, y2) = (from.0 + BOX.0, from.1 + BOX.1 / 2.0, to.0, to.1 + BOX.1 / 2.0);
        let middle = f64::midpoint(x, x2);
        Some((link.is_open, format!("M{x} {y}C{middle} {y} {middle} {y2} {x2} {y2}")))
    });
    html! {
        svg.graph viewBox=(size) role="group" aria-label="Jobs, each behind those that it comes after" {
            @for (is_open, line) in lines { path.mark[!is_open] d=(line) {} }
            @for job in ranks.iter().flatten() {
                @if let Some((x, y)) = places.get(&job.id) {
                    a href=(desk.urls.to(&["jobs", &job.id.to_string()])) {
                        title { (words::state(job)) }
                        rect.here[job.id == here] x=(x) y=(y) width=(BOX.0) height=(BOX.1) rx="5" {}
                        text x=(x + 8.0) y=(y + 14.0) { (job.id) " " (text(&words::one_line(name(job), FITS))) }
                        text.(class_of(job.state)) x=(x + 8.0) y=(y + 28.0) { (job.state.as_str()) }
                    }
                }
            }
        }
    }
}

fn name(job: &JobRecord) -> &str {
    job.label.as_deref().unwrap_or(&job.kind)
}
