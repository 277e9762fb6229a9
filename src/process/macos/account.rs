//! Refused: a process would keep the groups of the user that it was.

use std::ffi::CStr;
use std::io;

use nix::unistd::Gid;

/// Refused: a process would keep the groups of the user that it was.
pub(in crate::process) fn join_groups(_user: &CStr, _group: Gid) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "workers of another user need Linux; remove `user` from the pool"))
}
