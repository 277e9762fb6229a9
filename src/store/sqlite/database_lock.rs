//! The right to write belongs to the file, not to one of its names: a lock on the database file itself.
//!
//! A master holds it alone and for life, a guest shares it for each write. It is flock(2), which on Linux does not meet
//! the locks that SQLite takes with fcntl(2). Invariant: while a process has a connection to a database its handle stays
//! open, as closing any descriptor of a file drops all fcntl locks that the process has on it. So there is one handle for
//! each file and process, shared by all its connections.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nix::fcntl::OFlag;

use super::files::{self, Identity, beside};
use super::{access, file_checks, remote_fs};
use crate::process::file_facts::{FLOCK_MEETS_FCNTL, locks_on};
use crate::store::StoreError;

/// How often a master that starts looks whether the guests have ended what they write: for 10 s.
const MOST_TRIES: u32 = 1000;
/// A master that is ending or was killed releases its lock within two seconds.
const TRIES_BESIDE_A_MASTER: u32 = 200;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
/// Tries after which the processes that are waited for are named.
const SAID_AFTER: u32 = 50;

/// The handles of this process.
static HANDLES: Mutex<Vec<Weak<Handle>>> = Mutex::new(Vec::new());

/// The handle of this process on a database file.
#[derive(Debug)]
pub(super) struct Handle {
    file: File,
    path: PathBuf,
    identity: Identity,
    held: Mutex<Held>,
    /// On a file system of several machines, and everywhere on some systems, flock(2) locks meet the fcntl locks of SQLite.
    lockable: bool,
}

/// Lock that this process holds.
#[derive(Debug)]
enum Held {
    Shared(u32),
    Alone,
}

/// The shared right to write, given back when dropped.
#[derive(Debug)]
pub(super) struct Writing(Arc<Handle>);

