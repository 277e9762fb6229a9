//! The kernel's link leads to the file that was executed, whatever has become of its name since: removed, replaced by another
//! version, moved.

use std::ffi::CStr;

/// Name that `ps` and `pgrep` show; the kernel would take `exe`, the last part of the link.
const SHORT_NAME: &CStr = c"queue-work";

pub(in crate::process) const fn path() -> &'static str {
    "/proc/self/exe"
}

/// Gives a process that was started by [`crate::process::image::command`] its name back.
pub fn take_name() {
    if let Err(errno) = nix::sys::prctl::set_name(SHORT_NAME) {
        log::debug!("this process cannot be named: {errno}");
    }
}
