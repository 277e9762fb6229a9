//! Looks at every process for signs: at `/proc/PID/environ`, which the kernel shows for processes of the same user, and
//! where that says nothing at the mark in `/proc/PID/limits`.

use std::fs;

use super::mark::Mark;
use crate::process::sweep::{COOKIE_VARIABLE, Sign};
use crate::process::{identity, procfs};

/// Calls `each` with pid, start time, sign and whether it lives, for every process that has a sign, zombies included.
/// False if a listed process was gone before it was read: its child may have been forked after the list was made.
pub(in crate::process) fn scan(exempt: &[u32], mut each: impl FnMut(u32, u64, Sign<'_>, bool)) -> bool {
    let us = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    let mut all_seen = true;
    let (mut space, mut more) = (Vec::new(), Vec::new());
    for entry in processes.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == us || exempt.contains(&pid) {
            continue;
        }
        // The id may pass to another process between two reads: what was read belongs to a start time only if it is the
        // same before and after that was read. The first read just sorts out the many others.
        let environ = procfs::read(entry.path().join("environ"), &mut space).unwrap_or_default();
        if let Some(value) = cookie_of(environ) {
            let Some(start) = identity::start_time(pid) else {
                all_seen = false;
                continue;
            };
            let again = procfs::read(entry.path().join("environ"), &mut more).unwrap_or_default();
            if cookie_of(again) == Some(value) && identity::is_alive(pid, start) {
                each(pid, start, Sign::Value(value), true);
                continue;
            }
        }
        // Also one that was just in the middle of an exec: then the environment is not to be seen for a moment.
        let Some(mark) = Mark::of_process(pid) else {
            all_seen &= !environ.is_empty() || entry.path().exists();
            continue;
        };
        match identity::start_time(pid) {
            Some(start) if Mark::of_process(pid) == Some(mark) => {
                each(pid, start, Sign::Mark(mark), identity::is_alive(pid, start));
            }
            Some(_) | None => all_seen = false,
        }
    }
    all_seen
}

/// Value of a variable in the environment that a process was started with.
#[must_use]
pub fn variable_of(pid: u32, name: &str) -> Option<String> {
    let mut space = Vec::new();
    let environ = procfs::read(format!("/proc/{pid}/environ"), &mut space).ok()?;
    value_in(environ, name).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn cookie_of(environ: &[u8]) -> Option<&[u8]> {
    value_in(environ, COOKIE_VARIABLE)
}

fn value_in<'a>(environ: &'a [u8], name: &str) -> Option<&'a [u8]> {
    environ.split(|&b| b == 0).find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_variable_counts() {
        let cookie_in = |environ: &[u8]| cookie_of(environ).map(<[u8]>::to_vec);
        assert_eq!(cookie_in(b"A=1\0QUEUE_WORK_INSTANCE=abc:1\0B=2\0"), Some(b"abc:1".to_vec()));
        assert_eq!(cookie_in(b"A=QUEUE_WORK_INSTANCE=abc\0XQUEUE_WORK_INSTANCE=abc\0"), None);
        assert_eq!(cookie_in(b"QUEUE_WORK_INSTANCES=abc\0"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_cookie_is_found_as_a_whole_entry_of_an_environment_only(
            entries in proptest::collection::vec("(QUEUE_WORK_INSTANCE|QUEUE_WORK_INSTANCES|X|\\PC{0,3})(=| =|)[a-f:)\n ]{0,6}", 0..8),
            torn in proptest::prelude::any::<proptest::sample::Index>(),
        ) {
            let environ = entries.iter().flat_map(|entry| entry.bytes().chain([0])).collect::<Vec<u8>>();
            let wanted = entries.iter().find_map(|entry| entry.strip_prefix("QUEUE_WORK_INSTANCE="));
            proptest::prop_assert_eq!(cookie_of(&environ), wanted.map(str::as_bytes));
            let _ = cookie_of(&environ[..torn.index(environ.len() + 1)]);
        }
    }
}
