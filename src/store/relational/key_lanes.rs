//! Lanes of keys: in queues that are fair, or have limits per key, ready jobs wait in a lane for each key, type lane and priority.
//!
//! A claim takes some jobs of each lane whose turn it is, so a job behind a limit of its key is not looked at. Jobs that are ready
//! when a queue becomes such a one, or is one no more, are moved in bounded steps; until then they wait.
//!
//! Invariants: `waiting` of a lane is the number of its rows in `ready`; a lane is open while something waits in it and its key has
//! room.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Result};

use super::batch::{Batch, Waiting};
use super::claim::{Front, Taken};
use super::conn::Row;
use super::key_limits::STATES_CLEAR;
use super::{lanes, names, sql};
use crate::model::change::Claim;
use crate::model::fair::{self, Turn};
use crate::model::limit_record::LimitRecord;
use crate::model::{QueueName, Takes};

/// Numbers of lanes of keys in `ready` begin here.
pub(in crate::store) const KEYED: i64 = 1 << 40;

/// Rows that are forgotten for each lane that is taken from, and at least.
const FORGET: u32 = 8;
/// `key_lanes_by_key`; changes nothing but the number while something waits in the lane.
const ENTER_BUSY: &str = "UPDATE key_lanes SET waiting = waiting + 1 \
     WHERE queue = ?1 AND key = ?2 AND lane = ?3 AND nprio = ?4 AND waiting > 0 RETURNING id";
/// `key_lanes_by_key`, the keys of `key_turns` and `key_states`.
const ENTER: &str = "INSERT INTO key_lanes (queue, key, lane, nprio, waiting, vtime, state) VALUES (?1, ?2, ?3, ?4, 1, \
     coalesce((SELECT t.vtime FROM key_turns t WHERE queue = ?1 AND lane = ?3 AND nprio = ?4), 0), \
     1 + max(?5, coalesce((SELECT closed FROM key_states WHERE queue = ?1 AND key = ?2), 0))) \
     ON CONFLICT (queue, key, lane, nprio) DO UPDATE SET waiting = 1, vtime = max(key_lanes.vtime, excluded.vtime), \
     state = excluded.state RETURNING id";
/// `key_lanes.id`.
const LEAVE: &str = "UPDATE key_lanes SET waiting = waiting - 1 WHERE id = ?1 RETURNING lane, waiting";
/// `key_lanes.id`.
const IDLE: &str = "UPDATE key_lanes SET state = 0 WHERE id = ?1";
/// `key_lanes.id`.
const TAKEN: &str = "UPDATE key_lanes SET waiting = waiting - ?2, vtime = ?3, state = CASE WHEN waiting > ?2 THEN state ELSE 0 END \
     WHERE id = ?1";
/// `key_lanes_open`.
const OPEN_LANE: &str = "SELECT lane FROM key_lanes WHERE queue = ?1 AND lane > ?2 AND state = 1 ORDER BY lane LIMIT 1";
/// `key_lanes_open`.
const OPEN_PRIO: &str =
    "SELECT nprio FROM key_lanes WHERE queue = ?1 AND lane = ?2 AND state = 1 ORDER BY nprio LIMIT 1";
/// `key_lanes_open`.
const OPEN_LANES: &str = "SELECT id, key, vtime, waiting FROM key_lanes \
     WHERE queue = ?1 AND lane = ?2 AND nprio = ?3 AND state = 1 ORDER BY vtime, key LIMIT ?4";
/// Key of `key_turns`.
const TURN_PUT: &str = "INSERT INTO key_turns (queue, lane, nprio, vtime) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (queue, lane, nprio) DO UPDATE SET vtime = max(key_turns.vtime, excluded.vtime)";
/// `key_lanes_idle`.
const LANES_FORGET: &str = "DELETE FROM key_lanes WHERE id IN (SELECT id FROM key_lanes \
     WHERE queue = ?1 AND lane = ?2 AND nprio = ?3 AND state = 0 AND vtime <= ?4 ORDER BY vtime LIMIT ?5)";
/// `jobs.id`.
const KEY_OF: &str = "SELECT coalesce(key, '') FROM jobs WHERE id = ?1";
/// `key_lanes_by_key`.
const LANES_DROP: &str = "DELETE FROM key_lanes WHERE queue = ?1 AND waiting = 0";
/// `key_lanes_by_key`.
const LANES_REST: &str = "UPDATE key_lanes SET vtime = 0 WHERE queue = ?1";
/// Key of `key_turns`.
const TURNS_DROP: &str = "DELETE FROM key_turns WHERE queue = ?1";

