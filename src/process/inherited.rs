//! Signals and limits that the starter of this process has blocked, ignored or set, as `nohup`, `&` in a script and `ulimit` do. All of it passes
//! through an exec, so without a word from us workers and commands would be deaf, or killed, too.
//!
//! Invariant: what was ignored does nothing to us after it either; it is only that our children begin with the defaults.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::SigSet;
use signal_hook::consts::{FORBIDDEN, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ};

/// Signals that stay ignored where they were, in a process that may write to a terminal: with a handler, a write from the
/// background would be tried again for ever.
const JOB_CONTROL: [i32; 3] = [SIGTSTP, SIGTTIN, SIGTTOU];
/// Signals of the C library, which does not let them be set.
const RESERVED: [i32; 2] = [32, 33];
const HIGHEST: i32 = 64;

/// Signals that we were started with as ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignored(u64);

impl Ignored {
    /// The signals of this process, now.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(mask_in(&fs::read_to_string("/proc/self/status").unwrap_or_default()))
    }

    /// Whether this signal was ignored.
    #[must_use]
    pub const fn has(self, signal: i32) -> bool {
        self.0 >> (signal - 1) & 1 == 1
    }

    /// Whether some of them still are after [`reset`], and would be in what we start.
    #[must_use]
    pub fn stay(self) -> bool {
        JOB_CONTROL.into_iter().any(|signal| self.has(signal))
    }
}

/// Unblocks every signal, and gives those that are ignored a handler that does nothing, which no exec passes on. Before
/// any thread is started and any handler installed. The signals of a terminal's job control stay as they were.
pub fn reset() -> io::Result<Ignored> {
    SigSet::empty().thread_set_mask()?;
    let ignored = Ignored::of_this_process();
    handle(ignored, |signal| !JOB_CONTROL.contains(&signal))?;
    Ok(ignored)
}

/// The same for all signals: in a process that has no terminal.
pub fn reset_all() -> io::Result<()> {
    SigSet::empty().thread_set_mask()?;
    handle(Ignored::of_this_process(), |_| true)
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) fail with an error, as one on a full disk does,
/// instead of killing us.
pub fn survive_file_limit() {
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        log::warn!("a file at its limit will end this process: {error}");
    }
}

/// Leaves out SIGPIPE, which we ignore ourselves and a spawn resets, and signals that may not be handled (SIGSEGV …).
fn handle(ignored: Ignored, which: impl Fn(i32) -> bool) -> io::Result<()> {
    let heard = Arc::new(AtomicBool::new(false));
    let left_alone = |signal: &i32| FORBIDDEN.contains(signal) || RESERVED.contains(signal) || *signal == SIGPIPE;
    for signal in (1..=HIGHEST).filter(|signal| ignored.has(*signal) && !left_alone(signal) && which(*signal)) {
        signal_hook::flag::register(signal, Arc::clone(&heard))?;
    }
    Ok(())
}

fn mask_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let ignored = Ignored(mask_in("Name:\tx\nSigBlk:\t0000000000000003\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(ignored.has(SIGHUP) && ignored.has(13) && !ignored.has(SIGINT) && !ignored.has(SIGTERM));
        assert_eq!((mask_in(""), mask_in("SigIgn:\tnonsense")), (0, 0));
        assert!(!ignored.stay() && Ignored(1 << (SIGTTOU - 1)).stay());
    }
}
