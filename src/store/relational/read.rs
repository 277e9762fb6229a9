//! The reading side: jobs, runs, workers and totals as records.
//!
//! Never writes; sees what is committed, beside a master or without one.

use std::fmt::Write as _;
use std::time::Duration;

use rusqlite::types::ToSql;
use rusqlite::{OptionalExtension as _, Result};

use super::conn::{Conn, Row};
use super::walk::ListRow as _;
use super::{
    audit, autoscale_log, batch_list, call_log, codes, ended, failures, generations, history, job_list, job_row,
    key_list, lanes, links, operations, processor_row, run_index, run_row, sql, table_rows, totals,
};
use crate::model::audit::DeedRecord;
use crate::model::autoscale::AutoscaleRecord;
use crate::model::batch::BatchRecord;
use crate::model::call_log::CallRecord;
use crate::model::graph::{Link, Side};
use crate::model::host::HostRecord;
use crate::model::key_record::KeyRecord;
use crate::model::operation::Operation;
use crate::model::processor::{ProcessorRecord, ProcessorRun};
use crate::model::table::TableRow;
use crate::model::worker::EndReason;
use crate::model::worker::signal_name;
use crate::model::{
    FailureRecord, Generation, JobId, JobRecord, JobState, ProcessorName, ProcessorRunId, QueueName, QueueTotals,
    RunId, RunRecord, Slot, UnixMicros, WorkerId, WorkerRecord,
};
use crate::store::postgres::members;
use crate::store::{
    AuditFilter, AutoscaleFilter, BatchFilter, CallFilter, DeadGroup, FailureFilter, History, HistoryFilter, JobFilter,
    KeyFilter, LastMaster, ProcessorRunFilter, Records, RunFilter, Slice, StoreError, WorkerFilter,
};

/// A reading connection, or what gives one.
pub(in crate::store) trait Asks {
    /// Asks a question, if need be more than once.
    fn ask<T>(&self, question: impl Fn(Conn<'_>) -> Result<T>) -> Result<T, StoreError>;
}

/// `workers.id`, downwards.
const WORKER: &str = "SELECT id, pool, slot, pid, generation, started_at, ended_at, reason, exit_code, signal, \
     jobs_done, peak_memory FROM workers WHERE true";

/// A statement put together from the parts of a filter.
pub(in crate::store) struct Query<'a> {
    text: String,
    params: Vec<Box<dyn ToSql + 'a>>,
}

impl<'a> Query<'a> {
    pub(in crate::store) fn new(text: String) -> Self {
        Self { text, params: Vec::new() }
    }

    pub(in crate::store) fn and<T: ToSql + 'a>(mut self, condition: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.params.push(Box::new(value));
            let number = self.params.len().to_string();
            self.text.extend([" AND ", condition, " ?", &number]);
        }
        self
    }

    /// A condition on two columns together.
    pub(in crate::store) fn and_pair(mut self, condition: &str, (first, second): (i64, i64)) -> Self {
        self.params.push(Box::new(first));
        self.params.push(Box::new(second));
        let number = self.params.len();
        let _ = write!(self.text, " AND {condition} (?{}, ?{number})", number - 1);
        self
    }

    /// A condition or an order without a value.
    pub(in crate::store) fn plus(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// The row after so many others.
    pub(in crate::store) fn nth<T>(
        mut self,
        conn: Conn<'_>,
        end: &str,
        n: u32,
        f: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.params.push(Box::new(n));
        let text = format!("{} {end} LIMIT 1 OFFSET ?{}", self.text, self.params.len());
        conn.prepare_cached(&text)?.query_row(&*self.params(), f).optional()
    }

    pub(in crate::store) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::store) fn params(&self) -> Vec<&dyn ToSql> {
        self.params.iter().map(AsRef::as_ref).collect()
    }

    pub(in crate::store) fn read<T>(
        mut self,
        conn: Conn<'_>,
        end: &str,
        limit: Option<u32>,
        f: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.params.push(Box::new(limit.map_or(i64::MAX, i64::from)));
        let text = format!("{} {end} LIMIT ?{}", self.text, self.params.len());
        conn.prepare_cached(&text)?.query_map(&*self.params(), f)?.collect()
    }
}

impl<A: Asks> Records for A {
    fn job(&mut self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.ask(|conn| job_row::find(conn, id))
    }

    fn jobs(&mut self, filter: &JobFilter) -> Result<Vec<JobRecord>, StoreError> {
        self.ask(|conn| job_list::jobs(conn, filter))
    }

    fn search(&mut self, filter: &JobFilter, within: Duration) -> Result<Slice<JobRecord, JobId>, StoreError> {
        self.ask(|conn| job_list::search(conn, filter, within))
    }

    fn job_ids(&mut self, filter: &JobFilter) -> Result<Vec<(JobId, JobState)>, StoreError> {
        self.ask(|conn| job_list::ids(conn, filter))
    }

    fn count(&mut self, filter: &JobFilter, within: Duration) -> Result<(u64, bool), StoreError> {
        self.ask(|conn| job_list::count(conn, filter, within))
    }

    fn links(&mut self, id: JobId, side: Side, limit: u32) -> Result<Vec<Link>, StoreError> {
        self.ask(|conn| links::links(conn, id, side, limit))
    }

    fn keys(&mut self, filter: &KeyFilter) -> Result<Vec<KeyRecord>, StoreError> {
        self.ask(|conn| key_list::list(conn, filter))
    }

