//! The program that runs now, to be started again: as a worker, the guardian or a start step.
//!
//! The kernel's link leads to the file that was executed, whatever has become of its name since: removed, replaced by
//! another version, moved. Parts that speak an internal protocol are so always of one version.

use std::ffi::{CStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Name that `ps` and `pgrep` show; the kernel would take `exe`, the last part of the link.
const SHORT_NAME: &CStr = c"queue-work";

/// A command that runs this image under the name that we were called by; arguments follow.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name());
    command
}

/// The name it was called by, the first word of the command line of what is started.
#[must_use]
pub fn name() -> OsString {
    std::env::args_os().next().filter(|name| !name.is_empty()).unwrap_or_else(|| OsString::from("queue-work"))
}

/// Gives a process that was started by [`command`] its name back.
pub fn take_name() {
    if let Err(errno) = nix::sys::prctl::set_name(SHORT_NAME) {
        log::debug!("this process cannot be named: {errno}");
    }
}
