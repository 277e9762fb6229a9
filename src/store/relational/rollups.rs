//! Adding what was counted to the numbers of its periods, and counting runs that a dead master had not.
//!
//! Invariants: a run is counted once: by its master, or, where `counted` says that this has not, by whoever ends that
//! generation; and what is added to a period of one length is added to those of the others.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Result, params};

use super::batch::Batch;
use super::conn::{Params, Row};
use super::{codes, names};
use crate::model::change::Reply;
use crate::model::gauge::{Mark, PoolGauge, QueueGauge, Rollup};
use crate::model::rollup::{EndedRun, Resolution, RunCounts, Series, Tally};
use crate::model::sketch::Sketch;
use crate::model::{JobState, Outcome, QueueName, UnixMicros};

/// `series (queue, type)`.
const SERIES_ID: &str = "SELECT id, used_on FROM series WHERE queue = ?1 AND type = ?2";
const SERIES_ADD: &str = "INSERT INTO series (queue, type, used_on) VALUES (?1, ?2, ?3) RETURNING id";
/// `series.id`.
const SERIES_USED: &str = "UPDATE series SET used_on = ?2 WHERE id = ?1";
/// The columns that [`counts`] reads.
pub(in crate::store) const COUNTS: &str = "succeeded, failed, timed_out, crashed, cancelled, released, died, run_us, run_max_us, \
     wait_us, wait_max_us, memory_max, run_hist, wait_hist";
/// Key of `rollups`.
const ROLLUP_PUT: &str = "INSERT INTO rollups (res, series, at, succeeded, failed, timed_out, crashed, cancelled, released, \
     died, run_us, run_max_us, wait_us, wait_max_us, memory_max, run_hist, wait_hist) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
     ON CONFLICT (res, series, at) DO UPDATE SET succeeded = excluded.succeeded, failed = excluded.failed, timed_out = excluded.timed_out, crashed = excluded.crashed, cancelled = excluded.cancelled, released = excluded.released, died = excluded.died, run_us = excluded.run_us, run_max_us = excluded.run_max_us, wait_us = excluded.wait_us, wait_max_us = excluded.wait_max_us, memory_max = excluded.memory_max, run_hist = excluded.run_hist, wait_hist = excluded.wait_hist";
/// Key of `queue_gauges`.
const QUEUE_PUT: &str = "INSERT INTO queue_gauges (res, series, at, pushed, ready, ready_max, scheduled, running, dead, \
     oldest_us_max) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (res, series, at) DO UPDATE SET \
     pushed = queue_gauges.pushed + excluded.pushed, ready = excluded.ready, ready_max = max(queue_gauges.ready_max, excluded.ready_max), \
     scheduled = excluded.scheduled, running = excluded.running, dead = excluded.dead, \
     oldest_us_max = max(queue_gauges.oldest_us_max, excluded.oldest_us_max)";
/// Key of `pool_gauges`.
const POOL_PUT: &str = "INSERT INTO pool_gauges (res, at, pool, wanted, ready_min, busy_us, capacity_us, cpu_us, memory_max, \
     worker_memory_max, started, ended, crashed, recycled, oom) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
     ?13, ?14, ?15) ON CONFLICT (res, at, pool) DO UPDATE SET wanted = excluded.wanted, ready_min = min(pool_gauges.ready_min, excluded.ready_min), \
     busy_us = pool_gauges.busy_us + excluded.busy_us, capacity_us = pool_gauges.capacity_us + excluded.capacity_us, \
     cpu_us = pool_gauges.cpu_us + excluded.cpu_us, memory_max = max(pool_gauges.memory_max, excluded.memory_max), \
     worker_memory_max = max(pool_gauges.worker_memory_max, excluded.worker_memory_max), started = pool_gauges.started + excluded.started, \
     ended = pool_gauges.ended + excluded.ended, crashed = pool_gauges.crashed + excluded.crashed, recycled = pool_gauges.recycled + excluded.recycled, \
     oom = pool_gauges.oom + excluded.oom";
/// `marks.at`, of which there is one of each.
const MARK_ADD: &str = "INSERT INTO marks (at, kind, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
/// `queues.name`.
const PUSHED: &str = "SELECT pushed_total - pushed_counted FROM queues WHERE name = ?1";
/// `queues.name`.
const PUSHED_COUNTED: &str = "UPDATE queues SET pushed_counted = pushed_total WHERE name = ?1";
pub(in crate::store) const COUNTED_ADD: &str = "INSERT INTO counted (generation, run_high, open) VALUES (?1, ?2, '[]')";
/// `counted.generation`.
const COUNTED_PUT: &str = "UPDATE counted SET run_high = ?2, open = ?3 WHERE generation = ?1";
/// All of `running`, which is small.
const RUNS_OPEN: &str = "SELECT run_id FROM running WHERE generation = ?1";
/// `counted.generation`: the oldest of some.
const COUNTED_FIRST: &str =
    "SELECT generation, run_high, open FROM counted WHERE generation BETWEEN ?1 AND ?2 ORDER BY generation LIMIT 1";
