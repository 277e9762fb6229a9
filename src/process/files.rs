//! The limit on open files of this process.
//!
//! Invariant: the limit is raised no further than is needed, as everything we start inherits it.

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::unistd::close;

/// Sees to it that this many files can be open, as far as the hard limit allows; returns how many can.
#[must_use]
pub fn make_room(needed: u64) -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    let wanted = rlim_t::from(needed).min(hard);
    if soft >= wanted || setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        return soft;
    }
    wanted
}

/// Keeps what we were started with, besides the three standard streams, from everything that we start: a descriptor of
/// a supervisor, the lock of a `flock` around us.
pub fn close_for_children() {
    close_fds::set_fds_cloexec(3, &[]);
}

/// How many files can be open.
#[must_use]
pub fn limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft)
}

/// How many are open.
#[must_use]
pub fn open() -> Option<usize> {
    // The descriptor with which they are counted is among them.
    let open = std::fs::read_dir("/proc/self/fd").or_else(|_| std::fs::read_dir("/dev/fd"));
    Some(open.ok()?.count().saturating_sub(1))
}

/// Whether the last `count` descriptors are free, as far as the first of them tells: a new file gets the lowest number
/// that is free, so the highest are taken last.
#[must_use]
pub fn are_free(count: u64) -> bool {
    let Ok(first) = i32::try_from(limit().saturating_sub(count)) else { return true };
    let Ok(copy) = fcntl(std::io::stderr(), FcntlArg::F_DUPFD_CLOEXEC(first)) else { return false };
    // Ours to close.
    close(copy).is_ok() && copy == first
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::process::testing::in_own_process;

    #[test]
    fn the_last_descriptors_are_told_from_the_others() {
        if !in_own_process("process::files::tests::the_last_descriptors_are_told_from_the_others") {
            return;
        }
        setrlimit(Resource::RLIMIT_NOFILE, 100, 300).unwrap();
        let mut open = Vec::new();
        while are_free(20) {
            open.push(File::open("/dev/null").unwrap());
        }
        let highest = open.iter().map(std::os::fd::AsRawFd::as_raw_fd).max();
        assert_eq!(highest, Some(80), "the first of the last twenty");
        // A hole further down is no room at the end.
        open.push(File::open("/dev/null").unwrap());
        open.swap_remove(3);
        assert!(!are_free(20));
        open.clear();
        assert!(are_free(20));
    }

    #[test]
    fn the_limit_is_raised_as_far_as_is_needed_and_allowed_and_never_lowered() {
        if !in_own_process(
            "process::files::tests::the_limit_is_raised_as_far_as_is_needed_and_allowed_and_never_lowered",
        ) {
            return;
        }
        setrlimit(Resource::RLIMIT_NOFILE, 100, 300).unwrap();
        let steps = [(50, 100), (200, 200), (100, 200), (1000, 300)];
        for (needed, can) in steps {
            assert_eq!(make_room(needed), can, "{needed}");
            assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (can, 300), "{needed}");
        }
    }
}
