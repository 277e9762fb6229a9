//! Reading the totals of the queues.
//!
//! Invariant: reads one row per queue, one key of `ready` for each of its lanes, and the few rows of limits; counts nothing.

use std::collections::BTreeMap;

use rusqlite::Result;

use super::conn::{Conn, Row};
use super::{limits, names, paused_keys, sql};
use crate::model::{QueueTotals, UnixMicros};

/// All queues, by name.
pub(in crate::store) fn read(conn: Conn<'_>) -> Result<Vec<QueueTotals>> {
    let all: Vec<_> = conn.prepare_cached(sql::TOTALS)?.query_map([], row)?.collect::<Result<_>>()?;
    let limits = limits::all(conn)?;
    let with_all = |found: Found| {
        let totals = with_types(conn, found)?;
        with_limits(conn, QueueTotals { limits: limits.get(&totals.name).cloned(), ..totals })
    };
    all.into_iter().map(with_all).collect()
}

/// Totals, and whether there are lanes of types that [`with_types`] has to read.
pub(in crate::store) type Found = (QueueTotals, bool);

/// Adds the lanes of types, which few have.
pub(in crate::store) fn with_types(conn: Conn<'_>, (mut totals, has_types): Found) -> Result<QueueTotals> {
    if has_types {
        let mut statement = conn.prepare_cached(sql::LANES_OF)?;
        let read = |row: &Row<'_>| Ok((names::text(row, 0)?.into(), row.get::<_, i64>(1)?.unsigned_abs()));
        totals.typed = statement.query_map([totals.name.as_str()], read)?.collect::<Result<BTreeMap<_, _>>>()?;
    }
    Ok(totals)
}

/// Adds what its limits keep.
pub(in crate::store) fn with_limits(conn: Conn<'_>, totals: QueueTotals) -> Result<QueueTotals> {
    Ok(QueueTotals { parked: paused_keys::count(conn, &totals)?, ..totals })
}

/// One queue, in the order of the columns of [`sql::TOTALS`].
pub(in crate::store) fn row(row: &Row<'_>) -> Result<Found> {
    let count = |column: usize| row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0));
    let totals = QueueTotals {
        name: names::queue_name(&row.get::<_, String>(0)?)?,
        paused: row.get(1)?,
        ready: count(2)?,
        scheduled: count(3)?,
        retrying: count(4)?,
        running: count(5)?,
        dead: count(6)?,
        succeeded_total: count(7)?,
        failed_total: count(8)?,
        commands: count(9)?,
        retrying_commands: count(10)?,
        typed: BTreeMap::new(),
        pushed_total: count(12)?,
        blocked: count(13)?,
        oldest_ready_at: row.get::<_, Option<i64>>(14)?.map(UnixMicros),
        limits: None,
        parked: 0,
    };
    Ok((totals, row.get(11)?))
}
