//! Checks of a database file before it is opened: that it is a regular file, has one name, and is nobody else's.
//!
//! Of a file with two names SQLite would keep two logs; a program that may write to the database has commands run as us.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::files;
use crate::process::file_facts::is_mounted_alone;
use crate::store::StoreError;
use crate::trust::{Owner, folder_of};

/// Refuses whatever is no file: to open a pipe, for one, may wait for ever.
pub(super) fn refuse_special(path: &Path, found: &Metadata) -> Result<(), StoreError> {
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let name = match kind {
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(StoreError::cannot("open", path, &format!("it is {name}")))
}

/// Refuses a file that can be reached by several names: SQLite names the log after the path, and with two names there are
/// two logs.
pub(super) fn refuse_names(path: &Path, file: &File, found: &Metadata) -> Result<(), StoreError> {
    let refused = |why: String| Err(StoreError::Unsafe { path: path.display().to_string(), why });
    if found.nlink() > 1 {
        let (names, inode) = (found.nlink(), found.ino());
        return refused(format!(
            "has {names} names (hard links), and each would have a log of its own; remove all but one (`find / -inum \
             {inode}` lists them), or make a copy with `VACUUM INTO`"
        ));
    }
    // Where the system cannot tell, the lock on the file keeps a second master out.
    if is_mounted_alone(file) {
        return refused(
            "is mounted as a single file, and what belongs to it would lie elsewhere; mount the folder".to_owned(),
        );
    }
    Ok(())
}

/// Refuses a database that others may write to, or could put in our place: whoever writes to it has commands run as us.
pub(super) fn refuse_shared(database: &Path) -> Result<(), StoreError> {
    let owner = Owner::of_store(database);
    let folder = folder_of(database);
    let allow = "or allow that with --allow-shared-folder";
    let next = |path: &Path, found: &Metadata| format!("make it yours alone (`{}`), {allow}", owner.mend(path, found));
    let unsafe_because = |why| StoreError::Unsafe { path: database.display().to_string(), why };
    // A file that is missing, or may not be looked at, is named when it is opened.
    let look = |found: Metadata| owner.who_else(&found).map(|whose| (whose, found));
    if let Some((whose, found)) = folder.metadata().ok().and_then(look) {
        let next = next(folder, &found);
        return Err(unsafe_because(format!("lies in `{}`, which {whose}; {next}", folder.display())));
    }
    let folder_of = folder.metadata().ok().map(|found| found.uid());
    if database.symlink_metadata().is_ok_and(|found| !Owner::is_ours(&found) && Some(found.uid()) != folder_of) {
        // Root may work on the store of a user, but not on what a user has put where root did not look for it.
        let next = format!("give the folder to that user (`chown {} '{}'`), {allow}", owner.name(), folder.display());
        return Err(unsafe_because(format!("belongs to `{}`, its folder does not; {next}", owner.name())));
    }
    for file in files::store_files(database) {
        if let Some((whose, found)) = file.symlink_metadata().ok().and_then(look) {
            let what = if file == database { String::new() } else { format!("has `{}`, which ", file.display()) };
            return Err(unsafe_because(format!("{what}{whose}; {}", next(&file, &found))));
        }
    }
    Ok(())
}

/// Refuses an existing database that cannot be used, before anything is made beside it.
pub(super) fn refuse_unusable(database: &Path) -> Result<(), StoreError> {
    match database.symlink_metadata() {
        Ok(_) => super::database_lock::Handle::of(database).map(drop),
        // Missing, or not to be seen: who makes or opens it says so.
        Err(_) => Ok(()),
    }
}
