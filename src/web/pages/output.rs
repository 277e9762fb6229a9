//! Rows of what workers print and of what happens, and the pane in which they come.

use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::args::records::LogsArgs;
use crate::error::Error;
use crate::model::worker::pool_of;
use crate::model::{JobId, JobState, UnixMicros, redact};
use crate::report::words;
use crate::web::desk::Desk;
use crate::web::html::{Urls, coloured};
use crate::web::stream::{self, Wanted};
use crate::wire::control::{Follow, LogLine};

/// Rows that a pane keeps, as the script does.
pub(in crate::web) const KEPT: usize = 5_000;
/// Rows that it begins with.
const FIRST: usize = 300;
/// Levels of rows: those of events, and output of workers.
pub(super) const LEVELS: [&str; 4] = ["info", "warn", "debug", OUTPUT];
pub(super) const OUTPUT: &str = "output";
/// Characters of a row.
const LONGEST: usize = 4_000;

/// Output that was before and that comes.
#[derive(Clone, Debug)]
pub(in crate::web) struct Past {
    pub follow: Follow,
    /// The worker, where only one can have printed it.
    pub worker: Option<String>,
    /// Leaves out what was printed earlier than this.
    pub since: Option<Duration>,
    pub lines: usize,
}

impl Past {
    pub(in crate::web) fn args(&self) -> LogsArgs {
        LogsArgs {
            worker: self.worker.clone(),
            job: self.follow.job.map(|job| job.0),
            since: self.since,
            lines: Some(self.lines),
            ..LogsArgs::default()
        }
    }
}

/// A choice of rows.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Filter {
    /// A worker or a pool.
    pub worker: Option<String>,
    pub job: Option<JobId>,
    /// Of [`LEVELS`]; none: all of them.
    pub levels: Vec<String>,
    pub text: Option<String>,
}

impl Filter {
    pub(in crate::web) fn has(&self, row: &Row) -> bool {
        let (worker, pool, job) = match row {
            Row::Line(line) => (Some(&*line.worker), pool_of(&line.worker), line.job),
            Row::Event(event) => (event.worker.as_deref(), event.pool.as_deref(), event.job_id),
        };
        self.worker.as_deref().is_none_or(|name| worker == Some(name) || pool == Some(name))
            && self.job.is_none_or(|wanted| job == Some(wanted))
            && (self.levels.is_empty() || self.levels.iter().any(|level| level == row.level()))
            && self.text.as_ref().is_none_or(|text| row.message().contains(text))
    }
}

/// An event of the master, as `--log-format json` writes it.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct Event {
    ts: UnixMicros,
    level: String,
    #[serde(rename = "event")]
    kind: String,
    msg: String,
    #[serde(default)]
    pool: Option<String>,
    #[serde(default)]
    worker: Option<String>,
    #[serde(default)]
    job_id: Option<JobId>,
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    /// A message of a worker, or a command.
    #[serde(default)]
    detail: Option<String>,
}

impl Event {
    /// Adds its detail to its words, as far as it may be seen: messages without what is hidden, commands by who sees all.
    fn complete(&mut self, hidden: &[String]) {
        let detail = match (&*self.kind, self.data.detail.take()) {
            ("sent" | "received", Some(message)) => redact::hidden_in_start(&message, hidden),
            ("spawned", Some(command)) if hidden.is_empty() => command,
            _ => return,
        };
        self.msg.extend([": ", &detail]);
    }
}

/// A row.
#[derive(Debug)]
pub(in crate::web) enum Row {
    Line(Arc<LogLine>),
    Event(Box<Event>),
}

impl Row {
    /// An event, and its number if it has one; without the members of messages that these patterns name.
    pub(in crate::web) fn of_event(json: &str, hidden: &[String]) -> Option<(Option<u64>, Self)> {
        #[derive(Deserialize)]
        struct Numbered {
            seq: Option<u64>,
        }
        let Numbered { seq } = serde_json::from_str(json).ok()?;
        let mut event: Event = serde_json::from_str(json).ok()?;
        event.complete(hidden);
        Some((seq, Self::Event(Box::new(event))))
    }

    pub(in crate::web) fn at(&self) -> UnixMicros {
        match self {
            Self::Line(line) => line.at,
            Self::Event(event) => event.ts,
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Line(line) => &line.text,
            Self::Event(event) => &event.msg,
        }
    }

    fn level(&self) -> &str {
        match self {
            Self::Line(_) => OUTPUT,
            Self::Event(event) => &event.level,
        }
    }

    pub(in crate::web) fn json(&self) -> Value {
        match self {
            Self::Line(line) => serde_json::to_value(line).unwrap_or_default(),
            Self::Event(event) => serde_json::json!({
                "at": event.ts, "event": event.kind, "level": event.level, "msg": event.msg,
                "pool": event.pool, "worker": event.worker, "job": event.job_id,
            }),
        }
    }

    pub(in crate::web) fn text(&self) -> String {
        let who = match self {
            Self::Line(line) => crate::report::events::label(line),
            Self::Event(event) => event.kind.clone(),
        };
        format!("{} {who} {}\n", words::moment(self.at()), words::escape(self.message()))
    }
}

