//! Opens a store on a server in a role: to read it, as a guest, as one of its masters.
//!
//! Invariant: of the masters of a store one runs on a host for each path by which it is known there.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::open::Server;
use super::pulse::Pulse;
use super::{LEASE, OrderDesk, PostgresRecords, PostgresStore, same};
use crate::model::store_url::ServerUrl;
use crate::store::{Holder, Lock, Opened, Records, Store, StoreError};

/// Whether there is a store; who cannot find out is told when opening it.
pub(in crate::store) fn exists(url: &ServerUrl) -> bool {
    let found = Server::new(&url.url, LEASE).and_then(|server| server.exists());
    found.unwrap_or(true)
}

/// To read a store; an answer may take so long.
pub(in crate::store) fn records(
    url: &ServerUrl,
    limit: Option<Duration>,
) -> Result<Box<dyn Records + Send>, StoreError> {
    Ok(Box::new(PostgresRecords::open(&url.url, limit)?))
}

/// To write to it as no member.
pub(in crate::store) fn as_guest(url: &ServerUrl) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(PostgresStore::open(&url.url, LEASE)?))
}

/// To ask its masters.
pub(in crate::store) fn order_desk(url: &ServerUrl) -> Result<OrderDesk, StoreError> {
    Ok(OrderDesk::new(PostgresStore::open(&url.url, LEASE)?))
}

/// To be one of its masters, the only one with this path on this host.
pub(in crate::store) fn as_master(url: &ServerUrl, local: &Path, holder: &Holder) -> Result<Opened, StoreError> {
    let lock = Lock::take(local, holder)?;
    let mut store = PostgresStore::open(&url.url, LEASE)?;
    same::refuse_pooler(&store.server, &store.conn)?;
    let (promise, is_little) = store.server.promise(&store.conn)?;
    log::log!(if is_little { log::Level::Warn } else { log::Level::Info }, "`{}`: {promise}", store.server.shown);
    let new = store.new_place()?;
    store.place = place(local, &new).map_err(|e| StoreError::cannot("create", local, &e))?;
    let records = records(url, None)?;
    let changes = Pulse::start(store.server.clone(), Arc::clone(&store.pulse))?.into();
    Ok(Opened { store: Box::new(store), records, changes, lock })
}

/// Contents of the file of this path, which is made if it is missing: also clients tell by it which store is meant.
fn place(local: &Path, new: &str) -> io::Result<String> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(local)?;
    let mut found = String::new();
    file.read_to_string(&mut found)?;
    if found.is_empty() {
        new.clone_into(&mut found);
        file.write_all(found.as_bytes())?;
    }
    Ok(found)
}
