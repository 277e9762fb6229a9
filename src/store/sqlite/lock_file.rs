//! The lock that allows one master per database: on a file beside it, held for life by the open file.
//!
//! Does not know what is in the database. Invariants: the file is never deleted (a deleted lock file is two lock files); the lock,
//! not the content, says whether a master runs, so what a dead master wrote does no harm.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use super::files::beside;
use crate::model::UnixMicros;
use crate::store::{Holder, StoreError};
use crate::trust::{self, Owner};
use nix::fcntl::OFlag;

/// The right to be the master of a store; given back when dropped, or by the kernel when we die.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Closing is not enough: a child that another thread is just starting has the file open too, until its exec.
impl Drop for Lock {
    fn drop(&mut self) {
        // If it fails, closing the file does the same a moment later.
        let _ = self.file.unlock();
    }
}

/// [`Lock::holder`] takes a shared lock for a moment, which must not make a starting master give up.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

impl Lock {
    /// Takes the lock of this database and writes down who holds it.
    pub(in crate::store) fn take(database: &Path, holder: &Holder) -> Result<Self, StoreError> {
        let path = &beside(database, ".lock");
        let owner = Owner::of_store(database);
        let failed = |e: io::Error| StoreError::Lock { path: path.display().to_string(), reason: e.to_string() };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = trust::open(path, &mut options, owner).map_err(failed)?;
        failpoint!("lock.before", failed(nix::errno::Errno::ENOLCK.into()));
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::park_timeout(BETWEEN_TRIES),
                Err(TryLockError::WouldBlock) => {
                    return Err(match read_holder(&file) {
                        Some(Holder { pid, started_at, .. }) => StoreError::MasterRuns { pid, started_at },
                        None => StoreError::MasterStarts { path: path.display().to_string() },
                    });
                }
            }
        }
        failpoint!("lock.taken");
        write_holder(&file, holder).map_err(failed)?;
        Ok(Self { file })
    }

    /// The master that runs on this database, if one does; with pid 0 if it has not yet written down who it is.
    pub(in crate::store) fn holder(database: &Path) -> io::Result<Option<Holder>> {
        // A link may lead anywhere, and at a pipe one would wait.
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(beside(database, ".lock")) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| None),
            Err(TryLockError::WouldBlock) => {
                Ok(Some(read_holder(&file).unwrap_or(Holder { pid: 0, started_at: UnixMicros(0), socket: None })))
            }
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}

/// Emptied first: a reader sees nothing rather than the name of the one before.
fn write_holder(file: &File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    let mut text = serde_json::to_vec(holder)?;
    text.push(b'\n');
    file.write_all_at(&text, 0)
}

fn read_holder(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(path: &Path, pid: u32) -> Result<Lock, StoreError> {
        Lock::take(path, &Holder { pid, started_at: UnixMicros(1_700_000_000_000_000), socket: None })
    }

    #[test]
    fn a_second_master_is_refused_with_the_name_of_the_first_until_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        assert_eq!(Lock::holder(&path).unwrap(), None);
        let first = take(&path, 4711).unwrap();
        let refused = take(&path, 4712).unwrap_err();
        assert!(matches!(refused, StoreError::MasterRuns { pid: 4711, .. }));
        assert!(refused.to_string().contains("pid 4711, since 2023-11-14T22:13:20Z"), "{refused}");
        assert_eq!(Lock::holder(&path).unwrap().map(|h| h.pid), Some(4711));
        drop(first);
        assert_eq!(Lock::holder(&path).unwrap(), None);
        let _second = take(&path, 5).unwrap();
        assert_eq!(Lock::holder(&path).unwrap().map(|h| h.pid), Some(5));
    }

    #[test]
    fn the_file_is_private_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        let file = beside(&path, ".lock");
        fs::write(&file, "what a dead master wrote, and more of it than fits").unwrap();
        drop(take(&path, 7).unwrap());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&file).unwrap(), "{\"pid\":7,\"started_at\":\"2023-11-14T22:13:20.000000Z\"}\n");
    }

    #[test]
    fn one_that_only_asks_does_not_keep_a_master_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        drop(take(&path, 1).unwrap());
        let asking = File::open(beside(&path, ".lock")).unwrap();
        asking.try_lock_shared().unwrap();
        let (before, after) = std::sync::mpsc::channel();
        let starting = std::thread::spawn(move || {
            before.send(()).unwrap();
            take(&path, 2)
        });
        after.recv().unwrap();
        asking.unlock().unwrap();
        assert!(starting.join().unwrap().is_ok());
    }

    #[test]
    fn a_holder_that_has_not_written_its_name_is_still_a_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        let file = File::create(beside(&path, ".lock")).unwrap();
        file.try_lock().unwrap();
        assert!(matches!(take(&path, 2), Err(StoreError::MasterStarts { .. })));
        assert_eq!(Lock::holder(&path).unwrap().map(|h| h.pid), Some(0));
    }
}
