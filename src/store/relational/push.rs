//! Adding jobs, and making ready what is due.
//!
//! Invariant: `expiring` has a row for exactly the waiting jobs that can expire and have never started.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{OptionalExtension, Result, params};

use super::batch::{Batch, Waiting};
use super::ended::End;
use super::sql;
use crate::model::change::Reply;
use crate::model::processor::ProcessorRunState;
use crate::model::run_end::RunEnd;
use crate::model::{Cause, Holds, JobId, NewJob, ProcessorRunId, Pushed, TraceContext};

impl Batch<'_> {
    pub(in crate::store) fn push(&mut self, jobs: &[NewJob]) -> Result<Reply> {
        if let Some(full) = self.full_of(jobs)? {
            return Ok(full);
        }
        if jobs.iter().any(|job| job.after.is_some()) {
            return self.push_linked(jobs);
        }
        jobs.iter().map(|job| self.push_one(job, None)).collect::<Result<_>>().map(Reply::Pushed)
    }

    /// Pushes jobs of which some come after others; these have a place only when the ids of all are known.
    fn push_linked(&mut self, jobs: &[NewJob]) -> Result<Reply> {
        let standings = match self.check_links(jobs, true)? {
            Ok(standings) => standings,
            Err(bad) => return Ok(Reply::BadLink(bad)),
        };
        let (mut pushed, mut new, mut refs) = (Vec::with_capacity(jobs.len()), Vec::new(), HashMap::new());
        for (job, standings) in jobs.iter().zip(standings) {
            let holder = self.key_holder(job)?;
            let id = if let Some(id) = holder {
                id
            } else {
                let w = self.add_unplaced(job, None)?;
                new.push((w, job, standings));
                w.id
            };
            if let Some(name) = job.after.as_ref().and_then(|after| after.name.clone()) {
                refs.insert(name, id);
            }
            pushed.push(Pushed { id: JobId(id), deduplicated: holder.is_some(), batch: None });
        }
        for (w, job, standings) in new {
            match &job.after {
                Some(after) if !after.parents.is_empty() => {
                    self.link(w.id, after, &standings, &refs)?;
                    self.enter_linked(w, after.failed)?;
                }
                _ => self.enter_waiting(w)?,
            }
        }
        Ok(Reply::Pushed(pushed))
    }

    pub(in crate::store) fn push_one(&mut self, job: &NewJob, run: Option<ProcessorRunId>) -> Result<Pushed> {
        if let Some(id) = self.key_holder(job)? {
            return Ok(Pushed { id: JobId(id), deduplicated: true, batch: None });
        }
        let w = self.add_unplaced(job, run)?;
        self.enter_waiting(w)?;
        Ok(Pushed { id: JobId(w.id), deduplicated: false, batch: None })
    }

    /// The unfinished job that has the unique key of a new one.
    fn key_holder(&self, job: &NewJob) -> Result<Option<i64>> {
        let Some(key) = job.unique.as_deref() else { return Ok(None) };
        self.conn.prepare_cached(sql::UNIQUE_GET)?.query_row([key], |row| row.get(0)).optional()
    }

    /// Adds a job that waits, and is yet to be put where.
    pub(in crate::store) fn add_unplaced(&mut self, job: &NewJob, run: Option<ProcessorRunId>) -> Result<Waiting> {
        let w = self.add_job(job, run)?;
        self.change(w.queue).pushed += 1;
        if let Some(key) = job.unique.as_deref() {
            self.run(sql::UNIQUE_ADD, (key, w.id))?;
        }
        if let Some(expires_at) = job.expires_at {
            self.run(sql::EXPIRING_ADD, (expires_at.0, w.id))?;
        }
        Ok(w)
    }

    fn enter_waiting(&mut self, w: Waiting) -> Result<()> {
        if w.due_at > self.at.0 { self.enter_scheduled(w, None) } else { self.enter_ready(w) }
    }

    pub(in crate::store) fn add_job(&mut self, job: &NewJob, run: Option<ProcessorRunId>) -> Result<Waiting> {
        let queue = self.names.queue_or_new(self.conn, &job.queue, self.at)?;
        let kind = self.names.kind_or_new(self.conn, &job.kind)?;
        let nprio = -i64::from(job.priority);
        let due_at = job.due_at.unwrap_or(self.at).0;
        let timeout = job.timeout.map(micros);
        let label = job.label.as_deref().map(|name| self.label_or_new(name)).transpose()?;
        let id = self.new_job_id()?;
        self.conn.later(
            &mut self.hot.job_add,
            sql::JOB_ADD,
            params![
                id,
                queue,
                kind.id,
                &*job.args,
                nprio,
                due_at,
                job.expires_at.map(|t| t.0),
                timeout,
                job.max_attempts,
                job.unique.as_deref(),
                self.at.0,
                job.wait.map(micros),
                label,
                run.map(|run| run.0),
                job.pushed_in.as_deref().map(TraceContext::to_text),
                job.key.as_deref()
            ],
        )?;
        Ok(Waiting { queue, lane: kind.lane, nprio, due_at, id, tried: false })
    }

    fn label_or_new(&mut self, name: &str) -> Result<i64> {
        if let Some((_, id)) = self.label.as_ref().filter(|(last, _)| **last == *name) {
            return Ok(*id);
        }
        let found = self.conn.prepare_cached(sql::LABEL_ID)?.query_row([name], |row| row.get(0)).optional()?;
        let id = if let Some(id) = found { id } else { self.added(sql::LABEL_ADD, [name])? };
        self.label = Some((name.into(), id));
        Ok(id)
    }

    pub(in crate::store) fn promote(&mut self, limit: u32) -> Result<Reply> {
        let mut expired = Vec::new();
        for id in self.ids(sql::EXPIRING_DUE, (self.at.0, limit))? {
            if let Some(place) = self.place(id)? {
                self.leave_waiting(&place)?;
                self.expire(place.at, place.holds)?;
            }
            expired.push(JobId(id));
        }
        let mut opened = self.end_limits()?;
        let mut queues = BTreeSet::new();
        self.settle()?;
        self.settle_on(limit)?;
        for w in self.due(limit)? {
            self.leave_scheduled(w)?;
            self.enter_ready(w)?;
            queues.insert(w.queue);
        }
        let mut queues = queues.into_iter().map(|id| self.queue_name(id)).collect::<Result<Vec<_>>>()?;
        queues.append(&mut opened);
        queues.sort();
        queues.dedup();
        Ok(Reply::Promoted { queues, expired })
    }

    fn due(&mut self, limit: u32) -> Result<Vec<Waiting>> {
        let mut statement = self.conn.prepare_cached(sql::SCHEDULED_DUE)?;
        let mut rows = statement.query((self.at.0, limit))?;
        let mut due = Vec::new();
        while let Some(row) = &rows.next()? {
            let (due_at, id, tried) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let lane = self.names.lane_of(self.conn, row.get(5)?)?;
            due.push(Waiting { queue: row.get(3)?, lane, nprio: row.get(4)?, due_at, id, tried });
        }
        Ok(due)
    }

    /// A job that has left its place lapses.
    pub(in crate::store) fn expire(&mut self, w: Waiting, holds: Holds) -> Result<()> {
        let at = self.at;
        self.let_go(w.id, holds, || RunEnd::waiting(ProcessorRunState::Cancelled, Some("expired"), at))?;
        self.enter_ended((w.queue, w.id), End::cancelled(Cause::Expired, self.at))
    }
}

