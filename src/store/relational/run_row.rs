//! A row of `runs`: the one place that knows all of its columns, for writing and for reading.

use rusqlite::{Result, params};

use super::batch::Batch;
use super::conn::Row;
use super::read::Query;
use super::walk::ListRow;
use super::{codes, names};
use crate::model::trace::SpanIds;
use crate::model::{
    ArgsFilter, ArgsSearch, Cause, Detail, Generation, JobId, Outcome, QueueName, RunId, RunRecord, UnixMicros,
};
use crate::store::RunFilter;

/// `runs.id`, `runs_by_job`.
const ADD: &str = "INSERT INTO runs (id, job_id, queue, type, worker, generation, attempt, outcome, started_at, \
     ended_at, waited_us, peak_memory, cause, exit_code, signal, error, stderr_tail, stdout_tail, result, \
     error_type, error_code, backtrace, trace_id, span_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
     ?18, ?19, ?20, ?21, ?22, ?23, ?24)";
/// `runs.id`, `runs_by_job`: of a run with nothing to tell, with a third fewer values to bind.
pub(in crate::store) const ADD_PLAIN: &str = "INSERT INTO runs (id, job_id, queue, type, worker, generation, attempt, outcome, started_at, \
     ended_at, waited_us, peak_memory, stderr_tail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, '')";
/// The columns that [`read`] reads. `runs.id` or `runs_by_job`, then keys.
const SELECT: &str = "SELECT r.id, job_id, t.name AS type, q.name AS queue, w.pool, w.slot, w.pid, \
     r.generation, attempt, outcome, r.started_at, r.ended_at, waited_us, r.peak_memory, cause, r.exit_code, r.signal, \
     error, stderr_tail, stdout_tail, error_type, error_code, backtrace, trace_id, span_id \
     FROM runs r CROSS JOIN types t ON t.id = r.type CROSS JOIN queues q ON q.id = r.queue \
     LEFT JOIN workers w ON w.id = r.worker WHERE true";

/// A statement for runs from this table, which is `runs r`.
pub(in crate::store) fn query<'a>(from: &str) -> Query<'a> {
    Query::new(SELECT.replacen("runs r", from, 1))
}

impl ListRow for RunRecord {
    type Filter = RunFilter;

    fn query<'a>(from: &str, filter: &'a RunFilter, searches: bool) -> Query<'a> {
        let columns =
            if searches { SELECT.to_owned() } else { SELECT.replacen(" FROM runs r", ", r.result FROM runs r", 1) };
        let query = Query::new(columns.replacen("runs r", from, 1))
            .and("r.job_id =", filter.job.map(|id| id.0))
            .and("q.name =", filter.queue.as_ref().map(QueueName::as_str))
            .and("r.outcome =", filter.outcome.map(codes::outcome))
            .and("r.ended_at >=", filter.since.map(|at| at.0));
        match filter.says().filter(|_| searches).and_then(|says| serde_json::to_string(&says).ok()) {
            Some(says) => query.and("run_says(error, stderr_tail, stdout_tail, r.result,", Some(says)).plus(")"),
            None => query,
        }
    }

    fn search(filter: &RunFilter) -> Option<ArgsFilter> {
        filter.says()
    }

    fn fits(row: &Row<'_>, search: &ArgsSearch) -> Result<bool> {
        let text = |column| Ok::<_, rusqlite::Error>(names::maybe_text(row, column)?.unwrap_or_default());
        let said = [text(17)?, text(18)?, text(19)?];
        Ok(search.fits_one_of(&said.each_ref().map(String::as_str), &text(25)?))
    }

    fn read(row: &Row<'_>) -> Result<Self> {
        read(row)
    }

    fn id(&self) -> i64 {
        self.id.0
    }
}

/// A run that has ended, as it is written.
pub(in crate::store) struct RunRow<'a> {
    pub(in crate::store) id: i64,
    pub(in crate::store) job: i64,
    pub(in crate::store) queue: i64,
    pub(in crate::store) kind: i64,
    /// `None`: claimed ahead, for no worker yet.
    pub(in crate::store) worker: Option<i64>,
    pub(in crate::store) generation: i64,
    pub(in crate::store) attempt: u32,
    pub(in crate::store) outcome: Outcome,
    pub(in crate::store) due_at: UnixMicros,
    pub(in crate::store) started_at: UnixMicros,
    pub(in crate::store) ended_at: UnixMicros,
    pub(in crate::store) cause: Option<Cause>,
    pub(in crate::store) detail: &'a Detail,
    pub(in crate::store) span: SpanIds,
}

