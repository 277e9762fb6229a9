//! Lanes: which part of a queue a job waits in, the lanes of a claim, and moving jobs to lanes that are new.
//!
//! A type has its lane in its row of `types`. When a worker names the type it gets one of its own; from then on its jobs go
//! there, and those that are ready already are moved by a walk along the lane of the others, a bounded step at a time. How far
//! that has come is kept in the database.
//!
//! Invariants: a ready job is in the lane of its type, or in that of the others while the walk has not come by; a claim takes
//! one step into the key of `ready` for each lane, however many jobs wait in those that it leaves.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Result};

use super::batch::{Batch, Waiting};
use super::conn::{Conn, Row};
use super::key_lanes::KEYED;
use super::names;
use crate::model::change::Reply;
use crate::model::limit_record::LimitRecord;
use crate::model::{EXEC, QueueName, Takes};

/// Jobs of type [`EXEC`].
pub(in crate::store) const COMMANDS: i64 = 0;
/// Jobs of all types that have no lane of their own.
pub(in crate::store) const OTHERS: i64 = 1;

/// The most lanes that one claim takes from: those whose first jobs come first.
const MOST_LANES: usize = 32;

/// Key of `lanes`; once per lane of a type and batch that changes it.
const LANE_COUNT: &str = "INSERT INTO lanes (queue, lane, ready) VALUES (?1, ?2, ?3) \
     ON CONFLICT (queue, lane) DO UPDATE SET ready = lanes.ready + excluded.ready";
/// `types.id`; changes nothing if the type has a lane of its own.
const LANE_GIVE: &str = "UPDATE types SET lane = 1 + id WHERE id = ?1 AND lane = 1";
/// The next lane of a type that has rows, by one step into the key of `ready`.
const LANE_AFTER: &str =
    "SELECT lane FROM ready WHERE queue = ?1 AND lane > ?2 AND lane < 1099511627776 ORDER BY lane LIMIT 1";
/// The first row of a lane by the key of `ready`.
const READY_FIRST: &str = "SELECT nprio, due_at, id FROM ready WHERE queue = ?1 AND lane = ?2 \
     /*front: ready, ?1, ?2*/ ORDER BY nprio, due_at, id LIMIT 1";
/// Onward by the key of `ready` up to a lane, then `jobs.id`, `types.id` and `key_lanes.id`.
const READY_ONWARD: &str = "SELECT r.lane, r.nprio, r.due_at, r.id, r.tried, coalesce(t.lane, 1), k.lane, k.key FROM ready r \
     CROSS JOIN jobs j ON j.id = r.id LEFT JOIN types t ON t.id = j.type \
     LEFT JOIN key_lanes k ON k.id = r.lane - 1099511627776 \
     WHERE r.queue = ?1 AND (r.lane, r.nprio, r.due_at, r.id) > (?2, ?3, ?4, ?5) AND r.lane <= ?6 \
     ORDER BY r.lane, r.nprio, r.due_at, r.id LIMIT ?7";
/// `queues.name`, the first row of a lane by the key of `ready`, then `jobs.id` and `types.id`.
const FIRST_OTHER: &str = "SELECT t.name FROM queues q CROSS JOIN ready r ON r.queue = q.id AND r.lane = 1 \
     CROSS JOIN jobs j ON j.id = r.id CROSS JOIN types t ON t.id = j.type WHERE q.name = ?1 \
     ORDER BY r.nprio, r.due_at, r.id LIMIT 1";
/// `queues.name`, the first lanes by `key_lanes_by_key`, the first row of one by the key of `ready`, `jobs.id` and `types.id`.
const FIRST_OTHER_KEYED: &str = "SELECT t.name FROM queues q CROSS JOIN key_lanes k ON k.queue = q.id AND k.lane = 1 \
     AND k.waiting > 0 CROSS JOIN ready r ON r.queue = q.id AND r.lane = k.id + 1099511627776 \
     CROSS JOIN jobs j ON j.id = r.id CROSS JOIN types t ON t.id = j.type WHERE q.name = ?1 LIMIT 1";
/// One row.
const SORTING_PUT: &str = "INSERT INTO sorting (one, queue, lane, nprio, due_at, id) VALUES (1, ?1, ?2, ?3, ?4, ?5) \
     ON CONFLICT (one) DO UPDATE SET queue = excluded.queue, lane = excluded.lane, nprio = excluded.nprio, due_at = excluded.due_at, id = excluded.id";
/// One row.
const SORTING_GET: &str = "SELECT queue, lane, nprio, due_at, id FROM sorting LIMIT 1";
/// One row.
const SORTING_END: &str = "DELETE FROM sorting WHERE one = 1";
/// `queues.id`.
const QUEUE_AFTER: &str = "SELECT id FROM queues WHERE id > ?1 ORDER BY id LIMIT 1";

