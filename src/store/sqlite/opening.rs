//! Opens a writing connection: for the only process, for a master, for a guest; and its first checks.
//!
//! Knows nothing of jobs. Invariant: the right to write is had before the connection.

use std::path::Path;
use std::sync::Arc;

use super::batch::High;
use super::database_lock::Handle;
use super::files::Files;
use super::names::Names;
use super::open::{self, Missing};
use super::run_index::Blocks;
use super::{SharedRecords, SqliteStore, Syncs, error, generations, identity};
use crate::store::{LastMaster, Master, StoreError};

impl SqliteStore {
    /// Opens the database, makes it if it is missing, brings it to the newest schema. Takes no lock: for the only
    /// process that uses it.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, StoreError> {
        Self::from_handle(open::handle(path, Missing::Create)?, path)
    }

    /// The same for a master, who alone may write from now on. `waiting` is called with the guests that take long.
    pub(super) fn open_as_master(path: &Path, waiting: &mut dyn FnMut(&[u32])) -> Result<Self, StoreError> {
        let handle = open::handle(path, Missing::Create)?;
        handle.hold_alone(waiting)?;
        Self::from_handle(handle, path)
    }

    /// The same for a guest, a short-lived process whose commits are synced. A guest takes the lock for each
    /// [`Store::apply`](crate::store::Store::apply), which fails with [`StoreError::Held`] once a master runs; between
    /// two of them a master can start.
    pub(super) fn open_as_guest(path: &Path) -> Result<Self, StoreError> {
        let handle = open::handle(path, Missing::Create)?;
        let _writing = handle.hold_shared()?;
        let mut store = Self::from_handle(handle, path)?;
        open::be_guest(&store.conn, path)?;
        store.guest = Some(Syncs::Each);
        Ok(store)
    }

    /// Refuses a damaged database, where that can be found out in a moment.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        open::check(&self.conn, &self.path)
    }

    /// Refuses a database on which another master still lives, whose lock was taken away under it. In a copy (of another
    /// file, since a master last ran on it) such masters run on that other file, and are noted for its first begin.
    pub(super) fn refuse_living(&mut self, lives: &dyn Fn(&Master) -> bool) -> Result<(), StoreError> {
        let is_copy =
            identity::is_copy((&self.conn).into(), self.handle.identity()).map_err(|e| error::map(&self.path, &e))?;
        let mut of_original = Vec::new();
        let unended = generations::unended((&self.conn).into()).map_err(|e| error::map(&self.path, &e))?;
        for LastMaster { master, started_at, .. } in unended {
            if !lives(&master) {
                continue;
            }
            if !is_copy {
                return Err(StoreError::MasterRuns { pid: master.pid, started_at });
            }
            of_original.push(master.cookie);
        }
        self.copied = is_copy.then_some(of_original);
        Ok(())
    }

    /// To read the records beside the writer, in the same process.
    #[must_use]
    pub(super) fn records(&self) -> SharedRecords {
        self.records.clone()
    }

    fn from_handle(handle: Arc<Handle>, path: &Path) -> Result<Self, StoreError> {
        let mut store = Self {
            conn: open::writer(&handle, path, Missing::Create)?,
            handle,
            guest: None,
            path: path.to_owned(),
            records: SharedRecords::new(path.to_owned()),
            names: Names::default(),
            blocks: Blocks::default(),
            high: High::default(),
            generation: None,
            seen: None,
            broken: false,
            files: None,
            content: None,
            overwritten: None,
            suspect: false,
            pending: None,
            copied: None,
        };
        store.seen = Some(store.data_version()?);
        store.files = Some(Files::of(path));
        Ok(store)
    }
}
