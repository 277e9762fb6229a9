//! A kqueue(2) tells that the process has ended, so that its id may be another's. Between that look and the signal is a moment.
//!
//! Invariant: none is signalled after its end was told.

use std::time::Duration;

use nix::errno::Errno;
use nix::libc::timespec;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock;

/// The answers of the kernel where no process of a group is left to signal: the second while one of them is not reaped.
pub(in crate::process) const NOBODY: [Errno; 2] = [Errno::ESRCH, Errno::EPERM];

const AT_ONCE: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

/// The process that had an id when it was opened.
#[derive(Debug)]
pub(in crate::process) struct Handle {
    queue: Kqueue,
    end: KEvent,
    pid: Pid,
}

impl Handle {
    pub(in crate::process) fn open(pid: Pid) -> rustix::io::Result<Self> {
        let id = usize::try_from(pid.as_raw_nonzero().get()).map_err(|_| rustix::io::Errno::INVAL)?;
        let (filter, flags) = (EventFilter::EVFILT_PROC, EvFlags::EV_ADD);
        let end = KEvent::new(id, filter, flags, FilterFlag::NOTE_EXIT, 0, 0);
        let opened = Kqueue::new().and_then(|queue| queue.kevent(&[end], &mut [], Some(AT_ONCE)).map(|_| queue));
        opened.map(|queue| Self { queue, end, pid }).map_err(|e| rustix::io::Errno::from_raw_os_error(e as i32))
    }

    pub(in crate::process) fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        match self.ended_within(AT_ONCE) {
            Ok(1..) => Err(rustix::io::Errno::SRCH),
            Ok(0) | Err(_) => kill_process(self.pid, signal),
        }
    }

    /// Waits for its end.
    pub(in crate::process) fn wait(&self, at_most: Duration) {
        let by = clock::instant() + at_most;
        let left = || {
            let left = by.saturating_duration_since(clock::instant());
            timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) }
        };
        while self.ended_within(left()) == Err(Errno::EINTR) {}
    }

    fn ended_within(&self, time: timespec) -> nix::Result<usize> {
        self.queue.kevent(&[], &mut [self.end], Some(time))
    }
}