impl Handle {
    /// The handle on this database, which exists.
    pub(super) fn of(path: &Path) -> Result<Arc<Self>, StoreError> {
        let why = |e: &io::Error| access::denied(path).unwrap_or_else(|| e.to_string());
        let failed = |e| StoreError::cannot("open", path, &why(&e));
        let found = std::fs::metadata(path).map_err(failed)?;
        file_checks::refuse_special(path, &found)?;
        let mut handles = HANDLES.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|handle| handle.strong_count() > 0);
        let identity = (found.dev(), found.ino());
        if let Some(known) = handles.iter().filter_map(Weak::upgrade).find(|known| known.identity == identity) {
            return Ok(known);
        }
        // The name may lead to a pipe by now, whose other end is not waited for.
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        file_checks::refuse_special(path, &found)?;
        file_checks::refuse_names(path, &file, &found)?;
        let handle = Arc::new(Self {
            file,
            path: path.to_owned(),
            identity: (found.dev(), found.ino()),
            held: Mutex::new(Held::Shared(0)),
            lockable: !FLOCK_MEETS_FCNTL && !remote_fs::is_remote(path),
        });
        handles.push(Arc::downgrade(&handle));
        Ok(handle)
    }

    /// Device and inode.
    pub(super) const fn identity(&self) -> Identity {
        self.identity
    }

    /// To be read from, at a place.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// For a master: nobody else writes from now on. Guests may end what they write; `waiting` hears which processes
    /// they are if that takes long.
    pub(super) fn hold_alone(&self, waiting: &mut dyn FnMut(&[u32])) -> Result<(), StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*held, Held::Shared(0)) {
            return Err(self.refused());
        }
        if self.lockable {
            self.lock_alone(waiting)?;
        }
        *held = Held::Alone;
        Ok(())
    }

    fn lock_alone(&self, waiting: &mut dyn FnMut(&[u32])) -> Result<(), StoreError> {
        for tries in 1.. {
            match self.file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(StoreError::cannot("lock", &self.path, &e)),
                Err(TryLockError::WouldBlock) => {}
            }
            // A master stays, unless it is just ending; a guest goes.
            let most = if self.holders("WRITE").is_empty() { MOST_TRIES } else { TRIES_BESIDE_A_MASTER };
            if tries >= most {
                return Err(self.refused());
            }
            if tries == SAID_AFTER {
                waiting(&self.holders("READ"));
            }
            std::thread::park_timeout(BETWEEN_TRIES);
        }
        Ok(())
    }

    /// For a guest: no master starts as long as the result lives. Refused while one runs, whatever it calls the file, and
    /// while one is starting, which many guests would otherwise keep waiting.
    pub(super) fn hold_shared(self: &Arc<Self>) -> Result<Writing, StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if (self.lockable || FLOCK_MEETS_FCNTL)
            && let Some(lock) = masters_lock(&self.path)
        {
            return Err(self.refused_for(holders(lock, "WRITE").first().copied(), true, &self.path));
        }
        match &mut *held {
            Held::Alone => return Err(self.refused()),
            Held::Shared(0) if self.lockable => match self.file.try_lock_shared() {
                Ok(()) => *held = Held::Shared(1),
                Err(TryLockError::WouldBlock) => return Err(self.refused()),
                Err(TryLockError::Error(e)) => return Err(StoreError::cannot("lock", &self.path, &e)),
            },
            Held::Shared(count) => *count += 1,
        }
        Ok(Writing(Arc::clone(self)))
    }

    fn refused(&self) -> StoreError {
        let master = self.holders("WRITE").first().copied();
        let pid = master.or(self.holders("READ").first().copied());
        let name = pid.and_then(|pid| self.name_in(pid)).unwrap_or_else(|| self.path.clone());
        self.refused_for(pid, master.is_some(), &name)
    }

    fn refused_for(&self, pid: Option<u32>, is_master: bool, name: &Path) -> StoreError {
        StoreError::Held { path: self.path.display().to_string(), pid, is_master, name: name.display().to_string() }
    }

    fn holders(&self, kind: &str) -> Vec<u32> {
        holders(self.identity, kind)
    }

    /// Name of the file in this process.
    fn name_in(&self, pid: u32) -> Option<PathBuf> {
        let mut open = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten().map(|entry| entry.path());
        let ours = |fd: &PathBuf| std::fs::metadata(fd).is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        std::fs::read_link(open.find(ours)?).ok()
    }
}

/// The processes that hold the lock on a file; those that this process cannot see are left out.
fn holders(of: Identity, kind: &str) -> Vec<u32> {
    locks_on(of, |lock| lock[0] == "FLOCK" && lock[1] == kind)
}

/// The processes that read through the index of a log at this moment, by their locks on these bytes of it.
pub(super) fn readers(index: &Path, bytes: &RangeInclusive<u64>) -> Vec<u32> {
    let Some(of) = files::identity(index) else { return Vec::new() };
    let is_read = |lock: [&str; 3]| {
        lock[0] == "POSIX" && lock[1] == "READ" && lock[2].parse().is_ok_and(|first| bytes.contains(&first))
    };
    let mut found = locks_on(of, is_read);
    found.sort_unstable();
    found.dedup();
    found
}

/// The lock of the master beside the database, where one holds it: it has that before it waits for the database. Of older
/// versions it is the only one.
fn masters_lock(database: &Path) -> Option<Identity> {
    // A link may lead anywhere, and at a pipe one would wait.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(beside(database, ".lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => file.metadata().ok().map(|found| (found.dev(), found.ino())),
        // An unreadable lock file says nothing; the lock on the database decides.
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Closing is not enough: a child that another thread is just starting has the file open too, until its exec.
impl Drop for Handle {
    fn drop(&mut self) {
        // If it fails, closing the file does the same a moment later.
        let _ = self.file.unlock();
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Held::Shared(count) = &mut *held {
            *count = count.saturating_sub(1);
            if *count == 0 {
                // If it fails, the lock goes with the process.
                let _ = self.0.file.unlock();
            }
        }
    }
}
