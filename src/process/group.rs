//! Signals a process group, or kills one process.
//!
//! Does not know whose they are. Invariants: never signals group 0 (our own) or 1 (which `kill` takes for everyone); a
//! process that is not our child is killed only if its start time matches: its id may have been reused.

use std::io;

use nix::errno::Errno;
use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;

use super::identity;
use super::system::handle::{Handle, NOBODY};
use crate::model::supervision::StopSignal;

/// The signals that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Term,
    Kill,
    /// Go on, if stopped; so that `Term` is heard.
    Cont,
    Int,
    Quit,
    Hup,
    Usr1,
    Usr2,
    Stop,
}

impl From<Signal> for signal::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Term => Self::SIGTERM,
            Signal::Kill => Self::SIGKILL,
            Signal::Cont => Self::SIGCONT,
            Signal::Int => Self::SIGINT,
            Signal::Quit => Self::SIGQUIT,
            Signal::Hup => Self::SIGHUP,
            Signal::Usr1 => Self::SIGUSR1,
            Signal::Usr2 => Self::SIGUSR2,
            Signal::Stop => Self::SIGSTOP,
        }
    }
}

impl From<StopSignal> for Signal {
    fn from(signal: StopSignal) -> Self {
        match signal {
            StopSignal::Term => Self::Term,
            StopSignal::Int => Self::Int,
            StopSignal::Quit => Self::Quit,
            StopSignal::Hup => Self::Hup,
            StopSignal::Usr1 => Self::Usr1,
            StopSignal::Usr2 => Self::Usr2,
        }
    }
}

/// Sends a signal to every process of the group that `leader` made. A group that is empty or gone is no error.
/// Call it only while `leader` is not reaped, or its identity was checked.
pub fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    let group = i32::try_from(leader).ok().filter(|&id| id > 1).ok_or(Errno::EINVAL)?;
    match killpg(Pid::from_raw(group), signal::Signal::from(signal)) {
        Err(errno) if !NOBODY.contains(&errno) => Err(errno.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The same for the group of a child of ours that is not reaped. Before it has made its group, as it makes a session
/// first, the signal goes to the child alone.
pub fn signal_child(leader: u32, signal: Signal) -> io::Result<()> {
    let id = i32::try_from(leader).ok().filter(|&id| id > 1).map(Pid::from_raw).ok_or(Errno::EINVAL)?;
    match killpg(id, signal::Signal::from(signal)) {
        Err(errno) if NOBODY.contains(&errno) => Ok(signal::kill(id, signal::Signal::from(signal))?),
        done => Ok(done?),
    }
}

/// Kills the process that started then; it is no error if that is dead.
pub fn kill_process(pid: u32, start: u64) -> io::Result<()> {
    signal_process(pid, start, Signal::Kill)
}

/// Signals the process that started then; it is no error if that is dead.
pub fn signal_process(pid: u32, start: u64, signal: Signal) -> io::Result<()> {
    let signal = match signal {
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Kill => rustix::process::Signal::KILL,
        Signal::Cont => rustix::process::Signal::CONT,
        Signal::Int => rustix::process::Signal::INT,
        Signal::Quit => rustix::process::Signal::QUIT,
        Signal::Hup => rustix::process::Signal::HUP,
        Signal::Usr1 => rustix::process::Signal::USR1,
        Signal::Usr2 => rustix::process::Signal::USR2,
        Signal::Stop => rustix::process::Signal::STOP,
    };
    let Some(id) = rustix::process::Pid::from_raw(pid.cast_signed()) else { return Err(Errno::EINVAL.into()) };
    // The process is opened before the start time is compared, so both are of one process even if the id is reused.
    let opened = Handle::open(id);
    if !identity::is_alive(pid, start) {
        return Ok(());
    }
    let signalled = match opened {
        Ok(process) => process.signal(signal),
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        // No more descriptors, or a kernel before 5.3: then by its id, a moment after the look.
        Err(_) => rustix::process::kill_process(id, signal),
    };
    match signalled {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
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
    fn a_process_is_killed_only_if_it_started_when_it_should_have() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let start = identity::start_time(child.id()).unwrap();
        kill_process(child.id(), start + 1).unwrap();
        assert!(identity::is_alive(child.id(), start));
        kill_process(child.id(), start).unwrap();
        assert_eq!(exit_of(child.wait().unwrap()), crate::model::worker::Exit::Signal(9));
        kill_process(child.id(), start).unwrap();
        assert!(kill_process(0, 0).is_err());
    }

    #[test]
    fn our_own_group_and_everybody_cannot_be_signalled() {
        for id in [0, 1, u32::MAX] {
            assert!(signal_group(id, Signal::Cont).is_err(), "{id}");
        }
    }
}
