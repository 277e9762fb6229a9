//! Ctrl-C and SIGTERM while many jobs are pushed: what is said then is true, and what was begun is cleared away.
//!
//! Invariant: after [`Interrupts::go_ahead`] nobody is told that nothing was added. A signal that was ignored at the start
//! stays so.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::output;
use crate::error::{Code, Error};

/// Effect of a signal.
#[derive(Debug)]
enum Standing {
    /// Ends the process at once; what is said then.
    Free(String),
    /// The first is heard at the next step; the second ends the process at once.
    Busy(String),
    /// The master is asked: the first is heard at the next step if that comes soon, as it may never answer.
    Asking(String),
}

/// So soon.
const SOON: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct State {
    standing: Standing,
    /// The first signal that came.
    told: Option<i32>,
}

/// The watch over signals.
#[derive(Clone, Debug)]
pub(super) struct Interrupts(Arc<(Mutex<State>, Condvar)>);

impl Interrupts {
    /// Takes the signals from now on; `truth` is said when one comes.
    pub(super) fn watch(truth: &str) -> Result<Self, Error> {
        let state = State { standing: Standing::Free(truth.to_owned()), told: None };
        let interrupts = Self(Arc::new((Mutex::new(state), Condvar::new())));
        let ignored = ignored();
        let wanted = [SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let mut signals = Signals::new(wanted).map_err(|e| Error::io("take signals", e))?;
        let theirs = interrupts.clone();
        let thread = std::thread::Builder::new().name("signals".to_owned());
        let heard = thread.spawn(move || signals.forever().for_each(|signal| theirs.hear(signal)));
        heard.map(drop).map_err(|e| Error::io("start a thread", e))?;
        Ok(interrupts)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, signal: i32) {
        // Held to the end, so that nothing changes about what is said.
        let mut state = self.state();
        let first = state.told.is_none();
        if first && matches!(state.standing, Standing::Asking(_)) {
            state.told = Some(signal);
            let asking = |state: &mut State| matches!(state.standing, Standing::Asking(_));
            let waited = self.0.1.wait_timeout_while(state, SOON, asking).unwrap_or_else(PoisonError::into_inner);
            if !waited.1.timed_out() {
                return;
            }
            state = waited.0;
        }
        match &state.standing {
            Standing::Busy(_) if first => state.told = Some(signal),
            Standing::Free(truth) | Standing::Busy(truth) | Standing::Asking(truth) => {
                output::say(truth);
                leave(signal);
            }
        }
    }

    /// Whether to go on, from where a signal ends the process at once; no longer if one came before.
    pub(super) fn free(&self, truth: &str) -> bool {
        let mut state = self.state();
        state.standing = Standing::Free(truth.to_owned());
        self.0.1.notify_all();
        state.told.is_none()
    }

    /// From now on the first signal waits for the next step.
    pub(super) fn busy(&self, truth: &str) {
        self.state().standing = Standing::Busy(truth.to_owned());
        self.0.1.notify_all();
    }

    /// Whether to go on, from where `truth` is what is said when it is left at once; no longer if a signal came before.
    /// `asking`: the master, which may never answer.
    pub(super) fn go_ahead(&self, truth: &str, asking: bool) -> bool {
        let mut state = self.state();
        if state.told.is_none() {
            let truth = truth.to_owned();
            state.standing = if asking { Standing::Asking(truth) } else { Standing::Busy(truth) };
        }
        self.0.1.notify_all();
        state.told.is_none()
    }

    /// Whether a signal came.
    pub(super) fn told(&self) -> bool {
        self.state().told.is_some()
    }

    /// The end of a process that was told to end.
    pub(super) fn outcome(&self) -> Result<Code, Error> {
        Err(Error::Said(self.state().told.map_or(1, code)))
    }
}

/// As shells have it.
fn code(signal: i32) -> u8 {
    128_u8.saturating_add(u8::try_from(signal).unwrap_or(127))
}

#[expect(clippy::disallowed_methods, reason = "the main thread may wait for input or for a master that is stopped")]
fn leave(signal: i32) -> ! {
    std::process::exit(i32::from(code(signal)))
}

/// The signals that were ignored at the start, a bit for each: a shell has those of a job in the background so.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
