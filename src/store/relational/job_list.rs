//! Lists of jobs, from keys: whichever state or error is asked for, no walk over all jobs leads to it.
//!
//! | asked for | read from | order |
//! | --- | --- | --- |
//! | a fingerprint | `ended_by_fingerprint` | id |
//! | only running | `running` | id |
//! | a label | `jobs_by_label` | id |
//! | a key | `jobs_by_key` | id |
//! | dead or cancelled, of a type or a queue | `ended_by_type`, `ended_by_queue`, for each state | id |
//! | dead or cancelled | `ended`, where those in the other state are passed over | id |
//! | blocked, where no bulk push is being opened | `blocked` | id |
//! | running | `running` | id |
//! | only ready | the key of `ready`: of each queue, lane and priority, merged | when it is due |
//! | likewise, where very many keys wait | the same, one after the other | queue, key, when it is due |
//! | only scheduled | the key of `scheduled` | when it is due |
//! | anything else | `jobs` | id |
//!
//! Conditions that no key serves (a text, a time, the type of a ready job) are looked at row by row within these, in steps: see
//! `walk`.

use std::time::Duration;

use rusqlite::{OptionalExtension, Result};

use super::conn::Conn;
use super::walk::{Axis, Bounds, FIRST, ListRow, Pace, Place, Source, Walked, walk};
use super::{codes, ready_list, sql};
use crate::model::{IdRange, JobId, JobRecord, JobState, QueueName, States};
use crate::store::{ErrorFilter, JobFilter, Slice};

/// So many ids between two ranges are looked at rather than asked for each by itself.
const CLOSE: i64 = 20;
/// Ids that ranges which are close to one another span at most.
const SPAN: i64 = 10_000;

/// `jobs.id`: a job, else the last one before it, and when it is due.
const DUE: &str = "SELECT coalesce(x.due_at, j.due_at) FROM jobs j LEFT JOIN tries x ON x.job_id = j.id \
     WHERE j.id <= ?1 ORDER BY j.id DESC LIMIT 1";
/// `labels.name`.
const LABEL: &str = "SELECT id FROM labels WHERE name = ?1";

/// States that have tables in which ids are in order.
const BY_ID: States = States::of(&[JobState::Blocked, JobState::Running, JobState::Dead, JobState::Cancelled]);

/// Jobs in the order of the filter.
pub(in crate::store) fn jobs(conn: Conn<'_>, filter: &JobFilter) -> Result<Vec<JobRecord>> {
    Ok(list(conn, filter, filter.limit, &mut Pace::new(None))?.found)
}

/// As many of them as are found in this time.
pub(in crate::store) fn search(
    conn: Conn<'_>,
    filter: &JobFilter,
    within: Duration,
) -> Result<Slice<JobRecord, JobId>> {
    let mut pace = Pace::new(Some(within));
    let walked = list(conn, filter, filter.limit, &mut pace)?;
    Ok(walked.into_slice(&pace, JobId))
}

/// Ids and states of all jobs like that, each once; as many as the filter has room for.
pub(in crate::store) fn ids(conn: Conn<'_>, filter: &JobFilter) -> Result<Vec<(JobId, JobState)>> {
    let filter = JobFilter { after: None, before: None, newest: false, ..filter.clone() };
    let all = |filter: &JobFilter, limit| Ok(list(conn, filter, limit, &mut Pace::new(None))?.found);
    // All but what has succeeded is in the table of its state, whose order does not matter here.
    let by_state = filter.ids.is_none()
        && filter.label.is_none()
        && filter.key.is_none()
        && filter.states.single().is_none()
        && !filter.states.has(JobState::Succeeded);
    if !by_state || has_unopened(conn)? {
        return all(&filter, filter.limit);
    }
    let snapshot = conn.snapshot()?;
    let mut found = Vec::new();
    for state in filter.states.iter() {
        let of_state = JobFilter { states: States::of(&[state]), ..filter.clone() };
        let left = filter.limit.map(|limit| limit - found.len() as u32);
        found.extend(all(&of_state, left)?);
    }
    drop(snapshot);
    Ok(found)
}

/// How many there are, as far as they are counted in this time, and whether these are all.
pub(in crate::store) fn count(conn: Conn<'_>, filter: &JobFilter, within: Duration) -> Result<(u64, bool)> {
    let mut pace = Pace::new(Some(within));
    pace.is_stepwise = true;
    let walked = list::<(JobId, JobState)>(conn, filter, filter.limit, &mut pace)?;
    Ok((walked.found.len() as u64, walked.next.is_none()))
}

