//! Errors of SQLite as [`StoreError`].
//!
//! Does not decide what to do about it. Invariant: "the outcome of a commit is unknown" is always
//! [`StoreError::Io`], or such that [`StoreError::is_full`], never anything milder.

use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};
use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE};
use rusqlite::{Error, ErrorCode};

use super::access;
use crate::store::StoreError;

/// Errors of what makes a file larger. SQLite tells a full disk from the others, and nothing else.
const MAKES_LARGER: [i32; 3] = [SQLITE_IOERR_WRITE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_SHMSIZE];
/// The most that is written to a file at once.
const ONE_WRITE_BYTES: u64 = 64 * 1024;

/// The file of this database that cannot grow any more because of the limit on the size of files, if there is one.
fn at_the_limit(path: &Path) -> Option<String> {
    let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE).ok()?;
    ["", "-wal", "-shm"].into_iter().find_map(|suffix| {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let length = std::fs::metadata(&file).ok()?.len();
        (length.saturating_add(ONE_WRITE_BYTES) > limit).then(|| Path::new(&file).display().to_string())
    })
}

/// Words an error of an open database.
pub(super) fn map(path: &Path, error: &Error) -> StoreError {
    let shown = || path.display().to_string();
    let reason = || access::denied(path).unwrap_or_else(|| error.to_string());
    if error.sqlite_error().is_some_and(|e| MAKES_LARGER.contains(&e.extended_code))
        && let Some(file) = at_the_limit(path)
    {
        return StoreError::FileLimit { path: file, pid: std::process::id() };
    }
    if error.sqlite_error().is_some_and(|e| e.extended_code == SQLITE_IOERR_SHMSIZE) {
        // SQLite does not keep the errno of this one.
        return StoreError::Io(format!("cannot make `{}-shm` larger; is the disk full?", shown()));
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { path: shown() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path: shown() },
        Some(ErrorCode::NotADatabase) => StoreError::Foreign { path: shown() },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::Cannot { doing: "write to", path: shown(), reason: reason() }
        }
        Some(ErrorCode::CannotOpen) => StoreError::Cannot { doing: "open", path: shown(), reason: reason() },
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::FileLockingProtocolFailed) => {
            StoreError::Io(error.to_string())
        }
        _ => StoreError::Other(error.to_string()),
    }
}

/// Words an error of COMMIT: whatever it is, the truth must be read back.
pub(super) fn map_commit(path: &Path, error: &Error) -> StoreError {
    match map(path, error) {
        full if full.is_full() => full,
        StoreError::Io(reason) => StoreError::Io(format!("the commit failed: {reason}")),
        other => StoreError::Io(format!("the commit failed: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn mapped(code: i32) -> StoreError {
        map(Path::new("q.db"), &Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn each_sqlite_error_has_its_own_word() {
        assert!(matches!(mapped(ffi::SQLITE_FULL), StoreError::Full { .. }));
        assert!(mapped(ffi::SQLITE_IOERR_SHMSIZE).to_string().contains("is the disk full?"));
        assert!(matches!(mapped(ffi::SQLITE_BUSY), StoreError::Busy { .. }));
        assert!(matches!(mapped(ffi::SQLITE_BUSY_SNAPSHOT), StoreError::Busy { .. }));
        assert!(matches!(mapped(ffi::SQLITE_IOERR_FSYNC), StoreError::Io(_)));
        assert!(matches!(mapped(ffi::SQLITE_CORRUPT), StoreError::Io(_)));
        assert!(matches!(mapped(ffi::SQLITE_NOTADB), StoreError::Foreign { .. }));
        assert!(matches!(mapped(ffi::SQLITE_READONLY), StoreError::Cannot { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CONSTRAINT), StoreError::Other(_)));
    }

    #[test]
    fn a_commit_that_failed_is_unknown() {
        let busy = Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None);
        assert!(matches!(map_commit(Path::new("q.db"), &busy), StoreError::Io(_)));
    }
}
