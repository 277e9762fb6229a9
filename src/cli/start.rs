//! `start`, or no verb: runs the master in the foreground.

use std::ffi::OsStr;
use std::time::Duration;

use super::args::LogFormat;
use super::context::Context;
use super::{backend, reach};
use crate::client::{NONE, Patience};
use crate::clock;
use crate::config::{Flags, Loaded};
use crate::error::{Code, Error};
use crate::report::events::Level;
use crate::report::{Printer, Status, words};
use crate::store::StoreError;

/// How long a master may take to say what it is.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) fn run(context: &Context) -> Result<Code, Error> {
    let loaded = backend::load_for_master(&context.flags)?;
    let global = &context.global;
    let json = global.log_format == LogFormat::Json;
    let printer = Printer::new(global.verbose, global.quiet, json, loaded.config.drain);
    run_loaded(context, loaded, printer)
        .map_err(|error| if has_single(context) { error } else { or_spawn(error, &context.flags) })
}

/// Whether the master that runs is a single worker, to which no pool can be added.
fn has_single(context: &Context) -> bool {
    let master = context.paths().and_then(|paths| reach::master_if_any(paths, Patience::Limited(PATIENCE)));
    let status = master.ok().flatten().and_then(|mut master| master.call::<Status>("status", &NONE).ok());
    status.and_then(|status| status.master).is_some_and(|master| master.single)
}

/// Runs a master with this configuration.
pub(crate) fn run_loaded(context: &Context, mut loaded: Loaded, printer: Printer) -> Result<Code, Error> {
    for warning in &loaded.warnings {
        printer.warning(&warning.to_string(), clock::wall());
    }
    if loaded.config.makes_folder {
        backend::make_folder_of(&loaded.config.database)?;
    }
    if let Some(warning) = backend::check_socket_group(&loaded)? {
        printer.warning(&warning.to_string(), clock::wall());
    }
    backend::find_accounts(&mut loaded)?;
    let least = Level::shown(context.global.verbose, context.global.quiet);
    backend::run_master(&context.flags, loaded, printer, least)
}

/// Where another master runs, a pool for the queues that are named can be added to it.
fn or_spawn(error: Error, flags: &Flags) -> Error {
    match error {
        Error::Store(StoreError::MasterRuns { .. }) if !flags.queue.is_empty() => {
            let pools: Vec<String> = flags.queue.iter().map(|queue| spawn(queue, flags)).collect();
            let pools =
                if pools.len() == 1 { "a pool" } else { "pools" }.to_owned() + " to it: " + &words::list(&pools);
            Error::Refused(format!("{error}, or add {pools}"))
        }
        other => other,
    }
}

/// The verb that adds this pool to the master that runs.
fn spawn(queue: &str, flags: &Flags) -> String {
    let mut words = vec!["queue-work".to_owned()];
    let said = |field: &str| !flags.from_env.contains(field);
    for (name, path) in [("config", &flags.config), ("database", &flags.database), ("socket", &flags.socket)] {
        if let Some(path) = path.as_ref().filter(|_| said(name)) {
            words.extend([format!("--{name}"), quoted(path.as_os_str())]);
        }
    }
    words.extend(["spawn", "--queue", queue].map(str::to_owned));
    if let Some((_, workers)) = flags.limits.iter().find(|(key, _)| *key == "workers" && said(key)) {
        words.extend(["--workers".to_owned(), workers.clone()]);
    }
    words.extend([("--exec", flags.exec), ("--opaque", flags.opaque)].iter().filter(|f| f.1).map(|f| f.0.to_owned()));
    if !flags.command.is_empty() {
        words.push("--".to_owned());
        words.extend(flags.command.iter().map(|word| quoted(word)));
    }
    words.join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verb_that_adds_a_pool_has_what_was_said_of_the_pool() {
        let flags = Flags {
            database: Some("my jobs.db".into()),
            config: Some("/etc/q.toml".into()),
            command: ["python3", "it's.py", ""].map(Into::into).to_vec(),
            limits: vec![("workers", "2".to_owned()), ("timeout", "1h".to_owned())],
            from_env: ["config".to_owned()].into(),
            ..Flags::default()
        };
        let verb = r"queue-work --database 'my jobs.db' spawn --queue mail --workers 2 -- python3 'it'\''s.py' ''";
        assert_eq!(spawn("mail", &flags), verb);
    }
}
