//! What every page looks like: its frame, and the pieces that pages are made of.
//!
//! A page is a list of parts, each with a name by which it is replaced while it is open. Invariants: text of others is
//! escaped by the macro and shows every character that would act or hide; links are made by [`Urls`] alone; there is no script
//! and no style but in the two files.

mod ansi;
mod assets;
mod cells;
mod charts;

use std::fmt::Write as _;
use std::sync::Arc;

use hyper::StatusCode;
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::desk::Desk;
use crate::report::health::Verdict;
use crate::report::status::MasterStatus;
use crate::report::words;

pub(super) use ansi::coloured;
pub(super) use assets::{CSS, ICON, JS};
pub(super) use cells::{ago, button, count, line, number, pre, seconds, size, table, text};
pub(super) use charts::{Series, chart, heat, spark};

/// The pages that every page leads to.
const NAV: [(&str, &str); 11] = [
    ("", "Overview"),
    ("queues", "Queues"),
    ("jobs", "Jobs"),
    ("failures", "Failures"),
    ("runs", "Runs"),
    ("workers", "Workers"),
    ("processors", "Processors"),
    ("services", "Services"),
    ("metrics-view", "Metrics"),
    ("settings", "Settings"),
    ("live", "Live"),
];

/// The meaning of keys, where there is JavaScript.
const KEYS: [(&str, &str); 5] = [
    ("g", "and the first letter of a page goes there, o to the first, e to the settings"),
    ("/", "to the first field"),
    ("j k", "down and up through rows; Enter opens one"),
    (".", "stops this page from changing, and lets it go on"),
    ("?", "shows the keys, and hides them again"),
];

/// Characters of a name that stand for themselves; a point does not, as `.json` has a meaning.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Makes links, below the base path.
#[derive(Clone, Debug)]
pub(super) struct Urls(Arc<str>);

impl Urls {
    pub(super) fn new(base: Arc<str>) -> Self {
        Self(base)
    }

    /// The page of these segments.
    pub(super) fn to(&self, segments: &[&str]) -> String {
        let mut url = self.0.to_string();
        for segment in segments {
            let _ = write!(url, "/{}", utf8_percent_encode(segment, PLAIN));
        }
        if segments.is_empty() || segments == [""] {
            return format!("{}/", self.0);
        }
        url
    }

    /// The same with a query.
    pub(super) fn with<'q, V: AsRef<str>>(
        &self,
        segments: &[&str],
        query: impl IntoIterator<Item = (&'q str, V)>,
    ) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for (key, value) in query {
            text.append_pair(key, value.as_ref());
        }
        match text.finish() {
            query if query.is_empty() => self.to(segments),
            query => format!("{}?{query}", self.to(segments)),
        }
    }
}

/// A part of a page.
pub(super) struct Part {
    id: &'static str,
    is_live: bool,
    body: Markup,
}

/// A page.
pub(super) struct Page {
    title: String,
    /// The page of [`NAV`] that it belongs to.
    nav: &'static str,
    /// The command that shows the same.
    command: String,
    parts: Vec<Part>,
}

impl Page {
    pub(super) fn new(nav: &'static str, title: impl Into<String>, command: impl Into<String>) -> Self {
        Self { title: title.into(), nav, command: command.into(), parts: Vec::new() }
    }

    /// With a part that stays as it is while the page is open: it has fields to fill in.
    pub(super) fn fixed(mut self, id: &'static str, body: Markup) -> Self {
        self.parts.push(Part { id, is_live: false, body });
        self
    }

    /// With a part that is drawn again while the page is open.
    pub(super) fn live(mut self, id: &'static str, body: Markup) -> Self {
        self.parts.push(Part { id, is_live: true, body });
        self
    }

    /// A page that says what went wrong.
    pub(super) fn of_error(status: StatusCode, message: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self::new("-", title, "queue-work status").fixed("error", html! { p.error { (words::escape(message)) } })
    }
}

