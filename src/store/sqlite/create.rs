//! Makes a new database as a whole, under a name of its own, before it gets the name that others look for.
//!
//! An empty or half-made database is never seen under that name. Invariants: a file that has the name already is left
//! alone; a new database does not get the log of another.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, linkat, unlink};
use rustix::io::Errno;

use super::access;
use super::files::{beside, sync_folder};
use super::open::{cannot, fill};
use super::stale::Naming;
use crate::store::StoreError;
use crate::trust::{Owner, folder_of};

/// Makes the database unless something has its name.
pub(super) fn if_missing(path: &Path) -> Result<(), StoreError> {
    match path.symlink_metadata() {
        Err(e) if e.kind() == ErrorKind::NotFound => whole(path),
        // Opening finds out whether it can be used.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The folder of a database is the user's business.
pub(super) fn no_folder(folder: &Path) -> String {
    let folder = folder.display();
    format!("the folder `{folder}` does not exist; make it with `mkdir -p '{folder}'`")
}

fn whole(path: &Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    let failed = |e: &io::Error| {
        if folder.exists() {
            cannot("create", path, &access::denied(path).unwrap_or_else(|| e.to_string()))
        } else {
            cannot("create", path, &no_folder(folder))
        }
    };
    let open = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut names = tempfile::Builder::new();
    let made = names.prefix(".queue-work-").suffix(".new").make_in(folder, open).map_err(|e| failed(&e))?;
    let (file, name) = made.into_parts();
    let filled = fill_and_name(&file, &name, path);
    for ending in ["-wal", "-shm", "-journal"] {
        // There only after a failure.
        let _ = std::fs::remove_file(beside(&name, ending));
    }
    if filled? {
        // The name is another file's now, if any.
        let _ = name.keep();
    }
    Ok(())
}

/// False: another was first.
fn fill_and_name(file: &File, name: &Path, path: &Path) -> Result<bool, StoreError> {
    let failed = |e: io::Error| cannot("create", path, &e);
    let found = file.metadata().map_err(failed)?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    Owner::of_store(path).take(file).map_err(failed)?;
    fill(name, (found.dev(), found.ino())).map_err(|e| e.about(name, path))?;
    file.sync_all().map_err(failed)?;
    failpoint!("create.before_name");
    give_name(name, path)
}

/// Gives a database that is whole its name; false: another was first.
pub(super) fn give_name(name: &Path, path: &Path) -> Result<bool, StoreError> {
    let failed = |e: io::Error| cannot("create", path, &e);
    let naming = Naming::begin(path).map_err(failed)?;
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    naming.set_aside().map_err(failed)?;
    match take_name(name, path) {
        Ok(()) => sync_folder(path).map(|()| true).map_err(failed),
        Err(Errno::EXIST) => Ok(false),
        Err(e) => Err(failed(e.into())),
    }
}

/// By the function of the system's library, which tests of power cuts watch; that of musl has none.
#[cfg(target_env = "gnu")]
fn rename_to_new(from: &Path, to: &Path) -> Result<(), Errno> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

    renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE)
        .map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

#[cfg(not(target_env = "gnu"))]
fn rename_to_new(from: &Path, to: &Path) -> Result<(), Errno> {
    rustix::fs::renameat_with(CWD, from, CWD, to, rustix::fs::RenameFlags::NOREPLACE)
}

/// Renames, unless the name is taken.
pub(super) fn take_name(from: &Path, to: &Path) -> Result<(), Errno> {
    match rename_to_new(from, to) {
        // Some file systems cannot do that. A file with two names for a moment is refused by who opens it then.
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(CWD, from, CWD, to, AtFlags::empty())?;
            unlink(from)
        }
        result => result,
    }
}
