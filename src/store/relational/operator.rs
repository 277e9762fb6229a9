//! Actions of operators on jobs and queues, and the record of workers.
//!
//! Invariant: a running job is never changed here; its run must end first.

use rusqlite::{OptionalExtension, Result, params};

use super::batch::{Batch, Place, Waiting};
use super::conn::Row;
use super::ended::End;
use super::push::micros;
use super::{codes, sql};
use crate::model::change::{Reply, WorkerEnded, WorkerStarted};
use crate::model::gauge::Mark;
use crate::model::order::Tell;
use crate::model::processor::ProcessorRunState;
use crate::model::run_end::RunEnd;
use crate::model::shift::FIXED_US;
use crate::model::worker::Exit;
use crate::model::{Cause, Counters, Holds, JobAction, JobId, JobState, QueueName, Setting, States};
use crate::store::postgres::members::RUNNING_ELSEWHERE;
use crate::store::postgres::orders;

impl Batch<'_> {
    pub(in crate::store) fn act(&mut self, job: JobId, only: States, action: &JobAction) -> Result<Reply> {
        let Some(mut place) = self.place(job.0)? else { return Ok(Reply::Missing) };
        let is_to_end = *action == JobAction::Cancel && only.has(JobState::Running) && place.state == JobState::Running;
        if is_to_end
            && let Some((member, host)) = self.elsewhere(job.0)?
            && let Some(order) = orders::cancel(self.conn, member, self.generation, (job, only))?
        {
            self.news.rung.push(member);
            return Ok(Reply::Elsewhere(host, order));
        }
        if only.and(action.is_for()).has(place.state) {
            match action {
                JobAction::Retry | JobAction::RetryAt(_) => {
                    let due_at = if let JobAction::RetryAt(at) = action { at.0 } else { self.at.0 };
                    if let Some(refused) = self.retry(&place, due_at.max(self.at.0))? {
                        return Ok(refused);
                    }
                }
                JobAction::Cancel => self.cancel_waiting(&place)?,
                JobAction::Delete => {
                    self.forget(&place)?;
                    self.run(sql::RUNS_DELETE_OF_JOB, [job.0])?;
                }
                JobAction::Set(setting) if setting.lapses(place.expires_at.filter(|_| !place.at.tried)) => {
                    return Ok(Reply::Lapses);
                }
                JobAction::Set(setting) => self.set(&mut place, setting)?,
            }
        }
        Ok(Reply::Changed { was: place.state, queue: self.queue_name(place.at.queue)? })
    }

    /// The member with its host that runs a job, if that is another one.
    fn elsewhere(&self, job: i64) -> Result<Option<(i64, String)>> {
        if !self.tells {
            return Ok(None);
        }
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.conn.prepare_cached(RUNNING_ELSEWHERE)?.query_row((job, self.generation), read).optional()
    }

    /// In a store of one master there is nobody.
    pub(in crate::store) fn tell_hosts(&mut self, tell: &Tell) -> Result<Reply> {
        match tell {
            _ if !self.conn.is_remote() => {}
            Tell::Answer { order, answer } => {
                let asker = orders::answer(self.conn, *order, answer)?;
                self.news.rung.extend(asker);
            }
            Tell::Serves(serves) => {
                orders::serve(self.conn, self.generation, serves)?;
                self.tell(|news| news.serves = Some(serves.clone()));
            }
            Tell::HearsEnds(hears) => orders::hear_ends(self.conn, self.generation, *hears)?,
        }
        Ok(Reply::Done)
    }

    fn cancel_waiting(&mut self, place: &Place) -> Result<()> {
        let id = place.at.id;
        self.leave_waiting(place)?;
        let at = self.at;
        self.let_go(id, place.holds, || RunEnd::waiting(ProcessorRunState::Cancelled, None, at))?;
        self.enter_ended((place.at.queue, id), End::cancelled(Cause::Cancelled, self.at))
    }

    /// The reason why it is not: another unfinished job has its unique key, or one that it comes after has failed.
    fn retry(&mut self, place: &Place, due_at: i64) -> Result<Option<Reply>> {
        let id = place.at.id;
        let is_held = match self.is_held(id)? {
            Ok(is_held) => is_held,
            Err((parent, is_gone)) => return Ok(Some(Reply::ParentFailed { parent, is_gone })),
        };
        if place.state == JobState::Scheduled {
            self.leave_waiting(place)?;
        } else {
            if !self.retake_key(id, place.holds)? {
                return Ok(self.unique_holder(id)?.map(|by| Reply::Held { by }));
            }
            self.leave_ended(place.at.queue, id, place.state)?;
            self.reopens(id)?;
            self.changes_fate(id)?;
        }
        self.put_tries(id, due_at, Counters::default(), None)?;
        let waiting = Waiting { due_at, tried: true, ..place.at };
        let wait = due_at - self.at.0;
        if is_held {
            self.enter_blocked(waiting)?;
        } else if wait > 0 {
            self.enter_scheduled(waiting, Some(wait))?;
        } else {
            self.enter_ready(waiting)?;
        }
        Ok(None)
    }

    /// False: another job has its unique key.
    pub(in crate::store) fn retake_key(&self, id: i64, holds: Holds) -> Result<bool> {
        if holds.unique {
            if self.unique_holder(id)?.is_some() {
                return Ok(false);
            }
            self.run(sql::UNIQUE_RETAKE, [id])?;
        }
        Ok(true)
    }

    fn unique_holder(&self, job: i64) -> Result<Option<JobId>> {
        self.conn.prepare_cached(sql::UNIQUE_HOLDER)?.query_row([job], |row| row.get(0).map(JobId)).optional()
    }

    /// Leaves `place` where the job is then.
    fn set(&mut self, place: &mut Place, setting: &Setting) -> Result<()> {
        let mut w = place.at;
        let mut wait = self
            .conn
            .prepare_cached(sql::SCHEDULED_WAIT)?
            .query_row((w.due_at, w.id), |r| r.get(0))
            .optional()?
            .flatten();
        self.leave_waiting(place)?;
        w.lane = place.own_lane;
        w.nprio = setting.priority.map_or(w.nprio, |priority| -i64::from(priority));
        if let Some(name) = &setting.queue {
            w.queue = self.names.queue_or_new(self.conn, name, self.at)?;
        }
        self.run(sql::JOB_MOVE, (w.id, w.queue, w.nprio))?;
        if let Some((due_at, delay)) = setting.due {
            w.due_at = due_at.0;
            let delay = delay.map(micros);
            if w.tried {
                self.run(sql::TRIES_DUE, (w.id, w.due_at))?;
                wait = Some(delay.unwrap_or(FIXED_US));
            } else {
                self.run(sql::JOB_DUE, (w.id, w.due_at))?;
                self.run(sql::JOB_WAIT, (w.id, delay))?;
            }
        }
        if let Some(expires_at) = place.expires_at.filter(|_| !w.tried) {
            self.run(sql::EXPIRING_ADD, (expires_at, w.id))?;
        }
        place.at = w;
        if place.state == JobState::Blocked {
            if wait.is_some() {
                self.run(sql::JOB_WAIT, (w.id, wait))?;
            }
            return self.enter_blocked(w);
        }
        if w.due_at > self.at.0 { self.enter_scheduled(w, wait) } else { self.enter_ready(w) }
    }

    /// Removes a job that is not running from every table but `runs`.
    pub(in crate::store) fn forget(&mut self, place: &Place) -> Result<()> {
        let id = place.at.id;
        self.leave_waiting(place)?;
        if matches!(place.state, JobState::Dead | JobState::Cancelled) {
            self.leave_ended(place.at.queue, id, place.state)?;
        }
        let at = self.at;
        self.let_go(id, place.holds, || RunEnd::waiting(ProcessorRunState::Cancelled, Some("deleted"), at))?;
        if place.at.tried {
            self.run(sql::TRIES_DELETE, [id])?;
        }
        self.run(sql::PROGRESS_DELETE, [id])?;
        self.delete_job(id)?;
        self.changes_fate(id)
    }

    pub(in crate::store) fn pause(&mut self, queue: &QueueName, paused: bool) -> Result<Reply> {
        let id = self.names.queue_or_new(self.conn, queue, self.at)?;
        if self.run(sql::QUEUE_PAUSE, (id, paused))? > 0 {
            self.change(id).used = true;
            self.add_mark(&Mark::pause(queue, paused, self.at))?;
        }
        self.tell(|news| _ = news.queues.insert(queue.clone()));
        Ok(Reply::Done)
    }

    pub(in crate::store) fn worker_started(&mut self, w: &WorkerStarted) -> Result<Reply> {
        let generation = self.generation;
        self.run(sql::WORKER_ADD, params![w.worker.0, w.pool.as_str(), w.slot.0, w.pid, generation, w.at.0])?;
        self.high.worker = self.high.worker.max(w.worker.0);
        Ok(Reply::Done)
    }

    pub(in crate::store) fn worker_ended(&mut self, w: &WorkerEnded) -> Result<Reply> {
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
