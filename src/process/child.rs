//! A child, from its start until it is reaped: signals to its group, its end, what it used.
//!
//! Does not decide when: how long a child has between TERM and KILL is the caller's. Invariants: the group is signalled
//! only while the child is not reaped, so no signal reaches a stranger that got its id; a child that is given up
//! unreaped is killed with its group.

use std::io;
use std::process;

use wait4::Wait4;

use super::exits;
use super::group::{Signal, signal_child};
use crate::model::supervision::StopSignal;
use crate::model::worker::Exit;

/// A program that we started, in a group of its own.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    reaped: bool,
}

/// How a child ended, and what it used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, or the signal that ended it.
    pub exit: Exit,
    /// Its largest resident set, or that of a child it waited for.
    pub peak_memory_bytes: u64,
}

impl Child {
    pub(super) fn new(process: process::Child) -> Self {
        exits::announce(process.id());
        Self { process, reaped: false }
    }

    /// Its process id, and the id of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks the group to end, by this signal. A stopped process takes none before it goes on.
    pub fn terminate(&self, by: StopSignal) -> io::Result<()> {
        self.signal(by.into())?;
        self.signal(Signal::Cont)
    }

    /// Ends the group.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::Kill)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.reaped { Ok(()) } else { signal_child(self.pid(), signal) }
    }

    /// Reaps it, if it has ended; never waits.
    pub fn reap(&mut self) -> io::Result<Option<Ended>> {
        let used = loop {
            match self.process.try_wait4() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                used => break used?,
            }
        };
        self.reaped |= used.is_some();
        Ok(used.map(|used| Ended { exit: exits::exit_of(used.status), peak_memory_bytes: used.rusage.maxrss }))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Fails only where no process is left to signal, or the one left is another user's.
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::wait_until;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    fn sh(script: &str) -> Child {
        Child::new(Command::new("/bin/sh").args(["-c", script]).process_group(0).spawn().unwrap())
    }

    fn reap(child: &mut Child) -> Exit {
        wait_until("the child has ended", || exits::has_ended(child.pid()));
        child.reap().unwrap().unwrap().exit
    }

    #[test]
    fn a_child_is_reaped_once_it_has_ended_and_what_it_used_is_known() {
        let mut child = sh("exit 7");
        wait_until("the child has ended", || exits::has_ended(child.pid()));
        let ended = child.reap().unwrap().unwrap();
        assert_eq!(ended.exit, Exit::Code(7));
        assert!(ended.peak_memory_bytes > 100_000, "{ended:?}");
        child.kill().unwrap();
    }

    #[test]
    fn a_child_that_stands_still_hears_term_and_one_that_ignores_it_is_killed() {
        let mut stopped = sh("kill -STOP $$; sleep 1000");
        let stands =
            |child: &Child| std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap().contains(") T ");
        wait_until("it stands still", || stands(&stopped));
        assert_eq!(stopped.reap().unwrap(), None);
        stopped.terminate(StopSignal::Term).unwrap();
        assert_eq!(reap(&mut stopped), Exit::Signal(15));
        let mut deaf = sh("trap '' TERM; kill -STOP $$; while :; do sleep 1000; done");
        wait_until("it stands still", || stands(&deaf));
        deaf.terminate(StopSignal::Term).unwrap();
        wait_until("it goes on", || !stands(&deaf));
        assert_eq!(deaf.reap().unwrap(), None);
        deaf.kill().unwrap();
        assert_eq!(reap(&mut deaf), Exit::Signal(9));
    }

    #[test]
    fn a_child_that_is_given_up_is_killed() {
        let child = sh("exec sleep 1000");
        let pid = child.pid();
        drop(child);
        wait_until("it has ended", || exits::has_ended(pid));
        assert!(exits::reap_stranger(pid));
    }
}
