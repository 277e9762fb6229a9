//! Keys that are paused: their jobs wait in lanes of their own until they are resumed.
//!
//! Where keys take turns, the lanes of the key are closed. Elsewhere its jobs stay among the others until a claim comes to them,
//! which moves them to the lane of their key; when the key is resumed, they are moved back in bounded steps. Invariants: no job of
//! a key starts after the commit that pauses it; a claim looks once at each job that it moves.

use rusqlite::Result;

use super::batch::Batch;
use super::claim::{Front, Taken};
use super::conn::Conn;
use crate::model::change::Reply;
use crate::model::limit_record::{LimitRecord, PausedKey};
use crate::model::{QueueName, QueueTotals};
use crate::store::PARKED_PER_CLAIM;

/// `queue_limits.queue`.
const PAUSED_PUT: &str = "INSERT INTO queue_limits (queue, configured, paused_keys) VALUES (?1, '{}', ?2) \
     ON CONFLICT (queue) DO UPDATE SET paused_keys = excluded.paused_keys";
/// `queues.name`, then `key_lanes_by_key`; of one key.
const WAITING_OF: &str = "SELECT coalesce(CAST(sum(k.waiting) AS BIGINT), 0) FROM queues q CROSS JOIN key_lanes k \
     ON k.queue = q.id AND k.key = ?2 WHERE q.name = ?1";

/// Ready jobs that wait in lanes of keys that are paused.
pub(in crate::store) fn count(conn: Conn<'_>, totals: &QueueTotals) -> Result<u64> {
    let Some(record) = totals.limits.as_ref().filter(|record| !record.paused.is_empty()) else { return Ok(0) };
    let mut statement = conn.prepare_cached(WAITING_OF)?;
    let of = |key: &String| statement.query_row((totals.name.as_str(), key), |row| row.get::<_, i64>(0));
    let counts: Vec<i64> = record.paused.keys().map(of).collect::<Result<_>>()?;
    Ok(counts.iter().sum::<i64>().unsigned_abs())
}

impl Batch<'_> {
    /// Pauses a key, or resumes it. One that is paused already stays as it was.
    pub(in crate::store) fn pause_key(
        &mut self,
        queue: &QueueName,
        key: &str,
        pause: Option<&PausedKey>,
    ) -> Result<Reply> {
        let id = self.names.queue_or_new(self.conn, queue, self.at)?;
        let mut paused = self.names.limits(self.conn, queue)?.map(|record| record.paused.clone()).unwrap_or_default();
        if paused.contains_key(key) == pause.is_some() {
            return self.sorted_so_far();
        }
        match pause {
            Some(pause) => drop(paused.insert(key.to_owned(), pause.clone())),
            None => drop(paused.remove(key)),
        }
        let text = (!paused.is_empty()).then(|| super::limits::text(&paused));
        self.run(PAUSED_PUT, (queue.as_str(), text))?;
        self.limits_put(queue)?;
        // Told with the batch.
        self.change(id);
        match (pause, self.keyed(id)?) {
            (Some(_), _) => self.close_lanes(id, key)?,
            (None, Some(record)) => self.open_resumed(id, key, &record)?,
            (None, None) => self.sort_keys_of(id)?,
        }
        self.sorted_so_far()
    }

    /// Moves a job that a claim has come to, and whose key is paused, to the lane of that; false: it may start.
    pub(in crate::store) fn parks(&mut self, record: &LimitRecord, row: &Front, taken: &mut Taken) -> Result<bool> {
        if !record.paused.contains_key(&*self.key_of(row.at.id)?) {
            return Ok(false);
        }
        self.enter_ready(row.at)?;
        taken.leave_out(row, self.at);
        taken.parked += 1;
        taken.more |= taken.parked >= PARKED_PER_CLAIM;
        Ok(true)
    }
}
