//! waitid(2) shows the ends of children and leaves them unreaped; orphans go to launchd.
//!
//! rustix does not say which child it was, so that each is asked for by the id that it was announced with.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::process::exits::{Ended, retry_if_interrupted};

/// Children that were not reaped when they were last asked for.
static CHILDREN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A child was started.
pub fn announce(child: u32) {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).insert(child);
}

/// Some child that has ended, or this one; waits for its end where that is asked for.
pub(in crate::process) fn look(child: Option<u32>, waits: bool) -> nix::Result<Option<Ended>> {
    let Some(pid) = child else { return look_at_all() };
    let id = Pid::from_raw(pid.cast_signed()).ok_or(Errno::ECHILD)?;
    let status = ask(&WaitId::Pid(id), waits)?;
    Ok(status.map(|status| Ended { pid, failed: status.exit_status() != Some(0) }))
}

fn look_at_all() -> nix::Result<Option<Ended>> {
    // One question while nobody has ended, as is usual.
    if ask(&WaitId::All, false)?.is_none() {
        return Ok(None);
    }
    let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = None;
    children.retain(|&pid| {
        let seen = if found.is_none() { look(Some(pid), false) } else { Ok(None) };
        let is_ours = seen != Err(Errno::ECHILD);
        found = found.or(seen.ok().flatten());
        is_ours
    });
    Ok(found)
}

fn ask(id: &WaitId<'_>, waits: bool) -> nix::Result<Option<rustix::process::WaitIdStatus>> {
    let at_once = if waits { WaitIdOptions::empty() } else { WaitIdOptions::NOHANG };
    let flags = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | at_once;
    retry_if_interrupted(|| waitid(id.clone(), flags).map_err(|errno| Errno::from_raw(errno.raw_os_error())))
}

/// Orphans go to launchd: those that left their group are found by the cookie alone.
pub const fn become_subreaper() -> io::Result<()> {
    Ok(())
}
