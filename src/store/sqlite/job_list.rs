//! Lists of jobs, from keys: whichever state or error is asked for, no walk over all jobs leads to it.
//!
//! | asked for | read from | order |
//! | --- | --- | --- |
//! | a fingerprint | `ended_by_fingerprint` | id |
//! | a label | `jobs_by_label` | id |
//! | dead or cancelled, of a type or a queue | `ended_by_type`, `ended_by_queue`, for each state | id |
//! | dead or cancelled | `ended`, where those in the other state are passed over | id |
//! | running | `running` | id |
//! | only ready | the key of `ready`: of each queue, lane and priority, merged | when it is due |
//! | only scheduled | the key of `scheduled` | when it is due |
//! | anything else | `jobs`, in steps of ids | id |
//!
//! What no key serves (a text, a time, the type of a ready job) is looked at row by row within these.
//!
//! Invariants: a list has each job once; a step of a walk takes a moment, so that no long read keeps the log from being
//! reset.

use rusqlite::{Connection, OptionalExtension, Result, Transaction};

use super::job_row::{JobRow, filtered, query};
use super::{codes, lanes, sql};
use crate::model::{IdRange, JobId, JobRecord, JobState, QueueName, States};
use crate::store::{ErrorFilter, JobFilter};

/// Ids of one step of a walk.
const STEP: i64 = 10_000;
/// So many ids between two ranges are looked at rather than asked for each by itself.
const CLOSE: i64 = 20;

/// The next part of `ready` that is one order: at most three steps into its key. (A comparison of rows would walk along the
/// part before.)
const NEXT_PART: &str = "SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue = ?1 AND lane = ?2 AND nprio > ?3 ORDER BY nprio LIMIT 1) \
     UNION ALL SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue = ?1 AND lane > ?2 ORDER BY lane, nprio LIMIT 1) \
     UNION ALL SELECT * FROM \
     (SELECT queue, lane, nprio FROM ready WHERE queue > ?1 ORDER BY queue, lane, nprio LIMIT 1) LIMIT 1";
/// `jobs.id`: a job, else the last one before it, and when it is due.
const DUE: &str = "SELECT coalesce(x.due_at, j.due_at) FROM jobs j LEFT JOIN tries x ON x.job_id = j.id \
     WHERE j.id <= ?1 ORDER BY j.id DESC LIMIT 1";
/// `labels.name`.
const LABEL: &str = "SELECT id FROM labels WHERE name = ?1";
/// The ends of `jobs.id`.
const ENDS: &str = "SELECT (SELECT min(id) FROM jobs), (SELECT max(id) FROM jobs)";

/// States that have tables in which ids are in order.
const BY_ID: States = States::of(&[JobState::Running, JobState::Dead, JobState::Cancelled]);

/// Jobs in the order of the filter.
pub(super) fn jobs(conn: &Connection, filter: &JobFilter) -> Result<Vec<JobRecord>> {
    list(conn, filter, filter.limit)
}

/// Ids and states of all jobs like that, each once; as many as the filter has room for.
pub(super) fn ids(conn: &Connection, filter: &JobFilter) -> Result<Vec<(JobId, JobState)>> {
    let filter = JobFilter { after: None, before: None, newest: false, ..filter.clone() };
    // All but what has succeeded is in the table of its state, whose order does not matter here.
    let by_state = filter.ids.is_none()
        && filter.label.is_none()
        && filter.states.single().is_none()
        && !filter.states.has(JobState::Succeeded);
    if !by_state || has_unopened(conn)? {
        return list(conn, &filter, filter.limit);
    }
    let snapshot = snapshot(conn)?;
    let mut found = Vec::new();
    for state in filter.states.iter() {
        let of_state = JobFilter { states: States::of(&[state]), ..filter.clone() };
        let left = filter.limit.map(|limit| limit - found.len() as u32);
        found.extend(list::<(JobId, JobState)>(conn, &of_state, left)?);
    }
    drop(snapshot);
    Ok(found)
}

fn list<T: JobRow>(conn: &Connection, filter: &JobFilter, limit: Option<u32>) -> Result<Vec<T>> {
    if let Some(state) = filter.by_due()
        && !matches!(filter.error, Some(ErrorFilter::Fingerprint(_)))
        && !has_unopened(conn)?
    {
        return by_due(conn, filter, state, limit);
    }
    let all =
        Bounds { above: filter.after.map_or(i64::MIN, |id| id.0), below: filter.before.map_or(i64::MAX, |id| id.0) };
    let Some(ids) = &filter.ids else { return by_id(conn, filter, all, limit) };
    let mut ranges = ids.ranges().to_vec();
    if limit.is_none() {
        ranges = spans(&ranges);
    }
    if filter.newest {
        ranges.reverse();
    }
    let mut found = Vec::new();
    for range in ranges {
        let left = limit.map(|limit| limit - found.len() as u32);
        if left == Some(0) {
            break;
        }
        found.extend(by_id::<T>(conn, filter, all.within(range), left)?);
    }
    found.retain(|job: &T| ids.has(job.id()));
    Ok(found)
}

