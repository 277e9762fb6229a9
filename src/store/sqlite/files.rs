//! The files behind a connection: whether they are still those that have the names, and the log as a file.
//!
//! Knows nothing of what is in them. SQLite keeps its files open and would go on, unnoticed, in files that were deleted,
//! replaced or moved away. Invariant: the database file is never opened here (closing a handle on it would drop SQLite's
//! locks); it is only asked for its identity.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

pub(super) use crate::process::file_facts::{ask_identity, ask_length};
use crate::store::StoreError;
use crate::trust::folder_of;

/// Bytes of the log that are written anew at a time.
const CHUNK: usize = 256 * 1024;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// The files a connection has open.
#[derive(Debug)]
pub(super) struct Files {
    database: PathBuf,
    log: PathBuf,
    index: PathBuf,
    /// `None`: was not there.
    known: [Option<Identity>; 3],
}

/// Fate of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All are where they were.
    Same,
    /// The database is, what belongs to it is not: whatever the log holds is in no file that has a name.
    LogGone,
    /// The database was deleted, replaced or moved away.
    Gone,
}

pub(super) fn identity(path: &Path) -> Option<Identity> {
    ask_identity(path).ok()
}

/// Where the write-ahead log of a database is.
pub(super) fn log_path(database: &Path) -> PathBuf {
    beside(database, "-wal")
}

/// The database and what belongs to it.
pub(super) fn store_files(database: &Path) -> [PathBuf; 3] {
    [database.to_owned(), log_path(database), beside(database, "-shm")]
}

/// Whether a file that belongs to the database has another owner: root has made it, and is about to give it away.
pub(super) fn are_changing_hands(database: &Path) -> bool {
    let owners = store_files(database).map(|file| Some(std::fs::metadata(file).ok()?.uid()));
    owners[1..].iter().any(|owner| owner.is_some() && *owner != owners[0])
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl Files {
    /// The files of a database that was just opened and read.
    pub(super) fn of(database: &Path) -> Self {
        let (log, index) = (log_path(database), beside(database, "-shm"));
        let known = [identity(database), identity(&log), identity(&index)];
        Self { database: database.to_owned(), log, index, known }
    }

    /// Fate of the files since then.
    pub(super) fn fate(&self) -> Fate {
        let [database, log, index] = self.known;
        if identity(&self.database) != database {
            Fate::Gone
        } else if identity(&self.log) != log || identity(&self.index) != index {
            Fate::LogGone
        } else {
            Fate::Same
        }
    }

    /// An error unless everything is where it was.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.fate() {
            Fate::Same => Ok(()),
            Fate::LogGone => {
                let lost = if identity(&self.log) == self.known[1] { &self.index } else { &self.log };
                Err(StoreError::Io(format!("`{}` was deleted or replaced", lost.display())))
            }
            Fate::Gone => Err(StoreError::Gone { path: self.database.display().to_string() }),
        }
    }

    /// Writes the log anew, in place, and syncs it. After a sync that failed the system takes what it had to write for
    /// written: a later sync says nothing about it. Only for who keeps all others from writing.
    pub(super) fn rewrite_log(&self) -> io::Result<()> {
        let log = OpenOptions::new().read(true).write(true).open(&self.log)?;
        let mut chunk = vec![0; CHUNK];
        let mut at = 0;
        loop {
            let n = log.read_at(&mut chunk, at)?;
            if n == 0 {
                break;
            }
            log.write_all_at(&chunk[..n], at)?;
            at += n as u64;
        }
        log.sync_data()?;
        sync_folder(&self.log)
    }
}

/// Sees to it that the name of a new file is on the disk as well.
pub(super) fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder_of(file))?.sync_all()
}
