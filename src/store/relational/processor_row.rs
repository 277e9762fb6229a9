//! Rows of `processors` and `processor_runs`, as they are read.
//!
//! Invariant: whether the job of an open run waits or runs is read from `running`, where it changes.

use rusqlite::{OptionalExtension, Result};

use super::codes;
use super::conn::{Conn, Row};
use super::names::{maybe_text, text};
use super::read::{Query, time};
use crate::model::processor::{
    ForeignProcess, OnRecord, OpenRun, ProcessorRecord, ProcessorRun, ProcessorRunState, RunSource, SkipCause, Switch,
};
use crate::model::{JobId, ProcessorName, ProcessorRunId, UnixMicros};
use crate::store::ProcessorRunFilter;

/// All of the few rows, by `processors.name`.
const ALL: &str = "SELECT id, name, schedule, enabled, changed_at, changed_by, reason, last_tick, next_at, skipped, \
     skip_cause, skip_at FROM processors WHERE true";
/// All of the few rows.
const NAMES: &str = "SELECT id, name FROM processors ORDER BY name";
/// `processors.name`, then `processor_runs_open` and `processor_runs_tick`.
const ON_RECORD: &str = "SELECT last_tick, enabled, \
     EXISTS (SELECT 1 FROM processor_runs r WHERE r.processor = p.id AND r.ended_at IS NULL), \
     EXISTS (SELECT 1 FROM processor_runs r WHERE r.processor = p.id AND r.tick = ?2) \
     FROM processors p WHERE p.name = ?1";
/// Keys of `processors` and `running`.
const RUN: &str = "SELECT p.name, r.id, r.tick, r.source, \
     CASE WHEN r.ended_at IS NULL AND r.job_id IS NOT NULL THEN CASE WHEN x.job_id IS NULL THEN 0 ELSE 1 END ELSE r.state END, \
     r.job_id, coalesce(r.started_at, x.started_at), r.ended_at, r.note, r.made_at \
     FROM processor_runs r {index} CROSS JOIN processors p ON p.id = r.processor \
     LEFT JOIN running x ON x.job_id = r.job_id AND r.ended_at IS NULL WHERE true";
/// `processor_runs_open`.
const OPEN: &str = "SELECT id, job_id, host, pid, pid_start, boot_id, deadline FROM processor_runs \
     INDEXED BY processor_runs_open WHERE processor = ?1 AND ended_at IS NULL ORDER BY id";
/// Processors with open runs that no job ends.
const WITH_RUNS_OUTSIDE: &str = "SELECT DISTINCT p.name FROM processor_runs AS r INDEXED BY processor_runs_open \
     JOIN processors AS p ON p.id = r.processor WHERE r.ended_at IS NULL AND r.job_id IS NULL";

/// The record that a tick depends on; `None`: the processor is not on record.
pub(in crate::store) fn on_record(
    conn: Conn<'_>,
    name: &ProcessorName,
    tick: Option<UnixMicros>,
) -> Result<Option<OnRecord>> {
    let read = |row: &Row<'_>| {
        Ok(OnRecord { last_tick: time(row, 0)?, enabled: row.get(1)?, is_open: row.get(2)?, has_run: row.get(3)? })
    };
    conn.prepare_cached(ON_RECORD)?.query_row((name.as_str(), tick.map(|at| at.0)), read).optional()
}

/// Ids and names of all.
pub(in crate::store) fn names(conn: Conn<'_>) -> Result<Vec<(i64, ProcessorName)>> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, name_of(&text(row, 1)?)?));
    conn.prepare_cached(NAMES)?.query_map([], read)?.collect()
}

/// Names of processors with runs outside that are open.
pub(in crate::store) fn with_runs_outside(conn: Conn<'_>) -> Result<Vec<ProcessorName>> {
    conn.prepare_cached(WITH_RUNS_OUTSIDE)?.query_map([], |row| name_of(&text(row, 0)?))?.collect()
}

/// The processors of this name, or all.
pub(in crate::store) fn processors(conn: Conn<'_>, name: Option<&ProcessorName>) -> Result<Vec<ProcessorRecord>> {
    let query = Query::new(ALL.to_owned()).and("name =", name.map(ProcessorName::as_str));
    let found = query.read(conn, "ORDER BY name", None, |row| Ok((row.get(0)?, record(row)?)))?;
    found.into_iter().map(|(id, record)| with_runs(conn, id, record)).collect()
}

