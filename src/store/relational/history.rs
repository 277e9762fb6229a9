//! Reading the numbers of periods, and forgetting those that are past their time.
//!
//! Invariants: a chart reads the periods of its series, whatever the number of runs; a step of forgetting looks at a bounded
//! number of series.

use std::collections::BTreeMap;

use rusqlite::Result;

use super::batch::Batch;
use super::conn::{Conn, Params, Row};
use super::{codes, names, rollups};
use crate::model::gauge::{Mark, MarkKind, PoolGauge, QueueGauge};
use crate::model::rollup::{Range, Resolution};
use crate::model::{PoolName, QueueName, UnixMicros};
use crate::store::history::{History, HistoryFilter, MOST_MARKS};

/// Series of which periods are removed in one step.
const SERIES_OF_STEP: i64 = 32;
/// Series that are kept: those that were used last.
const MOST_SERIES: i64 = 2000;
/// Marks that are kept.
const MARKS_KEPT: i64 = 10_000;
/// The series of a type in all queues: a walk through `series`, which is bounded.
const SERIES_OF_TYPE: &str = "SELECT id FROM series WHERE type = ?1 AND queue <> ''";
/// `series (queue, type)`.
const SERIES_OF: &str = "SELECT id FROM series WHERE queue = ?1 AND type = ?2";
/// `series (queue, type)`.
const SERIES_OF_QUEUES: &str =
    "SELECT id, queue FROM series WHERE queue > '' AND type = '' AND (CAST(?1 AS TEXT) IS NULL OR queue = ?1)";
/// Key of `queue_gauges`.
const QUEUE_GAUGES: &str = "SELECT at, pushed, ready, ready_max, scheduled, running, dead, oldest_us_max FROM queue_gauges \
     WHERE res = ?1 AND series = ?2 AND at BETWEEN ?3 AND ?4 ORDER BY at";
/// Key of `pool_gauges`.
const POOL_GAUGES: &str = "SELECT at, pool, wanted, ready_min, busy_us, capacity_us, cpu_us, memory_max, worker_memory_max, \
     started, ended, crashed, recycled, oom FROM pool_gauges WHERE res = ?1 AND at BETWEEN ?2 AND ?3 ORDER BY at";
/// `marks.at`, downwards.
const MARKS: &str = "SELECT at, kind, text FROM marks WHERE at BETWEEN ?1 AND ?2 ORDER BY at DESC LIMIT ?3";
/// Onward by `series.id`.
const SERIES_ONWARD: &str =
    "SELECT id FROM series WHERE id > (SELECT series_seen FROM pruned WHERE id = 1) ORDER BY id LIMIT ?1";
const SERIES_SEEN: &str = "UPDATE pruned SET series_seen = ?1 WHERE id = 1";
/// All of `series`, which is bounded by this.
const SERIES_TOO_MANY: &str = "SELECT id FROM series ORDER BY used_on DESC, id DESC LIMIT ?1 OFFSET ?2";
const SERIES_DELETE: &str = "DELETE FROM series WHERE id = ?1";
/// `marks.at`.
const MARKS_PRUNE: &str =
    "DELETE FROM marks WHERE at <= coalesce((SELECT at FROM marks ORDER BY at DESC LIMIT 1 OFFSET ?1), 0)";
/// Key of `pool_gauges`: the oldest few that are past their time.
const POOLS_PRUNE: &str = "DELETE FROM pool_gauges WHERE res = ?1 AND at < min(?2, \
     (SELECT min(at) FROM pool_gauges WHERE res = ?1) + ?3)";
/// Tables whose rows are those of series.
const OF_SERIES: [&str; 2] = ["rollups", "queue_gauges"];

/// Reads a chart.
pub(in crate::store) fn read(conn: Conn<'_>, filter: &HistoryFilter) -> Result<History> {
    let _snapshot = conn.snapshot()?;
    let range = filter.range;
    let (since, until) = (range.resolution.start_of(range.first), range.resolution.start_of(range.last + 1));
    let mut marks: Vec<Mark> =
        conn.prepare_cached(MARKS)?.query_map((since.0, until.0, MOST_MARKS), mark)?.collect::<Result<_>>()?;
    marks.reverse();
    let mut history = History { marks, ..History::default() };
    points(conn, filter, &mut history)?;
    if filter.kind.is_none() {
        queues(conn, filter, &mut history)?;
    }
    if filter.kind.is_none() && filter.queue.is_none() {
        pools(conn, range, &mut history)?;
    }
    Ok(history)
}

