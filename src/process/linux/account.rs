//! Takes the groups of another user with initgroups(3), then becomes that user.

use std::ffi::CStr;
use std::io;

use nix::unistd::{Gid, initgroups};

/// Takes this process to all groups of a user, and to this one.
pub(in crate::process) fn join_groups(user: &CStr, group: Gid) -> io::Result<()> {
    Ok(initgroups(user, group)?)
}