impl RunRow<'_> {
    /// Most runs succeed without a word.
    fn is_plain(&self) -> bool {
        let peak_memory = self.detail.peak_memory;
        self.cause.is_none()
            && self.span == SpanIds::default()
            && *self.detail == Detail { peak_memory, ..Detail::default() }
    }
}

impl Batch<'_> {
    /// Puts a run on record.
    pub(in crate::store) fn add_run(&mut self, run: &RunRow<'_>) -> Result<()> {
        let (outcome, waited_us) = (codes::outcome(run.outcome), run.started_at.since(run.due_at).as_micros() as i64);
        let (started_at, ended_at) = (run.started_at.0, run.ended_at.0);
        let detail = run.detail;
        let peak_memory = detail.peak_memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        if run.is_plain() {
            self.conn.later(
                &mut self.hot.run_add_plain,
                ADD_PLAIN,
                (
                    run.id,
                    run.job,
                    run.queue,
                    run.kind,
                    run.worker,
                    run.generation,
                    run.attempt,
                    outcome,
                    started_at,
                    ended_at,
                    waited_us,
                    peak_memory,
                ),
            )?;
        } else {
            self.conn.later(
                &mut self.hot.run_add,
                ADD,
                params![
                    run.id,
                    run.job,
                    run.queue,
                    run.kind,
                    run.worker,
                    run.generation,
                    run.attempt,
                    outcome,
                    started_at,
                    ended_at,
                    waited_us,
                    peak_memory,
                    run.cause.map(codes::cause),
                    detail.exit_code,
                    detail.signal,
                    detail.error,
                    detail.stderr_tail,
                    detail.stdout_tail,
                    detail.result,
                    detail.error_type,
                    detail.error_code,
                    detail.backtrace,
                    run.span.trace_id.map(String::from),
                    run.span.span_id.map(String::from),
                ],
            )?;
        }
        self.map_run(run.queue, run.outcome, run.id, run.ended_at)
    }
}

/// Reads a row of [`SELECT`]: by number, as to look for the names of so many columns takes longer than all the rest.
pub(in crate::store) fn read(row: &Row<'_>) -> Result<RunRecord> {
    let (pool, slot): (Option<String>, Option<i64>) = (row.get(4)?, row.get(5)?);
    let (started_at, ended_at) = (UnixMicros(row.get(10)?), UnixMicros(row.get(11)?));
    Ok(RunRecord {
        id: RunId(row.get(0)?),
        job_id: JobId(row.get(1)?),
        kind: names::text(row, 2)?,
        queue: names::queue_name(&row.get::<_, String>(3)?)?,
        worker: pool.zip(slot).map(|(pool, slot)| format!("{pool}-{slot}")),
        pid: row.get(6)?,
        generation: Generation(row.get(7)?),
        attempt: row.get(8)?,
        outcome: codes::word(&Outcome::ALL, row.get(9)?)?,
        cause: codes::maybe_word(&Cause::ALL, row.get(14)?)?,
        detail: Detail {
            exit_code: row.get(15)?,
            signal: names::maybe_text(row, 16)?,
            error: names::maybe_text(row, 17)?,
            error_type: names::maybe_text(row, 20)?.map(Into::into),
            error_code: row.get(21)?,
            backtrace: names::maybe_text(row, 22)?.map(Into::into),
            stderr_tail: names::text(row, 18)?,
            stdout_tail: names::text(row, 19)?,
            ..Detail::default()
        },
        span: SpanIds {
            trace_id: names::maybe_text(row, 23)?.and_then(|text| text.parse().ok()),
            span_id: names::maybe_text(row, 24)?.and_then(|text| text.parse().ok()),
        },
        started_at,
        ended_at,
        duration_s: ended_at.since(started_at).as_secs_f64(),
        waited_s: row.get::<_, i64>(12)? as f64 / 1e6,
        peak_memory_bytes: row.get::<_, Option<i64>>(13)?.map(|n| n as u64),
    })
}
