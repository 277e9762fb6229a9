//! Signals to the master: each becomes a flag and wakes the supervisor.
//!
//! ctrlc keeps Ctrl-C, signal-hook the rest; handlers block nothing, so workers inherit a clean mask. TERM and HUP
//! stop with grace, however often they come, unless HUP is to reload the configuration; Ctrl-C stops with grace the first
//! time and without it the second. HUP and Ctrl-C do nothing where whoever started us has had them ignored (`nohup`, `&` in a script).

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGTERM};

use crate::process::inherited::{self, Ignored};
use crate::process::self_pipe;

/// The self-pipe and the flags.
#[derive(Debug)]
pub(super) struct Signals {
    pipe: UnixStream,
    children: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
}

impl Signals {
    /// Installs the handlers, and says which signals were ignored before. Before the first child is started and before the database is opened.
    pub(super) fn install() -> std::io::Result<(Self, Ignored)> {
        let ignored = inherited::reset()?;
        let (pipe, write) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let (children, terminate) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicBool>::default());
        let hung_up = Arc::<AtomicBool>::default();
        // The flag is set before the byte is written: actions of one signal run in the order registered.
        signal_hook::flag::register(SIGCHLD, Arc::clone(&children))?;
        let hangup = Some(SIGHUP).filter(|&signal| !ignored.has(signal));
        signal_hook::flag::register(SIGTERM, Arc::clone(&terminate))?;
        if let Some(hangup) = hangup {
            signal_hook::flag::register(hangup, Arc::clone(&hung_up))?;
        }
        for signal in [SIGCHLD, SIGTERM].into_iter().chain(hangup) {
            signal_hook::low_level::pipe::register(signal, std::os::fd::OwnedFd::from(write.try_clone()?))?;
        }
        Ok((Self { pipe, children, terminate, hangup: hung_up }, ignored))
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> std::io::Result<()> {
        use std::os::fd::AsRawFd;
        registry.register(&mut mio::unix::SourceFd(&self.pipe.as_raw_fd()), token, Interest::READABLE)
    }

    /// Empties the pipe; the flags say what came.
    pub(super) fn drain(&self) {
        self_pipe::drain(&self.pipe);
    }

    /// Whether a child may have exited since the last call.
    pub(super) fn children_exited(&self) -> bool {
        self.children.swap(false, Ordering::SeqCst)
    }

    /// Whether we were told to stop since the last call.
    pub(super) fn told_to_stop(&self) -> bool {
        self.terminate.swap(false, Ordering::SeqCst)
    }

    /// Whether SIGHUP came since the last call.
    pub(super) fn hung_up(&self) -> bool {
        self.hangup.swap(false, Ordering::SeqCst)
    }
}
