//! Reading the totals of the queues.
//!
//! Invariant: reads one row per queue and one key of `ready` each; counts nothing.

use rusqlite::{Connection, Result, Row};

use super::{names, sql};
use crate::model::{QueueTotals, UnixMicros};

/// All queues, by name.
pub(super) fn read(conn: &Connection) -> Result<Vec<QueueTotals>> {
    conn.prepare_cached(sql::TOTALS)?.query_map([], row)?.collect()
}

/// One queue, in the order of the columns of [`sql::TOTALS`].
pub(super) fn row(row: &Row<'_>) -> Result<QueueTotals> {
    let count = |column: usize| row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0));
    Ok(QueueTotals {
        name: names::queue_name(&row.get::<_, String>(0)?)?,
        paused: row.get(1)?,
        ready: count(2)?,
        scheduled: count(3)?,
        retrying: count(4)?,
        running: count(5)?,
        dead: count(6)?,
        succeeded_total: count(7)?,
        failed_total: count(8)?,
        oldest_ready_at: row.get::<_, Option<i64>>(9)?.map(UnixMicros),
    })
}
