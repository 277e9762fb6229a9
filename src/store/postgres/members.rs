//! Members of a store: their generations, their signs of life, and taking over from one that is silent.
//!
//! A member is dead to one that holds its place on the same boot of the same host, and to another that has not seen its beat change for a whole lease on its own monotonic clock, in which it
//! renewed in time itself; no clocks are compared. Invariants: a generation is given once; from the moment in which a member is
//! taken (`generations.taken`) it is refused everything, and whoever finds it so may finish what the taker began.

use std::time::Duration;

use rusqlite::Result;

use super::transaction::Found;
use crate::clock;
use crate::model::host::{HostRecord, HostState};
use crate::model::serves::Serves;
use crate::model::{Generation, UnixMicros, WorkerId};
use crate::store::relational::conn::{Conn, Row};
use crate::store::relational::read::store_id;
use crate::store::relational::{rollups, sql};
use crate::store::{Duty, Master, Member, Membership, Tenure};

/// Each member has so many bits of worker ids of its own, which is more than it can start.
const WORKER_BITS: u32 = 32;
/// By how much of a lease a transaction may stand still: then the server ends it.
pub(super) const STUCK: u32 = 3;

/// One row each, by their keys; all of the few rows of members that live.
pub(super) const FOUND: &str = "SELECT (SELECT (SELECT batch FROM applied WHERE generation = ?1 ORDER BY batch DESC LIMIT 1) FROM generations \
     WHERE generation = ?1 AND ended_at IS NULL AND taken = 0), \
     coalesce((SELECT max(generation) FROM generations), 0), (SELECT last_value FROM run_ids), \
     (SELECT max(hears_ends) FROM generations WHERE ended_at IS NULL AND generation <> ?1), \
     (SELECT queues_forgotten FROM pruned WHERE id = 1), CAST(pg_backend_pid() AS BIGINT)";
/// `generations.generation`; once per start.
const ADD: &str = "INSERT INTO generations (generation, pid, pid_start, boot_id, cookie, version, started_at, run_high, \
     worker_high, host, place, lease_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11)";
/// One row.
const NEXT: &str = "SELECT nextval('generation_ids')";
/// The end of the key of `applied`; once per batch.
pub(in crate::store) const APPLIED: &str = "UPDATE applied SET batch = ?2 WHERE generation = ?1 \
     AND batch = (SELECT batch FROM applied WHERE generation = ?1 ORDER BY batch DESC LIMIT 1)";
/// Key of `applied`.
const APPLIED_ADD: &str = "INSERT INTO applied (generation, batch) VALUES (?1, 0)";
/// Key of `applied`; once per end of a member.
const APPLIED_DELETE: &str = "DELETE FROM applied WHERE generation = ?1";
/// `beats.generation`.
const BEAT_ADD: &str = "INSERT INTO beats (generation, beat) VALUES (?1, 0)";
/// `beats.generation`.
const BEAT_DELETE: &str = "DELETE FROM beats WHERE generation = ?1";
/// `beats.generation`, `generations.generation`.
const RENEW: &str = "UPDATE beats SET beat = beat + 1, at = clock_timestamp(), \
     ahead_us = ?2 - CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) WHERE generation = ?1 AND EXISTS \
     (SELECT 1 FROM generations WHERE generation = ?1 AND ended_at IS NULL AND taken = 0)";
/// `generations_living`, then `beats.generation`.
const OTHERS: &str = "SELECT g.generation, g.pid, g.pid_start, g.boot_id, g.cookie, g.version, g.host, b.beat, g.taken, g.place, \
     g.lease_us, g.serves FROM generations g CROSS JOIN beats b ON b.generation = g.generation WHERE g.ended_at IS NULL AND g.generation <> ?1 \
     ORDER BY g.generation";
/// `generations_living`, `beats.generation`, `workers_living` and the few rows of `running`; when somebody asks.
const HOSTS: &str = "SELECT g.generation, g.host, g.pid, g.version, g.started_at, g.taken, g.lease_us, \
     CAST(extract(epoch FROM clock_timestamp() - b.at) * 1000000 AS BIGINT), \
     (SELECT count(*) FROM workers w WHERE w.ended_at IS NULL AND w.generation = g.generation), \
     (SELECT count(*) FROM running r WHERE r.generation = g.generation), g.serves, b.ahead_us \
     FROM generations g CROSS JOIN beats b ON b.generation = g.generation WHERE g.ended_at IS NULL ORDER BY g.generation";
/// `generations.generation`, `beats.generation`.
const TAKE: &str = "UPDATE generations SET taken = 1 WHERE generation = ?1 AND ended_at IS NULL AND (taken = 1 OR \
     (SELECT beat FROM beats WHERE generation = ?1) = ?2)";
/// `running.job_id`, then `generations.generation`: who runs a job, if that is another member.
pub(in crate::store) const RUNNING_ELSEWHERE: &str = "SELECT g.generation, g.host FROM running r \
     CROSS JOIN generations g ON g.generation = r.generation WHERE r.job_id = ?1 AND g.generation <> ?2 \
     AND g.ended_at IS NULL AND g.taken = 0";
/// One row for each duty, and `generations.generation`.
const LEAD: &str = "INSERT INTO duties (duty, generation) VALUES (?1, ?2) ON CONFLICT (duty) DO UPDATE SET \
     generation = excluded.generation WHERE duties.generation = excluded.generation OR NOT EXISTS \
     (SELECT 1 FROM generations WHERE generation = duties.generation AND ended_at IS NULL AND taken = 0)";

