//! The reading side of a store on a server. Never writes; sees what is committed.

use std::time::Duration;

use rusqlite::Result;

use super::connection::Connection;
use super::error;
use super::open::Server;
use crate::store::StoreError;
use crate::store::relational::conn::Conn;
use crate::store::relational::read::Asks;

/// A reading connection to a server, which is made anew when it is lost.
#[derive(Debug)]
pub(in crate::store) struct PostgresRecords {
    server: Server,
    conn: std::cell::RefCell<Connection>,
    limit: Option<Duration>,
}

impl PostgresRecords {
    /// Opens an existing store; an answer that takes longer than the limit is [`StoreError::TooLong`].
    pub(in crate::store) fn open(url: &str, limit: Option<Duration>) -> std::result::Result<Self, StoreError> {
        let server = Server::new(url, Duration::from_secs(30))?;
        let conn = server.connect_to_read(limit)?;
        Ok(Self { server, conn: conn.into(), limit })
    }
}

impl Asks for PostgresRecords {
    fn ask<T>(&self, question: impl Fn(Conn<'_>) -> Result<T>) -> std::result::Result<T, StoreError> {
        if self.conn.borrow().is_closed() {
            *self.conn.borrow_mut() = self.server.connect_to_read(self.limit)?;
        }
        let conn = self.conn.borrow();
        let answer = question(Conn::Postgres(&conn));
        answer.map_err(|e| error::map(&self.server.shown, &e))
    }
}
