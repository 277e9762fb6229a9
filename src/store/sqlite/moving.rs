//! A database file as one end of a move.
//!
//! Invariants: a target has its name only when it is whole; a source that was moved is refused to everybody, and takes no job
//! from who has it open.

use std::path::{Path, PathBuf};

use super::create::give_name;
use super::files::beside;
use super::lock_file::Lock;
use super::roles::{alone, refuse_unsafe};
use super::{SqliteStore, backup, error, open, sql};
use crate::store::moving::End;
use crate::store::relational::conn::Conn;
use crate::store::{Allow, Holder, StoreError};

/// Who has the file open does not look at its application id again.
const CLOSE: &str = "CREATE TRIGGER moved BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'this store was moved'); END";
/// The state of a move.
const FORGET: &str = "DROP TABLE IF EXISTS moving";

/// A database that is moved, or filled.
struct FileEnd {
    store: SqliteStore,
    /// The name that a target gets.
    path: PathBuf,
    _lock: Lock,
}

/// A store that is to be moved.
pub(in crate::store) fn source(path: &Path, allow: Allow, holder: &Holder) -> Result<Box<dyn End>, StoreError> {
    if matches!(path.try_exists(), Ok(false)) {
        return Err(StoreError::cannot("open", path, &"it does not exist"));
    }
    let (store, lock) = alone(path, allow, holder)?;
    end(store, path, lock)
}

/// Where a store is to be; `None` if nothing was moved there yet, and nothing is to be made.
pub(in crate::store) fn target(
    path: &Path,
    allow: Allow,
    holder: &Holder,
    make: bool,
) -> Result<Option<Box<dyn End>>, StoreError> {
    if path.symlink_metadata().is_ok() {
        return Err(backup::taken(path));
    }
    let name = beside(path, ".moving");
    refuse_unsafe(path, allow)?;
    if !make && !name.exists() {
        return Ok(None);
    }
    let lock = Lock::take(path, holder)?;
    let store = SqliteStore::open_as_master(&name, &mut |_| {})?;
    end(store, path, lock).map(Some)
}

/// Each commit is synced.
fn end(store: SqliteStore, path: &Path, lock: Lock) -> Result<Box<dyn End>, StoreError> {
    open::be_guest(&store.conn, path)?;
    Ok(Box::new(FileEnd { store, path: path.to_owned(), _lock: lock }))
}

impl End for FileEnd {
    fn conn(&self) -> Conn<'_> {
        (&self.store.conn).into()
    }

    fn map(&self, error: &rusqlite::Error) -> StoreError {
        error::map(&self.path, error)
    }

    fn begin(&self) -> Result<(), StoreError> {
        self.store.command("BEGIN IMMEDIATE").map_err(|e| self.map(&e))
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.store.command("COMMIT").map_err(|e| error::map_commit(&self.path, &e))
    }

    fn close_source(&self) -> Result<(), StoreError> {
        let closed = self.store.conn.execute_batch(CLOSE);
        closed
            .and_then(|()| self.store.conn.pragma_update(None, "application_id", open::MOVED_ID))
            .map_err(|e| self.map(&e))
    }

    fn release(self: Box<Self>) -> Result<(), StoreError> {
        let Self { store, path, _lock } = *self;
        let name = store.path.clone();
        let emptied = store
            .conn
            .execute_batch(FORGET)
            .and_then(|()| store.conn.query_row(sql::CHECKPOINT_ALL, [], |row| row.get::<_, bool>(0)));
        let failed = |e: std::io::Error| StoreError::cannot("write", &path, &e);
        if emptied.map_err(|e| error::map(&path, &e))? {
            return Err(StoreError::Busy { path: name.display().to_string() });
        }
        let SqliteStore { conn, handle, .. } = store;
        conn.close().map_err(|(_, e)| error::map(&path, &e))?;
        handle.file().sync_all().map_err(failed)?;
        if give_name(&name, &path)? { Ok(()) } else { Err(backup::taken(&path)) }
    }
}
