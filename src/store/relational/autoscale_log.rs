//! Changes of pools that scale themselves: putting them on record, listing them, and forgetting the old ones.
//!
//! Invariant: there are no more than [`MOST_CHANGES`] for long, however often pools change.

use rusqlite::types::Type;
use rusqlite::{Error, Result, params};

use super::batch::Batch;
use super::conn::{Conn, Row};
use super::names;
use super::read::Query;
use crate::model::autoscale::{AutoscaleChange, AutoscaleRecord, CHANGES_KEPT_FOR, MOST_CHANGES, Measured};
use crate::model::change::{Keep, Reply};
use crate::model::{PoolName, UnixMicros};
use crate::store::AutoscaleFilter;

const ADD: &str = "INSERT INTO autoscale_log (at, pool, was, wanted, cause, lambda, service_us, ready, oldest_us, busy, \
     start_us, cpu, memory) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
/// `autoscale_log.id`, downwards; all of them where they are few of a pool or of a time, which is bounded.
const CHANGES: &str = "SELECT id, at, pool, was, wanted, cause, lambda, service_us, ready, oldest_us, busy, start_us, cpu, \
     memory FROM autoscale_log WHERE true";
/// `autoscale_log.id`: of the oldest few those that are past their time, or too many.
const PRUNE: &str = "DELETE FROM autoscale_log WHERE id IN (SELECT id FROM autoscale_log ORDER BY id LIMIT ?1) \
     AND (at < ?2 OR id <= (SELECT max(id) FROM autoscale_log) - ?3)";

impl Batch<'_> {
    pub(in crate::store) fn log_autoscale(&self, change: &AutoscaleChange) -> Result<Reply> {
        let AutoscaleChange { at, pool, was, wanted, why, measured } = change;
        let cause = serde_json::to_string(why).map_err(|error| Error::ToSqlConversionFailure(error.into()))?;
        let row = params![
            at.0,
            pool.as_str(),
            was,
            wanted,
            cause,
            measured.arrivals_per_s,
            measured.service_s.map(micros),
            measured.ready as i64,
            measured.oldest_ready_s.map(micros),
            measured.busy,
            measured.start_s.map(micros),
            measured.cpu,
            measured.memory_bytes.map(|bytes| bytes as i64)
        ];
        self.run(ADD, row)?;
        Ok(Reply::Done)
    }

    pub(in crate::store) fn prune_autoscale_log(&self, keep: &Keep) -> Result<usize> {
        self.run(PRUNE, (keep.limit, self.at.minus(CHANGES_KEPT_FOR).0, MOST_CHANGES))
    }
}

pub(in crate::store) fn list(conn: Conn<'_>, filter: &AutoscaleFilter) -> Result<Vec<AutoscaleRecord>> {
    let query = Query::new(CHANGES.to_owned())
        .and("pool =", filter.pool.as_deref())
        .and("at >=", filter.since.map(|at| at.0))
        .and("id <", filter.before);
    query.read(conn, "ORDER BY id DESC", filter.limit, record)
}

fn record(row: &Row<'_>) -> Result<AutoscaleRecord> {
    let unreadable = |column, error| Error::FromSqlConversionFailure(column, Type::Text, error);
    let seconds = |column| row.get::<_, Option<i64>>(column).map(|micros| micros.map(|micros| micros as f64 / 1e6));
    let change = AutoscaleChange {
        at: UnixMicros(row.get(1)?),
        pool: PoolName::new(&names::text(row, 2)?).map_err(|error| unreadable(2, error.into()))?,
        was: row.get(3)?,
        wanted: row.get(4)?,
        why: serde_json::from_str(&names::text(row, 5)?).map_err(|error| unreadable(5, error.into()))?,
        measured: Measured {
            arrivals_per_s: row.get(6)?,
            service_s: seconds(7)?,
            ready: row.get::<_, i64>(8)?.unsigned_abs(),
            oldest_ready_s: seconds(9)?,
            busy: row.get(10)?,
            start_s: seconds(11)?,
            cpu: row.get(12)?,
            memory_bytes: row.get::<_, Option<i64>>(13)?.map(i64::unsigned_abs),
        },
    };
    Ok(AutoscaleRecord { id: row.get(0)?, change })
}

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
