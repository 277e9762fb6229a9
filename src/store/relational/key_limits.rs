//! Limits of keys: how many jobs of each key may start, and when a key that is at its limit opens again.
//!
//! Invariants: `running` of a key is the number of its rows in `running`; the lanes of a key that has no room are closed, so that no
//! claim looks at them; the end of one of its jobs, or its time, opens them.

use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt as _};
use rusqlite::{OptionalExtension, Result};

use super::batch::Batch;
use super::conn::Row;
use super::key_lanes::Lane;
use super::names;
use crate::model::UnixMicros;
use crate::model::fair::{Fair, UNIT};
use crate::model::limit_record::LimitRecord;
use crate::model::queue_limits::{Bucket, QueueLimits};

/// In this time the bucket of any key is full: the least rate is one a day, and its burst one.
const LONGEST_FILL: Duration = Duration::from_hours(24);
/// Keys that are opened at a time.
const OPENED: u32 = 1000;

/// States of a lane in which something waits.
const OPEN: i64 = 1;
const CLOSED: i64 = 2;

/// `key_lanes_by_key`; of one key.
const KEY_LANES_SET: &str =
    "UPDATE key_lanes SET state = ?3 WHERE queue = ?1 AND key = ?2 AND state = 3 - CAST(?3 AS BIGINT)";
/// `key_lanes_by_key`; of one key: its runs have taken longer, or shorter, than was thought.
const CHARGE: &str = "UPDATE key_lanes SET vtime = max(0, vtime + ?3) WHERE queue = ?1 AND key = ?2";
/// Key of `key_states`.
const STATE_GET: &str = "SELECT running, tokens, filled_at, closed FROM key_states WHERE queue = ?1 AND key = ?2";
/// Key of `key_states`.
const STATE_PUT: &str = "INSERT INTO key_states (queue, key, running, tokens, filled_at, closed, open_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
     ON CONFLICT (queue, key) DO UPDATE SET running = excluded.running, tokens = excluded.tokens, filled_at = excluded.filled_at, closed = excluded.closed, open_at = excluded.open_at";
/// Key of `key_states`.
const STATE_DELETE: &str = "DELETE FROM key_states WHERE queue = ?1 AND key = ?2";
/// `key_states_opening`.
const STATES_OPENING: &str = "SELECT key FROM key_states WHERE queue = ?1 AND open_at <= ?2 ORDER BY open_at LIMIT ?3";
/// `key_states_opening`.
const OPENS_NEXT: &str =
    "SELECT open_at FROM key_states WHERE queue = ?1 AND open_at IS NOT NULL ORDER BY open_at LIMIT 1";
/// `key_states_opening`, all of it; when the clock was set.
const OPENING_DOUBT: &str = "UPDATE key_states SET open_at = ?1 WHERE open_at > ?1";
/// `key_states_idle`.
const STATES_FORGET: &str = "DELETE FROM key_states WHERE (queue, key) IN (SELECT queue, key FROM key_states \
     WHERE running = 0 AND closed = 0 AND filled_at < ?1 LIMIT ?2)";
/// Key of `key_states`; when limits per key are others.
pub(in crate::store) const STATES_CLEAR: &str = "DELETE FROM key_states WHERE queue = ?1";
/// All of `running` (as many rows as are claimed), with one step into `jobs` each; when limits per key are others.
const STATES_COUNT: &str = "INSERT INTO key_states (queue, key, running) SELECT ?1, coalesce(j.key, ''), count(*) \
     FROM running r CROSS JOIN jobs j ON j.id = r.job_id WHERE j.queue = ?1 GROUP BY 2";
/// `key_lanes_by_key`; when limits per key are others.
const LANES_OPEN: &str = "UPDATE key_lanes SET state = 1 WHERE queue = ?1 AND state = 2";

/// What is on record of a key.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct KeyState {
    pub(in crate::store) running: u64,
    pub(in crate::store) bucket: Bucket,
    pub(in crate::store) closed: bool,
}

