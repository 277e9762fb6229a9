//! Signals a process group.
//!
//! Does not know whose group it is. Invariant: never signals group 0 (our own) or 1 (which `kill` takes for everyone).

use std::io;

use nix::errno::Errno;
use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;

/// The signals that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Please end.
    Term,
    /// End.
    Kill,
    /// Go on, if stopped; so that `Term` is heard.
    Cont,
    /// Interrupt.
    Int,
}

impl From<Signal> for signal::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Term => Self::SIGTERM,
            Signal::Kill => Self::SIGKILL,
            Signal::Cont => Self::SIGCONT,
            Signal::Int => Self::SIGINT,
        }
    }
}

/// Sends a signal to every process of the group that `leader` made. A group that is empty or gone is no error.
/// Call it only while `leader` is not reaped, or its identity was checked.
pub fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    let group = i32::try_from(leader).ok().filter(|&id| id > 1).ok_or(Errno::EINVAL)?;
    match killpg(Pid::from_raw(group), signal::Signal::from(signal)) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::exits::exit_of;
    use crate::process::testing::{Family, wait_until};

    #[test]
    fn a_signal_reaches_the_children_of_the_leader_and_a_gone_group_is_no_error() {
        let mut family = Family::start("signalled");
        let leader = family.leader.id();
        signal_group(leader, Signal::Cont).unwrap();
        assert_eq!(family.children_live(), [true, true]);
        signal_group(leader, Signal::Kill).unwrap();
        wait_until("the child in the group is dead", || family.children_live() == [false, true]);
        assert_eq!(exit_of(family.leader.wait().unwrap()), crate::model::worker::Exit::Signal(9));
        signal_group(leader, Signal::Term).unwrap();
    }

    #[test]
    fn our_own_group_and_everybody_cannot_be_signalled() {
        for id in [0, 1, u32::MAX] {
            assert!(signal_group(id, Signal::Cont).is_err(), "{id}");
        }
    }
}