/// `counted.generation`.
const COUNTED_ONWARD: &str = "UPDATE counted SET run_high = ?2, open = '[]' WHERE generation = ?1";
/// `counted.generation`.
const COUNTED_DELETE: &str = "DELETE FROM counted WHERE generation = ?1";
/// `runs.id`: those that are named, or those above it.
const UNCOUNTED: &str = "SELECT r.id, q.name, t.name, outcome, started_at, r.ended_at, waited_us, peak_memory, \
     EXISTS (SELECT 1 FROM ended e WHERE e.job_id = r.job_id AND e.state = ?2 AND e.ended_at = r.ended_at) \
     FROM runs r CROSS JOIN types t ON t.id = r.type CROSS JOIN queues q ON q.id = r.queue WHERE r.generation = ?1";
const UNCOUNTED_ABOVE: &str = "AND r.id > ?3 ORDER BY r.id LIMIT ?4";
/// Marks of one moment: each goes to the next microsecond that is free.
const MOST_AT_ONCE: i64 = 1000;
/// Rows of one step of a count.
const STEP: i64 = 1000;

/// Reads the columns [`COUNTS`], from this one on.
pub(in crate::store) fn counts(row: &Row<'_>, at: usize) -> Result<RunCounts> {
    let number = |column: usize| row.get::<_, i64>(at + column).map(|number| u64::try_from(number).unwrap_or(0));
    let mut counts = RunCounts::default();
    for (column, count) in counts.outcomes.iter_mut().enumerate() {
        *count = number(column)?;
    }
    counts.died = number(6)?;
    (counts.run_us, counts.run_max_us) = (number(7)?, number(8)?);
    (counts.wait_us, counts.wait_max_us) = (number(9)?, number(10)?);
    counts.memory_max = row.get::<_, Option<i64>>(at + 11)?.map(i64::unsigned_abs);
    // One that is damaged is left out: the numbers beside it are good.
    let sketch = |column: usize| {
        Ok::<_, rusqlite::Error>(Sketch::decode(row.get_ref(at + column)?.as_bytes()?).unwrap_or_default())
    };
    (counts.run, counts.wait) = (sketch(12)?, sketch(13)?);
    Ok(counts)
}