/// A key in a claim.
pub(in crate::store) struct Key {
    pub(in crate::store) name: Arc<str>,
    pub(in crate::store) state: KeyState,
    /// How many of it may start, and how many have.
    pub(in crate::store) room: u32,
    pub(in crate::store) starts: u32,
}

impl Batch<'_> {
    /// The keys of lanes, with how many of each may start; each lane gets the place of its key.
    pub(in crate::store) fn rooms(&self, queue: i64, record: &LimitRecord, found: &mut [Lane]) -> Result<Vec<Key>> {
        let mut keys: Vec<Key> = Vec::with_capacity(found.len());
        let mut places: HashMap<Arc<str>, usize> = HashMap::with_capacity(found.len());
        let limits = record.in_force.of_key();
        for lane in found {
            let place = *places.entry(lane.key.clone()).or_insert(keys.len());
            lane.turn.room = place;
            if place < keys.len() {
                continue;
            }
            let (state, room) = if limits.holds_back() {
                let state = self.key_state(queue, &lane.key, &limits)?;
                (state, limits.room(state.running, &state.bucket))
            } else {
                (KeyState { running: 0, bucket: Bucket::filled(None, &limits, self.at), closed: false }, u32::MAX)
            };
            keys.push(Key { name: lane.key.clone(), state, room, starts: 0 });
        }
        Ok(keys)
    }

    fn key_state(&self, queue: i64, key: &str, limits: &QueueLimits) -> Result<KeyState> {
        let read = |row: &Row<'_>| {
            let (tokens, at): (Option<f64>, Option<i64>) = (row.get(1)?, row.get(2)?);
            let before = tokens.zip(at).map(|(tokens, at)| Bucket { tokens, at: UnixMicros(at) });
            Ok((row.get::<_, i64>(0)?.max(0).unsigned_abs(), before, row.get(3)?))
        };
        let found = self.conn.prepare_cached(STATE_GET)?.query_row((queue, key), read).optional()?;
        let (running, before, closed) = found.unwrap_or_default();
        Ok(KeyState { running, bucket: Bucket::filled(before, limits, self.at), closed })
    }

    /// Puts on record what keys have started; whether one is closed now.
    pub(in crate::store) fn put_keys(&mut self, queue: i64, record: &LimitRecord, keys: &[Key]) -> Result<bool> {
        let limits = record.in_force.of_key();
        let mut has_closed = false;
        if !limits.holds_back() {
            return Ok(false);
        }
        for Key { name: key, state, room, starts } in keys.iter().filter(|key| key.starts > 0 || key.room == 0) {
            let state = KeyState {
                running: state.running + u64::from(*starts),
                bucket: state.bucket.less(*starts),
                closed: room == starts,
            };
            self.put_key(queue, key, &limits, &state)?;
            if state.closed {
                has_closed |= self.run(KEY_LANES_SET, (queue, &**key, CLOSED))? > 0;
            }
        }
        Ok(has_closed)
    }

    fn put_key(&self, queue: i64, key: &str, limits: &QueueLimits, state: &KeyState) -> Result<()> {
        let KeyState { running, bucket, closed } = state;
        let open_at = limits.opens_at(*running, bucket).filter(|_| *closed).map(|at| at.0);
        let (tokens, at) = limits.rate.map(|_| (bucket.tokens, bucket.at.0)).unzip();
        if *running == 0 && tokens.is_none() && !closed {
            return self.run(STATE_DELETE, (queue, key)).map(drop);
        }
        self.run(STATE_PUT, (queue, key, *running as i64, tokens, at, closed, open_at)).map(drop)
    }

    /// Opens keys whose time has come.
    pub(in crate::store) fn open_keys(&mut self, queue: i64, record: &LimitRecord) -> Result<()> {
        let limits = record.in_force.of_key();
        if limits.rate.is_none() {
            return Ok(());
        }
        let read = |row: &Row<'_>| names::text(row, 0);
        let mut statement = self.conn.prepare_cached(STATES_OPENING)?;
        let due: Vec<String> = statement.query_map((queue, self.at.0, OPENED), read)?.collect::<Result<_>>()?;
        for key in due {
            let state = self.key_state(queue, &key, &limits)?;
            self.open_if_room(queue, &key, record, state)?;
        }
        Ok(())
    }

    fn open_if_room(&self, queue: i64, key: &str, record: &LimitRecord, state: KeyState) -> Result<()> {
        let limits = &record.in_force.of_key();
        let has_room = limits.room(state.running, &state.bucket) > 0;
        self.put_key(queue, key, limits, &KeyState { closed: state.closed && !has_room, ..state })?;
        if state.closed && has_room && !record.paused.contains_key(key) {
            self.run(KEY_LANES_SET, (queue, key, OPEN))?;
        }
        Ok(())
    }

    /// No job of a key may start, for whatever reason.
    pub(in crate::store) fn close_lanes(&self, queue: i64, key: &str) -> Result<()> {
        self.run(KEY_LANES_SET, (queue, key, CLOSED)).map(drop)
    }

    /// A key is paused no more.
    pub(in crate::store) fn open_resumed(&self, queue: i64, key: &str, record: &LimitRecord) -> Result<()> {
        if self.key_state(queue, key, &record.in_force.of_key())?.closed {
            return Ok(());
        }
        self.run(KEY_LANES_SET, (queue, key, OPEN)).map(drop)
    }

    /// When the first key of a queue that is closed by its rate opens.
    pub(in crate::store) fn first_opening(&self, queue: i64) -> Result<Option<UnixMicros>> {
        self.conn.prepare_cached(OPENS_NEXT)?.query_row([queue], |row| row.get(0).map(UnixMicros)).optional()
    }

    /// A job runs no more. `took`: for how long it ran, if it did; else its token is there again.
    pub(in crate::store) fn key_ends(&mut self, queue: i64, job: i64, took: Option<i64>) -> Result<()> {
        let Some(record) = self.keyed(queue)? else { return Ok(()) };
        let limits = record.in_force.of_key();
        let charges = record.in_force.fair == Fair::Time;
        if !limits.holds_back() && !charges {
            return Ok(());
        }
        let key = self.key_of(job)?;
        if limits.holds_back() {
            let state = self.key_state(queue, &key, &limits)?;
            let bucket = if took.is_none() { state.bucket.more(&limits) } else { state.bucket };
            let state = KeyState { running: state.running.saturating_sub(1), bucket, ..state };
            self.open_if_room(queue, &key, &record, state)?;
        }
        if charges {
            // A claim has charged for one unit.
            let cost = record.in_force.cost_of(&key);
            let took = i128::from(took.unwrap_or(0).max(0)) * i128::from(cost) / i128::from(UNIT);
            self.run(CHARGE, (queue, &*key, i64::try_from(took).unwrap_or(i64::MAX / 2) - cost))?;
        }
        Ok(())
    }

    /// The limits of a queue are others than before.
    pub(in crate::store) fn keys_changed(&mut self, queue: i64, before: Option<&LimitRecord>) -> Result<()> {
        let now = self.keyed(queue)?;
        let in_force = |record: Option<&LimitRecord>| record.map(|record| record.in_force.clone()).unwrap_or_default();
        let (before, after) = (in_force(before), in_force(now.as_deref()));
        if before.of_key() != after.of_key() {
            self.run(STATES_CLEAR, [queue])?;
            self.run(LANES_OPEN, [queue])?;
            for key in now.iter().flat_map(|record| record.paused.keys()) {
                self.close_lanes(queue, key)?;
            }
            if after.of_key().holds_back() {
                self.run(STATES_COUNT, [queue])?;
            }
        }
        if before.is_keyed() == after.is_keyed() { Ok(()) } else { self.sort_all() }
    }

    /// The clock was set: keys that are closed until a time are looked at again.
    pub(in crate::store) fn doubt_openings(&self) -> Result<()> {
        self.run(OPENING_DOUBT, [self.at.0]).map(drop)
    }

    /// Forgets keys of which nothing runs and whose bucket is full by now.
    pub(in crate::store) fn prune_keys(&self, limit: u32) -> Result<usize> {
        self.run(STATES_FORGET, (self.at.minus(LONGEST_FILL).0, limit))
    }
}
