//! The page `/live`: events of the master and output of all workers in one stream.

use maud::html;

use super::output::{self, Filter, Past};
use crate::error::Error;
use crate::model::JobId;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::Page;
use crate::web::stream::{self, Wanted};
use crate::wire::control::Follow;

/// Of more workers than that what they have printed before is not looked up: each has files of its own.
const LOOKED_UP: usize = 16;
/// Lines of before.
const BEFORE: usize = 500;
/// Kinds of rows to choose from, and their labels.
const SHOWN: [(&str, &str); 4] =
    [("all", "events and output"), ("events", "events"), ("problems", "problems"), ("output", "output")];

pub(in crate::web) fn page(desk: &Desk<'_>) -> Result<View, Error> {
    if desk.asked.wants_json {
        return stream::as_text(desk, wanted);
    }
    let wanted = wanted(desk)?;
    let command = match desk.asked.get("show") {
        Some("output") => "queue-work logs -f",
        _ => "queue-work events -f",
    };
    let value = |key: &str| desk.asked.get(key);
    let show = value("show").unwrap_or(SHOWN[0].0);
    let fields = html! {
        form.row method="get" action=(desk.urls.to(&["live"])) {
            label { "show " select name="show" { @for (word, title) in SHOWN { option value=(word) selected[word == show] { (title) } } } }
            @for (key, label) in [("worker", "worker or pool"), ("job", "job"), ("text", "with")] {
                label { (label) " " input name=(key) value=[value(key)] size="12" autocomplete="off"; }
            }
            button { "Show" }
        }
    };
    let rows = output::pane(desk, &["live", "stream"], &wanted)?;
    Ok(View::Page(Page::new("live", "Live", command).fixed("filter", fields).fixed("stream", rows)))
}

pub(in crate::web) fn wanted(desk: &Desk<'_>) -> Result<Wanted, Error> {
    let get = |key: &str| desk.asked.get(key).map(str::to_owned);
    let job = desk.asked.get("job").map(|id| id.trim_start_matches('#').parse().map(JobId));
    let job = job.transpose().map_err(|_| Error::Usage("`job` must be the id of a job".to_owned()))?;
    let show = desk.asked.get("show").unwrap_or(SHOWN[0].0);
    if !SHOWN.iter().any(|(word, _)| *word == show) {
        return Err(Error::Usage("`show` must be `all`, `events`, `problems` or `output`".to_owned()));
    }
    let follow = Follow { worker: get("worker"), job, queue: None };
    let is_some = follow.worker.is_some() || follow.job.is_some();
    let lines = if is_some || desk.status().workers.len() <= LOOKED_UP { BEFORE } else { 0 };
    let output = matches!(show, "all" | "output").then_some(Past { follow, worker: get("worker"), since: None, lines });
    let rows = Filter { worker: get("worker"), job, only_problems: show == "problems", text: get("text") };
    Ok(Wanted { output, events: show != "output", rows })
}
