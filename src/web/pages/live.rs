//! The page `/live`: events of the master and output of all workers in one stream.

use maud::{Markup, html};

use super::output::{self, Filter, LEVELS, OUTPUT, Past};
use crate::error::Error;
use crate::model::JobId;
use crate::report::words;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::Page;
use crate::web::stream::{self, Wanted};
use crate::web::token::Role;
use crate::wire::control::{Follow, FollowEvents};

/// Of more workers than that what they have printed before is not looked up: each has files of its own.
const LOOKED_UP: usize = 16;
/// Lines of before.
const BEFORE: usize = 500;
/// Seconds for which `debug` is asked.
pub(in crate::web) const DEBUG_S: f64 = 600.0;

pub(in crate::web) fn page(desk: &Desk<'_>) -> Result<View, Error> {
    if desk.asked.wants_json {
        return stream::as_text(desk, wanted);
    }
    let wanted = wanted(desk)?;
    let levels = &wanted.rows.levels;
    let command = if wanted.events.is_none() { "queue-work logs -f" } else { "queue-work events -f" };
    let value = |key: &str| desk.asked.get(key);
    let fields = html! {
        form.row method="get" action=(desk.urls.to(&["live"])) {
            @for level in LEVELS {
                label { input type="checkbox" name="level" value=(level) checked[levels.is_empty() || levels.iter().any(|one| one == level)]; " " (level) }
            }
            @for (key, label) in [("worker", "worker or pool"), ("job", "job"), ("text", "with")] {
                label { (label) " " input name=(key) value=[value(key)] size="12" autocomplete="off"; }
            }
            button { "Show" }
        }
    };
    let rows = output::pane(desk, &["live", "stream"], &wanted)?;
    Ok(View::Page(
        Page::new("live", "Live", command).live("debug", debug(desk)).fixed("filter", fields).fixed("stream", rows),
    ))
}

/// Whether steps are told, until when, and the button for it.
fn debug(desk: &Desk<'_>) -> Markup {
    let until = desk.status().master.as_ref().and_then(|master| master.debug_until);
    let (seconds, label) = if until.is_some() { (0.0, "end it") } else { (DEBUG_S, "verbose for 10 minutes") };
    html! {
        div.row {
            @if let Some(until) = until {
                span role="status" {
                    "verbose until " b { (until.to_timestamp().strftime("%H:%M:%S UTC").to_string()) } ", "
                    (words::duration(until.since(desk.now))) " left: also spawns, messages of workers, dispatch and turns"
                }
            }
            @if desk.may(Role::Operator) {
                form method="post" action=(desk.urls.to(&["debug"])) {
                    input type="hidden" name="seconds" value=(seconds);
                    button { (label) }
                }
            }
        }
    }
}

/// The levels that are asked for, each by a field of its own or with commas; none: all.
fn levels(desk: &Desk<'_>) -> Result<Vec<String>, Error> {
    let given = desk.asked.query.iter().filter(|(key, _)| key == "level").flat_map(|(_, words)| words.split(','));
    let levels: Vec<String> = given.map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if levels.iter().all(|level| LEVELS.contains(&&**level)) {
        return Ok(levels);
    }
    Err(Error::Usage("`level` must be `info`, `warn`, `debug` or `output`, or several of these".to_owned()))
}

pub(in crate::web) fn wanted(desk: &Desk<'_>) -> Result<Wanted, Error> {
    let get = |key: &str| desk.asked.get(key).map(str::to_owned);
    let job = desk.asked.get("job").map(|id| id.trim_start_matches('#').parse().map(JobId));
    let job = job.transpose().map_err(|_| Error::Usage("`job` must be the id of a job".to_owned()))?;
    let levels = levels(desk)?;
    let has = |level: &str| levels.is_empty() || levels.iter().any(|one| one == level);
    let follow = Follow { worker: get("worker"), job, queue: None };
    let is_some = follow.worker.is_some() || follow.job.is_some();
    let lines = if is_some || desk.status().workers.len() <= LOOKED_UP { BEFORE } else { 0 };
    let output = has(OUTPUT).then_some(Past { follow, worker: get("worker"), since: None, lines });
    let has_events = LEVELS.iter().any(|level| *level != OUTPUT && has(level));
    let events = has_events.then(|| FollowEvents { debug: has("debug"), ..FollowEvents::default() });
    let rows = Filter { worker: get("worker"), job, levels, text: get("text") };
    Ok(Wanted { output, events, rows })
}
