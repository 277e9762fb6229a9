//! Opens a database file in a role: to read it, as a guest, as its master.
//!
//! Invariant: a file that is not safe is refused before anything is made there, and a master has the lock beside the
//! database before it opens that.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::changes::Changes;
use super::file_checks::{refuse_shared, refuse_unusable};
use super::lock_file::Lock;
use super::remote_fs::refuse_remote;
use super::{SqliteRecords, SqliteStore};
use crate::store::{Allow, Holder, Master, Opened, Records, Store, StoreError};
use crate::trust::{Owner, folder_of};

/// To read it.
pub(in crate::store) fn records(path: &Path) -> Result<Box<dyn Records + Send>, StoreError> {
    Ok(Box::new(SqliteRecords::open(path)?))
}

/// The same; an answer may take so long.
pub(in crate::store) fn records_within(path: &Path, limit: Duration) -> Result<Box<dyn Records + Send>, StoreError> {
    Ok(Box::new(SqliteRecords::open_within(path, limit)?))
}

/// The master that runs on it.
pub(in crate::store) fn holder(path: &Path) -> io::Result<Option<Holder>> {
    Lock::holder(path)
}

/// To write to it while no master runs.
pub(in crate::store) fn as_guest(path: &Path, allow: Allow) -> Result<Box<dyn Store>, StoreError> {
    refuse_unsafe(path, allow)?;
    Ok(Box::new(SqliteStore::open_as_guest(path)?))
}

/// To be its master. The locks keep other masters out, but one of an older version takes only the lock file, which can
/// be deleted: so the master of a generation that has not ended must be proven dead. A copy is exempt: that master runs
/// on the original.
pub(in crate::store) fn as_master(
    path: &Path,
    allow: Allow,
    holder: &Holder,
    lives: &dyn Fn(&Master) -> bool,
) -> Result<Opened, StoreError> {
    let (mut store, lock) = alone(path, allow, holder)?;
    store.refuse_living(lives)?;
    let records = Box::new(store.records());
    let changes = Changes::of(path, allow.network_fs).into();
    Ok(Opened { store: Box::new(store), records, changes, lock })
}

/// To be the only one that writes to it.
pub(super) fn alone(path: &Path, allow: Allow, holder: &Holder) -> Result<(SqliteStore, Lock), StoreError> {
    refuse_unsafe(path, allow)?;
    warn_of_owner(path);
    let lock = Lock::take(path, holder).map_err(|refused| no_folder(path).unwrap_or(refused))?;
    let store = SqliteStore::open_as_master(path, &mut |guests| {
        log::warn!("waiting until others have written to `{}`: processes {guests:?}", path.display());
    })
    .map_err(|refused| held_since(path, refused))?;
    store.check()?;
    Ok((store, lock))
}

pub(super) fn refuse_unsafe(path: &Path, allow: Allow) -> Result<(), StoreError> {
    if !allow.network_fs {
        refuse_remote(path)?;
    }
    refuse_unusable(path)?;
    if allow.shared_folder { Ok(()) } else { refuse_shared(path) }
}

/// Root may work on a user's store, but should know whose commands it runs.
fn warn_of_owner(path: &Path) {
    let owner = Owner::of_store(path);
    if owner.is_another() {
        log::warn!("`{}` belongs to `{}`: what that user pushes runs as you", path.display(), owner.name());
    }
}

/// The lock is beside the database, but it is the database that was asked for.
fn no_folder(path: &Path) -> Option<StoreError> {
    let folder = folder_of(path);
    (!folder.exists()).then(|| StoreError::cannot("create", path, &super::create::no_folder(folder)))
}

/// When the master that holds the database began, which is on record where it calls the database what we call it.
fn held_since(database: &Path, refused: StoreError) -> StoreError {
    let StoreError::Held { pid: Some(pid), is_master: true, path, name } = &refused else { return refused };
    match SqliteRecords::open(database).and_then(|mut records| records.last_master()) {
        Ok(Some(last)) if path == name && last.master.pid == *pid && last.ended_at.is_none() => {
            StoreError::MasterRuns { pid: *pid, started_at: last.started_at }
        }
        _ => refused,
    }
}
