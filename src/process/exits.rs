//! Learns who has ended, without reaping: a process that is not reaped keeps its id, so its group can be killed
//! safely. The order on every exit is: [`peek`], kill the group, reap.
//!
//! Does not own children: a known child is reaped by `child.try_wait()` of its owner, a stranger (an orphan that came
//! to us because we are a subreaper) by [`reap_stranger`]. Invariant: `peek` never takes a status from anyone.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::system::wait::look;
pub use super::system::wait::{announce, become_subreaper};
use crate::model::worker::Exit;

/// Some child that has ended and is not reaped. Reap it before the next call: until then it may be the answer again.
#[must_use]
pub fn peek() -> Option<u32> {
    look(None, false).ok().flatten().map(|ended| ended.pid)
}

/// Whether we have children at all, dead ones that are not reaped included.
#[must_use]
pub fn has_children() -> bool {
    !matches!(look(None, false), Err(Errno::ECHILD))
}

/// Whether this child has ended and is not reaped. False for what is not our child.
#[must_use]
pub fn has_ended(pid: u32) -> bool {
    matches!(look(Some(pid), false), Ok(Some(_)))
}

/// Waits until this child has ended, without reaping it.
pub fn wait_for(pid: u32) {
    // Fails only where there is no such child.
    let _ = look(Some(pid), true);
}

/// Whether this child has ended, is not reaped, and has failed: by a signal, or with a code other than 0.
#[must_use]
pub fn has_failed(pid: u32) -> bool {
    matches!(look(Some(pid), false), Ok(Some(Ended { failed: true, .. })))
}

/// A child that has ended and is not reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) pid: u32,
    /// By a signal, or with a code other than 0.
    pub(super) failed: bool,
}

/// SIGCHLD comes once for each exit: an interrupted call must not count as "no child has ended".
pub(super) fn retry_if_interrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

/// Reaps an ended child that nobody in this process holds as a `Child`. True if there is nothing left to reap.
/// Never waits.
#[must_use]
pub fn reap_stranger(pid: u32) -> bool {
    match retry_if_interrupted(|| waitpid(Pid::from_raw(pid as i32), Some(WaitPidFlag::WNOHANG))) {
        Ok(WaitStatus::StillAlive) => false,
        // EINVAL: reaped, but ended by a real-time signal; ECHILD: was reaped before.
        Ok(_) | Err(_) => true,
    }
}

/// How a process ended.
#[must_use]
pub fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => unreachable!("BUG: {status:?} is not the status of an ended process"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::identity;
    use crate::process::testing::{in_own_process, wait_until};
    use std::process::Command;

    fn sh(script: &str) -> std::process::Child {
        Command::new("/bin/sh").args(["-c", script]).spawn().unwrap()
    }

    #[test]
    fn a_peek_finds_each_ended_child_and_leaves_its_status_to_its_owner() {
        if !in_own_process("process::exits::tests::a_peek_finds_each_ended_child_and_leaves_its_status_to_its_owner") {
            return;
        }
        assert_eq!(peek(), None);
        assert!(!has_children());
        let ends = [("exit 7", Exit::Code(7)), ("kill -KILL $$", Exit::Signal(9)), ("kill -40 $$", Exit::Signal(40))];
        for (script, exit) in ends {
            let mut child = sh(script);
            assert!(has_children());
            wait_until("the end of the child is seen", || peek() == Some(child.id()));
            assert_eq!(peek(), Some(child.id()));
            assert!(has_ended(child.id()) && has_failed(child.id()));
            assert_eq!(child.try_wait().unwrap().map(exit_of), Some(exit));
            assert_eq!(peek(), None);
            assert!(!has_ended(child.id()));
        }
    }

    #[test]
    fn a_running_child_is_not_reported() {
        let mut child = sh("exec sleep 1000");
        assert!(!has_ended(child.id()) && !has_failed(child.id()));
        child.kill().unwrap();
        wait_until("the end of the child is seen", || has_ended(child.id()));
        child.wait().unwrap();
    }

    #[test]
    fn an_orphan_comes_to_the_subreaper_and_is_reaped_as_a_stranger() {
        if !in_own_process("process::exits::tests::an_orphan_comes_to_the_subreaper_and_is_reaped_as_a_stranger") {
            return;
        }
        become_subreaper().unwrap();
        let out = Command::new("/bin/sh").args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]).output().unwrap();
        let orphan: u32 = String::from_utf8(out.stdout).unwrap().trim().parse().unwrap();
        wait_until("the orphan is ours", || identity::children_of(std::process::id()).contains(&orphan));
        assert!(!reap_stranger(orphan));
        nix::sys::signal::kill(Pid::from_raw(orphan as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
        wait_until("the end of the orphan is seen", || peek() == Some(orphan));
        assert!(reap_stranger(orphan));
        assert_eq!(peek(), None);
    }
}
