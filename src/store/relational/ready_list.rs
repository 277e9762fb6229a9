//! Lists of ready jobs: of each queue, lane and priority a part of `ready` is in order, and the parts are merged.
//!
//! Where very many keys wait there are as many parts, which are read one after the other instead: no order of all of them is on
//! record. Invariant: a list takes a bounded number of steps into keys for each of its rows, whatever the number of parts.

use rusqlite::{OptionalExtension as _, Result};

use super::conn::{Conn, Row};
use super::job_list::{WAITING, kind, place_by_due, queue};
use super::key_lanes::KEYED;
use super::lanes;
use super::walk::{Axis, Bounds, ListRow, Pace, Source, Walked, walk};
use crate::model::JobId;
use crate::store::JobFilter;

/// The most keys whose parts are merged.
const MOST_KEYS: usize = 200;

/// The next part of `ready` that is one order: at most three steps into its key. (A comparison of rows would walk along the
/// part before.)
const NEXT_PART: &str = "SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue = ?1 AND lane = ?2 AND nprio > ?3 ORDER BY nprio LIMIT 1) AS a \
     UNION ALL SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue = ?1 AND lane > ?2 ORDER BY lane, nprio LIMIT 1) AS b \
     UNION ALL SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue > ?1 ORDER BY queue, lane, nprio LIMIT 1) AS c LIMIT 1";
/// Likewise the one before.
const PART_BEFORE: &str = "SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue = ?1 AND lane = ?2 AND nprio < ?3 ORDER BY nprio DESC LIMIT 1) AS a \
     UNION ALL SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue = ?1 AND lane < ?2 ORDER BY lane DESC, nprio DESC LIMIT 1) AS b \
     UNION ALL SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue < ?1 ORDER BY queue DESC, lane DESC, nprio DESC LIMIT 1) AS c LIMIT 1";
/// `jobs.id`, `types.id` and `key_lanes_by_key`: where a job waits, or did.
const PART_OF: &str = "SELECT j.queue, coalesce(1099511627776 + k.id, t.lane, 1), j.nprio FROM jobs j \
     LEFT JOIN types t ON t.id = j.type LEFT JOIN key_lanes k ON k.queue = j.queue AND k.key = coalesce(j.key, '') \
     AND k.lane = coalesce(t.lane, 1) AND k.nprio = j.nprio WHERE j.id = ?1";
/// The key of `ready`.
const LAST_OF_PART: &str = "SELECT id FROM ready WHERE queue = ?1 AND lane = ?2 AND nprio = ?3 \
     ORDER BY due_at DESC, id DESC LIMIT 1";
/// The key of `ready`.
const FIRST_OF_PART: &str =
    "SELECT id FROM ready WHERE queue = ?1 AND lane = ?2 AND nprio = ?3 ORDER BY due_at, id LIMIT 1";

/// A queue, lane and priority.
type Part = (i64, i64, i64);

/// Which parts a filter is for.
struct Of {
    queue: Option<i64>,
    lane: Option<i64>,
}

impl Of {
    /// `None`: for none.
    fn new(conn: Conn<'_>, filter: &JobFilter) -> Result<Option<Self>> {
        let of_queue = filter.queue.as_ref().map(|name| queue(conn, name)).transpose()?;
        let of_kind = filter.kind.as_ref().map(|name| kind(conn, name)).transpose()?;
        if of_queue == Some(None) || of_kind == Some(None) {
            return Ok(None);
        }
        Ok(Some(Self { queue: of_queue.flatten(), lane: of_kind.flatten().map(|(_, lane)| lane) }))
    }

    fn has_queue(&self, (queue, ..): Part) -> bool {
        self.queue.is_none_or(|wanted| wanted == queue)
    }

    /// A job of a type that has a lane may be in that of the others still, or in that of its key.
    fn has(&self, (_, lane, _): Part) -> bool {
        self.lane.is_none_or(|wanted| wanted == lane || lane == lanes::OTHERS || lane >= KEYED)
    }