fn list<T: ListRow<Filter = JobFilter>>(
    conn: Conn<'_>,
    filter: &JobFilter,
    limit: Option<u32>,
    pace: &mut Pace,
) -> Result<Walked<T>> {
    if let Some(state) = filter.by_due().filter(|_| limit != Some(0))
        && !has_unopened(conn)?
    {
        pace.is_whole = !pace.is_stepwise && is_whole(filter, false);
        let sources = match state {
            JobState::Ready => match ready_list::parts(conn, filter)? {
                Some(parts) => parts,
                None => return ready_list::part_by_part(conn, filter, limit, pace),
            },
            _ => vec![Source { table: "scheduled d", join: WAITING, axis: Axis::Due, keys: Vec::new() }],
        };
        let due = |id: Option<JobId>| id.map(|id| place_by_due(conn, id)).transpose();
        let bounds = Bounds::new(due(filter.after)?, due(filter.before)?, filter.newest);
        return walk(conn, filter, &sources, bounds, pace, limit);
    }
    let sources = sources(conn, filter)?;
    pace.is_whole = !pace.is_stepwise && is_whole(filter, sources.is_none());
    let sources =
        sources.unwrap_or_else(|| vec![Source { table: "jobs j", join: "", axis: Axis::Id("j.id"), keys: Vec::new() }]);
    let (after, before) = (filter.after.map(|id| id.0), filter.before.map(|id| id.0));
    let at = |id: Option<i64>| id.map(|id| (0, id));
    let Some(ids) = &filter.ids else {
        return walk(conn, filter, &sources, Bounds::new(at(after), at(before), filter.newest), pace, limit);
    };
    let mut ranges = if limit.is_none() { spans(ids.ranges()) } else { ids.ranges().to_vec() };
    if filter.newest {
        ranges.reverse();
    }
    let (is_whole, mut all) = (pace.is_whole, Walked { found: Vec::new(), next: None });
    for range in ranges {
        let first = after.unwrap_or(i64::MIN).max(range.first.0.saturating_sub(1));
        let last = before.unwrap_or(i64::MAX).min(range.last.0.saturating_add(1));
        // A range that was walked before would count as the one step that each walk makes.
        if last.saturating_sub(first) <= 1 {
            continue;
        }
        pace.is_whole = is_whole || last.saturating_sub(first) <= i64::from(FIRST);
        let left = limit.map(|limit| limit - all.found.len() as u32);
        let bounds = Bounds::new(at(Some(first)), at(Some(last)), filter.newest);
        let of_range = walk::<T>(conn, filter, &sources, bounds, pace, left)?;
        all.found.extend(of_range.found);
        all.next = of_range.next;
        if all.next.is_some() || limit.is_some_and(|limit| all.found.len() >= limit as usize) {
            break;
        }
    }
    all.found.retain(|job: &T| ids.has(JobId(job.id())));
    Ok(all)
}

/// Whether every row of the key that serves a filter is like it, but for a few.
fn is_whole(filter: &JobFilter, from_jobs: bool) -> bool {
    let JobFilter { queue, states, kind, label, key, error, .. } = filter;
    let (has_queue, has_kind, has_label) = (queue.is_some(), kind.is_some(), label.is_some() || key.is_some());
    match error {
        _ if filter.is_looked_for() || (label.is_some() && key.is_some()) => false,
        Some(ErrorFilter::Text(_)) => false,
        Some(ErrorFilter::Fingerprint(_)) => !has_queue && !has_kind && !has_label && states.has(JobState::Dead),
        None if has_label => !has_queue && !has_kind && *states == States::ALL,
        None if from_jobs => !has_queue && !has_kind && *states == States::ALL,
        None => match filter.by_due() {
            Some(JobState::Ready) => !has_kind,
            Some(_) => !has_queue && !has_kind,
            None if states.has(JobState::Blocked) => !has_queue && !has_kind,
            None => !(has_queue && has_kind),
        },
    }
}

