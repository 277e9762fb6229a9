//! The one member of a database file: a master is alone on it from its begin on.
//!
//! Invariants: ids go on where the last generation stopped, also when its rows have been pruned; whoever began before is
//! refused everything.

use std::path::Path;

use rusqlite::{OptionalExtension as _, Result, params};

use super::{error, sql};
use crate::model::{Generation, UnixMicros, WorkerId};
use crate::store::relational::batch::High;
use crate::store::relational::conn::Conn;
use crate::store::relational::generations::last;
use crate::store::relational::prune::highest;
use crate::store::relational::read::store_id;
use crate::store::relational::{rollups, sql::RUN_HIGH, sql::RUNNING_BOUNDS, sql::WORKER_HIGH};
use crate::store::{Master, Membership, StoreError, Tenure};

/// Adds a generation; gives the ids to go on from.
pub(super) fn begin(conn: Conn<'_>, master: &Master, at: UnixMicros) -> Result<(Membership, High)> {
    let last = last(conn)?;
    let before = last.as_ref().map(|l| l.high).unwrap_or_default();
    let high = High {
        run: before.run.max(highest(conn, RUN_HIGH, 0)?).max(highest(conn, RUNNING_BOUNDS, 1)?),
        worker: before.worker.max(highest(conn, WORKER_HIGH, 0)?),
    };
    let generation = Generation(last.as_ref().map_or(0, |l| l.master.generation.0) + 1);
    conn.prepare_cached(sql::GENERATION_ADD)?.execute(params![
        generation.0,
        master.pid,
        master.pid_start as i64,
        master.boot_id,
        master.cookie,
        master.version,
        at.0,
        high.run,
        high.worker
    ])?;
    conn.prepare_cached(rollups::COUNTED_ADD)?.execute((generation.0, high.run))?;
    let first_worker = WorkerId(high.worker + 1);
    Ok((Membership { generation, first_worker, tenure: Tenure::Exclusive, store: store_id(conn)? }, high))
}

/// Refuses a batch that was applied before, and everything once another generation has begun.
pub(super) fn refuse(conn: Conn<'_>, path: &Path, ours: Option<Generation>, number: u64) -> Result<(), StoreError> {
    let Some(ours) = ours else {
        return Err(StoreError::Other("a numbered batch needs a generation, and none was begun".to_owned()));
    };
    let read = || {
        conn.prepare_cached(sql::GENERATION_NOW)?
            .query_row([], |row| Ok((Generation(row.get(0)?), row.get::<_, i64>(1)? as u64)))
            .optional()
    };
    // No generation at all: the file was replaced by another.
    let (last, applied) = read().map_err(|e| error::map(path, &e))?.unwrap_or_default();
    if last != ours {
        return Err(StoreError::Superseded(last));
    }
    if number != 0 && number <= applied {
        return Err(StoreError::AlreadyApplied);
    }
    Ok(())
}
