//! Why a database cannot be opened: SQLite only says that it cannot.
//!
//! Opens nothing. Asked after a failure, so that it costs nothing where all is well.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use crate::store::error::DENIED;
use crate::trust;

/// The permission that we lack on the database or a folder on the way to it, and the owner.
pub(super) fn denied(path: &Path) -> Option<String> {
    let mut folders: Vec<&Path> = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()).collect();
    folders.reverse();
    let closed = folders.iter().find(|folder| !may(folder, AccessFlags::X_OK));
    if let Some(folder) = closed {
        return Some(format!("{DENIED}: the folder `{}` {}", folder.display(), trust::whose(folder)));
    }
    if path.exists() && !may(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        return Some(format!("{DENIED}: it {}", trust::whose(path)));
    }
    // Beside it SQLite keeps its log.
    let folder = *folders.last()?;
    match access(folder, AccessFlags::W_OK) {
        Err(Errno::EACCES) => Some(format!("{DENIED}: its folder `{}` {}", folder.display(), trust::whose(folder))),
        Err(Errno::EROFS) => Some(format!(
            "`{}` is mounted read-only, and SQLite writes beside a database also to read it; mount it read-write, or \
             copy the database",
            folder.display()
        )),
        Ok(()) | Err(_) => None,
    }
}

fn may(path: &Path, what: AccessFlags) -> bool {
    access(path, what) != Err(Errno::EACCES)
}

fn access(path: &Path, what: AccessFlags) -> nix::Result<()> {
    faccessat(AT_FDCWD, path, what, AtFlags::AT_EACCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_opened_is_not_called_denied() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(denied(&folder.path().join("q.db")), None, "there is none, but it may be made");
        std::fs::write(folder.path().join("q.db"), "").unwrap();
        assert_eq!(denied(&folder.path().join("q.db")), None);
    }
}
