//! A descriptor of the process (pidfd): its id may pass to another one, the descriptor does not.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::clock;

/// The answers of the kernel where no process of a group is left to signal.
pub(in crate::process) const NOBODY: [Errno; 1] = [Errno::ESRCH];

/// The process that had an id when it was opened.
#[derive(Debug)]
pub(in crate::process) struct Handle(OwnedFd);

impl Handle {
    pub(in crate::process) fn open(pid: Pid) -> rustix::io::Result<Self> {
        pidfd_open(pid, PidfdFlags::empty()).map(Self)
    }

    pub(in crate::process) fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        pidfd_send_signal(&self.0, signal)
    }

    /// Waits for its end, which is that of its last thread: `/proc` shows the first one dead before.
    pub(in crate::process) fn wait(&self, at_most: Duration) {
        let by = clock::instant() + at_most;
        let left = || PollTimeout::try_from(by.saturating_duration_since(clock::instant())).unwrap_or(PollTimeout::MAX);
        while poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], left()) == Err(Errno::EINTR) {}
    }
}
