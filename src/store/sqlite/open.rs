//! Opens the database file: checks whose it is, sets it up, migrates it.
//!
//! Knows nothing of jobs. Invariant: a file that is not ours is never written to, and none is opened without the handle
//! of `database_lock`, which outlives the connection.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::database_lock::Handle;
use super::files::{self, Identity};
use super::{SqliteStore, backup, create, error::map, identity, migrate, names, sql};
use crate::store::relational::conn::Row;
use crate::store::{StoreError, moving};

/// "QWRK", as in `migrations/0001_core.sql`.
const APPLICATION_ID: i64 = 1_364_677_195;
/// "QWRM", of a store that was moved elsewhere.
pub(super) const MOVED_ID: i64 = 1_364_677_197;
/// The first SQLite without the WAL-reset corruption.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Pages in the log at which it is moved to the database.
pub(super) const CHECKPOINT_FRAMES: i64 = 400;
/// The same while a client waits for the batch just committed: moving them takes a millisecond or two.
pub(super) const MOST_FRAMES: i64 = 1600;
/// How long to wait for another writer.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// How often a reader looks whether a master that starts has brought the database up to date: for a second.
const MOST_TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// The header of a database file, in bytes: a shorter file that is not empty is no database.
const SMALLEST: u64 = 100;
/// The largest database that is looked through at a start, in pages of 4 KiB: about 150,000 waiting jobs, a tenth of a
/// second.
const MOST_CHECKED: i64 = 4096;
/// Kept prepared; there are about 60 statements.
const STATEMENTS: usize = 128;

/// Whether a file that is missing may be made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Make it, with mode 0600.
    Create,
    /// Refuse: it was there before, and an empty one in its place would hide the loss.
    Refuse,
}

pub(super) fn cannot(doing: &'static str, path: &Path, reason: &dyn Display) -> StoreError {
    StoreError::Cannot { doing, path: path.display().to_string(), reason: reason.to_string() }
}

/// The handle on the database, which is made if it is missing and may be. Whether it was made.
pub(super) fn handle(path: &Path, missing: Missing) -> Result<Arc<Handle>, StoreError> {
    match missing {
        Missing::Create => create::if_missing(path)?,
        Missing::Refuse => exists(path, "open", "it does not exist any more")?,
    }
    Handle::of(path)
}

/// Opens for writing.
pub(super) fn writer(handle: &Handle, path: &Path, missing: Missing) -> Result<Connection, StoreError> {
    failpoint!("store.open", cannot("open", path, &"told to fail"));
    assert!(rusqlite::version_number() >= OLDEST_SQLITE, "BUG: SQLite {} is too old", rusqlite::version());
    let mut conn = connect(path)?;
    refuse_foreign(&conn, path, missing == Missing::Create)?;
    if migrate::is_older(&conn, path)? {
        backup::before_migration(path, migrate::version(&conn).map_err(|e| map(path, &e))?);
    }
    set_up(&conn, path)?;
    migrate::migrate(&mut conn, path)?;
    // The name may have been given to another file meanwhile.
    if files::identity(path) != Some(handle.identity()) {
        return Err(StoreError::Gone { path: path.display().to_string() });
    }
    identity::belong((&conn).into(), handle.identity()).map_err(|e| map(path, &e))?;
    Ok(conn)
}

/// Fills a file that was made just now.
pub(super) fn fill(path: &Path, identity: Identity) -> Result<(), StoreError> {
    let mut conn = connect(path)?;
    set_up(&conn, path)?;
    migrate::migrate(&mut conn, path)?;
    identity::belong((&conn).into(), identity).map_err(|e| map(path, &e))?;
    conn.close().map_err(|(_, e)| map(path, &e))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|e| map(path, &e))?;
    conn.busy_timeout(BUSY).map_err(|e| map(path, &e))?;
    keep_plans(&conn).map_err(|e| map(path, &e))?;
    if conn.is_readonly(rusqlite::MAIN_DB).map_err(|e| map(path, &e))? {
        let reason = super::access::denied(path);
        let reason = reason.as_deref().unwrap_or("it is read-only; check its permissions and those of the file system");
        return Err(cannot("write to", path, &reason));
    }
    Ok(conn)
}