/// The fronts of some lanes of a queue (?1), merged in their order, at most ?2 rows; ?3 and on: the lanes. Of each by the key
/// of `ready`, then `jobs.id`: none is read further than the rows that are given. PostgreSQL, which reads all of each to put them in
/// order, is told to read of each as many as are asked for (`is_remote`).
pub(in crate::store) fn front(lanes: usize, is_remote: bool) -> String {
    let front = |number: usize| {
        format!(
            "SELECT r.lane, r.nprio, r.due_at, r.id, r.tried, j.type, j.args, j.expires_at, j.timeout_us, \
             j.max_attempts, j.unique_key IS NOT NULL, j.pushed_at, j.processor_run, j.trace \
             FROM ready r CROSS JOIN jobs j ON j.id = r.id WHERE r.queue = ?1 AND r.lane = ?{number} \
             /*front: r, ?1, ?{number}*/"
        )
    };
    let mut fronts: Vec<String> = (3..3 + lanes).map(front).collect();
    if is_remote && lanes > 1 {
        let bounded = |front| format!("({front} ORDER BY r.nprio, r.due_at, r.id LIMIT ?2)");
        fronts = fronts.into_iter().map(bounded).collect();
    }
    fronts.join(" UNION ALL ") + " ORDER BY 2, 3, 4 LIMIT ?2"
}

/// The lane of a type that is new.
pub(in crate::store) fn of_new(kind: &str) -> i64 {
    if kind == EXEC { COMMANDS } else { OTHERS }
}

/// The type of the first ready job in the lane of the others.
pub(in crate::store) fn first_other(conn: Conn<'_>, queue: &QueueName) -> Result<Option<String>> {
    let read =
        |text: &str| conn.prepare_cached(text)?.query_row([queue.as_str()], |row| names::text(row, 0)).optional();
    Ok(read(FIRST_OTHER)?.or(read(FIRST_OTHER_KEYED)?))
}

/// A place in the order of one lane.
type Place = (i64, i64, i64);

/// A lane, and a place in it.
type At = (i64, Place);

/// Before the first job of a queue.
const FIRST: At = (i64::MIN, (0, 0, 0));