/// Rows as they are in a pane.
pub(in crate::web) fn drawn(urls: &Urls, rows: &[Row]) -> String {
    html! { @for row in rows { (drawn_row(urls, row)) } }.into_string()
}

fn drawn_row(urls: &Urls, row: &Row) -> Markup {
    let at = row.at().to_timestamp();
    let message = words::escape(row.message());
    let cut = message.char_indices().nth(LONGEST).map(|(at, _)| at);
    let (message, is_cut) = (&message[..cut.unwrap_or(message.len())], cut.is_some());
    let (class, worker, job, kind) = match row {
        Row::Line(line) => (if line.stream == "err" { "err" } else { "out" }, Some(&line.worker), line.job, ""),
        Row::Event(event) => {
            let class = match &*event.level {
                "warn" => "bad",
                "debug" => "step",
                _ => "event",
            };
            (class, event.worker.as_ref(), event.job_id, &*event.kind)
        }
    };
    html! {
        div.(class) {
            time datetime=(at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()) { (at.strftime("%H:%M:%S.%3f").to_string()) }
            @if !kind.is_empty() { " " b { (words::escape(kind)) } }
            @if let Some(worker) = worker { " " a href=(urls.to(&["workers", worker])) { (words::escape(worker)) } }
            @if let Some(job) = job { " " a href=(urls.to(&["jobs", &job.to_string()])) { (job) } }
            " " (coloured(message)) @if is_cut { "…" }
        }
    }
}

/// The pane of a stream, with the rows that are there.
pub(super) fn pane(desk: &Desk<'_>, path: &[&str], wanted: &Wanted) -> Result<Markup, Error> {
    let mut rows = stream::past(desk, wanted)?;
    rows.drain(..rows.len().saturating_sub(FIRST));
    let url = desk.urls.with(path, desk.query_without(&["refresh"]));
    Ok(html! {
        div.row.tools {
            button type="button" data-pause aria-pressed="false" hidden { "pause" }
            button type="button" data-wrap aria-pressed="true" hidden { "wrap" }
            span.dim role="status" data-lost {}
            a href=(url) { "as text" }
        }
        div.log tabindex="0" role="log" aria-live="off" aria-label="Output" data-stream=(url) {
            @for row in &rows { (drawn_row(desk.urls, row)) }
        }
    })
}

/// A field for a text that rows must have in them.
pub(super) fn text_field(desk: &Desk<'_>, path: &[&str]) -> Markup {
    html! {
        form.row method="get" action=(desk.urls.to(path)) {
            label { "with " input name="text" value=[desk.asked.get("text")] size="20" autocomplete="off"; }
            button { "Show" }
        }
    }
}

/// The output of a job.
pub(in crate::web) fn of_job(desk: &Desk<'_>) -> Result<Wanted, Error> {
    let job = super::job::find(desk)?;
    let runs = desk.status().workers.iter().find(|worker| worker.job.as_ref().is_some_and(|of| of.id == job.id));
    let since =
        runs.and_then(|worker| worker.job.as_ref()).map(|of| Duration::from_secs_f64(of.running_s.max(0.0) + 5.0));
    // Only a job that runs has its worker known, and its files are not all files.
    let lines = if runs.is_some() || job.state == JobState::Running { KEPT } else { 0 };
    let follow = Follow { job: Some(job.id), ..Follow::default() };
    let worker = runs.map(|worker| worker.id.clone());
    Ok(Wanted { output: Some(Past { follow, worker, since, lines }), events: None, rows: Filter::default() })
}

/// The output of a worker.
#[expect(clippy::unnecessary_wraps, reason = "as all of the table of streams")]
pub(in crate::web) fn of_worker(desk: &Desk<'_>) -> Result<Wanted, Error> {
    let worker = Some(desk.asked.name.clone());
    let follow = Follow { worker: worker.clone(), ..Follow::default() };
    let rows = Filter { text: desk.asked.get("text").map(str::to_owned), ..Filter::default() };
    Ok(Wanted { output: Some(Past { follow, worker, since: None, lines: KEPT }), events: None, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_in_a_message_cannot_be_looked_for() {
        let message = r#"{"params":{"args":{"user":"ann","password":"xyz"#;
        let event = |kind: &str| {
            let data = serde_json::json!({"detail": message});
            serde_json::json!({"ts": "2026-11-30T08:00:00Z", "level": "debug", "event": kind, "msg": "to", "data": data}).to_string()
        };
        let finds = |kind: &str, hidden: &[String], text: &str| {
            let (seq, row) = Row::of_event(&event(kind), hidden).unwrap();
            assert_eq!(seq, None);
            Filter { text: Some(text.to_owned()), ..Filter::default() }.has(&row)
        };
        let hidden = ["*password*".to_owned()];
        for kind in ["sent", "received", "spawned"] {
            assert!(finds(kind, &[], "xyz") && !finds(kind, &hidden, "xyz"), "{kind}");
            assert_eq!(finds(kind, &hidden, "ann"), kind != "spawned", "{kind}");
        }
    }
}