/// One run.
pub(in crate::store) fn run(conn: Conn<'_>, id: ProcessorRunId) -> Result<Option<ProcessorRun>> {
    from("NOT INDEXED").and("r.id =", Some(id.0)).read(conn, "", Some(1), read_run).map(|mut runs| runs.pop())
}

/// Runs, newest first, from the index that has them in this order; read no further than the first that is too old.
pub(in crate::store) fn runs(conn: Conn<'_>, filter: &ProcessorRunFilter) -> Result<Vec<ProcessorRun>> {
    let query = listed(filter).plus(" ORDER BY r.id DESC");
    let mut statement = conn.prepare_cached(query.text())?;
    let mut rows = statement.query(&*query.params())?;
    let (mut found, most) = (Vec::new(), filter.limit.map_or(usize::MAX, |limit| limit as usize));
    while found.len() < most
        && let Some(row) = &rows.next()?
    {
        if filter.since.is_some_and(|since| row.get(9).is_ok_and(|made_at: i64| made_at < since.0)) {
            break;
        }
        found.push(read_run(row)?);
    }
    Ok(found)
}

fn from<'a>(index: &str) -> Query<'a> {
    Query::new(RUN.replace("{index}", index))
}

fn listed(filter: &ProcessorRunFilter) -> Query<'_> {
    let ended = filter.state.filter(|state| !state.is_open());
    let index = match (&filter.processor, filter.state) {
        (_, Some(state)) if state.is_open() => "INDEXED BY processor_runs_open",
        (Some(_), Some(_)) => "INDEXED BY processor_runs_by_processor_and_state",
        (Some(_), None) => "INDEXED BY processor_runs_by_processor",
        (None, Some(_)) => "INDEXED BY processor_runs_by_state",
        (None, None) => "NOT INDEXED",
    };
    let mut query = from(index);
    if let Some(name) = &filter.processor {
        query = query.and("r.processor = (SELECT id FROM processors WHERE name =", Some(name.as_str())).plus(")");
    }
    query = query.and("r.state =", ended.map(codes::processor_run_state)).and("r.id <", filter.before.map(|id| id.0));
    match filter.state {
        Some(ProcessorRunState::Waiting) => {
            query.plus(" AND r.ended_at IS NULL AND r.job_id IS NOT NULL AND x.job_id IS NULL")
        }
        Some(ProcessorRunState::Running) => {
            query.plus(" AND r.ended_at IS NULL AND (r.job_id IS NULL OR x.job_id IS NOT NULL)")
        }
        _ => query,
    }
}

/// The newest run and the open ones.
fn with_runs(conn: Conn<'_>, id: i64, record: ProcessorRecord) -> Result<ProcessorRecord> {
    let newest = from("INDEXED BY processor_runs_by_processor").and("r.processor =", Some(id));
    let last_run = newest.read(conn, "ORDER BY r.id DESC", Some(1), read_run)?.pop();
    let open = conn.prepare_cached(OPEN)?.query_map([id], read_open)?.collect::<Result<_>>()?;
    Ok(ProcessorRecord { last_run, open, ..record })
}

fn record(row: &Row<'_>) -> Result<ProcessorRecord> {
    let switch = Switch {
        enabled: row.get(3)?,
        changed_at: time(row, 4)?,
        changed_by: maybe_text(row, 5)?,
        reason: maybe_text(row, 6)?,
    };
    Ok(ProcessorRecord {
        name: name_of(&text(row, 1)?)?,
        schedule: text(row, 2)?,
        switch,
        last_tick: time(row, 7)?,
        next_at: time(row, 8)?,
        skipped: row.get::<_, i64>(9)?.unsigned_abs(),
        last_skip: codes::maybe_word(&SkipCause::ALL, row.get(10)?)?.zip(time(row, 11)?),
        last_run: None,
        open: Vec::new(),
    })
}

