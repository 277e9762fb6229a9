//! The settings in force and where they come from, versions, files, and who may do what.
//!
//! Invariant: below the role of an admin no value is seen that may be a secret; variables of workers nobody sees.

use std::fs;
use std::path::Path;

use maud::{Markup, html};

use crate::cli::config;
use crate::config::{Paths, Shown};
use crate::error::Error;
use crate::model::redact;
use crate::web::View;
use crate::web::desk::Desk;
use crate::web::html::{Page, count, size, table, text};
use crate::web::token::Role;

/// Keys of commands and of what is passed on to programs and other machines, which may hold secrets.
const PASSED_ON: [&str; 5] = ["command", "init", "on_dead", "on_idle", "otlp"];
/// Files of a folder that are looked at.
const MOST_FILES: usize = 10_000;

pub(in crate::web) fn page(desk: &Desk<'_>) -> Result<View, Error> {
    let mut shown = config::shown(desk.context)?;
    shown.iter_mut().filter(|one| !may_see(desk, one)).for_each(|one| "(hidden)".clone_into(&mut one.value));
    if desk.asked.wants_json {
        return View::json(&shown);
    }
    let page = Page::new("settings", "Settings", "queue-work config show")
        .live("versions", versions(desk))
        .fixed("files", files(desk.context.paths()?))
        .fixed("who", who(desk))
        .fixed("config", values(&shown));
    Ok(View::Page(page))
}

fn may_see(desk: &Desk<'_>, one: &Shown) -> bool {
    let name = one.key.rsplit('.').next().unwrap_or_default();
    desk.asked.role >= Role::Admin
        || one.value == "off"
        || !(PASSED_ON.contains(&name) || redact::hides(name, desk.hidden()))
}

fn versions(desk: &Desk<'_>) -> Markup {
    let changed = "has changed since the master read it; `queue-work reload` has it read again";
    html! {
        dl.facts {
            dt { "this page" } dd { "queue-work " (env!("CARGO_PKG_VERSION")) }
            @match &desk.status().master {
                Some(master) => {
                    dt { "master" } dd { "queue-work " (text(&master.version)) ", generation " (master.generation) ", " (text(&master.containment)) }
                    dt { "configuration" }
                    dd {
                        @match &master.config {
                            Some(read) => {
                                code { (text(&read.file.display().to_string())) }
                                @if read.has_changed() { " " span.bad { (changed) } }
                            }
                            None => "none; the defaults are in force",
                        }
                    }
                    dt { "memory" } dd { (size(Some(master.memory_bytes))) }
                }
                None => { dt { "master" } dd { "none runs; these settings are those of the next one" } }
            }
        }
    }
}

/// The files of the store, with what each takes.
fn files(paths: &Paths) -> Markup {
    let database = paths.database.local();
    let beside = |ending: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(ending);
        name
    };
    let all = [
        ("database", database.as_os_str().to_owned()),
        ("its log", beside("-wal")),
        ("tokens of the page", beside(".web-token")),
        ("control socket", paths.socket.as_os_str().to_owned()),
    ];
    let body = html! {
        @for (what, path) in &all {
            tr {
                th scope="row" { (what) }
                td.wide { (text(&path.to_string_lossy())) }
                td.n { (size(fs::metadata(path).ok().map(|about| about.len()))) }
            }
        }
        tr {
            th scope="row" { "output of workers" }
            td.wide { (text(&paths.logs_dir.to_string_lossy())) }
            td.n { (folder(&paths.logs_dir)) }
        }
    };
    html! { h2 { "Files" } (table("Files of the store", &["file", "path", "#size"], &body)) }
}

/// Size of the files of a folder, if there are few.
fn folder(path: &Path) -> String {
    let Ok(entries) = fs::read_dir(path) else { return size(None) };
    let sizes = entries.flatten().filter_map(|entry| Some(entry.metadata().ok()?.len()));
    let sizes: Vec<u64> = sizes.take(MOST_FILES).collect();
    format!("{} in {}", size(Some(sizes.iter().sum())), count(sizes.len() as u64, "file"))
}

fn who(desk: &Desk<'_>) -> Markup {
    html! {
        h2 { "Who may do what" }
        p {
            "A token for each of " (Role::ALL.map(Role::as_str).join(", ")) "; yours is that of " strong { (desk.asked.role.as_str()) } ". "
            "New ones: delete the file, and start the page again. " a href=(desk.urls.to(&["audit"])) { "Who has changed what" } "."
        }
    }
}

fn values(shown: &[Shown]) -> Markup {
    let body = html! {
        @for Shown { key, value, origin } in shown {
            tr {
                th scope="row" { (text(key)) }
                td.wide { (text(value)) }
                td.hide .dim[origin == "default"] { (text(origin)) }
            }
        }
    };
    html! { h2 { "In force" } (table("Every setting, and where it comes from", &["key", "value", "~from"], &body)) }
}
