//! Files of other systems become a configuration ([`import`]), and a configuration a unit of another system ([`export`]).
//!
//! Pure: text in, text out; files are read and written by `cli`. Invariants: each key of a source is taken over, changed
//! (with a comment that says how) or not possible (with one that says why and what to do), and nothing is dropped; what
//! comes out is a valid configuration, as the reader of configurations itself has said so.

mod command_line;
mod draft;
mod export;
mod import;
mod ini;
mod php;
mod printed;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use crate::config;
use crate::report::words;
use draft::Draft;
pub use export::{Format, Plan, export, folder_of};

/// A system that files come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum System {
    /// supervisord.conf and the files that it includes
    Supervisor,
    /// Procfile, and a .env beside it
    Procfile,
    /// pm2's ecosystem file: JSON, YAML, and with `--run-js` JavaScript
    Pm2,
    /// Units of systemd: .service and .timer
    Systemd,
    /// A crontab: of a user, or with the column of users in /etc
    Crontab,
    /// config/horizon.php or config/queue.php of Laravel
    Horizon,
}

/// A file of another system.
#[derive(Clone, Debug)]
pub struct Source {
    /// As it was named.
    pub name: String,
    pub text: String,
}

/// A file that cannot be read as one of its system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct Broken {
    pub file: String,
    /// From 1.
    pub line: usize,
    pub message: String,
}

/// A fault at a line.
type Fault = (usize, String);

/// The surroundings of an import.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The folder that the configuration is for, absolute.
    pub folder: &'a Path,
    /// Whether its master may start workers as other users.
    pub is_root: bool,
}

/// A configuration made from files of another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    pub toml: String,
    pub taken_over: usize,
    pub changed: usize,
    pub lost: Vec<Lost>,
}

/// A key that is not possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// As it was written.
    pub key: String,
    /// The reason, and the next step.
    pub why: String,
}

impl Imported {
    /// What became of the keys, in one line, and a line for each that was lost.
    #[must_use]
    pub fn summary(&self) -> String {
        let worded = |Lost { key, why }: &Lost| words::one_line(&format!("{key}: {why}"), 200);
        let all = format!(
            "{} taken over, {} changed, {} not possible",
            words::count(self.taken_over as u64, "key"),
            self.changed,
            self.lost.len()
        );
        match &self.lost[..] {
            [one] => format!("{all}: {}", worded(one)),
            lost => lost.iter().fold(all, |all, one| format!("{all}\n  {}", worded(one))),
        }
    }
}

/// Makes one configuration of these files.
pub fn import(system: System, sources: &[Source], here: Surroundings<'_>) -> Result<Imported, Broken> {
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let mut draft = Draft::new(&names);
    match system {
        System::Supervisor => import::supervisor::read(sources, here, &mut draft),
        System::Pm2 => import::pm2::read(sources, here, &mut draft),
        System::Horizon => import::horizon::read(sources, here, &mut draft),
        System::Procfile => import::procfile::read(sources, &mut draft),
        System::Systemd => import::systemd::read(sources, here, &mut draft),
        System::Crontab => import::crontab::read(sources, here, &mut draft),
    }?;
    finish(draft, here.folder)
}

/// Prints the draft, without what the reader of configurations refuses: that becomes a comment with the reason.
fn finish(mut draft: Draft, folder: &Path) -> Result<Imported, Broken> {
    let empty = draft.broken("there is nothing in it to import");
    loop {
        let printed = printed::print(&draft);
        let env = stand_ins(variables_in(&printed.text));
        let problems = config::problems_of(&printed.text, &env, folder);
        if problems.is_empty() {
            return match draft.into_imported(printed.text) {
                Imported { taken_over: 0, changed: 0, lost, .. } if lost.is_empty() => Err(empty),
                imported => Ok(imported),
            };
        }
        let at = |line: usize| line.checked_sub(1).and_then(|line| printed.items.get(line).copied().flatten());
        // Several problems may be with the same place.
        let refused =
            problems.iter().filter(|problem| at(problem.line).is_some_and(|at| draft.refuse(at, &problem.message)));
        if refused.count() == 0 {
            let problem = problems.first().map(ToString::to_string).unwrap_or_default();
            return Err(draft.broken(&format!("BUG: the configuration made of it is not valid: {problem}")));
        }
    }
}

/// Variables, each with a value that is a text, a number and a path: a configuration is checked where they are not set.
fn stand_ins(names: BTreeSet<String>) -> config::Environment {
    let own = names.into_iter().filter(|name| name != "HOME").map(|name| (name, "1".to_owned()));
    own.chain([("HOME".to_owned(), "/".to_owned())]).collect()
}

/// The variables of the environment that the text of a configuration names.
#[must_use]
pub fn variables_in(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let named = lines.flat_map(|line| {
        let parts: Vec<&str> = line.split("${").collect();
        let pairs: Vec<(&str, &str)> = parts.windows(2).map(|pair| (pair[0], pair[1])).collect();
        pairs.into_iter().filter(|(before, _)| !before.ends_with('$')).map(|(_, after)| after)
    });
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    named.filter_map(|after| after.split(['}', ':']).next()).filter(is_name).map(str::to_owned).collect()
}