fn points(conn: Conn<'_>, HistoryFilter { queue, kind, range }: &HistoryFilter, into: &mut History) -> Result<()> {
    let series: Vec<i64> = match (queue, kind) {
        (None, Some(kind)) => ids(conn, SERIES_OF_TYPE, [&**kind])?,
        _ => ids(conn, SERIES_OF, (queue.as_ref().map_or("", |name| name.as_str()), kind.as_deref().unwrap_or("")))?,
    };
    let text =
        format!("SELECT at, {} FROM rollups WHERE res = ?1 AND series = ?2 AND at BETWEEN ?3 AND ?4", rollups::COUNTS);
    let mut statement = conn.prepare_cached(&text)?;
    for series in series {
        let mut rows = statement.query((range.resolution as i64, series, range.first, range.last))?;
        while let Some(row) = &rows.next()? {
            into.runs.entry(range.point_of(row.get(0)?)).or_default().merge(&rollups::counts(row, 1)?);
        }
    }
    Ok(())
}

fn ids(conn: Conn<'_>, text: &str, params: impl Params) -> Result<Vec<i64>> {
    conn.prepare_cached(text)?.query_map(params, |row| row.get(0))?.collect()
}

fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}

fn queues(conn: Conn<'_>, HistoryFilter { queue, range, .. }: &HistoryFilter, into: &mut History) -> Result<()> {
    let mut of = conn.prepare_cached(SERIES_OF_QUEUES)?;
    let all: Vec<(i64, String)> = of
        .query_map([queue.as_ref().map(QueueName::as_str)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    let mut statement = conn.prepare_cached(QUEUE_GAUGES)?;
    for (series, name) in all {
        let queue = names::queue_name(&name)?;
        let mut rows = statement.query((range.resolution as i64, series, range.first, range.last))?;
        let mut points: BTreeMap<UnixMicros, QueueGauge> = BTreeMap::new();
        while let Some(row) = &rows.next()? {
            let gauge = QueueGauge {
                queue: queue.clone(),
                pushed: number(row, 1)?,
                ready: number(row, 2)?,
                ready_max: number(row, 3)?,
                scheduled: number(row, 4)?,
                running: number(row, 5)?,
                dead: number(row, 6)?,
                oldest_us_max: number(row, 7)?,
            };
            let point = range.point_of(row.get(0)?);
            points.entry(point).and_modify(|sum| sum.merge(&gauge)).or_insert(gauge);
        }
        if !points.is_empty() {
            into.queues.insert(queue, points);
        }
    }
    Ok(())
}

fn pools(conn: Conn<'_>, range: Range, into: &mut History) -> Result<()> {
    let mut statement = conn.prepare_cached(POOL_GAUGES)?;
    let mut rows = statement.query((range.resolution as i64, range.first, range.last))?;
    while let Some(row) = &rows.next()? {
        let Ok(pool) = PoolName::new(&names::text(row, 1)?) else { continue };
        let gauge = PoolGauge {
            pool: pool.clone(),
            wanted: number(row, 2)?,
            ready_min: number(row, 3)?,
            busy_us: number(row, 4)?,
            capacity_us: number(row, 5)?,
            cpu_us: number(row, 6)?,
            memory_max: number(row, 7)?,
            worker_memory_max: number(row, 8)?,
            started: number(row, 9)?,
            ended: number(row, 10)?,
            crashed: number(row, 11)?,
            recycled: number(row, 12)?,
            oom: number(row, 13)?,
        };
        let points = into.pools.entry(pool).or_default();
        let point = range.point_of(row.get(0)?);
        points.entry(point).and_modify(|sum: &mut PoolGauge| sum.merge(&gauge)).or_insert(gauge);
    }
    Ok(())
}

fn mark(row: &Row<'_>) -> Result<Mark> {
    Ok(Mark {
        at: UnixMicros(row.get(0)?),
        kind: codes::word(&MarkKind::ALL, row.get(1)?)?,
        text: names::text(row, 2)?,
    })
}

impl Batch<'_> {
    /// Removes periods that are past their time, of some series; how many rows.
    pub(in crate::store) fn prune_history(&self) -> Result<usize> {
        let mut removed = 0;
        let series = self.ids(SERIES_ONWARD, [SERIES_OF_STEP])?;
        for resolution in Resolution::ALL {
            let (res, first) = (resolution as i64, resolution.first_kept(self.at));
            for series in &series {
                removed += self.forget_periods((res, *series, first))?;
            }
            removed += self.run(POOLS_PRUNE, (res, first, SERIES_OF_STEP))?;
        }
        let seen = series.last().filter(|_| series.len() == SERIES_OF_STEP as usize).copied().unwrap_or(0);
        self.run(SERIES_SEEN, [seen])?;
        for series in self.ids(SERIES_TOO_MANY, (SERIES_OF_STEP, MOST_SERIES))? {
            for resolution in Resolution::ALL {
                self.forget_periods((resolution as i64, series, i64::MAX))?;
            }
            removed += self.run(SERIES_DELETE, [series])?;
        }
        Ok(removed + self.run(MARKS_PRUNE, [MARKS_KEPT])?)
    }

    /// Resolution, series, the first period that stays.
    fn forget_periods(&self, key: (i64, i64, i64)) -> Result<usize> {
        let delete =
            |table: &str| self.run(&format!("DELETE FROM {table} WHERE res = ?1 AND series = ?2 AND at < ?3"), key);
        OF_SERIES.into_iter().map(delete).sum()
    }
}
