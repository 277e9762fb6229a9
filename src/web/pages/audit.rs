//! Who has changed what by hand, newest first.

use maud::{Markup, html};

use crate::cli::args::moment;
use crate::error::Error;
use crate::model::audit::{BEGUN, DONE, DeedRecord};
use crate::report::audit::VERBS;
use crate::report::words;
use crate::store::AuditFilter;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, ago, number, table, text};

/// Deeds of a page, and of a document at most.
const PAGE: u32 = 50;
const MOST: u32 = 1_000;

pub(in crate::web) fn list(desk: &Desk<'_>) -> Result<View, Error> {
    let asked = desk.asked;
    let number = |key: &str| {
        asked.get(key).map(str::parse::<i64>).transpose().map_err(|_| Error::Usage(format!("`{key}` must be a number")))
    };
    let since =
        asked.get("since").map(moment::past).transpose().map_err(|why| Error::Usage(format!("`since`: {why}")))?;
    let limit = number("limit")?.map_or(PAGE, |limit| limit.clamp(1, MOST.into()) as u32);
    let filter = AuditFilter {
        who: asked.get("who").map(str::to_owned),
        verb: asked.get("verb").map(str::to_owned),
        since,
        before: number("before")?,
        limit: Some(if asked.wants_json { limit } else { limit + 1 }),
    };
    let mut deeds = desk.read(|records| records.audit(&filter))?;
    if asked.wants_json {
        return View::json(&deeds);
    }
    let goes_on = deeds.len() > limit as usize;
    deeds.truncate(limit as usize);
    let next = deeds.last().filter(|_| goes_on).map(|last| {
        desk.urls.with(&["audit"], desk.query_without(&["before"]).chain([("before", last.id.to_string().into())]))
    });
    let given = ["who", "verb", "since"].iter();
    let given = given.filter_map(|key| Some(format!(" --{key} {}", words::command([asked.get(key)?]))));
    let command = format!("queue-work audit{}", given.collect::<String>());
    let page = Page::new("settings", "Audit", command).fixed("filter", fields(desk)).live(
        "deeds",
        html! {
            @if deeds.is_empty() { p.empty { "No change matches. Changes by hand are on record, except pushes." } }
            @else { (rows(desk, &deeds)) }
            @if let Some(next) = &next { p { a href=(next) rel="next" { "more" } } }
        },
    );
    Ok(View::Page(page))
}

fn fields(desk: &Desk<'_>) -> Markup {
    let value = |key: &str| desk.asked.get(key);
    html! {
        form.row method="get" action=(desk.urls.to(&["audit"])) {
            label { "who" input name="who" value=[value("who")] size="12" autocomplete="off"; }
            label { "verb" select name="verb" {
                option value="" { "any" }
                @for verb in VERBS { option value=(verb) selected[value("verb") == Some(verb)] { (verb) } }
            } }
            label { "since" input name="since" value=[value("since")] size="12" placeholder="1h" autocomplete="off"; }
            button { "Show" }
        }
    }
}

fn rows(desk: &Desk<'_>, deeds: &[DeedRecord]) -> Markup {
    let headings = ["when", "who", "~via", "~address", "verb", "target", "#~changed", "outcome"];
    let body = html! {
        @for DeedRecord { deed, .. } in deeds {
            @let class = match deed.outcome.as_str() { DONE => "ok", BEGUN => "plain", _ => "bad" };
            tr {
                td { (ago(desk.now, deed.at)) }
                td { (text(deed.asker().as_deref().unwrap_or("–"))) }
                td.hide { (deed.via.as_str()) }
                td.hide { (text(deed.address.as_deref().unwrap_or("–"))) }
                td { (text(&deed.verb)) }
                td.wide { (text(&deed.target)) }
                td.n.hide { @match deed.affected { Some(n) => (number(n)), None => "–" } }
                td.wide.(class) {
                    (text(&deed.outcome))
                    @if let Some(id) = deed.operation { ", " a href=(desk.urls.to(&["operations"])) { "operation " (id) } }
                }
            }
        }
    };
    table("What was changed by hand, the newest first", &headings, &body)
}
