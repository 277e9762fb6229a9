//! Recognises a process: its id, its start time, the boot it ran in; and the cookie of an instance.
//!
//! Invariant: two processes never have the same [`Identity`], however often ids are used again.

use std::fs;
use std::io::{self, Read};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::system::stat::read_stat;
pub use super::system::stat::{activity_of, boot_id, children_of, host, memory_of, parent_of, pid_namespace};
use crate::model::processor::ForeignProcess;

/// How long [`Identity::stays_alive`] looks.
const LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Start time of a process that `/proc` hides: it counts as alive as long as its id belongs to another user.
pub const HIDDEN: u64 = u64::MAX;

/// One process: its pid can be given to another, pid and start time cannot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Its process id.
    pub pid: u32,
    /// When it started, as the kernel counts: on Linux in ticks since the machine did, elsewhere in seconds since 1970.
    pub start: u64,
    /// The boot of the machine in which it ran.
    pub boot_id: String,
}

impl Identity {
    /// The process that has this id now; `None` if there is none. A zombie has an identity too.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start: start_time(pid)?, boot_id: boot_id().to_owned() })
    }

    /// Whether this very process still runs after two seconds. A killed process releases its files, and their locks, a
    /// moment before it is gone.
    #[must_use]
    pub fn stays_alive(&self) -> bool {
        (0..LOOKS).all(|_| {
            crate::clock::pause(BETWEEN_LOOKS);
            self.is_alive()
        })
    }

    /// Whether this very process still runs. A zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let seen = || read_stat(self.pid).is_some_and(|stat| stat.is_alive_since(self.start));
        self.boot_id == boot_id() && (seen() || (self.start == HIDDEN && is_hidden(self.pid)))
    }
}

/// Whether the process that started then still runs, in this boot. A process that `/proc` hides from us (`hidepid`), as
/// it has become another user's or always was, counts as running until its id is free.
#[must_use]
pub fn is_alive(pid: u32, start: u64) -> bool {
    match read_stat(pid) {
        Some(seen) => seen.is_alive_since(start),
        None => is_hidden(pid),
    }
}

/// Whether `/proc` hides a process from us, which is another user's.
fn is_hidden(pid: u32) -> bool {
    let id = i32::try_from(pid).ok().filter(|&id| id > 0).map(nix::unistd::Pid::from_raw);
    id.is_some_and(|id| nix::sys::signal::kill(id, None) == Err(nix::errno::Errno::EPERM)) && read_stat(pid).is_none()
}

/// Whether `/proc` hides the processes of other users from us.
#[must_use]
pub fn others_are_hidden() -> bool {
    is_hidden(1)
}

/// A process of this machine that runs, as it is put on record.
#[must_use]
pub fn on_record(pid: u32) -> Option<ForeignProcess> {
    let Identity { pid, start, boot_id } = Identity::of(pid).filter(Identity::is_alive)?;
    Some(ForeignProcess { host: host(), pid, start, boot_id })
}

/// The state of a process as the kernel names it (`R`, `S`, `D`, `T`, `t`, `Z` …); `None` if there is none to be seen.
#[must_use]
pub fn state_of(pid: u32) -> Option<char> {
    read_stat(pid).map(|stat| char::from(stat.state))
}

/// When the process started, as in [`Identity`]; [`HIDDEN`] where `/proc` does not let us see that.
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    read_stat(pid).map(|stat| stat.start).or_else(|| is_hidden(pid).then_some(HIDDEN))
}

/// A secret name for one generation: 128 random bits, in hexadecimal.
pub fn new_cookie() -> io::Result<String> {
    use std::fmt::Write;
    let mut bytes = [0_u8; 16];
    fill_random(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Random bytes of the kernel, which nobody can guess.
pub fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    fs::File::open("/dev/urandom")?.read_exact(bytes)
}

/// What the kernel says of a process that has an id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) state: u8,
    pub(super) start: u64,
}

impl Stat {
    pub(super) fn is_alive_since(&self, start: u64) -> bool {
        self.start == start && !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::wait_until;
    use std::process::Command;

    #[test]
    fn we_are_alive_and_somebody_with_our_id_but_another_start_or_boot_is_not_us() {
        let us = Identity::of(std::process::id()).unwrap();
        assert!(us.is_alive());
        assert!(!Identity { start: us.start + 1, ..us.clone() }.is_alive());
        assert!(!Identity { boot_id: "another".to_owned(), ..us }.is_alive());
        assert_eq!(Identity::of(u32::MAX), None);
    }

    #[test]
    fn a_zombie_counts_as_dead() {
        let mut child = Command::new("/bin/sh").args(["-c", "exec sleep 1000"]).spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        child.kill().unwrap();
        wait_until("the zombie counts as dead", || !identity.is_alive());
        assert!(Identity::of(child.id()).is_some(), "it is not reaped, so its id is still taken");
        child.wait().unwrap();
    }

    #[test]
    fn cookies_are_long_and_never_the_same() {
        let (a, b) = (new_cookie().unwrap(), new_cookie().unwrap());
        assert_ne!(a, b);
        assert!(a.len() == 32 && a.bytes().all(|c| c.is_ascii_hexdigit()));
        assert_eq!(boot_id().len(), 36);
    }
}
