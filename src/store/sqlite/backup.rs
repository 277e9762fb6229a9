//! Copies of a database: a whole one of what is committed, made while others read and write it; and putting one in its place.
//!
//! A copy is written under a name of its own, put on the disk and read through before it gets the name that was asked for.
//! Invariants: what has that name already is not touched; a database is replaced in one step, and the old one is kept beside it;
//! a log never lies beside a database that it does not belong to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::TempPath;

use super::create::{no_folder, take_name};
use super::database_lock::Handle;
use super::exam::examine;
use super::files::{beside, identity, log_path, sync_folder};
use super::lock_file::Lock;
use super::open::looker;
use super::stale::{MOST_KEPT, Naming, keep};
use super::{access, error, migrate, sql};
use crate::store::exam::Exam;
use crate::store::{Holder, StoreError};
use crate::trust::{Owner, folder_of};

/// Writes the whole database anew, as it is at one moment.
const COPY: &str = "VACUUM INTO ?1";
/// Between two words about how far it is.
const SAID_EVERY: Duration = Duration::from_millis(200);

/// Hears how many bytes are written by now.
pub(in crate::store) type Progress<'a> = &'a mut (dyn FnMut(u64) + Send);

/// Copies all that is committed into a new file; what is known of the copy.
pub(in crate::store) fn backup(path: &Path, to: &Path, said: Progress<'_>) -> Result<Exam, StoreError> {
    if to.symlink_metadata().is_ok() {
        return Err(taken(to));
    }
    let (copy, exam) = copied(path, to, said)?;
    match take_name(&copy, to) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Err(taken(to)),
        Err(e) => return Err(StoreError::cannot("write", to, &e)),
    }
    // The name is another file's now, if any.
    let _ = copy.keep();
    sync_folder(to).map_err(|e| StoreError::cannot("write", to, &e))?;
    Ok(exam)
}

/// Keeps a copy of a database that is about to be brought up to date, for who wants to go back. The migration itself is done
/// whole or not at all, so it does without where there is no room.
pub(super) fn before_migration(path: &Path, schema: i64) {
    if schema == 0 {
        return;
    }
    let name =
        |n: u32| beside(path, &if n == 1 { format!(".schema-{schema}") } else { format!(".schema-{schema}.{n}") });
    let free = (1..MOST_KEPT).map(name).find(|to| to.symlink_metadata().is_err()).unwrap_or_else(|| name(1));
    match backup(path, &free, &mut |_| {}) {
        Ok(_) => {
            log::warn!(
                "a copy of `{}` before it is brought up to date is kept as `{}`",
                path.display(),
                free.display()
            );
        }
        Err(error) => log::warn!("no copy is kept of `{}` before it is brought up to date: {error}", path.display()),
    }
}

/// Puts a copy of another database in the place of this one, on which no master runs and nobody writes. What is known of
/// it, and where the old one is kept.
pub(in crate::store) fn restore(
    path: &Path,
    from: &Path,
    holder: &Holder,
    said: Progress<'_>,
) -> Result<(Exam, Option<PathBuf>), StoreError> {
    let failed = |e: io::Error| StoreError::cannot("restore", path, &e);
    if identity(from).is_some() && identity(from) == identity(path) {
        return Err(StoreError::cannot("restore", path, &"this is the copy itself; name another file"));
    }
    let (copy, exam) = copied(from, path, said)?;
    if exam.schema > migrate::KNOWN {
        let (path, known) = (from.display().to_string(), migrate::KNOWN);
        return Err(StoreError::Newer { path, found: exam.schema, known });
    }
    let _alone = Lock::take(path, holder)?;
    let naming = Naming::begin(path).map_err(failed)?;
    let old = if path.symlink_metadata().is_ok() {
        let handle = Handle::of(path)?;
        handle.hold_alone(&mut |_| {})?;
        // The log of a database that is damaged is kept beside it; one that somebody reads may hold what is nowhere else.
        if matches!(empty_log(path), Ok(false)) {
            return Err(StoreError::Busy { path: path.display().to_string() });
        }
        naming.set_aside().map_err(failed)?;
        exchange(&copy, path).map_err(failed)?;
        // The old one has the name of the copy now, which is not to be removed any more.
        let old = copy.keep().map_err(|e| failed(e.error))?;
        Some(keep(&old, path, ".before-restore").map_err(failed)?)
    } else {
        naming.set_aside().map_err(failed)?;
        take_name(&copy, path).map_err(|e| failed(e.into()))?;
        let _ = copy.keep();
        None
    };
    sync_folder(path).map_err(failed)?;
    Ok((exam, old))
}

pub(super) fn taken(to: &Path) -> StoreError {
    StoreError::cannot("write", to, &"it exists; name another file, or remove it first")
}

/// A copy in the folder of `to`, on the disk and found to be whole.
fn copied(path: &Path, to: &Path, said: Progress<'_>) -> Result<(TempPath, Exam), StoreError> {
    let folder = folder_of(to);
    let failed = |e: io::Error| {
        let reason =
            if folder.exists() { access::denied(to).unwrap_or_else(|| e.to_string()) } else { no_folder(folder) };
        StoreError::cannot("write", to, &reason)
    };
    let (conn, _handle) = looker(path).map_err(|e| e.when_read(path))?;
    let open = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut names = tempfile::Builder::new();
    let made = names.prefix(".queue-work-").suffix(".copy").make_in(folder, open).map_err(failed)?;
    let (file, name) = made.into_parts();
    fill(&conn, &file, &name, said).map_err(|e| match e {
        Failed::Sqlite(e) => error::map(path, &e).when_read(path),
        Failed::System(e) => failed(e),
    })?;
    Owner::of_store(to).take(&file).and_then(|()| file.sync_all()).map_err(failed)?;
    let exam = examine(&name, None)?;
    match exam.damage.first() {
        None => Ok((name, exam)),
        Some(damage) => Err(StoreError::Io(damage.clone()).when_read(path)),
    }
}

enum Failed {
    Sqlite(rusqlite::Error),
    System(io::Error),
}

fn fill(conn: &Connection, file: &File, name: &Path, said: Progress<'_>) -> Result<(), Failed> {
    let utf8 = || io::Error::other("its name is not UTF-8");
    let to = name.to_str().ok_or_else(utf8).map_err(Failed::System)?;
    // The connection only reads; this setting would keep it from writing to another file, too.
    conn.execute_batch("PRAGMA query_only = OFF").map_err(Failed::Sqlite)?;
    std::thread::scope(|scope| {
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while is_done.recv_timeout(SAID_EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                said(file.metadata().map_or(0, |found| found.len()));
            }
        });
        let filled = conn.execute(COPY, [to]);
        drop(done);
        filled.map(drop).map_err(Failed::Sqlite)
    })
}

/// Moves the log to the database, whatever version that has; false if a reader is in the way.
fn empty_log(path: &Path) -> rusqlite::Result<bool> {
    if !log_path(path).exists() {
        return Ok(true);
    }
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.query_row(sql::CHECKPOINT_ALL, [], |row| row.get::<_, bool>(0).map(|is_busy| !is_busy))
}

/// The two files have each other's name.
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS) => Err(io::Error::other(
            "its file system cannot exchange two files in one step; move the database away, and try again",
        )),
        exchanged => exchanged.map_err(io::Error::from),
    }
}