/// Another member, as it is on record.
pub(super) struct Other {
    pub(super) member: Member,
    pub(super) beat: u64,
    /// The lease of this member, which its guardian goes by.
    pub(super) lease: Duration,
    /// Somebody has begun to take over from it.
    pub(super) is_taken: bool,
    /// See [`super::PostgresStore::place`].
    pub(super) place: String,
    pub(super) serves: Serves,
}

/// The state in which a transaction of this generation begins.
pub(super) fn found(conn: Conn<'_>, ours: i64) -> Result<Found> {
    conn.prepare_cached(FOUND)?.query_row([ours], |row| {
        let (batch, last, run_high) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let hears_ends: Option<i64> = row.get(3)?;
        let (others, hears_ends) = (hears_ends.is_some(), hears_ends.is_some_and(|hears| hears != 0));
        Ok(Found { batch, last, run_high, others, hears_ends, forgotten: row.get(4)?, backend: row.get(5)? })
    })
}

/// Adds a member.
pub(super) fn join(
    conn: Conn<'_>,
    master: &Master,
    place: &str,
    at: UnixMicros,
    lease: Duration,
) -> Result<Membership> {
    let generation: i64 = conn.prepare_cached(NEXT)?.query_row([], |row| row.get(0))?;
    let first_worker = generation << WORKER_BITS;
    conn.prepare_cached(ADD)?.execute((
        generation,
        master.pid,
        master.pid_start as i64,
        &master.boot_id,
        &master.cookie,
        &master.version,
        at.0,
        first_worker - 1,
        &master.host,
        place,
        lease.as_micros() as i64,
    ))?;
    conn.prepare_cached(BEAT_ADD)?.execute([generation])?;
    conn.prepare_cached(APPLIED_ADD)?.execute([generation])?;
    let high = found(conn, generation)?.run_high;
    conn.prepare_cached(rollups::COUNTED_ADD)?.execute((generation, high))?;
    let (generation, first_worker) = (Generation(generation), WorkerId(first_worker));
    Ok(Membership { generation, first_worker, tenure: Tenure::Lease(lease), store: store_id(conn)? })
}

/// Says that a member lives; false: it is none any more.
pub(super) fn renew(conn: Conn<'_>, ours: Generation) -> Result<bool> {
    conn.prepare_cached(RENEW)?.execute((ours.0, clock::wall().0)).map(|changed| changed == 1)
}

/// The other members, oldest first.
pub(super) fn others(conn: Conn<'_>, ours: Generation) -> Result<Vec<Other>> {
    let read = |row: &Row<'_>| {
        let master = Master {
            pid: row.get(1)?,
            pid_start: row.get::<_, i64>(2)? as u64,
            boot_id: row.get(3)?,
            cookie: row.get(4)?,
            version: row.get(5)?,
            host: row.get(6)?,
        };
        let member = Member { generation: Generation(row.get(0)?), master };
        let lease = Duration::from_micros(row.get::<_, i64>(10)?.unsigned_abs());
        let beat = row.get::<_, i64>(7)?.unsigned_abs();
        Ok(Other { member, beat, lease, is_taken: row.get(8)?, place: row.get(9)?, serves: serves(row, 11)? })
    };
    conn.prepare_cached(OTHERS)?.query_map([ours.0], read)?.collect()
}

/// Nothing where it has not said so yet, or says it in the words of another version.
fn serves(row: &Row<'_>, column: usize) -> Result<Serves> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// The hosts of the members, oldest first.
pub(in crate::store) fn hosts(conn: Conn<'_>) -> Result<Vec<HostRecord>> {
    let read = |row: &Row<'_>| {
        let (is_taken, lease, age): (bool, i64, i64) = (row.get(5)?, row.get(6)?, row.get(7)?);
        let state = match (is_taken, age > lease) {
            (true, _) => HostState::Lost,
            (false, true) => HostState::Silent,
            (false, false) => HostState::Running,
        };
        Ok(HostRecord {
            name: row.get(1)?,
            state,
            generation: Generation(row.get(0)?),
            pid: row.get(2)?,
            version: row.get(3)?,
            started_at: UnixMicros(row.get(4)?),
            beat_age_s: age.max(0) as f64 / 1e6,
            workers: row.get::<_, i64>(8)?.unsigned_abs(),
            busy: row.get::<_, i64>(9)?.unsigned_abs(),
            serves: serves(row, 10)?,
            clock_ahead_s: row.get::<_, Option<i64>>(11)?.map(|micros| micros as f64 / 1e6),
        })
    };
    conn.prepare_cached(HOSTS)?.query_map([], read)?.collect()
}

/// Begins to take over from a member that has not renewed since this beat; 0: it has.
pub(super) fn take(conn: Conn<'_>, dead: Generation, beat: u64) -> Result<usize> {
    conn.prepare_cached(TAKE)?.execute((dead.0, beat as i64))
}

/// Whether a member has a duty, which it takes if nobody else has.
pub(super) fn lead(conn: Conn<'_>, duty: Duty, ours: Generation) -> Result<bool> {
    conn.prepare_cached(LEAD)?.execute((duty as i64, ours.0)).map(|changed| changed == 1)
}

/// A member is over.
pub(super) fn end(conn: Conn<'_>, generation: i64, at: UnixMicros) -> Result<usize> {
    conn.prepare_cached(BEAT_DELETE)?.execute([generation])?;
    conn.prepare_cached(APPLIED_DELETE)?.execute([generation])?;
    conn.prepare_cached(sql::GENERATION_END)?.execute((generation, at.0))
}
