//! A store on a server as one end of a move.
//!
//! Invariant: as long as an end lives its session holds the lock of the store, without which nobody writes.

use super::connection::Connection;
use super::open::{Server, close};
use super::{LEASE, error};
use crate::model::store_url::ServerUrl;
use crate::store::StoreError;
use crate::store::moving::End;
use crate::store::relational::conn::Conn;

/// Who is connected does not ask for the schema again, and applications never do. No row is looked at.
const CLOSE: &str = "ALTER TABLE jobs ADD CONSTRAINT this_store_was_moved CHECK (false) NOT VALID; \
     ALTER TABLE inbox ADD CONSTRAINT this_store_was_moved CHECK (false) NOT VALID";
/// The few rows that no master has taken in yet.
const WAITING: &str = "SELECT 1 FROM inbox WHERE refused IS NULL LIMIT 1";
/// The state of a move.
const FORGET: &str = "DROP TABLE moving";
/// The last commit of a move has those before it on the disk as well.
const SYNCED: &str = "SET synchronous_commit = on";

/// A store that is moved, or filled.
struct ServerEnd {
    server: Server,
    conn: Connection,
}

/// A store that is to be moved.
pub(in crate::store) fn source(url: &ServerUrl) -> Result<Box<dyn End>, StoreError> {
    let server = Server::new(&url.url, LEASE)?;
    drop(server.connect_to_read(None)?);
    let conn = server.prepare()?;
    let end = end(server, conn)?;
    end.refuse_waiting()?;
    Ok(Box::new(end))
}

/// Where a store is to be; `None` if there is none, and none is to be made.
pub(in crate::store) fn target(url: &ServerUrl, make: bool) -> Result<Option<Box<dyn End>>, StoreError> {
    let server = Server::new(&url.url, LEASE)?;
    let conn = server.connect()?;
    let conn = match server.number(&conn)? {
        0 if !make => return Ok(None),
        0 => server.prepare()?,
        _ => conn,
    };
    Ok(Some(Box::new(end(server, conn)?)))
}

fn end(server: Server, conn: Connection) -> Result<ServerEnd, StoreError> {
    server.hold(&conn)?;
    conn.run(SYNCED).map_err(|e| error::map(&server.shown, &e))?;
    Ok(ServerEnd { server, conn })
}

impl ServerEnd {
    /// Refuses a source with jobs that only a master can take in.
    fn refuse_waiting(&self) -> Result<(), StoreError> {
        let waits = self.conn().prepare_cached(WAITING).and_then(|mut waiting| waiting.exists([]));
        if !waits.map_err(|e| self.map(&e))? {
            return Ok(());
        }
        Err(StoreError::Refused(format!(
            "applications have pushed jobs to `{}` that no master has taken in yet; start one and stop it, then try again",
            self.server.shown
        )))
    }
}

impl End for ServerEnd {
    fn conn(&self) -> Conn<'_> {
        Conn::Postgres(&self.conn)
    }

    fn map(&self, error: &rusqlite::Error) -> StoreError {
        error::map(&self.server.shown, error)
    }

    fn begin(&self) -> Result<(), StoreError> {
        self.conn.begin("").map_err(|e| self.map(&e))
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.conn.commit("").map_err(|e| error::map_commit(&self.server.shown, &e))
    }

    fn close_source(&self) -> Result<(), StoreError> {
        self.conn.run(CLOSE).and_then(|()| self.close_target()).map_err(|e| self.map(&e))?;
        // No application can add to them any more.
        self.refuse_waiting()
    }

    fn close_target(&self) -> rusqlite::Result<()> {
        close(&self.conn, true)
    }

    fn release(self: Box<Self>) -> Result<(), StoreError> {
        self.begin()?;
        self.conn.run(FORGET).and_then(|()| close(&self.conn, false)).map_err(|e| self.map(&e))?;
        self.commit()
    }
}
