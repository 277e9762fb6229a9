//! Files that a deleted database has left beside its name: a log, its index, a journal.
//!
//! SQLite would take them for those of the next database with that name, and move their pages into it. Invariants:
//! nothing but an empty file or an index is removed; files of a database that is there are never touched.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::files::beside;
use crate::trust::folder_of;

/// A new database gets its name in less time than this, in steps.
const MOST_TRIES: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
/// Most files kept under one name.
pub(super) const MOST_KEPT: u32 = 1000;

/// As long as it lives no other process gives a database in this folder its name.
#[derive(Debug)]
pub(super) struct Naming<'a> {
    database: &'a Path,
    _folder: Option<Flock<File>>,
}

impl<'a> Naming<'a> {
    /// Waits for others, who take a moment.
    pub(super) fn begin(database: &'a Path) -> io::Result<Self> {
        let mut folder = File::open(folder_of(database))?;
        for _ in 0..MOST_TRIES {
            match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
                Ok(locked) => return Ok(Self { database, _folder: Some(locked) }),
                Err((again, nix::errno::Errno::EWOULDBLOCK)) => folder = again,
                // A file system of the network may have no locks on folders.
                Err(_) => return Ok(Self { database, _folder: None }),
            }
            std::thread::park_timeout(BETWEEN_TRIES);
        }
        let path = folder_of(database).display();
        Err(io::Error::other(format!("another process holds a lock on the folder `{path}`; end it, and try again")))
    }

    /// Sets aside what is there although the database is not.
    pub(super) fn set_aside(&self) -> io::Result<()> {
        let database = self.database;
        remove(&beside(database, "-shm"))?;
        for ending in ["-wal", "-journal"] {
            let stale = beside(database, ending);
            match stale.symlink_metadata() {
                Ok(found) if found.is_file() && found.len() == 0 => remove(&stale)?,
                Ok(_) => {
                    let kept = keep(&stale, &stale, ".lost")?;
                    let (found, kept, database) = (stale.display(), kept.display(), database.display());
                    log::warn!(
                        "`{found}` was left by a database that is not there any more; it is kept as `{kept}`, and \
                         `{database}` begins anew"
                    );
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives a file the name of another with this ending, or with a number behind it, which nothing has.
pub(super) fn keep(file: &Path, name: &Path, ending: &str) -> io::Result<PathBuf> {
    for n in 1..MOST_KEPT {
        let kept = beside(name, &if n == 1 { ending.to_owned() } else { format!("{ending}.{n}") });
        if kept.symlink_metadata().is_ok() {
            continue;
        }
        match renameat_with(CWD, file, CWD, &kept, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(kept),
            Err(Errno::EXIST) => {}
            Err(Errno::INVAL | Errno::NOSYS) => return std::fs::rename(file, &kept).map(|()| kept),
            Err(e) => return Err(e.into()),
        }
    }
    Err(io::Error::other(format!("there are too many files named `{}{ending}`; remove them", name.display())))
}
