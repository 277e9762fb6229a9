//! The processes of a bench, found by what they have in their environment, whatever became of their parents, groups
//! and sessions. A zombie has no environment: it counts as dead.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock;

/// A process of a bench.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// The cookie of its master, for workers and what descends from them.
    pub(crate) cookie: Option<String>,
    pub(crate) is_guardian: bool,
}

/// Every process of the bench with this database, without this one.
pub(crate) fn find(database: &Path) -> Vec<Process> {
    let mut wanted = b"QUEUE_WORK_DATABASE=".to_vec();
    wanted.extend_from_slice(database.as_os_str().as_bytes());
    let own = std::process::id().cast_signed();
    let names = fs::read_dir("/proc").expect("this is Linux").filter_map(|e| e.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse::<i32>().ok()).filter(|&pid| pid != own);
    pids.filter_map(|pid| read(pid, &wanted)).collect()
}

fn read(pid: i32, wanted: &[u8]) -> Option<Process> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environ.split(|&byte| byte == 0);
    if !variables.clone().any(|variable| variable == wanted) {
        return None;
    }
    let cookie = variables.find_map(|variable| variable.strip_prefix(b"QUEUE_WORK_INSTANCE="));
    let cookie = cookie.and_then(|value| Some(std::str::from_utf8(value).ok()?.split(':').next()?.to_owned()));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let is_guardian = line.split(|&byte| byte == 0).any(|word| word == b"__guardian");
    Some(Process { pid, parent, cookie, is_guardian })
}

/// The guardian of this master.
pub(crate) fn guardian(database: &Path, master: i32) -> Option<i32> {
    find(database).into_iter().find(|p| p.is_guardian && p.parent == master).map(|p| p.pid)
}

/// The workers of this master.
pub(crate) fn workers(database: &Path, master: i32) -> Vec<i32> {
    find(database).into_iter().filter(|p| p.cookie.is_some() && p.parent == master).map(|p| p.pid).collect()
}

/// The cookies that processes carry now.
pub(crate) fn cookies(database: &Path) -> BTreeSet<String> {
    find(database).into_iter().filter_map(|p| p.cookie).collect()
}

/// Who carries one of these cookies.
pub(crate) fn carriers(database: &Path, cookies: &BTreeSet<String>) -> Vec<Process> {
    let mut found = find(database);
    found.retain(|p| p.cookie.as_ref().is_some_and(|cookie| cookies.contains(cookie)));
    found
}

/// Waits until nobody carries one of these cookies; when that was, in microseconds, or who still does.
pub(crate) fn gone(database: &Path, cookies: &BTreeSet<String>, patience: Duration) -> Result<i64, Vec<Process>> {
    let mut left = Vec::new();
    let gone = clock::soon(patience, || {
        left = carriers(database, cookies);
        left.is_empty()
    });
    if gone { Ok(clock::micros()) } else { Err(left) }
}

/// Sends a signal to a process, if it is still there.
pub(crate) fn signal(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}