impl Batch<'_> {
    /// So many more jobs are ready in a lane.
    pub(in crate::store) fn count_ready(&mut self, queue: i64, lane: i64, by: i64) {
        let change = self.change(queue);
        change.ready += by;
        match lane {
            COMMANDS => change.commands += by,
            OTHERS => {}
            typed => *self.typed.entry((queue, typed)).or_default() += by,
        }
    }

    /// Writes how many jobs are ready in lanes of types.
    pub(in crate::store) fn write_lanes(&mut self) -> Result<()> {
        for ((queue, lane), by) in std::mem::take(&mut self.typed) {
            self.run(LANE_COUNT, (queue, lane, by))?;
        }
        Ok(())
    }

    /// The lanes of a queue from which a claim takes, and whether there are more of them.
    pub(in crate::store) fn lanes(&mut self, queue: i64, takes: &Takes) -> Result<(Vec<i64>, bool)> {
        let mut lanes = match takes {
            Takes::Commands => vec![COMMANDS],
            Takes::Others => self.lanes_from(queue, OTHERS)?,
            Takes::Types(types) => self.lanes_of_types(types)?,
        };
        let more = lanes.len() > MOST_LANES;
        if more {
            let first = |lane: &i64| self.first(queue, *lane);
            let mut firsts = lanes.iter().map(|lane| Ok((first(lane)?, *lane))).collect::<Result<Vec<_>>>()?;
            firsts.retain(|(first, _)| first.is_some());
            firsts.sort_unstable();
            lanes = firsts.into_iter().take(MOST_LANES).map(|(_, lane)| lane).collect();
        }
        Ok((lanes, more))
    }

    /// The lanes that types have of their own.
    pub(in crate::store) fn lanes_of_types(&mut self, types: &BTreeSet<Arc<str>>) -> Result<Vec<i64>> {
        let mut lanes = Vec::new();
        for kind in types {
            let known = self.names.kind(self.conn, kind)?;
            lanes.extend(known.map(|kind| kind.lane).filter(|lane| *lane > OTHERS));
        }
        Ok(lanes)
    }

    /// The lane itself, and all above it that have jobs.
    fn lanes_from(&self, queue: i64, lane: i64) -> Result<Vec<i64>> {
        let mut lanes = vec![lane];
        let mut statement = self.conn.prepare_cached(LANE_AFTER)?;
        while let Some(next) = statement.query_row((queue, lanes.last()), |row| row.get(0)).optional()? {
            lanes.push(next);
        }
        Ok(lanes)
    }

    fn first(&self, queue: i64, lane: i64) -> Result<Option<Place>> {
        let mut statement = self.conn.prepare_cached(READY_FIRST)?;
        statement.query_row((queue, lane), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
    }

    pub(in crate::store) fn name_types(&mut self, types: &BTreeSet<Arc<str>>) -> Result<Reply> {
        let mut given = 0;
        for name in types {
            let kind = self.names.kind_or_new(self.conn, name)?;
            given += self.run(LANE_GIVE, [kind.id])?;
        }
        if given > 0 {
            self.names.outdate_lanes(self.conn)?;
            self.sort_all()?;
        }
        self.sorted_so_far()
    }

    /// Jobs may be in other lanes than where they belong, in any queue.
    pub(in crate::store) fn sort_all(&self) -> Result<()> {
        match self.queue_after(0)? {
            Some(first) => self.sort_from(first, FIRST),
            None => Ok(()),
        }
    }

    /// Jobs in lanes of keys of a queue may belong elsewhere.
    pub(in crate::store) fn sort_keys_of(&self, queue: i64) -> Result<()> {
        match self.sorting()? {
            Some(_) => self.sort_all(),
            None => self.sort_from(queue, (KEYED, (i64::MIN, 0, 0))),
        }
    }

    pub(in crate::store) fn sorted_so_far(&self) -> Result<Reply> {
        Ok(Reply::Sorted { queues: Vec::new(), more: self.sorting()?.is_some() })
    }

    pub(in crate::store) fn first_other(&self, queue: &QueueName) -> Result<Reply> {
        let kind = first_other(self.conn, queue)?.map(Into::into);
        Ok(Reply::FirstOther { queue: queue.clone(), kind })
    }

    fn queue_after(&self, queue: i64) -> Result<Option<i64>> {
        self.conn.prepare_cached(QUEUE_AFTER)?.query_row([queue], |row| row.get(0)).optional()
    }

    fn sort_from(&self, queue: i64, (lane, (nprio, due_at, id)): At) -> Result<()> {
        self.run(SORTING_PUT, (queue, lane, nprio, due_at, id)).map(drop)
    }

    fn sorting(&self) -> Result<Option<(i64, At)>> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, (row.get(1)?, (row.get(2)?, row.get(3)?, row.get(4)?))));
        self.conn.prepare_cached(SORTING_GET)?.query_row([], read).optional()
    }

    /// Walks on; a queue counts as one job, so that many empty ones are a bounded step as well.
    pub(in crate::store) fn sort(&mut self, limit: u32) -> Result<Reply> {
        let mut queues = BTreeSet::new();
        let mut left = limit;
        let mut at = self.sorting()?;
        while let Some((queue, place)) = at.filter(|_| left > 0) {
            let record = self.record_of(queue)?.unwrap_or_default();
            let is_keyed = record.in_force.is_keyed();
            let rows = self.ready_onward(queue, place, &record, left)?;
            left -= (rows.len() as u32).min(left);
            for found in rows.iter().filter(|found| !found.is_in_place(is_keyed)) {
                self.leave_ready(found.at)?;
                self.enter_ready(Waiting { lane: found.of_type, ..found.at })?;
                queues.insert(queue);
            }
            at = if let Some(Found { at: last, .. }) = rows.last() {
                Some((queue, (last.lane, (last.nprio, last.due_at, last.id))))
            } else {
                left -= 1;
                if !is_keyed {
                    self.drop_keys(queue)?;
                }
                self.queue_after(queue)?.map(|next| (next, FIRST))
            };
        }
        match at {
            Some((queue, place)) => self.sort_from(queue, place)?,
            None => drop(self.run(SORTING_END, [])?),
        }
        let mut queues = queues.into_iter().map(|id| self.queue_name(id)).collect::<Result<Vec<_>>>()?;
        queues.sort();
        Ok(Reply::Sorted { queues, more: at.is_some() })
    }

    /// The next ready jobs of the lanes in which some may not be where they belong.
    fn ready_onward(&self, queue: i64, place: At, record: &LimitRecord, most: u32) -> Result<Vec<Found>> {
        let is_keyed = record.in_force.is_keyed();
        let read = |row: &Row<'_>| {
            let (lane, nprio, due_at, id, tried) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            let at = Waiting { queue, lane, nprio, due_at, id, tried };
            let waits = |key: &String| record.waits_by_key(key);
            let key_lane = row
                .get::<_, Option<i64>>(6)?
                .filter(|_| is_keyed || names::maybe_text(row, 7).is_ok_and(|key| key.as_ref().is_some_and(waits)));
            Ok(Found { at, of_type: row.get(5)?, key_lane })
        };
        let parts: &[(i64, i64)] =
            if is_keyed { &[(i64::MIN, i64::MAX)] } else { &[(OTHERS, OTHERS), (KEYED, i64::MAX)] };
        let mut statement = self.conn.prepare_cached(READY_ONWARD)?;
        for &(first, last) in parts.iter().filter(|(_, last)| place.0 <= *last) {
            let (lane, (nprio, due_at, id)) = if place.0 < first { (first, (i64::MIN, 0, 0)) } else { place };
            let found = statement.query_map((queue, lane, nprio, due_at, id, last, most), read)?;
            let found = found.collect::<Result<Vec<_>>>()?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

/// A ready job, and where it belongs.
struct Found {
    at: Waiting,
    of_type: i64,
    /// The lane of a type that the lane of its key is for, where it is in one and may be.
    key_lane: Option<i64>,
}

impl Found {
    fn is_in_place(&self, is_keyed: bool) -> bool {
        let lane = if self.at.lane < KEYED { Some(self.at.lane).filter(|_| !is_keyed) } else { self.key_lane };
        lane == Some(self.of_type)
    }
}
