//! Connects to the master, and words what keeps it from answering.
//!
//! Invariant: "no master runs" is said only where the lock of the store is free; a running master that cannot be
//! reached, or does not answer, is reported as such.

use std::fmt::Write as _;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::time::Duration;

use super::{backend, output};
use crate::client::{Client, ClientError, Delay, Patience};
use crate::clock;
use crate::config::Paths;
use crate::error::Error;
use crate::process::identity;
use crate::report::words;
use crate::wire::control::Awaited;

/// How long a running master may be without a socket: it makes a lost one again within two seconds.
const WITHOUT_SOCKET: Duration = Duration::from_secs(3);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(20);

/// The master, which must run.
pub(crate) fn master(paths: &Paths, quiet: bool) -> Result<Client, Error> {
    let tell = if quiet { tell_quietly } else { tell };
    match wait_for_socket(paths, Patience::Endless(tell), WITHOUT_SOCKET) {
        Ok(client) => Ok(client),
        Err(ClientError::NoMaster { .. }) => Err(not_reached(paths)),
        Err(other) => Err(other.into()),
    }
}

/// Connects, if the usual socket is dead, to the socket that the master has written into its lock file.
fn connect(paths: &Paths, patience: Patience) -> Result<Client, ClientError> {
    let nobody = match Client::connect(&paths.socket, paths.database.local(), patience) {
        Err(nobody @ ClientError::NoMaster { .. }) => nobody,
        connected => return connected,
    };
    let written = backend::holder(paths).and_then(|holder| holder.socket).map(PathBuf::from);
    match written.filter(|socket| *socket != paths.socket) {
        Some(socket) => Client::connect(&socket, paths.database.local(), patience),
        None => Err(nobody),
    }
}

/// Connects; for one that runs and has no socket this is tried again for so long.
pub(crate) fn wait_for_socket(paths: &Paths, patience: Patience, most: Duration) -> Result<Client, ClientError> {
    let mut waited = Duration::ZERO;
    loop {
        match connect(paths, patience) {
            Err(ClientError::NoMaster { .. }) if waited < most && backend::holder(paths).is_some() => {}
            connected => return connected,
        }
        clock::pause(AGAIN);
        waited += AGAIN;
    }
}

/// After a failed connection: whether a master runs all the same.
fn not_reached(paths: &Paths) -> Error {
    match backend::holder(paths) {
        Some(holder) => Error::Failed(unreachable(paths, holder.pid)),
        None => none_runs(paths),
    }
}

/// The master, if one can be reached.
pub(crate) fn master_if_any(paths: &Paths, patience: Patience) -> Result<Option<Client>, Error> {
    match connect(paths, patience) {
        Ok(client) => Ok(Some(client)),
        Err(ClientError::NoMaster { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// No master runs on the store.
pub(crate) fn none_runs(paths: &Paths) -> Error {
    Error::NoMaster { database: paths.database.to_string(), start: String::new() }
}

/// A master runs, and its socket does not answer.
pub(crate) fn unreachable(paths: &Paths, pid: u32) -> String {
    let (database, socket) = (&paths.database, paths.socket.display());
    let why = match std::fs::symlink_metadata(&paths.socket) {
        Ok(about) if about.file_type().is_socket() => "nobody answers at its socket",
        Ok(_) => "there is something that is no socket at",
        Err(_) => "it is just starting or ending, and does not listen at",
    };
    let master = name(pid);
    let mut text = format!("{master} runs on `{database}`, but cannot be reached: {why} `{socket}`; try again");
    if pid != 0 {
        let _ = write!(text, ", or end it with `kill {pid}`");
    }
    text
}

/// A master does not answer, and what its process does instead.
pub(crate) fn silent(pid: u32) -> String {
    format!("{} does not answer: {}", name(pid), doing(pid))
}

/// Says what is waited for.
pub(crate) fn tell(delay: Delay) {
    let what = match delay {
        Delay::Silent { pid } => silent(pid),
        Delay::Slow { pid } => format!("{} has not done it yet", name(pid)),
        Delay::Jobs(awaited) => return output::say(&still_run(awaited)),
    };
    output::say(&format!("{what}; waiting for it, Ctrl-C gives up"));
}

/// Says only what is wrong.
fn tell_quietly(delay: Delay) {
    if !matches!(delay, Delay::Jobs(_)) {
        tell(delay);
    }
}

fn still_run(Awaited { jobs, grace_s }: Awaited) -> String {
    let run = match jobs {
        1 => "1 job still runs on a leaving worker".to_owned(),
        n => format!("{n} jobs still run on leaving workers"),
    };
    let most = grace_s.map(|s| format!(", for {} at most", words::seconds(s))).unwrap_or_default();
    format!("{run}{most}; Ctrl-C leaves it going")
}

fn name(pid: u32) -> String {
    if pid == 0 { "a master".to_owned() } else { format!("master {pid}") }
}

fn doing(pid: u32) -> String {
    match identity::state_of(pid) {
        Some('T') => format!("it is stopped (state T), `kill -CONT {pid}` lets it go on"),
        Some('t') => "a debugger holds it (state t)".to_owned(),
        Some('D') => "it waits for a disk or a device (state D)".to_owned(),
        Some('Z' | 'X' | 'x') => "it has ended".to_owned(),
        Some(state) => format!("it is busy or held up (state {state})"),
        None => "its process cannot be seen from here".to_owned(),
    }
}