pub(in crate::store) fn micros(d: std::time::Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::change::{Change, Keep, Op, Request};
    use crate::model::{JobId, NewJob, UnixMicros};
    use crate::store::Store;
    use crate::store::sqlite::SqliteStore;

    fn labelled(label: &str) -> NewJob {
        NewJob { label: Some(label.into()), ..NewJob::new("t", "1") }
    }

    #[test]
    fn the_dictionary_has_the_labels_of_jobs_on_record_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&dir.path().join("q.db")).unwrap();
        let mut apply = |at: i64, ops: &[Op]| {
            store.apply(0, ops, UnixMicros(at)).unwrap();
            let mut read = store.conn.prepare("SELECT name FROM labels ORDER BY name").unwrap();
            read.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect::<Vec<String>>().join(" ")
        };
        let push = |labels: &[&str]| Request::Push(labels.iter().map(|l| labelled(l)).collect()).into();
        let delete = |id| Request::delete(JobId(id)).into();
        assert_eq!(apply(1, &[push(&["a", "a", "b"]), Request::Push(Arc::new([NewJob::new("t", "1")])).into()]), "a b");
        assert_eq!(apply(2, &[delete(1), delete(3)]), "a", "another job has it");
        assert_eq!(apply(3, &[push(&["b"]), delete(2), delete(5), push(&["b"])]), "b", "made anew within a batch");
        let keep = Keep {
            succeeded_since: UnixMicros(9),
            dead_since: UnixMicros(9),
            runs_since: UnixMicros(9),
            audit_since: UnixMicros(9),
            limit: 9,
        };
        let prune = Change::Prune { keep, served: Arc::default(), keep_runs: Arc::default() };
        assert_eq!(apply(4, &[Change::cancel(JobId(6)).into(), prune.clone().into()]), "", "past its time");
    }
}
