//! A kit of each kind of store, with its first master.

use super::{Kit, LEASE};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::postgres::{self, PostgresRecords, PostgresStore};
use crate::store::sqlite::{SqliteRecords, SqliteStore};

pub(super) fn sqlite() -> Kit {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = SqliteStore::open(&path).unwrap();
    let records = SqliteRecords::open(&path).unwrap();
    let connect = Box::new(move || Box::new(SqliteStore::open(&path).unwrap()) as Box<dyn Store>);
    Kit::new(Box::new(store), Box::new(records), connect, Some(dir)).joined()
}

pub(super) fn postgres() -> Kit {
    let url = postgres::server::new_url();
    let store = PostgresStore::open(&url, LEASE).unwrap();
    let records = PostgresRecords::open(&url, None).unwrap();
    let connect = Box::new(move || Box::new(PostgresStore::open(&url, LEASE).unwrap()) as Box<dyn Store>);
    Kit::new(Box::new(store), Box::new(records), connect, None).joined()
}

pub(super) fn memory() -> Kit {
    let store = MemoryStore::new();
    let (records, root) = (store.connect(), store.connect());
    Kit::new(Box::new(store), Box::new(records), Box::new(move || Box::new(root.connect())), None).joined()
}
