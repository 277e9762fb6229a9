//! The hosts of a store that several share: each master, as it was heard last.

use maud::{Markup, html};

use crate::error::Error;
use crate::model::host::{HostRecord, HostState};
use crate::model::{QueueName, UnixMicros};
use crate::report::hosts::{clock, is_clock_off};
use crate::report::words;
use crate::store::Records;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, ago, number, seconds, table, text};

pub(in crate::web) fn all(desk: &Desk<'_>) -> Result<View, Error> {
    let hosts = desk.read(Records::hosts)?;
    if desk.asked.wants_json {
        return View::json(&hosts);
    }
    let alone = html! {
        p.empty { "The store is of one host. In PostgreSQL it can be shared by several; see " code { "docs/hosts.md" } "." }
    };
    let page = Page::new("", "Hosts", "queue-work status");
    Ok(View::Page(page.live("hosts", if hosts.is_empty() { alone } else { rows(desk, &hosts) })))
}

/// For the first page: nothing where the store is of one host.
pub(super) fn part(desk: &Desk<'_>) -> Result<Markup, Error> {
    let hosts = desk.read(Records::hosts)?;
    Ok(html! {
        @if !hosts.is_empty() { h2 { a href=(desk.urls.to(&["hosts"])) { "Hosts" } } (rows(desk, &hosts)) }
    })
}

fn rows(desk: &Desk<'_>, hosts: &[HostRecord]) -> Markup {
    let ours = desk.status().master.as_ref().map(|master| master.generation);
    let headings = [
        "host",
        "state",
        "#~pid",
        "#~generation",
        "#busy",
        "#workers",
        "~queues",
        "#heard",
        "#~clock",
        "~started",
        "~version",
    ];
    let body = html! {
        @for host in hosts {
            tr {
                th scope="row" {
                    (text(&host.name))
                    @if Some(host.generation) == ours { " (this one)" }
                }
                (state(host))
                td.n.hide { (host.pid) }
                td.n.hide { (host.generation) }
                td.n { (number(host.busy)) }
                td.n { (number(host.workers)) }
                td.hide { (queues(host)) }
                td.n { (seconds(host.beat_age_s)) " ago" }
                td.n.hide .warn[is_clock_off(host)] { (clock(host)) }
                td.hide { (started(desk.now, host)) }
                td.hide { (text(&host.version)) }
            }
        }
    };
    table("Masters that share the store, in the order in which they joined", &headings, &body)
}

fn started(now: UnixMicros, host: &HostRecord) -> Markup {
    ago(now, host.started_at)
}

fn queues(host: &HostRecord) -> String {
    let names: Vec<&str> = host.serves.queues().map(QueueName::as_str).collect();
    if names.is_empty() { "–".to_owned() } else { words::one_line(&names.join(", "), 80) }
}

fn state(host: &HostRecord) -> Markup {
    let class = match host.state {
        HostState::Running => "ok",
        HostState::Silent => "warn",
        HostState::Lost => "bad",
    };
    html! { td.(class) { (host.state.as_str()) } }
}