/// Ranges that are close to one another in one: a question for each of very many takes longer than to look at what is
/// between them.
fn spans(ranges: &[IdRange]) -> Vec<IdRange> {
    let mut spans: Vec<IdRange> = Vec::new();
    for range in ranges {
        match spans.last_mut() {
            Some(span)
                if range.first.0.saturating_sub(span.last.0) <= CLOSE
                    && range.last.0.saturating_sub(span.first.0) <= SPAN =>
            {
                span.last = range.last;
            }
            _ => spans.push(*range),
        }
    }
    spans
}

/// Where the job is, or was, in the order of what is due.
pub(in crate::store) fn place_by_due(conn: Conn<'_>, id: JobId) -> Result<Place> {
    let due = conn.prepare_cached(DUE)?.query_row([id.0], |row| row.get(0)).optional()?;
    Ok((due.unwrap_or(0), id.0))
}

/// Joins the jobs of `ready` and of `scheduled`.
pub(in crate::store) const WAITING: &str = " CROSS JOIN jobs j ON j.id = d.id";
/// Joins the jobs of `blocked`, `running` and `ended`.
const OF_JOB: &str = " CROSS JOIN jobs j ON j.id = d.job_id";

/// Where the jobs are by their ids; `None`: all over `jobs`.
fn sources(conn: Conn<'_>, filter: &JobFilter) -> Result<Option<Vec<Source>>> {
    let of_job = |table, keys| Source { table, join: OF_JOB, axis: Axis::Id("d.job_id"), keys };
    if let Some(ErrorFilter::Fingerprint(fingerprint)) = filter.error {
        let keys = vec![("d.fingerprint", fingerprint.number().into())];
        return Ok(Some(vec![of_job("ended d INDEXED BY ended_by_fingerprint", keys)]));
    }
    // As many as are claimed: fewer than there may be of a label or key.
    if filter.states.single() == Some(JobState::Running) {
        return Ok(Some(vec![of_job("running d", Vec::new())]));
    }
    if let Some(name) = &filter.label {
        let label: Option<i64> = conn.prepare_cached(LABEL)?.query_row([name], |row| row.get(0)).optional()?;
        let table = "jobs j INDEXED BY jobs_by_label";
        let keys = |label: i64| vec![("j.label", label.into())];
        let source = |label| Source { table, join: "", axis: Axis::Id("j.id"), keys: keys(label) };
        return Ok(Some(label.map(source).into_iter().collect()));
    }
    if let Some(key) = &filter.key {
        let (table, keys) = ("jobs j INDEXED BY jobs_by_key", vec![("j.key", key.clone().into())]);
        return Ok(Some(vec![Source { table, join: "", axis: Axis::Id("j.id"), keys }]));
    }
    let is_unopened = filter.states.has(JobState::Blocked) && has_unopened(conn)?;
    if filter.states.and(BY_ID) != filter.states || is_unopened {
        return Ok(None);
    }
    let mut key = ("ended d NOT INDEXED", None);
    if let Some(name) = &filter.kind {
        let Some((id, _)) = kind(conn, name)? else { return Ok(Some(Vec::new())) };
        key = ("ended d INDEXED BY ended_by_type", Some(("d.type", id.into())));
    } else if let Some(name) = &filter.queue {
        let Some(id) = queue(conn, name)? else { return Ok(Some(Vec::new())) };
        key = ("ended d INDEXED BY ended_by_queue", Some(("d.queue", id.into())));
    }
    let source = |state| match state {
        JobState::Running => of_job("running d", Vec::new()),
        JobState::Blocked => of_job("blocked d", Vec::new()),
        _ => {
            let state = ("d.state", codes::state(state).into());
            of_job(key.0, std::iter::once(state).chain(key.1.clone()).collect())
        }
    };
    Ok(Some(filter.states.iter().map(source).collect()))
}

/// Whether jobs of a bulk push are in no table of their state yet.
fn has_unopened(conn: Conn<'_>) -> Result<bool> {
    conn.prepare_cached("SELECT 1 FROM bulks WHERE committed = 1")?.exists([])
}

pub(in crate::store) fn queue(conn: Conn<'_>, name: &QueueName) -> Result<Option<i64>> {
    conn.prepare_cached(sql::QUEUE_ID)?.query_row([name.as_str()], |row| row.get(0)).optional()
}

/// The row of a type, and its lane.
pub(in crate::store) fn kind(conn: Conn<'_>, name: &str) -> Result<Option<(i64, i64)>> {
    conn.prepare_cached(sql::TYPE_ID)?.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}
