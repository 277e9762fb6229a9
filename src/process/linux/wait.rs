//! waitid(2) shows the ends of children and leaves them unreaped; a subreaper is given orphans.

use std::io;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::process::exits::{Ended, has_ended, retry_if_interrupted};
use crate::process::identity::children_of;

/// Some child that has ended, or this one; waits for its end where that is asked for.
pub(in crate::process) fn look(child: Option<u32>, waits: bool) -> nix::Result<Option<Ended>> {
    let id = || child.map_or(Id::All, |pid| Id::Pid(Pid::from_raw(pid.cast_signed())));
    let at_once = if waits { WaitPidFlag::empty() } else { WaitPidFlag::WNOHANG };
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | at_once;
    match retry_if_interrupted(|| waitid(id(), flags)) {
        Ok(status) => {
            let failed = !matches!(status, WaitStatus::Exited(_, 0));
            Ok(status.pid().map(|pid| Ended { pid: pid.as_raw().cast_unsigned(), failed }))
        }
        // nix knows no real-time signals and gives no pid for a child that one of them has ended.
        Err(Errno::EINVAL) => {
            let ended = || children_of(std::process::id()).into_iter().find(|&pid| has_ended(pid));
            Ok(child.or_else(ended).map(|pid| Ended { pid, failed: true }))
        }
        Err(errno) => Err(errno),
    }
}

/// The kernel lists our children.
pub const fn announce(_child: u32) {}

/// Makes orphans below us come to us instead of to init, so that they can be found and reaped. A system that does not
/// know this (an emulator such as qemu-user) leaves them to be found by their mark.
pub fn become_subreaper() -> io::Result<()> {
    match nix::sys::prctl::set_child_subreaper(true) {
        Err(Errno::EINVAL) => {
            log::warn!(
                "orphans of workers go to init, as this system cannot give them to us; they are found by their mark"
            );
            Ok(())
        }
        done => done.map_err(io::Error::from),
    }
}
