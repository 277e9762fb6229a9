//! One file per system: its text becomes a draft.
//!
//! Invariant: what the other system does where nothing is said is said in the draft, where it is not done here anyway: the
//! same behaviour first, a better one as a remark.

pub(super) mod crontab;
pub(super) mod horizon;
pub(super) mod pm2;
pub(super) mod procfile;
mod restart;
pub(super) mod supervisor;
mod supervisor_program;
pub(super) mod systemd;
mod systemd_service;
mod systemd_timer;
mod systemd_words;

use std::path::{Path, PathBuf};

use toml::Value;

use super::draft::Section;
use super::{Broken, Fault, Source, Surroundings};

/// A fault in a file.
fn broken(source: &Source, (line, message): Fault) -> Broken {
    Broken { file: source.name.clone(), line, message }
}

/// The folder of a file, absolute.
fn folder_of(source: &Source, here: Surroundings<'_>) -> PathBuf {
    let folder = here.folder.join(Path::new(&source.name).parent().unwrap_or(Path::new("")));
    folder.components().collect()
}

/// Whether the name of a file ends so.
fn has_ending(name: &str, endings: &[&str]) -> bool {
    Path::new(name).extension().is_some_and(|found| endings.iter().any(|ending| found == *ending))
}

/// A user, which only a master of root can start workers as.
fn user(section: &mut Section, written: String, user: &str, here: Surroundings<'_>) {
    if here.is_root {
        section.take(written, ("user", user));
    } else {
        section.lose(written, format!("it needs a master of root; then write user = \"{user}\""));
    }
}

/// Has the command of a processor, which runs as the master, run as this user.
fn as_user(section: &mut Section, written: String, user: &str, here: Surroundings<'_>) {
    match section.value_mut("command") {
        _ if user == "root" && here.is_root => section.take(written, ()),
        Some(Value::Array(words)) if here.is_root => {
            words.splice(..0, ["runuser", "-u", user, "--"].map(Value::from));
            section.change(written, "`runuser` changes to this user", ());
        }
        Some(_) | None => section.lose(written, "it runs as the user of the master; start a master as this one"),
    }
}

/// The time to leave, in seconds as they were written.
fn grace(section: &mut Section, written: String, seconds: f64) {
    if !(0.0..1e9).contains(&seconds) {
        section.lose(written, "this is no number of seconds");
        return;
    }
    let span = || Value::from(span(seconds));
    if seconds < 5.0 {
        // The time from one signal to the next counts, if it is longer.
        section.take(written, [("grace", span()), ("kill_after", span())]);
    } else {
        section.take(written, ("grace", span()));
    }
}

/// Seconds as a duration of the configuration.
fn span(seconds: f64) -> String {
    let milliseconds = (seconds * 1000.0).round() as u64;
    crate::config::units::show_duration(std::time::Duration::from_millis(milliseconds))
}

/// Adds variables to those of the section.
fn env(section: &mut Section, variables: impl IntoIterator<Item = (String, String)>) {
    let table: toml::Table = variables.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    if !table.is_empty() {
        section.add("", ("env", table));
    }
}

/// A program with a path that is relative to the folder where it runs.
fn at_folder(program: &mut String, folder: Option<&str>) {
    if let Some(folder) = folder
        && program.contains('/')
        && !program.starts_with(['/', '$'])
    {
        *program = Path::new(folder).join(&*program).components().collect::<PathBuf>().to_string_lossy().into_owned();
    }
}