/// Opens for reading; sees what a master is writing, and works without one.
pub(super) fn reader(path: &Path) -> Result<(Connection, Arc<Handle>), StoreError> {
    let (conn, handle) = looker(path)?;
    if migrate::is_older(&conn, path)? {
        // The question may be about tables that it does not have yet.
        bring_up_to_date(path)?;
    }
    Ok((conn, handle))
}

/// The same, whatever version it has: that stays.
pub(super) fn looker(path: &Path) -> Result<(Connection, Arc<Handle>), StoreError> {
    exists(path, "read", "it does not exist")?;
    let handle = Handle::of(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|e| map(path, &e))?;
    conn.busy_timeout(BUSY).map_err(|e| map(path, &e))?;
    keep_plans(&conn).map_err(|e| map(path, &e))?;
    refuse_foreign(&conn, path, false)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8000;").map_err(|e| map(path, &e))?;
    Ok((conn, handle))
}

/// As a guest: not under a master, whose version is the older one unless it is just about to do the same.
fn bring_up_to_date(path: &Path) -> Result<(), StoreError> {
    for tries in 1.. {
        match SqliteStore::open_as_guest(path) {
            Err(StoreError::Held { .. }) if tries < MOST_TRIES => std::thread::park_timeout(BETWEEN_TRIES),
            Err(StoreError::Held { path, pid, .. }) => return Err(StoreError::InUse { path, pid }),
            opened => return opened.map(drop),
        }
    }
    Ok(())
}

/// Looks through the whole database, as long as that takes but a moment: a start must not wait for the history of years.
pub(super) fn check(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let damaged = |what: String| {
        let path = path.display().to_string();
        let why = format!(
            "is damaged ({what}); keep the file and its `-wal`, and put back a copy, or try one that `sqlite3 {path} \
             \"VACUUM INTO 'copy.db'\"` makes"
        );
        Err(StoreError::Unusable { path, why })
    };
    if !migrate::has_all_tables(conn, path)? {
        return damaged("its tables are not as they were made".to_owned());
    }
    let read = || -> rusqlite::Result<Option<String>> {
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        if pages > MOST_CHECKED {
            return Ok(None);
        }
        let found: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let dangling = found == "ok" && conn.query_row(sql::DANGLING, [], |row| row.get(0))?;
        Ok(Some(if dangling { "jobs refer to what is not there".to_owned() } else { found }))
    };
    match read() {
        Ok(None) => Ok(()),
        Ok(Some(found)) if found == "ok" => Ok(()),
        Ok(Some(found)) => damaged(found.replace('\n', " ")),
        Err(e) => Err(map(path, &e)),
    }
}

/// Keeps plans independent of the bound values. Otherwise SQLite prepares a statement with a bound `LIMIT` again at
/// each binding, which took a sixth of the time of a transaction with one push.
fn keep_plans(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Every table and index as it is written down in the database.
pub(super) fn tables(conn: &Connection) -> rusqlite::Result<BTreeSet<(String, String)>> {
    let mut statement = conn.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema")?;
    statement
        .query_map([], |row| Ok((names::text(&Row::Sqlite(row), 0)?, names::text(&Row::Sqlite(row), 1)?)))?
        .collect()
}

fn exists(path: &Path, doing: &'static str, if_not: &str) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(cannot(doing, path, &if_not)),
        Err(e) => Err(cannot(doing, path, &super::access::denied(path).unwrap_or_else(|| e.to_string()))),
    }
}

