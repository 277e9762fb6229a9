//! Looks at the environment of every process for the cookie. The kernel shows it for processes of the same user, but for
//! programs of the system (those in `/bin` and `/usr/bin`), whose environment it hides.

use std::os::unix::ffi::OsStrExt;

use sysinfo::{ProcessRefreshKind, UpdateKind};

use super::mark::Mark;
use super::processes;
use crate::process::sweep::{COOKIE_VARIABLE, Sign};

/// Calls `each` with pid, start time, sign and whether it lives, for every process that has a sign. False if the list
/// could not be read.
pub(in crate::process) fn scan(exempt: &[u32], mut each: impl FnMut(u32, u64, Sign<'_>, bool)) -> bool {
    let us = std::process::id();
    // Copied out: who is told asks for processes, too.
    let found = processes::all(environments(), |all| {
        let marked = |process: &sysinfo::Process| {
            Some((process.pid().as_u32(), process.start_time(), value_in(process, COOKIE_VARIABLE)?.to_vec()))
        };
        all.filter_map(marked).collect::<Vec<_>>()
    });
    for (pid, start, value) in found.iter().flatten().filter(|(pid, ..)| *pid != us && !exempt.contains(pid)) {
        let sign = Mark::of_process(*pid).map_or(Sign::Value(value), Sign::Mark);
        each(*pid, *start, sign, true);
    }
    found.is_some()
}

/// Value of a variable in the environment that a process was started with.
#[must_use]
pub fn variable_of(pid: u32, name: &str) -> Option<String> {
    let text = |process: &sysinfo::Process| Some(String::from_utf8_lossy(value_in(process, name)?).into_owned());
    processes::one(pid, environments(), text)
}

fn environments() -> ProcessRefreshKind {
    ProcessRefreshKind::nothing().with_environ(UpdateKind::Always)
}

fn value_in<'p>(process: &'p sysinfo::Process, name: &str) -> Option<&'p [u8]> {
    let mut entries = process.environ().iter().map(|entry| entry.as_bytes());
    entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}
