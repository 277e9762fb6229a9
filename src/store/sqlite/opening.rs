//! The ways to a writing connection: as the only process, as a master, as a guest; and what is asked of it at first.
//!
//! Knows nothing of jobs. Invariant: the right to write is had before the connection.

use std::path::Path;
use std::sync::Arc;

use super::batch::High;
use super::blocks::Blocks;
use super::faults::What;
use super::files::Files;
use super::lock::Handle;
use super::names::Names;
use super::open::{self, Missing};
use super::{SharedRecords, SqliteStore, Syncs, error, identity, life};
use crate::model::UnixMicros;
use crate::store::{Master, StoreError};

impl SqliteStore {
    /// Opens the database, makes it if it is missing, brings it to the newest schema. Asks nobody for the right to write:
    /// for the only process that uses it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::from_handle(open::handle(path, Missing::Create)?, path)
    }

    /// The same for a master, who alone may write from now on. `waiting` hears of guests that take long.
    pub fn open_as_master(path: &Path, waiting: &mut dyn FnMut(&[u32])) -> Result<Self, StoreError> {
        let handle = open::handle(path, Missing::Create)?;
        handle.hold_alone(waiting)?;
        Self::from_handle(handle, path)
    }

    /// The same for a guest, who does one thing and goes: what it has committed is on the disk. It may write while no
    /// master runs: the right is asked for anew for each [`Store::apply`](crate::store::Store::apply), which is refused with [`StoreError::Held`] once
    /// a master has started. Between two of them nobody is kept from starting.
    pub fn open_as_guest(path: &Path) -> Result<Self, StoreError> {
        let handle = open::handle(path, Missing::Create)?;
        let _writing = handle.hold_shared()?;
        let mut store = Self::from_handle(handle, path)?;
        open::be_guest(&store.conn, path)?;
        store.guest = Some(Syncs::Each);
        Ok(store)
    }

    /// Refuses a damaged database, where that can be found out in a moment.
    pub fn check(&self) -> Result<(), StoreError> {
        open::check(&self.conn, &self.path)
    }

    /// The random id of this store. A copy has its own from the start of its first master on.
    pub fn id(&self) -> Result<String, StoreError> {
        identity::id(&self.conn).map_err(|e| error::map(&self.path, &e))
    }

    /// Whether the database was copied from another file since a master last ran on it: then a master on record that is
    /// alive runs on that other file. To be asked before [`Store::begin`](crate::store::Store::begin).
    pub fn is_copy(&self) -> Result<bool, StoreError> {
        identity::is_copy(&self.conn, self.handle.identity()).map_err(|e| error::map(&self.path, &e))
    }

    /// Makes a copy a store of its own; `living` are the cookies of masters on record that run on the original.
    pub fn renew(&mut self, living: &[String]) -> Result<(), StoreError> {
        let file = self.handle.identity();
        self.transaction(UnixMicros(0), |_| Ok(()), |batch| identity::renew(batch.conn, file, living))?;
        self.commit(What::Begin)
    }

    /// Who began a generation that neither ended in order nor was recovered, and when: dead, or the lock of the store
    /// was taken away under it. To be asked before [`Store::begin`](crate::store::Store::begin).
    pub fn unended(&self) -> Result<Vec<(Master, UnixMicros)>, StoreError> {
        life::unended(&self.conn).map_err(|e| error::map(&self.path, &e))
    }

    /// To read the records beside the writer, in the same process.
    #[must_use]
    pub fn records(&self) -> SharedRecords {
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
        };
        store.seen = Some(store.data_version()?);
        store.files = Some(Files::of(path));
        Ok(store)
    }
}
