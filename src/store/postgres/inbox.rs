//! The inbox: jobs that applications have pushed in transactions of their own, by the function `push` of the schema.
//!
//! An application does not hold the lock of the store while its transaction goes on; so what it pushes lies here until a master
//! takes it in. Invariants: a row is taken in by one master once, in the transaction that makes it a job; one that cannot be a
//! job stays, with the reason, and holds up no other. Limits of queues do not apply: it is committed already.

use std::time::Duration;

use rusqlite::Result;

use crate::model::payload::check_limits;
use crate::model::{NewJob, UnixMicros};
use crate::store::relational::batch::Batch;
use crate::store::relational::conn::{Conn, Row};
use crate::store::relational::names;

/// Rows that one transaction takes in.
const STEP: usize = 1_000;

/// One step into the key of `inbox`, beyond the few that were refused.
const ANY: &str = "SELECT 1 FROM inbox WHERE refused IS NULL LIMIT 1";
/// `inbox.id`: the oldest few.
const TAKE: &str = "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE refused IS NULL ORDER BY id LIMIT ?1 \
     FOR UPDATE SKIP LOCKED) RETURNING id, queue, type, args, priority, due_at, expires_at, timeout_us, max_attempts, \
     unique_key, label, key";
/// Appends.
const PUT_BACK: &str = "INSERT INTO inbox (id, queue, type, args, priority, refused) OVERRIDING SYSTEM VALUE \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Whether there is anything to take in.
pub(super) fn has_any(conn: Conn<'_>) -> Result<bool> {
    conn.prepare_cached(ANY)?.exists([])
}

/// Takes in the oldest; how many.
pub(super) fn take(batch: &mut Batch<'_>) -> Result<usize> {
    let mut found: Vec<(i64, NewJob)> =
        batch.conn.prepare_cached(TAKE)?.query_map([STEP as i64], read)?.collect::<Result<_>>()?;
    found.sort_unstable_by_key(|(id, _)| *id);
    for (id, job) in &found {
        match check_limits(&job.args) {
            Ok(()) => {
                batch.push_one(job, None)?;
            }
            Err(refused) => {
                log::warn!("job {id} of the inbox is refused: {refused}");
                let row =
                    (id, job.queue.as_str(), &*job.kind, &*job.args, i64::from(job.priority), refused.to_string());
                batch.run(PUT_BACK, row)?;
            }
        }
    }
    Ok(found.len())
}

fn read(row: &Row<'_>) -> Result<(i64, NewJob)> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(column)?.map(Into::into));
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(UnixMicros));
    let job = NewJob {
        queue: names::queue_name(&row.get::<_, String>(1)?)?,
        priority: row.get(4)?,
        due_at: time(5)?,
        expires_at: time(6)?,
        timeout: row.get::<_, Option<i64>>(7)?.map(|micros| Duration::from_micros(micros.unsigned_abs())),
        max_attempts: row.get(8)?,
        unique: text(9)?,
        label: text(10)?,
        key: text(11)?,
        ..NewJob::new(row.get::<_, String>(2)?, row.get::<_, String>(3)?)
    };
    Ok((row.get(0)?, job))
}