/// Ranges that are close to one another in one: a question for each of very many takes longer than to look at what is
/// between them.
fn spans(ranges: &[IdRange]) -> Vec<IdRange> {
    let mut spans: Vec<IdRange> = Vec::new();
    for range in ranges {
        match spans.last_mut() {
            Some(span)
                if range.first.0.saturating_sub(span.last.0) <= CLOSE
                    && range.last.0.saturating_sub(span.first.0) <= STEP =>
            {
                span.last = range.last;
            }
            _ => spans.push(*range),
        }
    }
    spans
}

/// From where to where, neither included.
#[derive(Clone, Copy)]
struct Bounds {
    above: i64,
    below: i64,
}

impl Bounds {
    fn within(self, range: IdRange) -> Self {
        let (first, last) = (range.first.0.saturating_sub(1), range.last.0.saturating_add(1));
        Self { above: self.above.max(first), below: self.below.min(last) }
    }
}

/// Jobs in the order of their ids.
fn by_id<T: JobRow>(conn: &Connection, filter: &JobFilter, bounds: Bounds, limit: Option<u32>) -> Result<Vec<T>> {
    let Some(sources) = sources(conn, filter)? else { return walk(conn, filter, bounds, limit) };
    let order = if filter.newest { "DESC" } else { "ASC" };
    let snapshot = snapshot(conn)?;
    let mut found = Vec::new();
    for (from, id, keys) in sources {
        let mut query = filtered(query::<T>(from), filter)
            .and(&format!("{id} >"), Some(bounds.above))
            .and(&format!("{id} <"), Some(bounds.below));
        for (key, value) in keys {
            query = query.and(&format!("{key} ="), Some(value));
        }
        found.extend(query.read(conn, &format!("ORDER BY {id} {order}"), limit, T::read)?);
    }
    drop(snapshot);
    found.sort_unstable_by_key(T::id);
    Ok(cut(found, filter.newest, limit))
}

/// All statements see the same jobs, each in one state, until it is dropped; `None` where that is so already.
fn snapshot(conn: &Connection) -> Result<Option<Transaction<'_>>> {
    if conn.is_autocommit() { conn.unchecked_transaction().map(Some) } else { Ok(None) }
}

/// Puts the first ones first, of those that are in ascending order.
fn cut<T>(mut found: Vec<T>, newest: bool, limit: Option<u32>) -> Vec<T> {
    if newest {
        found.reverse();
    }
    found.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
    found
}

/// Tables, the column that is the id of the job, and what else of a key is given.
type Source = (&'static str, &'static str, Vec<(&'static str, i64)>);

/// Where the jobs are by their ids; `None`: all over `jobs`.
fn sources(conn: &Connection, filter: &JobFilter) -> Result<Option<Vec<Source>>> {
    if let Some(ErrorFilter::Fingerprint(fingerprint)) = filter.error {
        let from = "ended d INDEXED BY ended_by_fingerprint CROSS JOIN jobs j ON j.id = d.job_id";
        return Ok(Some(vec![(from, "d.job_id", vec![("d.fingerprint", fingerprint.number())])]));
    }
    if let Some(name) = &filter.label {
        let label = conn.prepare_cached(LABEL)?.query_row([name], |row| row.get(0)).optional()?;
        let source = |label| ("jobs j INDEXED BY jobs_by_label", "j.id", vec![("j.label", label)]);
        return Ok(Some(label.map(source).into_iter().collect()));
    }
    if filter.states.and(BY_ID) != filter.states {
        return Ok(None);
    }
    let mut key = ("ended d NOT INDEXED CROSS JOIN jobs j ON j.id = d.job_id", None);
    if let Some(name) = &filter.kind {
        let Some((id, _)) = kind(conn, name)? else { return Ok(Some(Vec::new())) };
        key = ("ended d INDEXED BY ended_by_type CROSS JOIN jobs j ON j.id = d.job_id", Some(("d.type", id)));
    } else if let Some(name) = &filter.queue {
        let Some(id) = queue(conn, name)? else { return Ok(Some(Vec::new())) };
        key = ("ended d INDEXED BY ended_by_queue CROSS JOIN jobs j ON j.id = d.job_id", Some(("d.queue", id)));
    }
    let source = |state| match state {
        JobState::Running => ("running d CROSS JOIN jobs j ON j.id = d.job_id", "d.job_id", Vec::new()),
        _ => (key.0, "d.job_id", [("d.state", codes::state(state))].into_iter().chain(key.1).collect()),
    };
    Ok(Some(filter.states.iter().map(source).collect()))
}

/// Looks at each job, in steps.
fn walk<T: JobRow>(conn: &Connection, filter: &JobFilter, bounds: Bounds, limit: Option<u32>) -> Result<Vec<T>> {
    let ends = conn.prepare_cached(ENDS)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)): (Option<i64>, Option<i64>) = ends else { return Ok(Vec::new()) };
    let Bounds { mut above, mut below } = bounds.within(IdRange { first: JobId(first), last: JobId(last) });
    let order = if filter.newest { "ORDER BY j.id DESC" } else { "ORDER BY j.id" };
    let mut found = Vec::new();
    while below.saturating_sub(above) > 1 {
        let left = limit.map(|limit| limit - found.len() as u32);
        if left == Some(0) {
            break;
        }
        let step = if filter.newest {
            (above.max(below.saturating_sub(STEP + 1)), below)
        } else {
            (above, below.min(above.saturating_add(STEP + 1)))
        };
        let query = filtered(query::<T>("jobs j"), filter).and("j.id >", Some(step.0)).and("j.id <", Some(step.1));
        found.extend(query.read(conn, order, left, T::read)?);
        if filter.newest {
            below = step.0 + 1;
        } else {
            above = step.1 - 1;
        }
    }
    Ok(found)
}