    fn dead_groups(&mut self, queue: Option<&QueueName>, limit: usize) -> Result<(Vec<DeadGroup>, usize), StoreError> {
        self.ask(|conn| {
            let groups = ended::groups(conn, queue)?;
            let all = groups.len();
            let newest = |group: ended::Group| {
                let found = job_row::find(conn, group.newest)?;
                Ok(found.map(|newest| DeadGroup { jobs: group.jobs, newest }))
            };
            Ok((
                groups.into_iter().take(limit).filter_map(|group| newest(group).transpose()).collect::<Result<_>>()?,
                all,
            ))
        })
    }

    fn failures(&mut self, filter: &FailureFilter, now: UnixMicros) -> Result<Vec<FailureRecord>, StoreError> {
        self.ask(|conn| failures::list(conn, filter, now))
    }

    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        if !filter.text.is_empty() {
            return self.ask(|conn| run_index::search(conn, filter, None)).map(|slice| slice.found);
        }
        let filtered = filter.queue.is_some() || filter.outcome.is_some() || filter.since.is_some();
        if let (None, Some(limit), true) = (filter.job, filter.limit, filtered) {
            return self.ask(|conn| run_index::runs(conn, filter, limit));
        }
        self.ask(|conn| {
            let query = RunRecord::query("runs r", filter, true).and("r.id <", filter.before.map(|id| id.0));
            query.read(conn, "ORDER BY r.id DESC", filter.limit, run_row::read)
        })
    }

    fn search_runs(&mut self, filter: &RunFilter, within: Duration) -> Result<Slice<RunRecord, RunId>, StoreError> {
        if filter.text.is_empty() {
            return self.runs(filter).map(|runs| Slice::whole(runs, filter.limit, |run| run.id));
        }
        self.ask(|conn| run_index::search(conn, filter, Some(within)))
    }

    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError> {
        self.ask(|conn| {
            let query = Query::new(WORKER.to_owned())
                .and("pool =", filter.pool.as_deref())
                .and("pool || '-' || slot =", filter.worker.as_deref());
            query.read(conn, "ORDER BY id DESC", filter.limit, worker)
        })
    }

    fn processors(&mut self) -> Result<Vec<ProcessorRecord>, StoreError> {
        self.ask(|conn| processor_row::processors(conn, None))
    }

    fn processor(&mut self, name: &ProcessorName) -> Result<Option<ProcessorRecord>, StoreError> {
        self.ask(|conn| processor_row::processors(conn, Some(name)).map(|mut found| found.pop()))
    }

    fn processor_runs(&mut self, filter: &ProcessorRunFilter) -> Result<Vec<ProcessorRun>, StoreError> {
        self.ask(|conn| processor_row::runs(conn, filter))
    }

    fn processor_run(&mut self, id: ProcessorRunId) -> Result<Option<ProcessorRun>, StoreError> {
        self.ask(|conn| processor_row::run(conn, id))
    }

    fn hosts(&mut self) -> Result<Vec<HostRecord>, StoreError> {
        self.ask(|conn| if conn.is_remote() { members::hosts(conn) } else { Ok(Vec::new()) })
    }

    fn table_rows(&mut self) -> Result<Vec<TableRow>, StoreError> {
        self.ask(table_rows::list)
    }

    fn autoscale_log(&mut self, filter: &AutoscaleFilter) -> Result<Vec<AutoscaleRecord>, StoreError> {
        self.ask(|conn| autoscale_log::list(conn, filter))
    }

    fn operations(&mut self) -> Result<Vec<Operation>, StoreError> {
        self.ask(operations::list)
    }

    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<DeedRecord>, StoreError> {
        self.ask(|conn| audit::list(conn, filter))
    }

    fn batches(&mut self, filter: &BatchFilter) -> Result<Vec<BatchRecord>, StoreError> {
        self.ask(|conn| batch_list::list(conn, filter))
    }

    fn call_log(&mut self, filter: &CallFilter) -> Result<Vec<CallRecord>, StoreError> {
        self.ask(|conn| call_log::list(conn, filter))
    }

    fn history(&mut self, filter: &HistoryFilter) -> Result<History, StoreError> {
        self.ask(|conn| history::read(conn, filter))
    }

    fn queue_totals(&mut self) -> Result<Vec<QueueTotals>, StoreError> {
        self.ask(totals::read)
    }

    fn first_other(&mut self, queue: &QueueName) -> Result<Option<String>, StoreError> {
        self.ask(|conn| lanes::first_other(conn, queue))
    }

    fn store_id(&mut self) -> Result<String, StoreError> {
        self.ask(store_id)
    }

    fn last_master(&mut self) -> Result<Option<LastMaster>, StoreError> {
        self.ask(|conn| Ok(generations::last(conn)?.map(|last| last.master)))
    }
}

/// The random id of the store.
pub(in crate::store) fn store_id(conn: Conn<'_>) -> Result<String> {
    conn.prepare_cached(sql::STORE_ID)?.query_row([], |row| row.get(0))
}

pub(in crate::store) fn time(row: &Row<'_>, column: usize) -> Result<Option<UnixMicros>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UnixMicros))
}

fn worker(row: &Row<'_>) -> Result<WorkerRecord> {
    let (pool, slot): (String, u32) = (row.get(1)?, row.get(2)?);
    Ok(WorkerRecord {
        incarnation: WorkerId(row.get(0)?),
        id: format!("{pool}-{slot}"),
        pool,
        slot: Slot(slot),
        pid: row.get(3)?,
        generation: Generation(row.get(4)?),
        started_at: UnixMicros(row.get(5)?),
        ended_at: time(row, 6)?,
        reason: codes::maybe_word(&EndReason::ALL, row.get(7)?)?,
        exit_code: row.get(8)?,
        signal: row.get::<_, Option<i32>>(9)?.map(signal_name),
        jobs_done: row.get::<_, i64>(10)? as u64,
        peak_memory_bytes: row.get::<_, Option<i64>>(11)?.map(|n| n as u64),
        note: None,
    })
}
