//! The manual holds: every command in it is run and shows what is printed, files and links exist, and nothing is left out.
//!
//! `docs/testing-the-manual.md` says what is done with which block, and what may differ.

#[path = "../support/mod.rs"]
mod support;

mod container;
mod conversation;
mod examples;
mod fits;
mod markdown;
mod references;
mod session;
mod whole;

use std::io::Write;
use std::path::{Path, PathBuf};

use markdown::{Document, Marker};
use session::Session;

/// The manual: one test for each file.
macro_rules! chapters {
    ($($test:ident: $file:literal,)*) => {
        const CHAPTERS: &[&str] = &[$($file),*];
        $(
            #[test]
            fn $test() {
                do_what_it_shows($file);
            }
        )*
    };
}

chapters! {
    the_readme_does_what_it_shows: "README.md",
    the_index_does_what_it_shows: "docs/README.md",
    architecture_does_what_it_shows: "docs/architecture.md",
    autoscaling_does_what_it_shows: "docs/autoscaling.md",
    batches_do_what_they_show: "docs/batches.md",
    command_jobs_do_what_they_show: "docs/command-jobs.md",
    commands_do_what_they_show: "docs/commands.md",
    comparison_does_what_it_shows: "docs/comparison.md",
    configuration_does_what_it_shows: "docs/configuration.md",
    dependencies_do_what_they_show: "docs/dependencies.md",
    guarantees_do_what_they_show: "docs/guarantees.md",
    health_does_what_it_shows: "docs/health.md",
    hosts_do_what_they_show: "docs/hosts.md",
    limits_do_what_they_show: "docs/limits.md",
    metrics_do_what_they_show: "docs/metrics.md",
    migrating_does_what_it_shows: "docs/migrating.md",
    performance_does_what_it_shows: "docs/performance.md",
    processors_do_what_they_show: "docs/processors.md",
    production_does_what_it_shows: "docs/production.md",
    protocol_does_what_it_shows: "docs/protocol.md",
    queues_do_what_they_show: "docs/queues.md",
    reliability_does_what_it_shows: "docs/reliability.md",
    services_do_what_they_show: "docs/services.md",
    systems_do_what_they_show: "docs/systems.md",
    testing_the_manual_does_what_it_shows: "docs/testing-the-manual.md",
    the_tour_does_what_it_shows: "docs/tour.md",
    traces_do_what_they_show: "docs/traces.md",
    the_page_does_what_it_shows: "docs/web.md",
    workers_do_what_they_show: "docs/workers.md",
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(file: &str) -> Document {
    let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    Document::parse(file, &text)
}

/// Runs, checks or writes every block of a file, in its order.
#[track_caller]
fn do_what_it_shows(file: &str) {
    // Only a chapter with something to run needs a folder.
    let mut begun = None;
    for block in &document(file).blocks {
        let at = format!("{file}:{}", block.line);
        if block.language == "yaml" {
            container::is_yaml(&at, &block.text);
        }
        if matches!(block.language.as_str(), "yaml" | "dockerfile") {
            container::commands_exist(&at, &block.text);
        }
        if matches!(block.marker, Some(Marker::NotRun(_))) || matches!(block.language.as_str(), "text" | "mermaid") {
            continue;
        }
        let session = begun.get_or_insert_with(Session::new);
        match (&block.marker, block.language.as_str()) {
            (Some(Marker::Stays), "console") => session.start(&at, &block.text),
            (Some(Marker::Needs(program)), "console") if find(program).is_none() => {
                tell(&format!("skipped: {program} is not installed, so {at} was not tried"));
            }
            (Some(Marker::Needs(_)) | None, "console") => session.run(&at, &block.text),
            (Some(Marker::File(name)), language) => {
                session.write(name, &block.text);
                if language == "toml" {
                    session.check_configuration(&at, name);
                }
            }
            (Some(Marker::Worker(command)), _) => {
                let name = command.last().expect("a worker has a file");
                session.write(name, &block.text);
                conversation::adds_numbers(&at, command, session.folder());
            }
            (None, "toml") => {
                session.write("block.toml", &block.text);
                session.check_configuration(&at, "block.toml");
            }
            (None, "json") => {
                for line in block.text.lines() {
                    let read: Result<serde_json::Value, _> = serde_json::from_str(line);
                    assert!(read.is_ok(), "{at}: {line} is not JSON: {read:?}");
                }
            }
            (None, language) => panic!("{at}: a block of `{language}` needs a marker, see docs/testing-the-manual.md"),
            (Some(marker), language) => panic!("{at}: {marker:?} has no meaning for a block of `{language}`"),
        }
    }
    if let Some(session) = begun {
        session.end();
    }
}

#[test]
fn every_file_of_the_manual_has_a_test() {
    let folder = std::fs::read_dir(root().join("docs")).expect("the manual");
    let names = folder.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned());
    let mut files: Vec<String> =
        names.filter(|name| name != "overview.png").map(|name| format!("docs/{name}")).collect();
    files.push("README.md".to_owned());
    files.sort();
    assert_eq!(files, CHAPTERS.iter().map(|&file| file.to_owned()).collect::<Vec<_>>());
}

#[test]
fn the_readme_stays_short() {
    let text = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let lines = text.lines().count();
    assert!(lines <= 200, "{lines} lines: what a reader does not need at once belongs in docs");
}

#[test]
fn what_is_not_run_says_why_and_is_counted() {
    let mut reasons = Vec::new();
    for file in CHAPTERS {
        for block in document(file).blocks {
            if let Some(Marker::NotRun(reason)) = &block.marker {
                assert!(reason.len() > 10, "{file}:{}: say why it is not run", block.line);
                reasons.push(format!("{file}:{} ({reason})", block.line));
            }
        }
    }
    tell(&format!("skipped: {} blocks of the manual are not run: {}", reasons.len(), reasons.join("; ")));
}

/// Not `eprintln`: what a test that passes prints with it is not shown.
fn tell(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).expect("a stderr");
}

/// The program on `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|at| at.is_file())
}