/// Reads again while a file cannot be opened because root is just making it: SQLite gives it to the owner of the database a
/// moment after it has made it.
fn patiently<T>(
    is_being_made: impl Fn() -> bool,
    mut read: impl FnMut() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    for _ in 0..MOST_TRIES {
        match read() {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::CannotOpen) && is_being_made() => {
                std::thread::park_timeout(BETWEEN_TRIES);
            }
            done => return done,
        }
    }
    read()
}

/// An empty file is free to take for a writer; anything else must carry our mark.
fn refuse_foreign(conn: &Connection, path: &Path, empty_is_fine: bool) -> Result<(), StoreError> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        // One snapshot: another process may be migrating an empty file between two reads.
        let tx = conn.unchecked_transaction()?;
        let tables = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let id = tx.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        Ok((id, migrate::version(&tx)?, tables))
    };
    match patiently(|| files::are_changing_hands(path), read).map_err(|e| map(path, &e))? {
        (APPLICATION_ID, _, _) => Ok(()),
        (MOVED_ID, _, _) => Err(moving::refusal(conn.into(), path.display().to_string()).map_err(|e| map(path, &e))?),
        // SQLite takes a file of one byte for an empty one, and would write over it.
        (0, 0, 0) if std::fs::metadata(path).is_ok_and(|found| (1..SMALLEST).contains(&found.len())) => {
            Err(StoreError::Foreign { path: path.display().to_string() })
        }
        (0, 0, 0) if empty_is_fine => Ok(()),
        (0, 0, 0) => Err(cannot("open", path, &"it is empty")),
        _ => Err(StoreError::Foreign { path: path.display().to_string() }),
    }
}

/// The settings of the writing connection, as measured: page 4096, a checkpoint every 400 pages and a small cache do
/// best (after a page was split SQLite walks through its whole cache at the commit); NORMAL because the log is synced by
/// a thread of its own; nothing mapped, because a page that is cut off or cannot be read would end the process. Where fsync(2)
/// does not wait for the disk (macOS), `fullfsync` does.
fn set_up(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch("PRAGMA page_size = 4096").map_err(|e| map(path, &e))?;
    write_ahead_log(conn, path)?;
    conn.execute_batch(
        "PRAGMA fullfsync = ON;
         PRAGMA synchronous = NORMAL;
         PRAGMA wal_autocheckpoint = 400;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -4000;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA foreign_keys = OFF;",
    )
    .map_err(|e| map(path, &e))
}

/// For a guest: has every commit synced, as no thread does it later.
pub(super) fn be_guest(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    conn.execute_batch("PRAGMA synchronous = FULL").map_err(|e| map(path, &e))
}

/// For a master: checkpoints are asked for after a commit, so that it is known when one fails.
pub(super) fn checkpoint_by_hand(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0").map_err(|e| map(path, &e))
}

/// SQLite does not wait for others while it changes the mode of a new file, so the wait is ours: an empty write
/// transaction, which does.
fn write_ahead_log(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    for _ in 0..100 {
        match conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let reason = format!("its file system allows no write-ahead log (journal mode `{mode}`)");
                return Err(cannot("write to", path, &reason));
            }
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(|e| map(path, &e))?;
            }
            Err(e) => return Err(map(path, &e)),
        }
    }
    Err(StoreError::Busy { path: path.display().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn a_file_that_root_is_just_making_is_waited_for_and_no_other() {
        let mut left = [Ok(()), Err(ffi::SQLITE_CANTOPEN), Err(ffi::SQLITE_CANTOPEN)].to_vec();
        let mut read =
            || left.pop().unwrap().map_err(|code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(patiently(|| false, &mut read).is_err());
        assert!(patiently(|| true, &mut read).is_ok());
        assert!(patiently(|| true, || -> rusqlite::Result<()> { Err(rusqlite::Error::InvalidQuery) }).is_err());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        let _store = SqliteStore::open(&path).unwrap();
        assert!(!files::are_changing_hands(&path));
        if std::os::unix::fs::chown(path.with_file_name("q.db-shm"), Some(65_534), None).is_ok() {
            assert!(files::are_changing_hands(&path));
        }
    }
}
