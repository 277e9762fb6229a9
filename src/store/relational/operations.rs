//! Changes of many jobs that go on by themselves: keeping how far each has come, and forgetting the old ones.
//!
//! Invariant: there are no more than [`MOST_OPERATIONS`] for long.

use rusqlite::types::Type;
use rusqlite::{Error, Result, params};

use super::batch::Batch;
use super::conn::{Conn, Row};
use super::{codes, names};
use crate::model::change::{Keep, Reply};
use crate::model::operation::{MOST_OPERATIONS, Operation, OperationState};
use crate::model::{OperationId, UnixMicros};

const PUT: &str = "INSERT INTO operations (id, verb, params, by, spread_until, expected, done, passed_over, refused, \
     state, started_at, ended_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
     ON CONFLICT (id) DO UPDATE SET verb = excluded.verb, params = excluded.params, by = excluded.by, spread_until = excluded.spread_until, expected = excluded.expected, done = excluded.done, passed_over = excluded.passed_over, refused = excluded.refused, state = excluded.state, started_at = excluded.started_at, ended_at = excluded.ended_at";
/// All of `operations`, which are few.
const ALL: &str = "SELECT id, verb, params, by, spread_until, expected, done, passed_over, refused, state, started_at, ended_at \
     FROM operations ORDER BY id";
/// `operations.id`.
const PRUNE: &str = "DELETE FROM operations WHERE id IN (SELECT id FROM operations ORDER BY id LIMIT ?1) \
     AND id <= (SELECT max(id) FROM operations) - ?2";

impl Batch<'_> {
    pub(in crate::store) fn put_operation(&self, operation: &Operation) -> Result<Reply> {
        let Operation { id, verb, params, by, spread_until, expected, done, passed_over, refused, .. } = operation;
        let row = params![
            id.0,
            verb,
            params.to_string(),
            by,
            spread_until.map(|at| at.0),
            *expected as i64,
            *done as i64,
            *passed_over as i64,
            *refused as i64,
            operation.state as i64,
            operation.started_at.0,
            operation.ended_at.map(|at| at.0)
        ];
        self.run(PUT, row)?;
        Ok(Reply::Done)
    }

    pub(in crate::store) fn prune_operations(&self, keep: &Keep) -> Result<usize> {
        self.run(PRUNE, (keep.limit, MOST_OPERATIONS))
    }
}

/// All of them, by id.
pub(in crate::store) fn list(conn: Conn<'_>) -> Result<Vec<Operation>> {
    conn.prepare_cached(ALL)?.query_map([], record)?.collect()
}

fn record(row: &Row<'_>) -> Result<Operation> {
    let unreadable = |error: serde_json::Error| Error::FromSqlConversionFailure(2, Type::Text, error.into());
    let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Operation {
        id: OperationId(row.get(0)?),
        verb: names::text(row, 1)?,
        params: serde_json::from_str(&names::text(row, 2)?).map_err(unreadable)?,
        by: names::maybe_text(row, 3)?,
        spread_until: row.get::<_, Option<i64>>(4)?.map(UnixMicros),
        expected: count(5)?,
        done: count(6)?,
        passed_over: count(7)?,
        refused: count(8)?,
        state: codes::word(&OperationState::ALL, row.get(9)?)?,
        started_at: UnixMicros(row.get(10)?),
        ended_at: row.get::<_, Option<i64>>(11)?.map(UnixMicros),
    })
}