/// As the database holds it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Batch<'_> {
    pub(in crate::store) fn roll_up(&mut self, rollup: &Rollup) -> Result<Reply> {
        for (minute, tally) in &rollup.minutes {
            self.add_tally(Resolution::Minute.start_of(*minute), tally)?;
        }
        for queue in &rollup.queues {
            self.add_queue(queue, rollup.at)?;
        }
        for pool in &rollup.pools {
            self.add_pool(pool, rollup.at)?;
        }
        for mark in &rollup.marks {
            self.add_mark(mark)?;
        }
        let open = serde_json::json!(self.ids(RUNS_OPEN, [self.generation])?).to_string();
        self.run(COUNTED_PUT, (self.generation, self.high.run, open))?;
        Ok(Reply::Done)
    }

    fn add_tally(&self, at: UnixMicros, tally: &Tally) -> Result<()> {
        for (name, counts) in tally.sums() {
            let series = self.series(name, at)?;
            for resolution in Resolution::ALL {
                self.add_counts(resolution, series, resolution.period_of(at), &counts)?;
            }
        }
        Ok(())
    }

    fn series(&self, (queue, kind): Series<'_>, at: UnixMicros) -> Result<i64> {
        let day = Resolution::Day.period_of(at);
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?));
        match self.conn.prepare_cached(SERIES_ID)?.query_row((queue, kind), read).optional()? {
            Some((id, used_on)) => {
                if used_on < day {
                    self.run(SERIES_USED, (id, day))?;
                }
                Ok(id)
            }
            None => self.conn.prepare_cached(SERIES_ADD)?.query_row((queue, kind, day), |row| row.get(0)),
        }
    }

    fn add_counts(&self, resolution: Resolution, series: i64, period: i64, more: &RunCounts) -> Result<()> {
        let text = format!("SELECT {COUNTS} FROM rollups WHERE res = ?1 AND series = ?2 AND at = ?3");
        let key = (resolution as i64, series, period);
        let before = self.conn.prepare_cached(&text)?.query_row(key, |row| counts(row, 0)).optional()?;
        let mut sum = before.unwrap_or_default();
        sum.merge(more);
        let [succeeded, failed, timed_out, crashed, cancelled, released] = sum.outcomes.map(signed);
        let (run_hist, wait_hist) = (sum.run.encode(), sum.wait.encode());
        let row = params![
            key.0,
            series,
            period,
            succeeded,
            failed,
            timed_out,
            crashed,
            cancelled,
            released,
            signed(sum.died),
            signed(sum.run_us),
            signed(sum.run_max_us),
            signed(sum.wait_us),
            signed(sum.wait_max_us),
            sum.memory_max.map(signed),
            run_hist,
            wait_hist
        ];
        self.run(ROLLUP_PUT, row).map(drop)
    }

    fn add_queue(&self, gauge: &QueueGauge, at: UnixMicros) -> Result<()> {
        let name = gauge.queue.as_str();
        let pushed: Option<i64> = self.conn.prepare_cached(PUSHED)?.query_row([name], |row| row.get(0)).optional()?;
        if pushed.is_some_and(|pushed| pushed != 0) {
            self.run(PUSHED_COUNTED, [name])?;
        }
        let series = self.series((name, ""), at)?;
        for resolution in Resolution::ALL {
            let row = params![
                resolution as i64,
                series,
                resolution.period_of(at),
                pushed.unwrap_or(0),
                signed(gauge.ready),
                signed(gauge.ready_max),
                signed(gauge.scheduled),
                signed(gauge.running),
                signed(gauge.dead),
                signed(gauge.oldest_us_max)
            ];
            self.run(QUEUE_PUT, row)?;
        }
        Ok(())
    }

    fn add_pool(&self, gauge: &PoolGauge, at: UnixMicros) -> Result<()> {
        for resolution in Resolution::ALL {
            let row = params![
                resolution as i64,
                resolution.period_of(at),
                gauge.pool.as_str(),
                signed(gauge.wanted),
                signed(gauge.ready_min),
                signed(gauge.busy_us),
                signed(gauge.capacity_us),
                signed(gauge.cpu_us),
                signed(gauge.memory_max),
                signed(gauge.worker_memory_max),
                signed(gauge.started),
                signed(gauge.ended),
                signed(gauge.crashed),
                signed(gauge.recycled),
                signed(gauge.oom)
            ];
            self.run(POOL_PUT, row)?;
        }
        Ok(())
    }

    pub(in crate::store) fn add_mark(&self, mark: &Mark) -> Result<()> {
        for at in mark.at.0..mark.at.0 + MOST_AT_ONCE {
            if self.run(MARK_ADD, (at, mark.kind as i64, &mark.text))? > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Counts a bounded number of runs of generations that are over which are not counted yet; 0 once all are.
    pub(in crate::store) fn count_left(&mut self, first: i64, last: i64) -> Result<usize> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found = self.conn.prepare_cached(COUNTED_FIRST)?.query_row((first, last), read).optional()?;
        let Some((generation, high, open)): Option<(i64, i64, String)> = found else { return Ok(0) };
        let (open, dead): (Vec<i64>, _) =
            (serde_json::from_str(&open).unwrap_or_default(), codes::state(JobState::Dead));
        let last = if open.is_empty() {
            self.count_runs(UNCOUNTED_ABOVE, params![generation, dead, high, STEP])?
        } else {
            let open = open.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            self.count_runs(&format!("AND r.id IN ({open}) ORDER BY r.id"), params![generation, dead])?;
            Some(high)
        };
        match last {
            Some(last) => self.run(COUNTED_ONWARD, (generation, last)),
            None => self.run(COUNTED_DELETE, [generation]),
        }
    }

    /// The highest id among those that were counted.
    fn count_runs(&self, which: &str, params: impl Params) -> Result<Option<i64>> {
        let mut statement = self.conn.prepare_cached(&format!("{UNCOUNTED} {which}"))?;
        let mut rows = statement.query(params)?;
        let (mut minutes, mut last) = (std::collections::BTreeMap::<i64, Tally>::new(), None);
        while let Some(row) = &rows.next()? {
            last = last.max(Some(row.get(0)?));
            let queue: QueueName = names::queue_name(&row.get::<_, String>(1)?)?;
            let kind: Arc<str> = names::text(row, 2)?.into();
            let outcome = codes::word(&Outcome::ALL, row.get(3)?)?;
            let (started_at, at): (i64, i64) = (row.get(4)?, row.get(5)?);
            let positive = |number: i64| u64::try_from(number).unwrap_or(0);
            let run = EndedRun {
                queue: &queue,
                kind: &kind,
                outcome,
                died: row.get(8)?,
                at: UnixMicros(at),
                run_us: positive(at.saturating_sub(started_at)),
                wait_us: positive(row.get(6)?),
                memory: row.get::<_, Option<i64>>(7)?.map(positive),
            };
            minutes.entry(Resolution::Minute.period_of(run.at)).or_default().add(&run);
        }
        for (minute, tally) in &minutes {
            self.add_tally(Resolution::Minute.start_of(*minute), tally)?;
        }
        Ok(last)
    }
}