    /// Before the first part, or after the last.
    fn end(&self, newest: bool) -> Part {
        if newest {
            (self.queue.unwrap_or(i64::MAX), i64::MAX, i64::MAX)
        } else {
            (self.queue.unwrap_or(i64::MIN), i64::MIN, i64::MIN)
        }
    }
}

fn source((queue, lane, nprio): Part) -> Source {
    let keys = vec![("d.queue", queue.into()), ("d.lane", lane.into()), ("d.nprio", nprio.into())];
    Source { table: "ready d", join: WAITING, axis: Axis::Due, keys }
}

fn read(row: &Row<'_>) -> Result<Part> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// The parts of `ready` that are in one order each; `None`: too many of them are of keys.
pub(in crate::store) fn parts(conn: Conn<'_>, filter: &JobFilter) -> Result<Option<Vec<Source>>> {
    let Some(of) = Of::new(conn, filter)? else { return Ok(Some(Vec::new())) };
    let (mut parts, mut keys) = (Vec::new(), 0);
    let mut next = conn.prepare_cached(NEXT_PART)?;
    let mut at = of.end(false);
    while let Some(part) = next.query_row(at, read).optional()?.filter(|part| of.has_queue(*part)) {
        if of.has(part) {
            keys += usize::from(part.1 >= KEYED);
            if keys > MOST_KEYS {
                return Ok(None);
            }
            parts.push(source(part));
        }
        at = part;
    }
    Ok(Some(parts))
}

/// Jobs of one part after the other. A cursor at a job whose key has nothing on record any more is at the beginning.
pub(in crate::store) fn part_by_part<T: ListRow<Filter = JobFilter>>(
    conn: Conn<'_>,
    filter: &JobFilter,
    limit: Option<u32>,
    pace: &mut Pace,
) -> Result<Walked<T>> {
    let mut all = Walked { found: Vec::new(), next: None };
    let Some(of) = Of::new(conn, filter)? else { return Ok(all) };
    let newest = filter.newest;
    let cursor = |id: Option<JobId>| -> Result<Option<(Part, (i64, i64))>> {
        let Some(id) = id else { return Ok(None) };
        let part = conn.prepare_cached(PART_OF)?.query_row([id.0], read).optional()?;
        part.map(|part| Ok((part, place_by_due(conn, id)?))).transpose()
    };
    let (after, before) = (cursor(filter.after)?, cursor(filter.before)?);
    let (begin, end) = if newest { (before, after) } else { (after, before) };
    let mut onward = conn.prepare_cached(if newest { PART_BEFORE } else { NEXT_PART })?;
    let is_beyond = |part: Part| end.is_some_and(|(end, _)| if newest { part < end } else { part > end });
    let mut next = match begin {
        Some((part, _)) => Some(part),
        None => onward.query_row(of.end(newest), read).optional()?,
    };
    while let Some(part) = next.filter(|part| of.has_queue(*part) && !is_beyond(*part)) {
        let within = |of: Option<(Part, (i64, i64))>| of.filter(|(of, _)| *of == part).map(|(_, place)| place);
        if of.has(part) {
            let left = limit.map(|limit| limit - all.found.len() as u32);
            let bounds = Bounds::new(within(after), within(before), newest);
            let of_part = walk::<T>(conn, filter, &[source(part)], bounds, pace, left)?;
            all.found.extend(of_part.found);
            all.next = of_part.next;
        }
        // Beyond a cursor at the end of its part is one part more at least.
        let is_new = begin.is_none_or(|(begin, _)| begin != part);
        if all.next.is_none() && is_new && pace.is_over() {
            let text = if newest { FIRST_OF_PART } else { LAST_OF_PART };
            all.next = conn.prepare_cached(text)?.query_row(part, |row| row.get(0)).optional()?;
        }
        if all.next.is_some() {
            break;
        }
        next = onward.query_row(part, read).optional()?;
    }
    Ok(all)
}
