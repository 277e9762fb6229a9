//! Services: who answers calls, how well, and a field to make one.

use maud::{Markup, html};

use crate::cli::services as cli_services;
use crate::error::Error;
use crate::model::service::MethodStats;
use crate::report::services::Service;
use crate::report::words;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, count, number, seconds, table, text};
use crate::web::token::Role;

fn find(desk: &Desk<'_>) -> Result<Vec<Service>, Error> {
    if desk.seen.has_master() { cli_services::all(desk.context, desk.status()) } else { Ok(Vec::new()) }
}

fn class_of(state: &str) -> &'static str {
    match state {
        "healthy" => "ok",
        "unhealthy" => "bad",
        "degraded" => "warn",
        _ => "dim",
    }
}

pub(in crate::web) fn all(desk: &Desk<'_>) -> Result<View, Error> {
    let all = find(desk)?;
    if desk.asked.wants_json {
        return View::json(&all);
    }
    let body = html! {
        @for one in &all {
            tr {
                th scope="row" { a href=(desk.urls.to(&["services", &one.pool])) { (text(&one.pool)) } }
                td.hide { (text(one.version.as_deref().unwrap_or("–"))) }
                td.(class_of(one.state)) { (one.state) }
                td.n { (one.workers) " of " (one.wanted) }
                td.hide { (text(&one.listen.join(", "))) }
                td.n { (one.calls.as_ref().map_or_else(|| "–".to_owned(), |calls| number(calls.calls))) }
                td.n { (one.calls.as_ref().map_or_else(|| "–".to_owned(), |calls| number(calls.errors))) }
                td.n.hide { (one.calls.as_ref().map_or_else(|| "–".to_owned(), |calls| number(calls.waiting))) }
            }
        }
    };
    let page = Page::new("services", "Services", "queue-work services").live("services", html! {
        @if all.is_empty() { p.empty { "There is no service; see " code { "queue-work help spawn" } " for how to add one." } }
        @else { (table("Services", &["service", "~version", "state", "#workers", "~listens at", "#calls", "#errors", "#~waiting"], &body)) }
    });
    Ok(View::Page(page))
}

pub(in crate::web) fn one(desk: &Desk<'_>) -> Result<View, Error> {
    let name = desk.asked.name.as_str();
    let found = find(desk)?.into_iter().find(|service| service.pool == name);
    let service = found.ok_or_else(|| cli_services::unknown(&text(name)))?;
    if desk.asked.wants_json {
        return View::json(&[service]);
    }
    let page = Page::new("services", name, format!("queue-work services {}", words::command([name])))
        .live("service", facts(desk, &service))
        .live("methods", methods(&service))
        .fixed("call", call(desk, &service));
    Ok(View::Page(page))
}

fn facts(desk: &Desk<'_>, service: &Service) -> Markup {
    html! {
        dl.facts {
            dt { "state" } dd.(class_of(service.state)) { (service.state) }
            @if let Some(version) = &service.version { dt { "version" } dd { (text(version)) } }
            dt { "workers" } dd { a href=(desk.urls.to(&["pools", &service.pool])) { (service.workers) " of " (service.wanted) } }
            dt { "listens at" } dd { (text(&service.listen.join(", "))) }
            @if let Some(calls) = &service.calls {
                dt { "calls" } dd { (number(calls.calls)) ", " (number(calls.errors)) " failed, " (calls.running) " in work, " (number(calls.waiting)) " wait" }
                @if let Some(health) = calls.health.as_ref().filter(|health| !health.message.is_empty()) { dt { "says" } dd { (text(&health.message)) } }
                @if let Some(open) = calls.circuit_open_s { dt { "refuses calls" } dd.bad { "for " (seconds(open)) } }
            }
        }
    }
}

fn methods(service: &Service) -> Markup {
    let body = html! {
        @for method in &service.methods {
            tr {
                th.wide scope="row" { (text(&method.name)) }
                td.wide.hide { (text(&method.description)) }
                (cells(&method.figures))
            }
        }
    };
    html! {
        h2 { (count(service.methods.len() as u64, "method")) }
        @if !service.methods.is_empty() {
            (table("Methods", &["method", "~description", "#calls", "#errors", "#~per second", "#p50", "#p95", "#~p99"], &body))
        }
    }
}

/// Cells of a method: calls, errors, calls a second, and how long calls took.
fn cells(figures: &MethodStats) -> Markup {
    let ms = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), |ms| seconds(ms / 1e3));
    html! {
        td.n { (number(figures.requests)) }
        td.n .bad[figures.errors > 0] { (number(figures.errors)) }
        td.n.hide { (format!("{:.1}", figures.per_s)) }
        td.n { (ms(figures.p50_ms)) }
        td.n { (ms(figures.p95_ms)) }
        td.n.hide { (ms(figures.p99_ms)) }
    }
}

/// The methods of all services that were called, since the gateway began: for the page of metrics.
pub(super) fn called(desk: &Desk<'_>) -> Result<Markup, Error> {
    let all = find(desk)?;
    let methods = || all.iter().flat_map(|service| service.methods.iter().map(move |method| (service, method)));
    let called = || methods().filter(|(_, method)| method.figures.requests > 0);
    let body = html! {
        @for (service, method) in called() {
            tr {
                th scope="row" { a href=(desk.urls.to(&["services", &service.pool])) { (text(&service.pool)) } }
                td.wide { (text(&method.name)) }
                (cells(&method.figures))
            }
        }
    };
    let headings = ["service", "method", "#calls", "#errors", "#~per second", "#p50", "#p95", "#~p99"];
    Ok(html! {
        @if called().next().is_some() {
            h2 { "Services" }
            (table("Calls of services, since the gateway began", &headings, &body))
        }
    })
}

/// A field to call a method; the answer is JSON.
fn call(desk: &Desk<'_>, service: &Service) -> Markup {
    if !desk.may(Role::Admin) || service.methods.is_empty() {
        return html! {};
    }
    html! {
        h2 { "Call" }
        form method="post" action=(desk.urls.to(&["services", &service.pool, "call"])) {
            p.row {
                label { "method" select name="method" { @for method in &service.methods { option value=(method.name) { (text(&method.name)) } } } }
            }
            p { label for="args" { "arguments, a list or an object" } textarea id="args" name="args" rows="3" spellcheck="false" { "[]" } }
            button { "Call" }
        }
    }
}