/// The whole document.
pub(super) fn layout(desk: &Desk<'_>, page: &Page) -> String {
    let refresh =
        desk.asked.get("refresh").and_then(|text| text.parse::<u16>().ok()).map(|seconds| seconds.clamp(1, 3600));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (line(&page.title, 60)) " · queue-work" }
                link rel="icon" href=(desk.urls.0.to_string() + ICON.path());
                link rel="stylesheet" href=(desk.urls.0.to_string() + CSS.path());
                script src=(desk.urls.0.to_string() + JS.path()) defer {}
            }
            body data-live=[is_live(page).then_some("")] {
                a.skip href="#main" { "Skip to content" }
                header {
                    strong { "queue-work" }
                    nav aria-label="Main" { ul {
                        @for (path, title) in NAV {
                            li { a href=(desk.urls.to(&[path])) aria-current=[(path == page.nav).then_some("page")] { (title) } }
                        }
                    } }
                    (state(desk))
                }
                main id="main" tabindex="-1" {
                    h1 { (line(&page.title, 120)) }
                    @for part in &page.parts { (wrapped(part)) }
                }
                (foot(desk, page))
            }
        }
    };
    markup.into_string()
}

fn is_live(page: &Page) -> bool {
    page.parts.iter().any(|part| part.is_live)
}

/// The parts that may have changed, with what is around the page.
pub(super) fn live_parts(desk: &Desk<'_>, page: &Page) -> Vec<(&'static str, String)> {
    let frame = [("state", state(desk).into_string()), ("trouble", trouble("").into_string())];
    let parts = page.parts.iter().filter(|part| part.is_live).map(|part| (part.id, wrapped(part).into_string()));
    frame.into_iter().chain(parts).collect()
}

fn wrapped(part: &Part) -> Markup {
    html! { section id=(part.id) { (part.body) } }
}

/// The state of the master, as every page shows it.
fn state(desk: &Desk<'_>) -> Markup {
    let health = &desk.seen.health;
    let (class, word) = match health.status {
        Verdict::Healthy => ("ok", "healthy"),
        Verdict::Degraded => ("warn", "degraded"),
        Verdict::Unhealthy => ("bad", "unhealthy"),
    };
    html! {
        span id="state" {
            @match &desk.status().master {
                Some(MasterStatus { pid, state, uptime_s, .. }) => {
                    "master " (pid) " " (text(state)) " " (seconds(*uptime_s)) " · "
                    a.(class) href=(desk.urls.to(&["health"])) { (word) }
                }
                None => { a.bad href=(desk.urls.to(&["health"])) { "no master runs" } }
            }
            " · " span.dim { (desk.asked.role.as_str()) }
        }
    }
}

/// The end of a page: what the same is for programs and in a terminal, and how old it is.
fn foot(desk: &Desk<'_>, page: &Page) -> Markup {
    let path: Vec<&str> = desk.asked.path.trim_start_matches('/').split('/').collect();
    let raw = format!("{}{}", desk.urls.0, desk.asked.path);
    let query = || desk.query_without(&["refresh"]);
    let as_query = desk.urls.with(&[], query());
    let query_text = as_query.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
    let is_first = path == [""];
    let json = if is_first { format!("{}/api{query_text}", desk.urls.0) } else { format!("{raw}.json{query_text}") };
    let took = desk.began.elapsed().as_secs_f64();
    html! {
        footer {
            span { "In a terminal: " code { (text(&page.command)) } }
            span { a href=(json) { "as JSON" } }
            span id="live" hidden {
                button type="button" id="pause" aria-pressed="false" { "live" } " " kbd { "?" } " shows the keys"
            }
            noscript { a href=(format!("{raw}{}refresh=5", if query_text.is_empty() { "?".to_owned() } else { query_text.clone() + "&" })) { "reload every 5 s" } }
            span { (desk.now.to_timestamp().strftime("%H:%M:%S UTC").to_string()) ", " (seconds(took)) }
        }
        dialog id="keys" aria-label="Keys" {
            dl.facts { @for (key, what) in KEYS { dt { kbd { (key) } } dd { (what) } } }
        }
        (trouble(""))
    }
}

/// What is wrong with a page that is open; nothing, if so.
pub(super) fn trouble(message: &str) -> Markup {
    let is_nothing = message.is_empty();
    html! { p id="trouble" role="status" hidden[is_nothing] { (words::escape(message)) } }
}
