//! A mark on a process that every child inherits, through `env -i`, `setsid`, any number of forks and execs, and from
//! its first instruction on. Programs that set up a session (PAM: `sudo`, `su`) remove it; control group and parents
//! remain.
//!
//! The mark is the soft limit on CPU time under real-time scheduling (`RLIMIT_RTTIME`), set to more than a hundred
//! thousand years: no process is limited by it, and any process can read it in `/proc/PID/limits`.
//!
//! Invariant: the limit of our own process is as it was before and after each spawn.

use std::fmt::Write as _;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::process::procfs;

/// Above every limit that anybody sets in earnest, and below what tools take for a negative number.
const FIRST: u64 = 1 << 62;
/// Bits of the number that tell one worker of an instance from the others; the rest tells the instance.
const WORKER_BITS: u32 = 26;
/// Hexadecimal digits of the cookie that have room: 36 bits.
const COOKIE_DIGITS: usize = 9;

/// Whose a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

impl Mark {
    /// The mark for a value of the variable, `<cookie>:<worker id>`; `None` for anything else.
    #[must_use]
    pub fn of(value: &str) -> Option<Self> {
        let (cookie, worker) = value.split_once(':')?;
        let worker = worker.parse::<u64>().ok()? & ((1 << WORKER_BITS) - 1);
        Some(Self(FIRST | instance(cookie)? << WORKER_BITS | worker))
    }

    /// The mark of a process; `None` if it has none, or there is no such process.
    #[must_use]
    pub fn of_process(pid: u32) -> Option<Self> {
        let mut path = String::with_capacity(24);
        let _ = write!(path, "/proc/{pid}/limits");
        let mut space = Vec::new();
        let limits = procfs::read(path, &mut space).ok()?;
        let line = std::str::from_utf8(limits).ok()?.lines().find_map(|l| l.strip_prefix("Max realtime timeout"))?;
        let soft = line.split_ascii_whitespace().next()?.parse().ok()?;
        (FIRST..2 * FIRST).contains(&soft).then_some(Self(soft))
    }

    /// Whether the mark is that of a worker of the instance with this cookie.
    #[must_use]
    pub fn is_of(self, cookie: &str) -> bool {
        instance(cookie) == Some((self.0 - FIRST) >> WORKER_BITS)
    }

    /// Which worker of the instance with this cookie it is of.
    #[must_use]
    pub fn worker_of(self, cookie: &str) -> Option<u64> {
        self.is_of(cookie).then_some(self.0 & ((1 << WORKER_BITS) - 1))
    }
}

fn instance(cookie: &str) -> Option<u64> {
    u64::from_str_radix(cookie.get(..COOKIE_DIGITS)?, 16).ok()
}

/// Runs `spawn`, the children of which have this mark, or with `None` none at all. Where the limit cannot be set, they
/// have what we have. For one thread at a time.
pub fn marking<T>(mark: Option<Mark>, spawn: impl FnOnce() -> T) -> T {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_RTTIME) else { return spawn() };
    let theirs = mark.map_or(hard, |mark| mark.0);
    if theirs == soft || setrlimit(Resource::RLIMIT_RTTIME, theirs, hard).is_err() {
        return spawn();
    }
    let spawned = spawn();
    if let Err(errno) = setrlimit(Resource::RLIMIT_RTTIME, soft, hard) {
        log::debug!("the limit RTTIME of this process could not be set back: {errno}");
    }
    spawned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::identity::new_cookie;
    use crate::process::testing::in_own_process;
    use std::process::Command;

    #[test]
    fn a_mark_tells_instances_and_workers_apart() {
        let (one, other) = (new_cookie().unwrap(), new_cookie().unwrap());
        let mark = |cookie: &str, worker: u64| Mark::of(&format!("{cookie}:{worker}")).unwrap();
        assert!(mark(&one, 7).is_of(&one) && !mark(&one, 7).is_of(&other));
        assert_ne!(mark(&one, 7), mark(&one, 8));
        assert_ne!(mark(&one, 7), mark(&other, 7));
        for nobody in ["", ":1", "abc", "abc:1", "not hexadecimal:1", &one] {
            assert_eq!(Mark::of(nobody), None, "{nobody}");
        }
        for cookie in ["", "abc", "zzzzzzzzzzzz"] {
            assert!(!mark(&one, 7).is_of(cookie), "{cookie}");
        }
    }

    #[test]
    fn a_child_has_the_mark_whatever_it_does_and_we_have_it_no_longer() {
        if !in_own_process(
            "process::linux::mark::tests::a_child_has_the_mark_whatever_it_does_and_we_have_it_no_longer",
        ) {
            return;
        }
        let mark = Mark::of(&format!("{}:5", new_cookie().unwrap()));
        let shell = |script: &str| Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        let mut child = marking(mark, || shell("exec env -i setsid -w /bin/sh -c 'exec sleep 1000'"));
        assert_eq!(Mark::of_process(child.id()), mark);
        assert_eq!(Mark::of_process(std::process::id()), None);
        let mut other = shell("exec sleep 1000");
        assert_eq!(Mark::of_process(other.id()), None);
        let mut nested = marking(mark, || marking(None, || shell("exec sleep 1000")));
        assert_eq!(Mark::of_process(nested.id()), None);
        for child in [&mut child, &mut other, &mut nested] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(Mark::of_process(u32::MAX), None);
    }
}
