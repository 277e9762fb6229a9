//! Signals that whoever started us has blocked or ignored, as `nohup` and scripts do. Both pass through an exec, so
//! without a word from us workers and commands would be deaf to them too.
//!
//! Invariant: what was ignored does nothing to us after it either; it is only that our children begin with the defaults.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::SigSet;
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ};

/// Those that are cared for. SIGPIPE is ignored by ourselves, and a spawn resets it. Not those of a terminal's job
/// control: a write that is to be ignored as a background process's would be tried again for ever.
const CARED_FOR: [i32; 10] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGVTALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ];

/// Signals that we were started with as ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignored(u64);

impl Ignored {
    /// Whether this signal was ignored.
    #[must_use]
    pub const fn has(self, signal: i32) -> bool {
        self.0 >> (signal - 1) & 1 == 1
    }
}

/// Unblocks every signal, and gives those that are ignored a handler that does nothing, which no exec passes on. Before
/// any thread is started and any handler installed.
pub fn reset() -> io::Result<Ignored> {
    SigSet::empty().thread_set_mask()?;
    let ignored = Ignored(mask_in(&fs::read_to_string("/proc/self/status").unwrap_or_default()));
    let heard = Arc::new(AtomicBool::new(false));
    for signal in CARED_FOR.into_iter().filter(|&signal| ignored.has(signal)) {
        signal_hook::flag::register(signal, Arc::clone(&heard))?;
    }
    Ok(ignored)
}

fn mask_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let ignored = Ignored(mask_in("Name:\tx\nSigBlk:\t0000000000000003\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(ignored.has(SIGHUP) && ignored.has(13) && !ignored.has(SIGINT) && !ignored.has(SIGTERM));
        assert_eq!((mask_in(""), mask_in("SigIgn:\tnonsense")), (0, 0));
    }
}