/// Waiting jobs of one state in the order in which they are due.
fn by_due<T: JobRow>(conn: &Connection, filter: &JobFilter, state: JobState, limit: Option<u32>) -> Result<Vec<T>> {
    let snapshot = snapshot(conn)?;
    let parts = match state {
        JobState::Ready => ready_parts(conn, filter)?,
        _ => vec![("scheduled d CROSS JOIN jobs j ON j.id = d.id", "d.id", Vec::new())],
    };
    let (order, within) = if filter.newest { ("DESC", ">") } else { ("ASC", "<") };
    let mut bounds: Vec<(&str, (i64, i64))> = Vec::new();
    for (cursor, comes) in [(filter.after, ">"), (filter.before, "<")] {
        let Some(id) = cursor else { continue };
        let due = conn.prepare_cached(DUE)?.query_row([id.0], |row| row.get(0)).optional()?;
        bounds.push((comes, (due.unwrap_or(0), id.0)));
    }
    let mut found: Vec<T> = Vec::new();
    let mut last: Option<(i64, i64)> = None;
    for (from, _, keys) in parts {
        let mut query = filtered(query::<T>(from), filter);
        for (key, value) in keys {
            query = query.and(&format!("{key} ="), Some(value));
        }
        // Of the other parts only what comes before the last of those that are shown.
        for (comes, place) in bounds.iter().copied().chain(last.map(|place| (within, place))) {
            query = query.and_pair(&format!("(d.due_at, d.id) {comes}"), place);
        }
        found.extend(query.read(conn, &format!("ORDER BY d.due_at {order}, d.id {order}"), limit, T::read)?);
        if limit.is_some_and(|limit| found.len() >= limit as usize) {
            found = in_order(found, filter.newest, limit);
            last = found.last().map(|job| (job.due_at().0, job.id().0));
        }
    }
    drop(snapshot);
    Ok(in_order(found, filter.newest, limit))
}

fn in_order<T: JobRow>(mut found: Vec<T>, newest: bool, limit: Option<u32>) -> Vec<T> {
    found.sort_unstable_by_key(|job| (job.due_at(), job.id()));
    cut(found, newest, limit)
}