/// A lane whose turn may come.
pub(in crate::store) struct Lane {
    id: i64,
    of_type: i64,
    pub(in crate::store) key: Arc<str>,
    pub(in crate::store) turn: Turn,
}

impl Batch<'_> {
    /// The limits of a queue.
    pub(in crate::store) fn record_of(&mut self, queue: i64) -> Result<Option<Arc<LimitRecord>>> {
        if self.names.all_limits(self.conn)?.is_empty() {
            return Ok(None);
        }
        // A queue that was forgotten meanwhile has none.
        let Some(name) = self.queue_name(queue).optional()? else { return Ok(None) };
        self.names.limits(self.conn, &name)
    }

    /// The limits of a queue whose jobs wait by key.
    pub(in crate::store) fn keyed(&mut self, queue: i64) -> Result<Option<Arc<LimitRecord>>> {
        Ok(self.record_of(queue)?.filter(|record| record.in_force.is_keyed()))
    }

    pub(in crate::store) fn key_of(&self, job: i64) -> Result<Arc<str>> {
        self.conn.prepare_cached(KEY_OF)?.query_row([job], |row| Ok(names::text(row, 0)?.into()))
    }

    /// The lane of `ready` where a job waits: that of its key, or of its type.
    pub(in crate::store) fn lane_to_enter(&mut self, w: Waiting) -> Result<i64> {
        let record = self.record_of(w.queue)?;
        let Some(record) = record.filter(|record| record.in_force.is_keyed() || !record.paused.is_empty()) else {
            return Ok(w.lane);
        };
        let key = self.key_of(w.id)?;
        if !record.waits_by_key(&key) {
            return Ok(w.lane);
        }
        let at = (w.queue, &*key, w.lane, w.nprio);
        let busy: Option<i64> = self.conn.prepare_cached(ENTER_BUSY)?.query_row(at, |row| row.get(0)).optional()?;
        let id = if let Some(id) = busy {
            id
        } else {
            let at = (w.queue, &*key, w.lane, w.nprio, record.paused.contains_key(&*key));
            self.conn.prepare_cached(ENTER)?.query_row(at, |row| row.get(0))?
        };
        Ok(KEYED + id)
    }

    /// A job leaves its lane; the lane of its type.
    pub(in crate::store) fn lane_left(&mut self, lane: i64) -> Result<i64> {
        if lane < KEYED {
            return Ok(lane);
        }
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (of_type, waiting): (i64, i64) = self.conn.prepare_cached(LEAVE)?.query_row([lane - KEYED], read)?;
        if waiting == 0 {
            self.run(IDLE, [lane - KEYED])?;
        }
        Ok(of_type)
    }

    /// Takes jobs of the keys whose turn it is.
    pub(in crate::store) fn take_keyed(
        &mut self,
        (queue, name): (i64, &QueueName),
        record: &LimitRecord,
        most: usize,
        claim: &Claim,
        taken: &mut Taken,
    ) -> Result<()> {
        let goal = taken.jobs.len() + most;
        self.open_keys(queue, record)?;
        while taken.jobs.len() < goal && !taken.more {
            let left = goal - taken.jobs.len();
            let Some((nprio, mut found)) = self.turns(queue, record, &claim.lanes, left)? else { break };
            let mut keys = self.rooms(queue, record, &mut found)?;
            let turns: Vec<Turn> = found.iter().map(|lane| lane.turn).collect();
            let mut rooms: Vec<u32> = keys.iter().map(|key| key.room).collect();
            let ahead = left.saturating_sub((claim.at_once as usize).saturating_sub(taken.jobs.len()));
            let dealt = fair::deal(&turns, &mut rooms, (left as u32, ahead as u32));
            let before = (taken.jobs.len(), taken.expired.len());
            let starts = self.take_dealt((queue, name), nprio, (&found, &dealt), claim, taken)?;
            for (lane, starts) in found.iter().zip(starts) {
                keys[lane.turn.room].starts += starts;
            }
            let has_closed = self.put_keys(queue, record, &keys)?;
            if (taken.jobs.len(), taken.expired.len()) == before && !has_closed {
                break;
            }
        }
        Ok(())
    }

    /// The first lanes of the highest priority, by whose turn it is.
    fn turns(
        &mut self,
        queue: i64,
        record: &LimitRecord,
        takes: &Takes,
        most: usize,
    ) -> Result<Option<(i64, Vec<Lane>)>> {
        let lanes = self.open_lanes(queue, takes)?;
        let mut first = self.conn.prepare_cached(OPEN_PRIO)?;
        let mut prio = |lane: i64| first.query_row((queue, lane), |row| row.get(0)).optional();
        let prios: Vec<Option<i64>> = lanes.iter().map(|lane| prio(*lane)).collect::<Result<_>>()?;
        let Some(nprio) = prios.iter().flatten().min().copied() else { return Ok(None) };
        let mut statement = self.conn.prepare_cached(OPEN_LANES)?;
        let mut found = Vec::new();
        for (&lane, _) in lanes.iter().zip(&prios).filter(|(_, prio)| **prio == Some(nprio)) {
            let mut rows = statement.query((queue, lane, nprio, most as i64))?;
            while let Some(row) = &rows.next()? {
                let (key, vtime): (Arc<str>, _) = (names::text(row, 1)?.into(), row.get(2)?);
                let waiting = u32::try_from(row.get::<_, i64>(3)?).unwrap_or(u32::MAX);
                let turn = Turn { vtime, cost: record.in_force.cost_of(&key), waiting, room: 0 };
                found.push(Lane { id: row.get(0)?, of_type: lane, key, turn });
            }
        }
        found.sort_by(|a, b| (a.turn.vtime, &a.key, a.of_type).cmp(&(b.turn.vtime, &b.key, b.of_type)));
        found.truncate(most);
        Ok(Some((nprio, found)))
    }

    /// The lanes of types from which a claim takes.
    fn open_lanes(&mut self, queue: i64, takes: &Takes) -> Result<Vec<i64>> {
        let mut lanes = match takes {
            Takes::Commands => return Ok(vec![lanes::COMMANDS]),
            Takes::Types(types) => return self.lanes_of_types(types),
            Takes::Others => Vec::new(),
        };
        let mut statement = self.conn.prepare_cached(OPEN_LANE)?;
        let mut last = lanes::COMMANDS;
        while let Some(next) = statement.query_row((queue, last), |row| row.get(0)).optional()? {
            lanes.push(next);
            last = next;
        }
        Ok(lanes)
    }

    /// Takes what was dealt out of its lanes, and starts it in the order of turns; how many of each lane have started.
    fn take_dealt(
        &mut self,
        (queue, name): (i64, &QueueName),
        nprio: i64,
        (found, dealt): (&[Lane], &[u32]),
        claim: &Claim,
        taken: &mut Taken,
    ) -> Result<Vec<u32>> {
        let mut rows: Vec<(i64, usize, Front)> = Vec::new();
        let mut turns: BTreeMap<i64, i64> = BTreeMap::new();
        for (at, (lane, &jobs)) in found.iter().zip(dealt).enumerate().filter(|(_, (_, jobs))| **jobs > 0) {
            if taken.more {
                break;
            }
            let number = KEYED + lane.id;
            let front = self.front(queue, &[number], jobs as usize, claim.max_bytes, taken)?;
            let Some(last) = front.last().map(|row| row.at) else { continue };
            let jobs = front.len() as i64;
            self.run(sql::READY_DELETE_FRONT, (queue, number, last.nprio, last.due_at, last.id))?;
            self.count_ready(queue, lane.of_type, -jobs);
            let Turn { vtime, cost, .. } = lane.turn;
            let tag = |nth: i64| vtime.saturating_add(cost.saturating_mul(nth));
            self.run(TAKEN, (lane.id, jobs, tag(jobs)))?;
            let turn = turns.entry(lane.of_type).or_insert(i64::MIN);
            *turn = (*turn).max(tag(jobs - 1));
            rows.extend(front.into_iter().zip(0..).map(|(row, nth)| (tag(nth), at, row)));
        }
        for (lane, turn) in turns {
            self.run(TURN_PUT, (queue, lane, nprio, turn))?;
            self.run(LANES_FORGET, (queue, lane, nprio, turn, FORGET + 2 * found.len() as u32))?;
        }
        rows.sort_by_key(|(tag, at, _)| (*tag, *at));
        let mut starts = vec![0; found.len()];
        for (_, at, row) in rows {
            starts[at] += u32::from(self.begin(name, row, claim, taken)?);
        }
        Ok(starts)
    }

    /// Nothing of a queue waits by key any more.
    pub(in crate::store) fn drop_keys(&self, queue: i64) -> Result<()> {
        if self.run(LANES_DROP, [queue])? > 0 {
            self.run(LANES_REST, [queue])?;
            self.run(TURNS_DROP, [queue])?;
            self.run(STATES_CLEAR, [queue])?;
        }
        Ok(())
    }

    /// Whether some jobs of a queue wait by key.
    pub(in crate::store) fn has_keys(&mut self, queue: i64) -> Result<bool> {
        let record = self.record_of(queue)?;
        Ok(record.is_some_and(|record| record.in_force.is_keyed() || !record.paused.is_empty()))
    }
}
