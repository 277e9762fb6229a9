//! Actions of operators on jobs and queues, and the record of workers.
//!
//! Invariant: a running job is never changed here; its run must end first.

use rusqlite::{OptionalExtension, Result, params};

use super::batch::{Batch, Place, Waiting};
use super::{codes, sql};
use crate::model::change::{DeadJob, Reply, WorkerEnded, WorkerStarted};
use crate::model::worker::Exit;
use crate::model::{Cause, Counters, JobId, JobState, QueueName, UnixMicros};

impl Batch<'_> {
    fn changed(&mut self, place: &Place) -> Result<Reply> {
        Ok(Reply::Changed { was: place.state, queue: self.queue_name(place.at.queue)? })
    }

    pub(super) fn cancel(&mut self, job: JobId) -> Result<Reply> {
        let Some(place) = self.place(job.0)? else { return Ok(Reply::Missing) };
        if matches!(place.state, JobState::Ready | JobState::Scheduled) {
            self.leave_waiting(&place)?;
            if place.unique {
                self.free_unique(job.0)?;
            }
            self.enter_ended((place.at.queue, job.0), JobState::Cancelled, Cause::Cancelled, None, self.at)?;
        }
        self.changed(&place)
    }

    pub(super) fn retry(&mut self, job: JobId) -> Result<Reply> {
        let Some(place) = self.place(job.0)? else { return Ok(Reply::Missing) };
        match place.state {
            JobState::Scheduled => self.leave_waiting(&place)?,
            JobState::Dead | JobState::Cancelled => {
                if place.unique {
                    if let Some(by) = self.unique_holder(job.0)? {
                        return Ok(Reply::Held { by });
                    }
                    self.run(sql::UNIQUE_RETAKE, [job.0])?;
                }
                self.leave_ended(place.at.queue, job.0, place.state)?;
            }
            JobState::Ready | JobState::Running | JobState::Succeeded => return self.changed(&place),
        }
        self.put_tries(job.0, self.at.0, Counters::default(), None)?;
        self.enter_ready(Waiting { due_at: self.at.0, tried: true, ..place.at })?;
        self.changed(&place)
    }

    fn unique_holder(&self, job: i64) -> Result<Option<JobId>> {
        self.conn.prepare_cached(sql::UNIQUE_HOLDER)?.query_row([job], |row| row.get(0).map(JobId)).optional()
    }

    pub(super) fn retry_dead(
        &mut self,
        queue: Option<&QueueName>,
        after: Option<DeadJob>,
        limit: u32,
    ) -> Result<Reply> {
        let dead = codes::state(JobState::Dead);
        let DeadJob { at, id } = after.unwrap_or(DeadJob { at: UnixMicros(i64::MIN), id: JobId(0) });
        let found = match queue {
            None => self.dead_jobs(sql::DEAD_ALL, (dead, limit, at.0, id.0))?,
            Some(name) => match self.names.queue(self.conn, name)? {
                Some(queue) => self.dead_jobs(sql::DEAD_OF_QUEUE, (dead, limit, at.0, id.0, queue))?,
                None => Vec::new(),
            },
        };
        let (mut count, mut held) = (0, 0);
        for job in &found {
            match self.retry(job.id)? {
                Reply::Held { .. } => held += 1,
                _ => count += 1,
            }
        }
        Ok(Reply::Retried {
            count,
            held,
            next: found.last().copied().filter(|_| found.len() as u64 == u64::from(limit)),
        })
    }

    fn dead_jobs(&self, text: &str, params: impl rusqlite::Params) -> Result<Vec<DeadJob>> {
        let row = |row: &rusqlite::Row<'_>| Ok(DeadJob { at: UnixMicros(row.get(0)?), id: JobId(row.get(1)?) });
        self.conn.prepare_cached(text)?.query_map(params, row)?.collect()
    }

    pub(super) fn delete(&mut self, job: JobId) -> Result<Reply> {
        let Some(place) = self.place(job.0)? else { return Ok(Reply::Missing) };
        if place.state != JobState::Running {
            self.forget(&place)?;
            self.run(sql::RUNS_DELETE_OF_JOB, [job.0])?;
        }
        self.changed(&place)
    }

    /// Removes a job that is not running from every table but `runs`.
    pub(super) fn forget(&mut self, place: &Place) -> Result<()> {
        let id = place.at.id;
        self.leave_waiting(place)?;
        if matches!(place.state, JobState::Dead | JobState::Cancelled) {
            self.leave_ended(place.at.queue, id, place.state)?;
        }
        if place.unique {
            self.free_unique(id)?;
        }
        if place.at.tried {
            self.run(sql::TRIES_DELETE, [id])?;
        }
        self.run(sql::PROGRESS_DELETE, [id])?;
        self.delete_job(id)
    }

    pub(super) fn pause(&mut self, queue: &QueueName, paused: bool) -> Result<Reply> {
        let id = self.names.queue_or_new(self.conn, queue, self.at)?;
        self.change(id).used |= self.run(sql::QUEUE_PAUSE, (id, paused))? > 0;
        Ok(Reply::Done)
    }

    pub(super) fn worker_started(&mut self, w: &WorkerStarted) -> Result<Reply> {
        let generation = self.generation;
        self.run(sql::WORKER_ADD, params![w.worker.0, w.pool.as_str(), w.slot.0, w.pid, generation, w.at.0])?;
        self.high.worker = self.high.worker.max(w.worker.0);
        Ok(Reply::Done)
    }

    pub(super) fn worker_ended(&mut self, w: &WorkerEnded) -> Result<Reply> {
        let (code, signal) = match w.exit {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        let jobs_done = i64::try_from(w.jobs_done).unwrap_or(i64::MAX);
        let peak = w.peak_memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let reason = codes::reason(w.reason);
        self.run(sql::WORKER_END, params![w.worker.0, w.at.0, reason, code, signal, jobs_done, peak])?;
        Ok(Reply::Done)
    }
}