/// The parts of `ready` that are in one order each.
fn ready_parts(conn: &Connection, filter: &JobFilter) -> Result<Vec<Source>> {
    let of_queue = match &filter.queue {
        Some(name) => match queue(conn, name)? {
            None => return Ok(Vec::new()),
            known => known,
        },
        None => None,
    };
    let of_lane = match &filter.kind {
        Some(name) => match kind(conn, name)? {
            None => return Ok(Vec::new()),
            known => known.map(|(_, lane)| lane),
        },
        None => None,
    };
    let mut at = (of_queue.unwrap_or(i64::MIN), i64::MIN, i64::MIN);
    let mut parts = Vec::new();
    let mut next = conn.prepare_cached(NEXT_PART)?;
    while let Some(part) = next.query_row(at, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()? {
        let (queue, lane, nprio) = part;
        if of_queue.is_some_and(|wanted| wanted != queue) {
            break;
        }
        // A job of a type that has a lane may be in that of the others still.
        if of_lane.is_none_or(|wanted| wanted == lane || lane == lanes::OTHERS) {
            let keys = vec![("d.queue", queue), ("d.lane", lane), ("d.nprio", nprio)];
            parts.push(("ready d CROSS JOIN jobs j ON j.id = d.id", "d.id", keys));
        }
        at = part;
    }
    Ok(parts)
}

/// Whether jobs of a bulk push are in no table of their state yet.
fn has_unopened(conn: &Connection) -> Result<bool> {
    conn.prepare_cached("SELECT 1 FROM bulks WHERE committed")?.exists([])
}

fn queue(conn: &Connection, name: &QueueName) -> Result<Option<i64>> {
    conn.prepare_cached(sql::QUEUE_ID)?.query_row([name.as_str()], |row| row.get(0)).optional()
}

/// The row of a type, and its lane.
fn kind(conn: &Connection, name: &str) -> Result<Option<(i64, i64)>> {
    conn.prepare_cached(sql::TYPE_ID)?.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::model::Fingerprint;
    use crate::store::sqlite::SqliteStore;

    const JOBS: u64 = 50_000;
    /// Instructions of SQLite's machine between two counts.
    const PACE: u64 = 10;

    /// Of 50,000 jobs the first tenth is ready in two queues, the last twentieth dead; the others have succeeded.
    fn store() -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        drop(SqliteStore::open(&path).unwrap());
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(&format!(
            "INSERT INTO queues (id, name) VALUES (1, 'a'), (2, 'b');
             INSERT INTO types (id, name) VALUES (1, 'resize'), (2, 'mail');
             WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {JOBS})
             INSERT INTO jobs (id, queue, type, args, nprio, due_at, pushed_at) SELECT id, 1 + id % 2, 1 + id % 2, '1', 0, id, id FROM n;
             INSERT INTO ready (queue, lane, nprio, due_at, id, tried) SELECT queue, 1, 0, id, id, 0 FROM jobs WHERE id <= {JOBS} / 10;
             INSERT INTO ended (job_id, queue, type, state, cause, ended_at, fingerprint)
             SELECT id, queue, type, 4, 1, id, id % 5 FROM jobs WHERE id > {JOBS} * 19 / 20;"
        ))
        .unwrap();
        (dir, conn)
    }

    #[test]
    fn no_list_by_state_type_or_error_walks_over_what_is_not_in_it() {
        let (_dir, conn) = store();
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let count = move || {
            counted.fetch_add(PACE, Ordering::Relaxed);
            false
        };
        conn.progress_handler(PACE as i32, Some(count)).unwrap();
        let of = |states: &[JobState]| JobFilter { states: States::of(states), ..JobFilter::default() };
        let named = |name: &str| QueueName::new(name).ok();
        let (ready, dead) = (of(&[JobState::Ready]), of(&[JobState::Dead]));
        let fingerprint = |n| Some(ErrorFilter::Fingerprint(Fingerprint::from_number(n)));
        for (filter, found) in [
            (JobFilter::default(), 10),
            (ready.clone(), 10),
            (JobFilter { queue: named("b"), before: Some(JobId(3000)), ..ready.clone() }, 10),
            (JobFilter { kind: Some("nosuch".into()), ..ready.clone() }, 0),
            (of(&[JobState::Scheduled]), 0),
            (of(&[JobState::Running]), 0),
            (dead.clone(), 10),
            (JobFilter { kind: Some("mail".into()), ..dead.clone() }, 10),
            (JobFilter { kind: Some("nosuch".into()), ..dead.clone() }, 0),
            (JobFilter { queue: named("a"), ..dead.clone() }, 10),
            (JobFilter { queue: named("nosuch"), ..dead.clone() }, 0),
            (JobFilter { error: fingerprint(3), ..JobFilter::default() }, 10),
            (JobFilter { error: fingerprint(7), ..JobFilter::default() }, 0),
            (
                JobFilter {
                    ids: Some(vec![(JobId(7), JobId(9)), (JobId(40_000), JobId(40_000))].into()),
                    ..JobFilter::default()
                },
                4,
            ),
        ] {
            for newest in [false, true] {
                let filter = JobFilter { newest, limit: Some(10), ..filter.clone() };
                steps.store(0, Ordering::Relaxed);
                assert_eq!(jobs(&conn, &filter).unwrap().len(), found, "{filter:?}");
                let took = steps.load(Ordering::Relaxed);
                assert!(took < 10_000, "{took} steps: {filter:?}");
            }
        }
    }
}
