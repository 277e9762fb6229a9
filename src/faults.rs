//! Faults on demand, for the tests of a build with the feature `faults`; in every other build nothing of this is left.
//!
//! - `failpoint!("push.received")` marks a place where the process can be killed. `failpoint!("socket.bind", error)` can
//!   also return `Err(error)`, and `faulty!("dispatch.write", error, otherwise)` is one of two expressions.
//!   `QUEUE_WORK_FAIL="push.received=kill@2,socket.bind=error@1"` says what happens where, and at which hit in a
//!   process; `QUEUE_WORK_FAIL_LOG` names a file that gets a line for each hit.
//!
//! Knows no site: the tests find them in the sources. Invariant: without the feature a failpoint is no code.

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("the feature `faults` is for tests: a program that may be installed must be built without it");

/// Dies here, or returns the error, if it was told to.
#[cfg(feature = "faults")]
macro_rules! failpoint {
    ($site:literal) => {
        let _ = $crate::faults::fails($site);
    };
    ($site:literal, $error:expr) => {
        if $crate::faults::fails($site) {
            return Err($error);
        }
    };
}

#[cfg(not(feature = "faults"))]
macro_rules! failpoint {
    ($site:literal $(, $error:expr)?) => {};
}

/// The first expression if this place was told to fail, else the second.
#[cfg(feature = "faults")]
macro_rules! faulty {
    ($site:literal, $failed:expr, $otherwise:expr) => {
        if $crate::faults::fails($site) { $failed } else { $otherwise }
    };
}

#[cfg(not(feature = "faults"))]
macro_rules! faulty {
    ($site:literal, $failed:expr, $otherwise:expr) => {
        $otherwise
    };
}

#[cfg(feature = "faults")]
pub(crate) use on_demand::fails;

#[cfg(feature = "faults")]
mod on_demand {
    use std::collections::HashMap;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        Kill,
        Error,
    }

    /// A fault that was asked for: site, kind, and the hit at which it happens.
    static ORDERS: LazyLock<Vec<(String, Fault, u32)>> = LazyLock::new(|| {
        let text = std::env::var("QUEUE_WORK_FAIL").unwrap_or_default();
        text.split(',').filter(|order| !order.is_empty()).map(order).collect()
    });

    /// Hits so far, by site.
    static HITS: LazyLock<Mutex<HashMap<&'static str, u32>>> = LazyLock::new(Mutex::default);

    fn order(text: &str) -> (String, Fault, u32) {
        let read = || {
            let (site, what) = text.split_once('=')?;
            let (fault, hit) = what.split_once('@')?;
            let fault = match fault {
                "kill" => Fault::Kill,
                "error" => Fault::Error,
                _ => return None,
            };
            Some((site.to_owned(), fault, hit.parse().ok()?))
        };
        read().unwrap_or_else(|| panic!("`{text}` in QUEUE_WORK_FAIL is not `SITE=kill@N` or `SITE=error@N`"))
    }

    /// Counts a hit of this site, and dies if it was told to; true if the place is to fail.
    pub(crate) fn fails(site: &'static str) -> bool {
        let hit = {
            let mut hits = HITS.lock().unwrap_or_else(PoisonError::into_inner);
            let count = hits.entry(site).or_default();
            *count += 1;
            *count
        };
        note(site);
        match ORDERS.iter().find(|(at, _, nth)| at == site && *nth == hit) {
            Some((_, Fault::Kill, _)) => die(),
            Some((_, Fault::Error, _)) => true,
            None => false,
        }
    }

    fn note(site: &str) {
        static LOG: LazyLock<Option<std::ffi::OsString>> = LazyLock::new(|| std::env::var_os("QUEUE_WORK_FAIL_LOG"));
        let Some(path) = &*LOG else { return };
        // One write, so that lines of several processes do not mix. A test that misses a line fails by itself.
        if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
            let _ = file.write_all(format!("{} {site}\n", std::process::id()).as_bytes());
        }
    }

    /// As a power cut or `kill -9` would end us: no destructor runs, nothing is flushed.
    fn die() -> ! {
        let _ = kill(Pid::this(), Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
}
