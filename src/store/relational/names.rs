//! The dictionaries: queue and type names to their row ids and back.
//!
//! Invariant: holds only what is committed or written by the transaction that is open. A rollback clears it, and so does a
//! transaction that finds that queues were forgotten meanwhile, or that types have other lanes, or queues other limits.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::HashMap;
use rusqlite::{OptionalExtension, Result, types::Type};

use super::conn::{Column, Conn, Row};
use super::limits::{self, All};
use super::{lanes, sql};
use crate::model::limit_record::LimitRecord;
use crate::model::{QueueName, UnixMicros};

/// The row of a type, and the lane of its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Kind {
    pub(in crate::store) id: i64,
    pub(in crate::store) lane: i64,
}

/// Names looked up so far.
#[derive(Debug, Default)]
pub(in crate::store) struct Names {
    queues: HashMap<QueueName, i64>,
    queues_by_id: HashMap<i64, QueueName>,
    types: HashMap<Arc<str>, Kind>,
    types_by_id: HashMap<i64, (Arc<str>, i64)>,
    /// Limits of queues; `None`: not read.
    limits: Option<All>,
    /// How often queues were forgotten, types got lanes, or limits were changed, when this was last compared.
    forgotten: i64,
    /// Queues made by the transaction that is open.
    created: Vec<i64>,
}

impl Names {
    /// Forgets everything: the rows may not exist.
    pub(in crate::store) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The row of a queue, if it has one.
    pub(in crate::store) fn queue(&mut self, conn: Conn<'_>, name: &QueueName) -> Result<Option<i64>> {
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
    pub(in crate::store) fn queue_or_new(&mut self, conn: Conn<'_>, name: &QueueName, at: UnixMicros) -> Result<i64> {
        if let Some(id) = self.queue(conn, name)? {
            return Ok(id);
        }
        let id = conn.prepare_cached(sql::QUEUE_ADD)?.query_row((name.as_str(), at.0), |row| row.get(0))?;
        self.keep_queue(name, id);
        self.created.push(id);
        Ok(id)
    }

    /// At the beginning of a transaction: whether queues were forgotten since the last one, so that ids may mean others, or
    /// types got lanes, or queues limits.
    pub(in crate::store) fn begin(&mut self, conn: Conn<'_>) -> Result<bool> {
        Ok(self.begin_at(conn.prepare_cached(sql::FORGOTTEN_GET)?.query_row([], |row| row.get(0))?))
    }

    /// The same, where it was read how often queues were forgotten.
    pub(in crate::store) fn begin_at(&mut self, forgotten: i64) -> bool {
        let stale = forgotten != self.forgotten;
        if stale {
            self.clear();
        }
        self.forgotten = forgotten;
        self.created.clear();
        stale
    }

    /// Queues made by this transaction.
    pub(in crate::store) fn created(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.created)
    }

    /// A queue is not on record any more.
    pub(in crate::store) fn forget_queue(&mut self, name: &QueueName, id: i64) {
        self.queues.remove(name);
        self.queues_by_id.remove(&id);
        self.forgotten += 1;
    }

    /// The name of a queue.
    pub(in crate::store) fn queue_name(&mut self, conn: Conn<'_>, id: i64) -> Result<QueueName> {
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

    /// A type, if it has a row.
    pub(in crate::store) fn kind(&mut self, conn: Conn<'_>, name: &Arc<str>) -> Result<Option<Kind>> {
        if let Some(&kind) = self.types.get(name) {
            return Ok(Some(kind));
        }
        let read = |row: &Row<'_>| Ok(Kind { id: row.get(0)?, lane: row.get(1)? });
        let found = conn.prepare_cached(sql::TYPE_ID)?.query_row([&**name], read).optional()?;
        if let Some(kind) = found {
            self.keep_kind(name, kind);
        }
        Ok(found)
    }

    /// A type, whose row is made if it is new.
    pub(in crate::store) fn kind_or_new(&mut self, conn: Conn<'_>, name: &Arc<str>) -> Result<Kind> {
        if let Some(kind) = self.kind(conn, name)? {
            return Ok(kind);
        }
        let lane = lanes::of_new(name);
        let id = conn.prepare_cached(sql::TYPE_ADD)?.query_row((&**name, lane), |row| row.get(0))?;
        let kind = Kind { id, lane };
        self.keep_kind(name, kind);
        Ok(kind)
    }

    fn keep_kind(&mut self, name: &Arc<str>, kind: Kind) {
        self.types.insert(name.clone(), kind);
        self.types_by_id.insert(kind.id, (name.clone(), kind.lane));
    }

    /// The name of a type.
    pub(in crate::store) fn kind_name(&mut self, conn: Conn<'_>, id: i64) -> Result<Arc<str>> {
        self.kind_of(conn, id).map(|(name, _)| name.clone())
    }

    /// The lane of the jobs of a type.
    pub(in crate::store) fn lane_of(&mut self, conn: Conn<'_>, id: i64) -> Result<i64> {
        self.kind_of(conn, id).map(|(_, lane)| *lane)
    }

    fn kind_of(&mut self, conn: Conn<'_>, id: i64) -> Result<&(Arc<str>, i64)> {
        match self.types_by_id.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let read = |row: &Row<'_>| Ok((text(row, 0)?.into(), row.get(1)?));
                let found = conn.prepare_cached(sql::TYPE_NAME)?.query_row([id], read).optional()?;
                // A name that is no text, or is gone, keeps its jobs no longer than one that no worker knows.
                Ok(unknown.insert(found.unwrap_or_else(|| (format!("unknown type {id}").into(), lanes::OTHERS))))
            }
        }
    }

    /// The limits of all queues that have some.
    pub(in crate::store) fn all_limits(&mut self, conn: Conn<'_>) -> Result<&All> {
        match &mut self.limits {
            Some(known) => Ok(known),
            unknown => Ok(unknown.insert(limits::all(conn)?)),
        }
    }

    /// The limits of a queue, if it has some.
    pub(in crate::store) fn limits(&mut self, conn: Conn<'_>, queue: &QueueName) -> Result<Option<Arc<LimitRecord>>> {
        let all = self.all_limits(conn)?;
        Ok(if all.is_empty() { None } else { all.get(queue).cloned() })
    }

    /// Limits have changed: whoever remembers them must look them up anew.
    pub(in crate::store) fn outdate_limits(&mut self, conn: Conn<'_>) -> Result<()> {
        conn.prepare_cached(sql::FORGOTTEN_ADD)?.execute([1])?;
        self.forgotten += 1;
        self.limits = None;
        Ok(())
    }

    /// The lanes of types have changed: whoever remembers them, here or in another process, must look them up anew.
    pub(in crate::store) fn outdate_lanes(&mut self, conn: Conn<'_>) -> Result<()> {
        conn.prepare_cached(sql::FORGOTTEN_ADD)?.execute([1])?;
        self.forgotten += 1;
        self.types.clear();
        self.types_by_id.clear();
        Ok(())
    }
}

/// A text as far as it is one: what is damaged on the disk must not hide the rest.
pub(in crate::store) fn text(row: &Row<'_>, column: impl Column) -> Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

/// A text that may be missing.
pub(in crate::store) fn maybe_text(row: &Row<'_>, column: impl Column) -> Result<Option<String>> {
    let text = row.get_ref(column)?.as_bytes_or_null()?;
    Ok(text.map(|text| String::from_utf8_lossy(text).into_owned()))
}

/// A queue name as it was stored; the database may have been edited by hand.
pub(in crate::store) fn queue_name(text: &str) -> Result<QueueName> {
    QueueName::new(text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))
}
