//! Lists of keys: which of them have the most jobs.
//!
//! The rows of all keys are looked at, in one walk that keeps as many as are wanted: a millisecond per ten thousand. Keys whose
//! jobs run are few, as workers are.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension as _, Result};

use super::conn::{Conn, Row};
use super::{limits, names, sql};
use crate::model::UnixMicros;
use crate::model::key_record::KeyRecord;
use crate::model::queue_limits::Bucket;
use crate::store::KeyFilter;

/// All of `key_lanes`, of which so many are kept.
const BUSIEST: &str =
    "SELECT key FROM key_lanes NOT INDEXED WHERE queue = ?1 AND waiting > 0 ORDER BY waiting DESC, key LIMIT ?2";
/// `key_lanes_by_key`.
const WAITING: &str = "SELECT coalesce(CAST(sum(waiting) AS BIGINT), 0) FROM key_lanes WHERE queue = ?1 AND key = ?2";
/// All of `running` (as many rows as are claimed), with one step into `jobs` each.
const RUNNING: &str = "SELECT coalesce(j.key, ''), count(*) FROM running r CROSS JOIN jobs j ON j.id = r.job_id \
     WHERE j.queue = ?1 GROUP BY 1";
/// Key of `key_states`.
const BUCKET: &str = "SELECT tokens, filled_at FROM key_states WHERE queue = ?1 AND key = ?2";

/// Keys of a queue, those with the most waiting jobs first.
pub(in crate::store) fn list(conn: Conn<'_>, filter: &KeyFilter) -> Result<Vec<KeyRecord>> {
    let id = conn.prepare_cached(sql::QUEUE_ID)?.query_row([filter.queue.as_str()], |row| row.get(0)).optional()?;
    let Some(id): Option<i64> = id else { return Ok(Vec::new()) };
    let record = limits::all(conn)?.remove(&filter.queue).unwrap_or_default();
    let limit = filter.limit.unwrap_or(u32::MAX);
    let read = |row: &Row<'_>| Ok((names::text(row, 0)?, row.get::<_, i64>(1)?.unsigned_abs()));
    let running: BTreeMap<String, u64> = conn.prepare_cached(RUNNING)?.query_map([id], read)?.collect::<Result<_>>()?;
    let counts = |key: &&String| record.in_force.is_keyed() || !key.is_empty();
    let keys: BTreeSet<String> = if let Some(key) = &filter.key {
        BTreeSet::from([key.clone()])
    } else {
        let mut statement = conn.prepare_cached(BUSIEST)?;
        // A key may have several lanes.
        let busiest = statement.query_map((id, limit.saturating_mul(2)), |row| names::text(row, 0))?;
        let busiest = busiest.collect::<Result<Vec<_>>>()?;
        busiest.into_iter().chain(running.keys().filter(counts).cloned()).chain(record.paused.keys().cloned()).collect()
    };
    let mut waiting = conn.prepare_cached(WAITING)?;
    let mut bucket = conn.prepare_cached(BUCKET)?;
    let read_bucket = |row: &Row<'_>| {
        let (tokens, at): (Option<f64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(tokens.zip(at).map(|(tokens, at)| Bucket { tokens, at: UnixMicros(at) }))
    };
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let waiting: i64 = waiting.query_row((id, &key), |row| row.get(0))?;
        let bucket = bucket.query_row((id, &key), read_bucket).optional()?.flatten();
        let running = running.get(&key).copied().unwrap_or(0);
        found.push(KeyRecord { queue: filter.queue.clone(), key, waiting: waiting.unsigned_abs(), running, bucket });
    }
    KeyRecord::sort(&mut found);
    found.truncate(limit as usize);
    Ok(found)
}
