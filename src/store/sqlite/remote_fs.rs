//! Refuses a database on a file system of the network.
//!
//! SQLite's locks, and the memory that its connections share, cannot be relied on there, and files are corrupted even
//! with a single writer. Invariant: a file system that is not known as remote is taken for local.

use std::path::Path;

use nix::errno::Errno;

use crate::process::file_facts::remote_kind;
use crate::store::StoreError;
use crate::trust::folder_of;

/// Whether an existing file lies on another machine.
pub(super) fn is_remote(database: &Path) -> bool {
    remote_kind(database).is_ok_and(|kind| kind.is_some())
}

/// Refuses a database that lies, or would lie, on another machine.
pub(super) fn refuse_remote(database: &Path) -> Result<(), StoreError> {
    let folder = folder_of(database);
    let found = match remote_kind(database) {
        Err(Errno::ENOENT) => remote_kind(folder),
        found => found,
    };
    let reason = match found {
        // Opening a missing or unreadable file gives the better error.
        Ok(None) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => return Ok(()),
        Ok(Some(name)) => format!(
            "its file system ({name}) is, or may be, on another machine, where a database can be corrupted; choose a \
             local disk with --database, or take the risk with --allow-network-fs"
        ),
        Err(e) => format!("its file system cannot be asked what it is: {}", e.desc()),
    };
    Err(StoreError::Cannot { doing: "use", path: database.display().to_string(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_are_accepted_before_and_after_the_database_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        refuse_remote(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        refuse_remote(&path).unwrap();
        refuse_remote(Path::new("q.db")).unwrap();
        refuse_remote(Path::new("/no/such/folder/q.db")).unwrap();
        if Path::new("/dev/shm").is_dir() {
            refuse_remote(Path::new("/dev/shm/q.db")).unwrap();
        }
    }
}