fn read_run(row: &Row<'_>) -> Result<ProcessorRun> {
    let (started_at, ended_at) = (time(row, 6)?, time(row, 7)?);
    Ok(ProcessorRun {
        id: ProcessorRunId(row.get(1)?),
        processor: name_of(&text(row, 0)?)?,
        tick: time(row, 2)?,
        source: codes::word(&RunSource::ALL, row.get(3)?)?,
        state: codes::word(&ProcessorRunState::ALL, row.get(4)?)?,
        job_id: row.get::<_, Option<i64>>(5)?.map(JobId),
        started_at,
        ended_at,
        duration_s: started_at.zip(ended_at).map(|(from, to)| to.since(from).as_secs_f64()),
        note: maybe_text(row, 8)?,
    })
}

fn read_open(row: &Row<'_>) -> Result<OpenRun> {
    let (host, pid, start, boot_id) =
        (maybe_text(row, 2)?, row.get(3)?, row.get::<_, Option<i64>>(4)?, maybe_text(row, 5)?);
    let process = host.zip(pid).zip(start.zip(boot_id));
    Ok(OpenRun {
        id: ProcessorRunId(row.get(0)?),
        job: row.get::<_, Option<i64>>(1)?.map(JobId),
        process: process.map(|((host, pid), (start, boot_id))| ForeignProcess {
            host,
            pid,
            start: start as u64,
            boot_id,
        }),
        deadline: time(row, 6)?,
    })
}

/// A name as it was stored; the database may have been edited by hand.
pub(in crate::store) fn name_of(text: &str) -> Result<ProcessorName> {
    ProcessorName::new(text)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::model::UnixMicros;
    use crate::store::sqlite::SqliteStore;

    const RUNS: i64 = 50_000;
    /// Instructions of SQLite's machine between two counts.
    const PACE: u64 = 10;

    /// Ten processors in turn. The oldest runs have failed, the newest are open, all others have succeeded.
    fn store() -> (tempfile::TempDir, rusqlite::Connection) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        drop(SqliteStore::open(&path).unwrap());
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.execute_batch(&format!(
            "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 10)
             INSERT INTO processors (id, name) SELECT id, 'p' || id FROM n;
             WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {RUNS})
             INSERT INTO processor_runs (id, processor, tick, source, state, made_at, started_at, ended_at)
             SELECT id, 1 + id % 10, id, 0, iif(id > {RUNS} - 10, 1, iif(id <= 100, 3, 2)), id, id,
             iif(id > {RUNS} - 10, NULL, id) FROM n;"
        ))
        .unwrap();
        (dir, conn)
    }

    #[test]
    fn no_list_of_processors_or_runs_walks_over_what_is_not_in_it() {
        let (_dir, conn) = store();
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let count = move || {
            counted.fetch_add(PACE, Ordering::Relaxed);
            false
        };
        conn.progress_handler(PACE as i32, Some(count)).unwrap();
        let took = || steps.swap(0, Ordering::Relaxed);
        let all = processors((&conn).into(), None).unwrap();
        assert_eq!((all.len(), all.iter().map(|one| one.open.len()).sum::<usize>()), (10, 10));
        assert!(took() < 10_000, "all processors");
        let name = ProcessorName::new("p3").ok();
        let mut table = Vec::new();
        for processor in [None, name] {
            let few = if processor.is_some() { 1 } else { 10 };
            let of = ProcessorRunFilter { processor, limit: Some(10), ..ProcessorRunFilter::default() };
            let before = Some(ProcessorRunId(RUNS / 2));
            table.push((of.clone(), 10));
            table.push((ProcessorRunFilter { before, ..of.clone() }, 10));
            table.push((ProcessorRunFilter { since: Some(UnixMicros(RUNS + 1)), ..of.clone() }, 0));
            for (state, found) in [
                (ProcessorRunState::Waiting, 0),
                (ProcessorRunState::Running, few),
                (ProcessorRunState::Succeeded, 10),
                (ProcessorRunState::Failed, 10),
                (ProcessorRunState::Lost, 0),
            ] {
                table.push((ProcessorRunFilter { state: Some(state), ..of.clone() }, found));
            }
        }
        for (filter, found) in table {
            assert_eq!(runs((&conn).into(), &filter).unwrap().len(), found, "{filter:?}");
            let took = took();
            assert!(took < 10_000, "{took} steps: {filter:?}");
        }
    }
}
