//! Lanes: what each worker did in the last minute.
//!
//! Drawn as one path for each kind of block, so that a thousand blocks weigh little.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use maud::{Markup, html};

use crate::error::Error;
use crate::model::{JobId, Outcome, UnixMicros, WorkerState};
use crate::store::RunFilter;
use crate::web::desk::Desk;
use crate::web::html::{seconds, text};

/// The time that is shown, and its width.
const MINUTE: Duration = Duration::from_mins(1);
const WIDTH: f64 = 600.0;
/// Height of a lane, and of its block.
const LANE: usize = 12;
const BLOCK: usize = 9;
/// Lanes of all pools at most.
const MOST: usize = 50;
/// Runs that are read: of more the newest are shown, and the time is shorter.
const RUNS: u32 = 1500;

/// Blocks that lead to their runs: of more none does, so that the page stays small.
const LINKED: usize = 200;

/// Blocks of one lane: from where to where, whether the run has failed, and of which job it is; of several, none.
type Blocks = Vec<(f64, f64, bool, Option<JobId>)>;

pub(super) fn all(desk: &Desk<'_>) -> Result<Markup, Error> {
    let workers: Vec<_> = desk.status().workers.iter().take(MOST).collect();
    if workers.is_empty() {
        return Ok(html! {});
    }
    let since = desk.now.minus(MINUTE);
    let filter = RunFilter { since: Some(since), limit: Some(RUNS), ..RunFilter::default() };
    let runs = desk.read(|records| records.runs(&filter))?;
    let is_cut = runs.len() == RUNS as usize;
    let since = runs.last().filter(|_| is_cut).map_or(since, |oldest| oldest.ended_at.max(since));
    let length = desk.now.since(since).as_secs_f64().max(1e-3);
    let place = |at: UnixMicros| at.since(since).as_secs_f64() / length * WIDTH;
    let mut blocks: BTreeMap<&str, Blocks> = BTreeMap::new();
    for run in runs.iter().rev() {
        let Some(worker) = &run.worker else { continue };
        let has_failed = matches!(run.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Crashed);
        add(blocks.entry(worker).or_default(), place(run.started_at), place(run.ended_at), has_failed, run.job_id);
    }
    for worker in &workers {
        if let Some(job) = worker.job.as_ref().filter(|_| worker.state == WorkerState::Busy) {
            let began = desk.now.minus(Duration::try_from_secs_f64(job.running_s).unwrap_or_default());
            add(blocks.entry(&worker.id).or_default(), place(began), WIDTH, false, job.id);
        }
    }
    let mut pools: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for worker in &workers {
        pools.entry(&worker.pool).or_default().push(&worker.id);
    }
    let shown = seconds(length.round().max(1.0));
    Ok(html! {
        h2 { "Lanes" }
        div.charts {
            @for (pool, lanes) in &pools {
                figure {
                    figcaption { a href=(desk.urls.to(&["pools", pool])) { (text(pool)) } ": its workers in the last " (shown) }
                    (drawn(desk, pool, lanes, &blocks))
                }
            }
        }
    })
}

/// Blocks that touch one another are one; a short one is still seen.
fn add(blocks: &mut Blocks, from: f64, to: f64, has_failed: bool, job: JobId) {
    let to = to.max(from + 1.0);
    match blocks.last_mut() {
        Some((_, end, is_bad, of)) if *is_bad == has_failed && from < *end + 0.8 => {
            (*end, *of) = (end.max(to), of.filter(|of| *of == job));
        }
        _ => blocks.push((from, to.min(WIDTH), has_failed, Some(job))),
    }
}

fn drawn(desk: &Desk<'_>, pool: &str, lanes: &[&str], all: &BTreeMap<&str, Blocks>) -> Markup {
    let (mut idle, mut busy, mut failed) = (String::new(), String::new(), String::new());
    let has_links = lanes.iter().filter_map(|worker| all.get(worker)).map(Vec::len).sum::<usize>() <= LINKED;
    let mut links: Vec<(JobId, bool, String)> = Vec::new();
    for (lane, worker) in lanes.iter().enumerate() {
        let y = lane * LANE + 1;
        let _ = write!(idle, "M0 {y}h600v{BLOCK}h-600z");
        for (from, to, has_failed, job) in all.get(worker).into_iter().flatten() {
            let wide = (to - from - 0.5).max(0.6);
            let block = format!("M{from:.1} {y}h{wide:.1}v{BLOCK}h-{wide:.1}z");
            match job.filter(|_| has_links) {
                Some(job) => links.push((job, *has_failed, block)),
                None => (if *has_failed { &mut failed } else { &mut busy }).push_str(&block),
            }
        }
    }
    let height = lanes.len() * LANE;
    html! {
        svg.lanes viewBox=(format!("0 0 600 {height}")) role="group" aria-label=(format!("{}: {} lanes", text(pool), lanes.len())) {
            path d=(idle) {}
            path.b d=(busy) {}
            path.f d=(failed) {}
            @for (job, has_failed, block) in links {
                a href=(desk.urls.to(&["jobs", &job.to_string()])) tabindex="-1" aria-label=(format!("job {job}")) {
                    path.b[!has_failed].f[has_failed] d=(block) { title { "job " (job) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_touch_are_one_and_a_failure_stays_seen() {
        let mut blocks = Blocks::new();
        for (from, to, has_failed) in [(0.0, 10.0, false), (10.2, 20.0, false), (20.1, 20.2, true), (30.0, 40.0, false)]
        {
            add(&mut blocks, from, to, has_failed, JobId(from as i64));
        }
        let one = |id| Some(JobId(id));
        assert_eq!(blocks, [(0.0, 20.0, false, None), (20.1, 21.1, true, one(20)), (30.0, 40.0, false, one(30))]);
    }
}
