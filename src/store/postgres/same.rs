//! Whether a connection leads to the store that this is about, as it was left: another one may be behind the same URL, one that
//! has lost what it had confirmed, or a pooler that gives each transaction another connection.
//!
//! Invariant: who writes finds it out in the transaction that it would write in, before it does.

use std::sync::atomic::Ordering;

use super::open::Server;
use super::transaction::Found;
use super::{Connection, PostgresStore, error};
use crate::store::StoreError;
use crate::store::relational::conn::Conn;
use crate::store::relational::read::store_id;

/// The process of the server that serves this connection.
const BACKEND: &str = "SELECT CAST(pg_backend_pid() AS BIGINT)";

impl PostgresStore {
    /// Keeps which store this is, and how the server calls the connection.
    pub(super) fn know(&mut self) -> Result<(), StoreError> {
        let id = self.read(store_id)?;
        self.pulse.store.get_or_init(|| id);
        self.backend = self.read(|conn| conn.prepare_cached(BACKEND)?.query_row([], |row| row.get(0)))?;
        Ok(())
    }

    /// The same of a connection that was made anew.
    pub(super) fn know_again(&mut self) -> Result<(), StoreError> {
        self.know()?;
        let id = self.read(store_id)?;
        if self.pulse.is_other(&id) { Err(self.another()) } else { Ok(()) }
    }

    /// Nothing is written to another store than the one that was opened.
    pub(super) fn refuse_another(&self) -> Result<(), StoreError> {
        if self.pulse.is_another.load(Ordering::Acquire) { Err(self.another()) } else { Ok(()) }
    }

    fn another(&self) -> StoreError {
        StoreError::Another { path: self.server.shown.clone() }
    }

    /// To this batch.
    fn went_back(&self, batch: i64) -> StoreError {
        StoreError::WentBack { path: self.server.shown.clone(), batches: self.confirmed.abs_diff(batch) }
    }

    /// Refuses a transaction that is not on the connection of this session, or that finds less than was confirmed.
    pub(super) fn refuse_changed(&self, found: &Found) -> Result<(), StoreError> {
        if found.backend != self.backend {
            return Err(pooled(&self.server.shown));
        }
        let is_unknown = self.generation.is_some_and(|ours| ours.0 > found.last);
        match found.batch {
            None if is_unknown => Err(self.went_back(0)),
            Some(batch) if batch < self.confirmed => Err(self.went_back(batch)),
            Some(_) | None => Ok(()),
        }
    }
}

/// Refuses a pooler in transaction mode: two connections that are open at once would be served by one process of the server.
pub(super) fn refuse_pooler(server: &Server, conn: &Connection) -> Result<(), StoreError> {
    let backend = |conn: &Connection| -> rusqlite::Result<i64> {
        Conn::Postgres(conn).prepare_cached(BACKEND)?.query_row([], |row| row.get(0))
    };
    let map = |e: rusqlite::Error| error::map(&server.shown, &e);
    let ours = backend(conn).map_err(map)?;
    let second = server.connect()?;
    let theirs = backend(&second).map_err(map)?;
    if ours == theirs || backend(conn).map_err(map)? != ours { Err(pooled(&server.shown)) } else { Ok(()) }
}

/// Of a server that is not reached by connections that stay the same.
pub(super) fn pooled(shown: &str) -> StoreError {
    let why = "is reached through a pooler that gives each transaction another connection; use `pool_mode = session`, or the \
               port of the server itself";
    StoreError::Unusable { path: shown.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::Request;
    use crate::model::{NewJob, UnixMicros};
    use crate::store::postgres::{LEASE, server};
    use crate::store::{Master, Store as _};

    const AT: UnixMicros = UnixMicros(0);

    fn member() -> PostgresStore {
        let mut store = PostgresStore::open(&server::new_url(), LEASE).unwrap();
        let text = String::new;
        let master = Master { host: text(), pid: 1, pid_start: 1, boot_id: text(), cookie: text(), version: text() };
        store.join(&master, AT).unwrap();
        store
    }

    fn push(store: &mut PostgresStore, number: u64) -> Result<(), StoreError> {
        store.apply(number, &[Request::Push([NewJob::new("t", "null")].into()).into()], AT).map(drop)
    }

    #[test]
    fn a_store_that_has_lost_what_it_confirmed_takes_nothing_more() {
        let mut store = member();
        (1..=3).for_each(|number| push(&mut store, number).unwrap());
        store.conn.run("UPDATE applied SET batch = 1").unwrap();
        let refused = push(&mut store, 4).unwrap_err();
        assert!(matches!(refused, StoreError::WentBack { batches: 2, .. }) && refused.is_loss(), "{refused}");
        assert!(matches!(store.is_applied(4), Err(StoreError::WentBack { .. })));
    }

    #[test]
    fn another_store_behind_the_same_url_is_not_written_to() {
        let mut store = member();
        push(&mut store, 1).unwrap();
        store.reopen().unwrap();
        push(&mut store, 2).unwrap();
        store.conn.run("UPDATE store SET id = 'another'").unwrap();
        let refused = store.reopen().unwrap_err();
        assert!(matches!(refused, StoreError::Another { .. }) && refused.is_loss(), "{refused}");
        assert!(push(&mut store, 3).is_err() && store.news().is_err());
    }

    #[test]
    fn a_transaction_on_another_connection_than_that_of_the_session_is_refused() {
        let mut store = member();
        push(&mut store, 1).unwrap();
        refuse_pooler(&store.server, &store.conn).unwrap();
        store.backend += 1;
        assert!(push(&mut store, 2).unwrap_err().to_string().contains("pool_mode = session"));
    }
}
