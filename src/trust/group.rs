//! The group that may use the socket of a master: who it is, what keeps its members out, who is none of them.
//!
//! Looks users and groups up, which may take long where they are kept on a server: nothing here is for the loop of a master.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, Gid, Group, Uid, faccessat};
use rustix::process::getgroups;

use super::{GROUP_WRITES, OTHERS_WRITE, folder_of, user, whose};

/// Read and write, for the group.
const GROUP_MAY_USE: u32 = 0o060;
/// To pass a folder.
const GROUP_PASSES: u32 = 0o010;
const OTHERS_PASS: u32 = 0o001;

/// The number of a group, by that or by its name; `None`: the system knows no such name.
pub(crate) fn find(written: &str) -> Result<Option<u32>, Errno> {
    match written.parse() {
        Ok(gid) => Ok(Some(gid)),
        Err(_) => Ok(Group::from_name(written)?.map(|group| group.gid.as_raw())),
    }
}

/// Its name, or the number where it has none.
#[must_use]
pub(crate) fn name(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name)
}

/// Whether we are in it, or may do anything.
#[must_use]
pub(crate) fn is_ours(gid: u32) -> bool {
    let is_among = || getgroups().is_ok_and(|groups| groups.iter().any(|group| group.as_raw() == gid));
    Uid::effective().is_root() || Gid::effective().as_raw() == gid || is_among()
}

/// Why we cannot give a file to this group.
#[must_use]
pub(crate) fn not_ours(group: &str) -> String {
    let us = user(Uid::effective().as_raw());
    format!(
        "`{us}` is not one of the group `{group}`, and only root gives away what is not theirs; add `{us}` with \
         `sudo usermod -aG {group} {us}` and log in again (systemd: `SupplementaryGroups={group}`)"
    )
}

/// The first folder on the way to a socket that members of the group may not pass, with what to do.
#[must_use]
pub(crate) fn closed_folder(socket: &Path, gid: u32) -> Option<String> {
    let mut folders: Vec<&Path> = socket.ancestors().skip(1).collect();
    folders.reverse();
    let closed = folders.into_iter().find_map(|folder| {
        let found = folder.metadata().ok()?;
        let passes = if found.gid() == gid { GROUP_PASSES } else { OTHERS_PASS };
        (found.mode() & passes == 0).then_some((folder, found))
    });
    let (folder, found) = closed?;
    let (folder, mode, group) = (folder.display(), found.mode() & 0o7777, name(gid));
    let open = if found.gid() == gid { "g+x" } else { "o+x" };
    Some(format!(
        "the folder `{folder}` (mode {mode:04o}) keeps the group `{group}` from the socket; choose another place with \
         `socket`, or let it pass: `chmod {open} '{folder}'`"
    ))
}

/// Why a socket is closed to us, and who could change that.
#[must_use]
pub(crate) fn why_closed(socket: &Path) -> String {
    let closed = |folder: &&Path| {
        let may_pass = faccessat(AT_FDCWD, *folder, AccessFlags::X_OK, AtFlags::AT_EACCESS);
        !folder.as_os_str().is_empty() && may_pass == Err(Errno::EACCES)
    };
    if let Some(folder) = socket.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev().find(closed) {
        let lets_in = folder.metadata().ok().filter(|found| found.mode() & GROUP_PASSES != 0);
        let why = lets_in.map_or_else(|| whose(folder), |found| for_group(&found));
        return format!("the folder `{}` {why}", folder.display());
    }
    let Ok(found) = socket.symlink_metadata() else {
        return format!("you are `{}`", user(Uid::effective().as_raw()));
    };
    if !found.file_type().is_socket() || found.mode() & GROUP_MAY_USE != GROUP_MAY_USE {
        let next = "`socket_group` in the configuration of the master lets a group in";
        return format!("it {}; {next}", whose(socket));
    }
    format!("it {}", for_group(&found))
}

/// Whom a file is for, if its group may use it, and how we become one of that group; worded to follow its name.
fn for_group(found: &Metadata) -> String {
    let us = user(Uid::effective().as_raw());
    let (owner, group) = (user(found.uid()), Group::from_gid(Gid::from_raw(found.gid())).ok().flatten());
    let is_member = group.as_ref().is_some_and(|group| group.mem.contains(&us));
    let group = group.map_or_else(|| found.gid().to_string(), |group| group.name);
    let next = if is_member {
        format!("you were added to it after you logged in: log in again, or type `newgrp {group}`")
    } else {
        format!("you are `{us}`, and `sudo usermod -aG {group} {us}` makes you one of it")
    };
    format!("is for `{owner}` and the group `{group}` (mode {:04o}); {next}", found.mode() & 0o7777)
}

/// Whether the folder of a socket is this user's, and nobody but that one, root and we could have put it there.
#[must_use]
pub(crate) fn is_in_folder_of(socket: &Path, uid: u32) -> bool {
    let folder = folder_of(socket);
    let ours = [0, uid, Uid::effective().as_raw()];
    let is_private = |folder: &Path| {
        folder
            .metadata()
            .is_ok_and(|found| ours.contains(&found.uid()) && found.mode() & (GROUP_WRITES | OTHERS_WRITE) == 0)
    };
    let Ok(real) = folder.canonicalize() else { return false };
    // Also as it was named: a link may have been put there.
    folder.metadata().is_ok_and(|found| found.uid() == uid)
        && real.ancestors().chain(folder.ancestors().filter(|above| !above.as_os_str().is_empty())).all(is_private)
}
