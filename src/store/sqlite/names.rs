//! The dictionaries: queue and type names to their row ids and back.
//!
//! Invariant: holds only what is committed or written by the transaction that is open. A rollback clears it, and so does a
//! transaction that finds that queues were forgotten meanwhile.

use std::sync::Arc;

use foldhash::HashMap;
use rusqlite::{Connection, OptionalExtension, Result, Row, RowIndex, types::Type};

use super::sql;
use crate::model::{QueueName, UnixMicros};

/// Names looked up so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    queues: HashMap<QueueName, i64>,
    queues_by_id: HashMap<i64, QueueName>,
    types: HashMap<Arc<str>, i64>,
    types_by_id: HashMap<i64, Arc<str>>,
    /// Queues that were ever forgotten, when this was last compared.
    forgotten: i64,
    /// Queues made by the transaction that is open.
    created: Vec<i64>,
}

impl Names {
    /// Forgets everything: the rows may not exist.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The row of a queue, if it has one.
    pub(super) fn queue(&mut self, conn: &Connection, name: &QueueName) -> Result<Option<i64>> {
        if let Some(&id) = self.queues.get(name) {
            return Ok(Some(id));
        }
        let id = conn.prepare_cached(sql::QUEUE_ID)?.query_row([name.as_str()], |row| row.get(0)).optional()?;
        if let Some(id) = id {
            self.keep_queue(name, id);
        }
        Ok(id)
    }

    /// The row of a queue, made if it is new.
    pub(super) fn queue_or_new(&mut self, conn: &Connection, name: &QueueName, at: UnixMicros) -> Result<i64> {
        if let Some(id) = self.queue(conn, name)? {
            return Ok(id);
        }
        conn.prepare_cached(sql::QUEUE_ADD)?.execute((name.as_str(), at.0))?;
        let id = conn.last_insert_rowid();
        self.keep_queue(name, id);
        self.created.push(id);
        Ok(id)
    }

    /// At the beginning of a transaction: whether queues were forgotten since the last one, so that ids may mean others.
    pub(super) fn begin(&mut self, conn: &Connection) -> Result<bool> {
        let forgotten = conn.prepare_cached(sql::FORGOTTEN_GET)?.query_row([], |row| row.get(0))?;
        let stale = forgotten != self.forgotten;
        if stale {
            self.clear();
        }
        self.forgotten = forgotten;
        self.created.clear();
        Ok(stale)
    }

    /// Queues made by this transaction.
    pub(super) fn created(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.created)
    }

    /// A queue is not on record any more.
    pub(super) fn forget_queue(&mut self, name: &QueueName, id: i64) {
        self.queues.remove(name);
        self.queues_by_id.remove(&id);
        self.forgotten += 1;
    }

    /// The name of a queue.
    pub(super) fn queue_name(&mut self, conn: &Connection, id: i64) -> Result<QueueName> {
        if let Some(name) = self.queues_by_id.get(&id) {
            return Ok(name.clone());
        }
        let text: String = conn.prepare_cached(sql::QUEUE_NAME)?.query_row([id], |row| row.get(0))?;
        let name = queue_name(&text)?;
        self.keep_queue(&name, id);
        Ok(name)
    }

    fn keep_queue(&mut self, name: &QueueName, id: i64) {
        self.queues.insert(name.clone(), id);
        self.queues_by_id.insert(id, name.clone());
    }

    /// The row of a type, made if it is new.
    pub(super) fn kind_or_new(&mut self, conn: &Connection, name: &Arc<str>) -> Result<i64> {
        if let Some(&id) = self.types.get(name) {
            return Ok(id);
        }
        let found = conn.prepare_cached(sql::TYPE_ID)?.query_row([&**name], |row| row.get(0)).optional()?;
        let id = if let Some(id) = found {
            id
        } else {
            conn.prepare_cached(sql::TYPE_ADD)?.execute([&**name])?;
            conn.last_insert_rowid()
        };
        self.types.insert(name.clone(), id);
        self.types_by_id.insert(id, name.clone());
        Ok(id)
    }

    /// The name of a type.
    pub(super) fn kind_name(&mut self, conn: &Connection, id: i64) -> Result<Arc<str>> {
        if let Some(name) = self.types_by_id.get(&id) {
            return Ok(name.clone());
        }
        // A name that is no text, or is gone, keeps its jobs no longer than one that no worker knows.
        let found = conn.prepare_cached(sql::TYPE_NAME)?.query_row([id], |row| text(row, 0)).optional()?;
        let name: Arc<str> = found.map_or_else(|| format!("unknown type {id}").into(), Into::into);
        self.types_by_id.insert(id, name.clone());
        Ok(name)
    }
}

/// A text as far as it is one: what is damaged on the disk must not hide the rest.
pub(super) fn text(row: &Row<'_>, column: impl RowIndex) -> Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

/// A text that may be missing.
pub(super) fn maybe_text(row: &Row<'_>, column: impl RowIndex) -> Result<Option<String>> {
    let text = row.get_ref(column)?.as_bytes_or_null()?;
    Ok(text.map(|text| String::from_utf8_lossy(text).into_owned()))
}

/// A queue name as it was stored; the database may have been edited by hand.
pub(super) fn queue_name(text: &str) -> Result<QueueName> {
    QueueName::new(text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))
}
