//! Why a database cannot be opened: SQLite only says that it cannot.
//!
//! Opens nothing. Asked after a failure, so that it costs nothing where all is well.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, Uid, User, faccessat};

/// The permission that we lack on the database or a folder on the way to it, and the owner.
pub(super) fn denied(path: &Path) -> Option<String> {
    let mut folders: Vec<&Path> = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()).collect();
    folders.reverse();
    let closed = folders.iter().find(|folder| !may(folder, AccessFlags::X_OK));
    if let Some(folder) = closed {
        return Some(format!("permission denied: the folder `{}` {}", folder.display(), owner(folder)));
    }
    if path.exists() && !may(path, AccessFlags::R_OK | AccessFlags::W_OK) {
        return Some(format!("permission denied: it {}", owner(path)));
    }
    // Beside it SQLite keeps its log.
    let folder = *folders.last()?;
    match access(folder, AccessFlags::W_OK) {
        Err(Errno::EACCES) => Some(format!("permission denied: its folder `{}` {}", folder.display(), owner(folder))),
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

fn owner(path: &Path) -> String {
    let Ok(found) = std::fs::metadata(path) else { return String::from("belongs to another user") };
    let uid = Uid::from_raw(found.uid());
    let mode = found.mode() & 0o7777;
    if uid == Uid::effective() {
        return format!("is yours, but has mode {mode:04o}");
    }
    let name = name_of(uid);
    format!("belongs to {name} (mode {mode:04o}); you are {}", name_of(Uid::effective()))
}

fn name_of(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| format!("user {uid}"), |user| format!("`{}`", user.name))
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
